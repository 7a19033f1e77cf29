//! One TLS connection over one socket, after its handshake: bytes in and out, in as few system calls as possible.
//!
//! Both ends use it. It owns the socket and the TLS state; it never looks into the bytes, never waits, and never sends before it
//! is told to flush: one write system call takes everything that was handed over since the last one.

use std::io::{self, BufRead, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::stages;

/// Bytes taken from the socket by one system call. rustls by itself reads 4 KiB at a time.
pub const READ_BYTES: usize = 64 * 1024;

/// A link whose socket belongs to no runtime: on its way from the thread that made the handshake to the one that will use it.
pub struct UnregisteredLink {
    socket: std::net::TcpStream,
    tls: Connection,
}

impl UnregisteredLink {
    /// From a socket in non-blocking mode.
    pub fn new(socket: std::net::TcpStream, tls: Connection) -> UnregisteredLink {
        UnregisteredLink { socket, tls }
    }

    /// Gives the socket to the runtime of the calling thread.
    pub fn register(self) -> io::Result<Link> {
        Ok(Link::new(TcpStream::from_std(self.socket)?, self.tls))
    }
}

/// One TLS connection.
pub struct Link {
    socket: TcpStream,
    tls: Connection,
    /// Plaintext handed over and not yet known to have left.
    pending_bytes: usize,
    /// The peer has said that nothing more comes.
    peer_has_closed: bool,
}

impl Link {
    /// A link over a connection whose handshake is done. Plaintext that came with the handshake's last flight is not lost.
    pub fn new(socket: TcpStream, mut tls: Connection) -> Link {
        // What may wait here is bounded by whoever calls `send`, who looks at `pending_bytes` first.
        tls.set_buffer_limit(None);
        Link { socket, tls, pending_bytes: 0, peer_has_closed: false }
    }

    /// Appends the plaintext that is there to `plaintext`, at most about `bytes_max` of it, using `scratch` for the socket:
    /// shared by many links, and as long as what one system call takes, at most `READ_BYTES`. Ready with the number of bytes appended, or 0 at the end of the
    /// stream; pending where nothing is there, and then the task is woken once something is.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        plaintext: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        let before = plaintext.len();
        drain_plaintext(&mut self.tls, plaintext)?;
        while plaintext.len() - before < bytes_max && !self.peer_has_closed {
            let mut received = ReadBuf::new(scratch);
            match stages::socket_read(|| Pin::new(&mut self.socket).poll_read(cx, &mut received)) {
                Poll::Pending if plaintext.len() == before => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(result) => result?,
            }
            if received.filled().is_empty() {
                break;
            }
            stages::tls_in(|| self.decrypt(received.filled(), plaintext))?;
        }
        Poll::Ready(Ok(plaintext.len() - before))
    }

    /// Feeds what came from the socket.
    fn decrypt(&mut self, mut ciphertext: &[u8], plaintext: &mut Vec<u8>) -> io::Result<()> {
        while !ciphertext.is_empty() && !self.peer_has_closed {
            self.tls.read_tls(&mut ciphertext)?;
            let state =
                self.tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            drain_plaintext(&mut self.tls, plaintext)?;
            self.peer_has_closed = state.peer_has_closed();
        }
        Ok(())
    }

    /// Encrypts `plaintext`; nothing leaves before `poll_flush`.
    pub fn send(&mut self, plaintext: &[u8]) -> io::Result<()> {
        stages::tls_out(|| self.tls.writer().write_all(plaintext))?;
        self.pending_bytes += plaintext.len();
        Ok(())
    }

    /// Says that nothing more will be sent; leaves with the next flush.
    pub fn send_close_notify(&mut self) {
        self.tls.send_close_notify();
    }

    /// Writes what waits. Ready once all of it has left, pending where the peer takes no more now.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            let mut socket = SocketWriter { socket: &mut self.socket, cx };
            match stages::tls_out(|| self.tls.write_tls(&mut socket)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => self.pending_bytes = self.pending_bytes.saturating_sub(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.pending_bytes = 0;
        Poll::Ready(Ok(()))
    }

    /// About how many bytes wait for the peer to take them; exactly 0 when nothing waits.
    pub fn pending_bytes(&self) -> usize {
        if self.tls.wants_write() { self.pending_bytes.max(1) } else { 0 }
    }
}

/// Moves decrypted bytes out of rustls, which holds at most one record of them.
fn drain_plaintext(tls: &mut Connection, plaintext: &mut Vec<u8>) -> io::Result<()> {
    let mut reader = tls.reader();
    loop {
        let chunk = match reader.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // A peer that cuts without close_notify: the end of the stream, as far as frames are concerned.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            return Ok(());
        }
        plaintext.extend_from_slice(chunk);
        let length = chunk.len();
        reader.consume(length);
    }
}

/// Lets rustls write many records with one system call.
struct SocketWriter<'a, 'b> {
    socket: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl Write for SocketWriter<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match stages::socket_write(|| Pin::new(&mut *self.socket).poll_write_vectored(self.cx, slices)) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
