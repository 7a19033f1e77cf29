//! A stream whose writes leave together.
//!
//! HTTP writes each answer by itself and flushes it, which over TLS is a record and a system call each: 5 us and more, where many answers are ready at once. Here a flush does nothing; who
//! polls the connection releases all that was written since, when that poll is over. Nothing waits for a timer, and nothing is held back longer than it takes to make what leaves with it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is gathered before it leaves by itself: four TLS records.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// Memory that is kept where nothing waits: an idle connection has none to speak of.
const KEPT_BYTES_MAX: usize = 1024;

/// The stream, for whoever writes to it.
pub struct Gathered<S> {
    shared: Arc<Mutex<Shared<S>>>,
}

/// Lets go what was written.
pub struct Release<S> {
    shared: Arc<Mutex<Shared<S>>>,
}

struct Shared<S> {
    stream: S,
    waiting: Vec<u8>,
    /// So much of that has left.
    left: usize,
}

/// Gathers what is written to a stream until it is released.
pub fn gather<S>(stream: S) -> (Gathered<S>, Release<S>) {
    let shared = Arc::new(Mutex::new(Shared { stream, waiting: Vec::new(), left: 0 }));
    (Gathered { shared: Arc::clone(&shared) }, Release { shared })
}

/// Nothing under the lock can panic half-way, so a poisoned one still holds a whole state.
fn lock<S>(shared: &Mutex<Shared<S>>) -> MutexGuard<'_, Shared<S>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncWrite + Unpin> Release<S> {
    /// Ready once all that was written has left; pending where the peer takes no more now.
    pub fn poll_release(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.shared).poll_release(cx)
    }
}

impl<S: AsyncWrite + Unpin> Shared<S> {
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.left < self.waiting.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting[self.left..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.left += written;
        }
        self.left = 0;
        self.waiting.clear();
        self.waiting.shrink_to(KEPT_BYTES_MAX);
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.shared).stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut shared = lock(&self.shared);
        if shared.waiting.len() >= GATHERED_BYTES_MAX {
            ready!(shared.poll_release(cx))?;
        }
        shared.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.shared);
        ready!(shared.poll_release(cx))?;
        Pin::new(&mut shared.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_is_written_leaves_when_it_is_released_and_not_before() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut gathered, release) = gather(near);
        for part in ["one ", "two"] {
            gathered.write_all(part.as_bytes()).await.expect("the pipe takes it");
            gathered.flush().await.expect("the pipe takes it");
        }
        let mut read = [0; 7];
        let early = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(early, far.read(&mut read)).await.is_err());
        poll_fn(|cx| release.poll_release(cx)).await.expect("the pipe takes it");
        far.read_exact(&mut read).await.expect("the pipe takes it");
        assert_eq!(&read, b"one two");
        gathered.write_all(b"end").await.expect("the pipe takes it");
        gathered.shutdown().await.expect("the pipe takes it");
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.expect("the pipe takes it");
        assert_eq!(rest, b"end");
    }

    /// A peer that reads nothing stops who writes: what waits is bounded.
    #[tokio::test]
    async fn what_waits_is_bounded() {
        let (near, _far) = tokio::io::duplex(10);
        let (mut gathered, _release) = gather(near);
        let forever = async { while gathered.write_all(&[7; 1_000]).await.is_ok() {} };
        let stopped = tokio::time::timeout(std::time::Duration::from_millis(50), forever).await;
        assert!(stopped.is_err());
        assert!(lock(&gathered.shared).waiting.len() <= GATHERED_BYTES_MAX + 1_000);
    }
}
