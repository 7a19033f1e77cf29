//! Who does the builder's work: the owner, at once or in portions, or a thread beside it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use super::build::{Builder, Published};
use super::fault::IndexFault;
use super::files::FileSet;
use super::keys::ENTRY_BYTES;
use super::pace::Waiting;
use super::run::Run;
use super::{IndexSchema, IndexWork};
use crate::journal::Storage;
use crate::limits::INDEX_MERGE_STEP_BYTES;

pub(crate) enum Work<S: Storage, X> {
    Inline(Box<Builder<S, X>>),
    Portions { builder: Box<Builder<S, X>>, runs: VecDeque<Arc<Run>> },
    Beside { runs: Option<Sender<Arc<Run>>>, waiting: Waiting, is_owner_waiting: bool, thread: Option<JoinHandle<()>> },
}

impl<S: Storage, X: IndexSchema> Work<S, X> {
    pub(crate) fn start(mut builder: Builder<S, X>, work: IndexWork) -> Result<Work<S, X>, IndexFault> {
        match work {
            IndexWork::Inline => return Ok(Work::Inline(Box::new(builder))),
            IndexWork::Portions => return Ok(Work::Portions { builder: Box::new(builder), runs: VecDeque::new() }),
            IndexWork::Beside => {}
        }
        let (runs, asked) = channel();
        let waiting = Waiting::default();
        builder.set_pace(waiting.pace());
        let seen = waiting.clone();
        let storage = builder.storage().clone();
        let thread = std::thread::Builder::new()
            .name("index-build".to_owned())
            .spawn(move || work_through(builder, &Runs { asked, waiting: seen }))
            .map_err(IndexFault::on(&storage, "start a thread for", "."))?;
        Ok(Work::Beside { runs: Some(runs), waiting, is_owner_waiting: false, thread: Some(thread) })
    }

    /// Takes a run that is cut. A fault is published, and met by the owner when it looks.
    pub(crate) fn take(&mut self, run: Arc<Run>, published: &Published) {
        match self {
            Work::Inline(builder) => {
                if let Err(fault) = build_and_merge(builder, &run) {
                    published.set_fault(fault);
                }
            }
            Work::Portions { runs, .. } => runs.push_back(run),
            Work::Beside { runs, waiting, .. } => {
                waiting.one_more();
                let runs = runs.as_ref().expect("they are taken only when the work ends");
                // A thread that has ended has said why.
                let _ = runs.send(run);
            }
        }
    }

    /// The next portion, where the owner does it in portions: new runs first. False when there is nothing to do. After a fault nothing
    /// is done any more.
    pub(crate) fn do_portion(&mut self, published: &Published) -> bool {
        let Work::Portions { builder, runs } = self else { return false };
        if published.lock().fault.is_some() {
            return false;
        }
        let done = match runs.pop_front() {
            Some(run) => builder.build(&run).map(|()| true),
            None => builder.step(),
        };
        done.unwrap_or_else(|fault| {
            published.set_fault(fault);
            false
        })
    }

    /// The owner waits for files, or no longer does, and goes on meanwhile.
    pub(crate) fn hurry(&mut self, is_waited_for: bool) {
        let Work::Beside { waiting, is_owner_waiting, .. } = self else { return };
        match (std::mem::replace(is_owner_waiting, is_waited_for), is_waited_for) {
            (false, true) => waiting.one_more(),
            (true, false) => waiting.one_less(),
            _ => {}
        }
    }

    /// Waits until `is_enough`, or until there is a fault. Who works in portions waits for itself.
    pub(crate) fn wait(&mut self, published: &Published, is_enough: impl Fn(&FileSet) -> bool) {
        while !is_enough(&published.files()) && self.do_portion(published) {}
        let Work::Beside { waiting, .. } = self else { return published.wait(is_enough) };
        waiting.one_more();
        published.wait(is_enough);
        waiting.one_less();
    }
}

fn build_and_merge<S: Storage, X: IndexSchema>(builder: &mut Builder<S, X>, run: &Run) -> Result<(), IndexFault> {
    builder.build(run)?;
    while builder.step()? {}
    Ok(())
}

/// The thread: new runs first, and a portion of making files of keys whenever there is none.
fn work_through<S: Storage, X: IndexSchema>(mut builder: Builder<S, X>, runs: &Runs) {
    let mut ending = Ending { published: builder.published(), fault: Some(IndexFault::Ended) };
    ending.fault = serve(&mut builder, runs).err();
}

fn serve<S: Storage, X: IndexSchema>(builder: &mut Builder<S, X>, runs: &Runs) -> Result<(), IndexFault> {
    let mut is_merging = true;
    // Portions of merging that are due before the next run, or runs that never cease would leave merging no time at all, and
    // every question ever more filters.
    let mut due = 0;
    loop {
        if is_merging && due > 0 {
            due -= 1;
            is_merging = builder.step()?;
            continue;
        }
        match runs.next(is_merging) {
            Ok(run) => {
                builder.build(&run)?;
                is_merging = true;
                due = merge_steps_due(run.span.records, builder.tiers());
            }
            Err(TryRecvError::Empty) => is_merging = builder.step()?,
            // A merge that is under way is begun anew by the next start.
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
    }
}

/// Runs that are to be written.
struct Runs {
    asked: Receiver<Arc<Run>>,
    waiting: Waiting,
}

impl Runs {
    /// The next run. Who has nothing else to do waits for it.
    fn next(&self, has_else_to_do: bool) -> Result<Arc<Run>, TryRecvError> {
        let run = match has_else_to_do {
            true => self.asked.try_recv()?,
            false => self.asked.recv().map_err(|_| TryRecvError::Disconnected)?,
        };
        self.waiting.one_less();
        Ok(run)
    }
}

/// So many steps that the keys of a run can be written once into each tier that there is, and read once or twice for larger overviews, which costs half of writing. Filters and tables add a
/// sixth to keys, so for up to six tiers one more is enough. With more steps keys would be merged sooner than they have to be, while runs wait.
fn merge_steps_due(records: u64, tiers: u64) -> u64 {
    (records * ENTRY_BYTES as u64 * (tiers + 2)).div_ceil(INDEX_MERGE_STEP_BYTES as u64)
}

/// Says why the thread has ended, so that nobody waits for it for ever, not even after a panic.
struct Ending {
    published: Arc<Published>,
    fault: Option<IndexFault>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(fault) = self.fault.take() {
            self.published.set_fault(fault);
        }
    }
}

impl<S: Storage, X> Drop for Work<S, X> {
    /// Waits for the thread, so that a directory that is opened next is not written by the one before.
    fn drop(&mut self) {
        if let Work::Beside { runs, waiting, thread, .. } = self {
            // From here on this waits for the thread.
            waiting.one_more();
            drop(runs.take());
            if let Some(thread) = thread.take() {
                // A panic there has been reported there; here it changes nothing more.
                let _ = thread.join();
            }
        }
    }
}
