//! One TLS connection over one socket, after its handshake: bytes in and out, in as few system calls as possible.
//!
//! Both ends use it. It owns the socket and the TLS state; it never looks into the bytes, never waits, and never sends before it
//! is told to flush: one write system call takes everything that was handed over since the last one.
//!
//! Within the switch's own process, where an adapter speaks for a provider whose TLS it has ended itself, a pipe in memory takes the place of socket and TLS.

use std::io::{self, BufRead, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

use crate::stages;

/// Bytes taken from the socket by one system call. rustls by itself reads 4 KiB at a time.
pub const READ_BYTES: usize = 64 * 1024;

/// A link whose socket belongs to no runtime: on its way from the thread that made the handshake to the one that will use it.
pub struct UnregisteredLink(Unregistered);

enum Unregistered {
    Tls(std::net::TcpStream, Box<Connection>),
    Pipe(DuplexStream),
}

impl UnregisteredLink {
    /// From a socket in non-blocking mode.
    pub fn new(socket: std::net::TcpStream, tls: Connection) -> UnregisteredLink {
        UnregisteredLink(Unregistered::Tls(socket, Box::new(tls)))
    }

    /// From a pipe within this process.
    pub fn within(pipe: DuplexStream) -> UnregisteredLink {
        UnregisteredLink(Unregistered::Pipe(pipe))
    }

    /// Gives the socket to the runtime of the calling thread.
    pub fn register(self) -> io::Result<Link> {
        match self.0 {
            Unregistered::Tls(socket, tls) => Ok(Link::new(TcpStream::from_std(socket)?, *tls)),
            Unregistered::Pipe(pipe) => Ok(Link::within(pipe)),
        }
    }
}

/// One connection.
pub struct Link {
    carrier: Carrier,
    /// Plaintext handed over and not yet known to have left.
    pending_bytes: usize,
    /// The peer has said that nothing more comes.
    peer_has_closed: bool,
}

/// What carries the bytes.
enum Carrier {
    Tls {
        socket: TcpStream,
        tls: Box<Connection>,
    },
    Pipe {
        pipe: DuplexStream,
        /// Handed over, and taken up to `taken`.
        outgoing: Vec<u8>,
        taken: usize,
        is_closing: bool,
    },
}

impl Link {
    /// A link over a connection whose handshake is done. Plaintext that came with the handshake's last flight is not lost.
    pub fn new(socket: TcpStream, mut tls: Connection) -> Link {
        // What may wait here is bounded by whoever calls `send`, who looks at `pending_bytes` first.
        tls.set_buffer_limit(None);
        Link { carrier: Carrier::Tls { socket, tls: Box::new(tls) }, pending_bytes: 0, peer_has_closed: false }
    }

    /// A link over a pipe within this process.
    pub fn within(pipe: DuplexStream) -> Link {
        let carrier = Carrier::Pipe { pipe, outgoing: Vec::new(), taken: 0, is_closing: false };
        Link { carrier, pending_bytes: 0, peer_has_closed: false }
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
        if let Carrier::Tls { tls, .. } = &mut self.carrier {
            drain_plaintext(tls, plaintext)?;
        }
        while plaintext.len() - before < bytes_max && !self.peer_has_closed {
            let mut received = ReadBuf::new(scratch);
            let read = match &mut self.carrier {
                Carrier::Tls { socket, .. } => stages::socket_read(|| Pin::new(socket).poll_read(cx, &mut received)),
                Carrier::Pipe { pipe, .. } => Pin::new(pipe).poll_read(cx, &mut received),
            };
            match read {
                Poll::Pending if plaintext.len() == before => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(result) => result?,
            }
            if received.filled().is_empty() {
                break;
            }
            match &mut self.carrier {
                Carrier::Tls { tls, .. } => {
                    self.peer_has_closed = stages::tls_in(|| decrypt(tls, received.filled(), plaintext))?;
                }
                Carrier::Pipe { .. } => plaintext.extend_from_slice(received.filled()),
            }
        }
        Poll::Ready(Ok(plaintext.len() - before))
    }

    /// Encrypts `plaintext`; nothing leaves before `poll_flush`.
    pub fn send(&mut self, plaintext: &[u8]) -> io::Result<()> {
        match &mut self.carrier {
            Carrier::Tls { tls, .. } => stages::tls_out(|| tls.writer().write_all(plaintext))?,
            Carrier::Pipe { outgoing, .. } => outgoing.extend_from_slice(plaintext),
        }
        self.pending_bytes += plaintext.len();
        Ok(())
    }

    /// Says that nothing more will be sent; leaves with the next flush.
    pub fn send_close_notify(&mut self) {
        match &mut self.carrier {
            Carrier::Tls { tls, .. } => tls.send_close_notify(),
            Carrier::Pipe { is_closing, .. } => *is_closing = true,
        }
    }

    /// Writes what waits. Ready once all of it has left, pending where the peer takes no more now.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tls { socket, tls } => {
                while tls.wants_write() {
                    let mut socket = SocketWriter { socket, cx };
                    match stages::tls_out(|| tls.write_tls(&mut socket)) {
                        Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                        Ok(written) => self.pending_bytes = self.pending_bytes.saturating_sub(written),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
            }
            Carrier::Pipe { pipe, outgoing, taken, is_closing } => {
                while *taken < outgoing.len() {
                    *taken += ready!(Pin::new(&mut *pipe).poll_write(cx, &outgoing[*taken..]))?;
                    self.pending_bytes = outgoing.len() - *taken;
                }
                outgoing.clear();
                *taken = 0;
                if *is_closing {
                    ready!(Pin::new(pipe).poll_shutdown(cx))?;
                }
            }
        }
        self.pending_bytes = 0;
        Poll::Ready(Ok(()))
    }

    /// About how many bytes wait for the peer to take them; exactly 0 when nothing waits.
    pub fn pending_bytes(&self) -> usize {
        match &self.carrier {
            Carrier::Tls { tls, .. } if tls.wants_write() => self.pending_bytes.max(1),
            Carrier::Tls { .. } => 0,
            Carrier::Pipe { .. } => self.pending_bytes,
        }
    }
}

/// Feeds what came from the socket. Has the peer said that nothing more comes?
fn decrypt(tls: &mut Connection, mut ciphertext: &[u8], plaintext: &mut Vec<u8>) -> io::Result<bool> {
    let mut peer_has_closed = false;
    while !ciphertext.is_empty() && !peer_has_closed {
        tls.read_tls(&mut ciphertext)?;
        let state = tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        drain_plaintext(tls, plaintext)?;
        peer_has_closed = state.peer_has_closed();
    }
    Ok(peer_has_closed)
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
