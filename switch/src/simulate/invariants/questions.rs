//! An answer of the history settles its question: an outcome proves itself; that there is none counts only if the files reached what memory had let go when
//! the question was put. Who asks earlier asks again and again, as fast as the history can answer.

use super::Finding;
use crate::history::HistoryAnswer;

pub(in super::super) const NAME: &str = "the history is asked what it can know";

/// `floor` is the window's floor at the time of the question.
pub(in super::super) fn check(answer: &HistoryAnswer, floor: u64) -> Finding {
    if answer.outcome.is_some() || answer.checked_through >= floor {
        return Ok(());
    }
    Err(format!(
        "position {floor} had left memory when the history was asked, and its answer reaches {} only",
        answer.checked_through
    ))
}
