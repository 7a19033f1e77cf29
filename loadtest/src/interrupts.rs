//! Ctrl-C and SIGTERM: once ends the load and drains, twice ends the drain.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals. Once this exists they do not end the process by themselves.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    have_come: bool,
}

impl Interrupts {
    /// Listens from now on. Inside a tokio runtime.
    pub fn new() -> io::Result<Interrupts> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Interrupts { interrupt, terminate, have_come: false })
    }

    /// Has one come since it was last asked?
    pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_come = false;
        for signal in [&mut self.interrupt, &mut self.terminate] {
            while let Poll::Ready(Some(())) = signal.poll_recv(cx) {
                has_come = true;
            }
        }
        self.have_come |= has_come;
        has_come
    }

    /// Has one ever come?
    pub fn have_come(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll(cx);
        self.have_come
    }

    /// Waits for one.
    pub async fn wait(&mut self) {
        poll_fn(|cx| if self.poll(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}
