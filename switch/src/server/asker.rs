//! The thread that looks up payments which have left memory: it reads the history, so the hot loop need not.

use crossbeam::channel::{Receiver, Sender};
use ledger::journal::Storage;

use super::{HotLoopQueue, Message, ServerError};
use crate::history::{HistoryAnswer, HistoryAsker, HistoryQuestion};

pub(super) struct AskerThread<S: Storage> {
    pub(super) asker: HistoryAsker<S>,
    pub(super) questions: Receiver<HistoryQuestion>,
    pub(super) answers: Sender<HistoryAnswer>,
    pub(super) queue: HotLoopQueue,
}

impl<S: Storage> AskerThread<S> {
    /// Runs until the hot loop has ended. Answers leave in the order of the questions.
    pub(super) fn run(self) {
        while let Ok(question) = self.questions.recv() {
            match self.asker.answer(question) {
                Ok(answer) => {
                    if self.answers.send(answer).is_err() {
                        return;
                    }
                    self.queue.wake.notify_one();
                }
                Err(fault) => {
                    self.queue.send(Message::Failed(ServerError::History(fault)));
                    return;
                }
            }
        }
    }
}
