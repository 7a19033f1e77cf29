//! What the switch says of itself while it runs: one line of JSON in a file, written anew each second.
//!
//! For whoever watches from outside, a load test or an operator's script. The hot loop answers one question a second; a thread of its own does the rest.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::{HotLoopQueue, Message};
use crate::engine::PaymentCounts;
use crate::engine::presence::PresenceCounts;
use crate::log::local::DiskTimes;
use crate::pipeline::{CutOffTimes, Queues};
use crate::watermarks::Watermarks;

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(1);

/// The switch at one moment. The names of the keys are relied upon by scripts.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Status {
    /// Connections that are welcome or about to be.
    pub connections: usize,
    /// Bytes that wait for providers to take them.
    pub pending_bytes: usize,
    /// How many payments stand where.
    #[serde(flatten)]
    pub payments: PaymentCounts,
    /// Journal positions that have a place in the order.
    pub sequenced: u64,
    /// That are on disk.
    pub durable: u64,
    /// That are decided.
    pub applied: u64,
    /// That are in the history's files, so that memory may let them go.
    pub indexed: u64,
    /// How many participants can be paid, and why others cannot.
    #[serde(flatten)]
    pub presence: PresenceCounts,
    /// What waits, beside payments.
    #[serde(flatten)]
    pub queues: Queues,
    /// How long the journal waited for its disk; the longest wait is of the time since the line before.
    #[serde(flatten)]
    pub disk: DiskTimes,
    /// How long it stood still when windows were closed; the longest is of the time since the start, because cut-offs are rare.
    #[serde(flatten)]
    pub cut_offs: CutOffTimes,
}

impl Status {
    pub(super) fn new(
        connections: usize,
        pending_bytes: usize,
        (payments, presence): (PaymentCounts, PresenceCounts),
        watermarks: Watermarks,
        queues: Queues,
        disk: DiskTimes,
        cut_offs: CutOffTimes,
    ) -> Status {
        let Watermarks { sequenced, durable, applied, indexed } = watermarks;
        Status {
            connections,
            pending_bytes,
            payments,
            sequenced,
            durable,
            applied,
            indexed,
            presence,
            queues,
            disk,
            cut_offs,
        }
    }
}

/// The file, and the thread that writes it. Both end with this value.
pub struct StatusFile {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl StatusFile {
    /// Begins to write. An error where the file cannot be made.
    pub(super) fn start(queue: HotLoopQueue, path: &Path) -> io::Result<StatusFile> {
        // Beside the file, so that putting it in its place is one step and a reader never sees half a line.
        let mut next = path.as_os_str().to_owned();
        next.push(".next");
        let next = PathBuf::from(next);
        std::fs::write(&next, "")?;
        let (stop, stopped) = bounded(0);
        let path = path.to_owned();
        let write = move || while write_status(&queue, &next, &path) && goes_on(&stopped) {};
        let thread = std::thread::Builder::new().name("status".to_owned()).spawn(write)?;
        Ok(StatusFile { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for StatusFile {
    fn drop(&mut self) {
        self.stop = None;
        // It never panics, and nobody waits for what it would have written.
        self.thread.take().map(JoinHandle::join);
    }
}

/// Waits for the next time; false where there is none.
fn goes_on(stopped: &Receiver<()>) -> bool {
    stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout)
}

/// Asks the hot loop and writes its answer. False where it has ended.
fn write_status(queue: &HotLoopQueue, next: &Path, path: &Path) -> bool {
    let (reply, answer) = bounded(1);
    if queue.try_send(Message::Status(reply)).is_err() {
        // The queue is full: later.
        return true;
    }
    let status = match answer.recv_timeout(EVERY) {
        Ok(status) => status,
        Err(RecvTimeoutError::Timeout) => return true,
        Err(RecvTimeoutError::Disconnected) => return false,
    };
    let line = serde_json::to_string(&status).unwrap_or_default();
    // A file that cannot be written is its reader's loss, not the switch's.
    let _ = std::fs::write(next, line + "\n").and_then(|()| std::fs::rename(next, path));
    true
}
