//! Walking a journal from its beginning, no further than it must be.

use std::ops::ControlFlow;

use ledger::journal::{DiskStorage, JournalFault, scan};

use super::Ended;
use crate::books::Books;
use crate::engine::Batch;

/// Hands every batch to `visit`, in order, each checked and chained to all before it, until that breaks or the journal ends. A torn
/// tail is an end: nobody was told what it holds.
pub(in crate::cli) fn walk(
    storage: &DiskStorage,
    mut visit: impl FnMut(Batch<'_>) -> Result<ControlFlow<()>, Ended>,
) -> Result<(), Ended> {
    let mut stopped = None;
    let scanned = scan(storage, |batch| {
        let batch = Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload };
        match visit(batch) {
            Ok(ControlFlow::Continue(())) => Ok(()),
            Ok(ControlFlow::Break(())) => {
                stopped = Some(Ok(()));
                Err(String::new())
            }
            Err(ended) => {
                stopped = Some(Err(ended));
                Err(String::new())
            }
        }
    });
    match stopped {
        Some(ended) => ended,
        None => scanned.map(|_| ()).map_err(Ended::from),
    }
}

/// Applies a batch to the books. What they cannot take is damage: it was written by another program, or by one with a bug.
pub(in crate::cli) fn apply(books: &mut Books, batch: Batch<'_>) -> Result<(), Ended> {
    books.apply(batch).map_err(|inapplicable| {
        let reason = inapplicable.to_string();
        Ended::from(JournalFault::NotTaken { first_sequence: batch.first_sequence, reason })
    })
}

/// The books after all batches up to the first whose time is too late.
pub(super) fn read_books(storage: &DiskStorage, is_too_late: impl Fn(u64) -> bool) -> Result<Books, Ended> {
    let mut books = Books::default();
    walk(storage, |batch| {
        if is_too_late(batch.time_ns) {
            return Ok(ControlFlow::Break(()));
        }
        apply(&mut books, batch).map(ControlFlow::Continue)
    })?;
    Ok(books)
}
