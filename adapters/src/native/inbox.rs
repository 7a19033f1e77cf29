//! What the driver of a `Client` has for the provider: a bounded buffer with one writer and one reader.
//!
//! The reader takes all that is there at once, so one wake-up serves a whole batch. Behind a reader that does not come, the
//! driver stops receiving: the buffer grows by no more than what one read from the socket brings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::limits::EVENTS_WAITING_MAX;
use crate::native::client::Incoming;
use crate::native::session::Resume;

/// The writer's side.
pub(super) struct InboxWriter(Arc<Mutex<State>>);

/// The reader's side.
pub(super) struct InboxReader(Arc<Mutex<State>>);

/// Sees what was handed out.
#[derive(Clone)]
pub(super) struct InboxCursors(Arc<Mutex<State>>);

struct State {
    waiting: Vec<Incoming>,
    /// Seen once everything in `waiting` is handed out.
    received: Resume,
    handed_out: Resume,
    writer_gone: bool,
    reader_gone: bool,
    writer_waker: Option<Waker>,
    reader_waker: Option<Waker>,
}

/// An empty inbox.
pub(super) fn new(resume: Resume) -> (InboxWriter, InboxReader, InboxCursors) {
    let state = Arc::new(Mutex::new(State {
        waiting: Vec::new(),
        received: resume,
        handed_out: resume,
        writer_gone: false,
        reader_gone: false,
        writer_waker: None,
        reader_waker: None,
    }));
    (InboxWriter(state.clone()), InboxReader(state.clone()), InboxCursors(state))
}

/// No code under the lock can panic half-way through a change, so a poisoned lock still holds a whole state.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InboxWriter {
    /// Is there room? The task is woken when the reader has taken what filled the inbox, or is gone.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        state.writer_waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        let room = state.waiting.len() < EVENTS_WAITING_MAX || state.reader_gone;
        if room { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Hands over `batch`, which comes back empty, and wakes the reader.
    pub(super) fn push(&self, batch: &mut Vec<Incoming>, received: Resume) {
        let mut state = lock(&self.0);
        state.received = received;
        if state.reader_gone {
            batch.clear();
        } else if state.waiting.is_empty() {
            std::mem::swap(&mut state.waiting, batch);
        } else {
            state.waiting.append(batch);
        }
        let waker = if state.waiting.is_empty() { None } else { state.reader_waker.take() };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Will nobody read any more?
    pub(super) fn is_abandoned(&self) -> bool {
        lock(&self.0).reader_gone
    }
}

impl Drop for InboxWriter {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.writer_gone = true;
        let waker = state.reader_waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl InboxReader {
    /// Swaps `batch`, which must be empty, with what is there. False at the end.
    pub(super) fn poll_take(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Incoming>) -> Poll<bool> {
        assert!(batch.is_empty());
        let mut state = lock(&self.0);
        if state.waiting.is_empty() {
            if state.writer_gone {
                return Poll::Ready(false);
            }
            state.reader_waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        std::mem::swap(&mut state.waiting, batch);
        state.handed_out = state.received;
        // A writer that was not held up need not be woken.
        let waker = if batch.len() < EVENTS_WAITING_MAX { None } else { state.writer_waker.take() };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Poll::Ready(true)
    }
}

impl Drop for InboxReader {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.reader_gone = true;
        state.waiting.clear();
        let waker = state.writer_waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl InboxCursors {
    /// What the reader was handed.
    pub(super) fn handed_out(&self) -> Resume {
        lock(&self.0).handed_out
    }
}
