//! Nothing is told before it is durable: what a numbered frame says follows from batches that no power cut can take away.

use super::{Finding, Leaving};
use crate::simulate::wire::{self, kind};

pub(in super::super) const NAME: &str = "told after durable";

pub(super) fn check(leaving: &mut Leaving<'_>) -> Finding {
    let (frame, auditor) = (&leaving.frame, leaving.auditor);
    let provider = leaving.connection.provider;
    let told = auditor.told_counts(provider);
    let told = usize::from(frame.lane).checked_sub(1).and_then(|lane| told.get(lane).copied());
    if let Some(told) = told.filter(|told| frame.number > *told) {
        return Err(format!("number {} leaves, of {told} that follow from what is on disk", frame.number));
    }
    let position = match frame.kind {
        kind::STATUS => wire::status(frame.routing).map_or(0, |status| status.position),
        kind::CASE_STATUS => wire::case_status(frame.routing).map_or(0, |status| status.position),
        _ => 0,
    };
    if position > auditor.through() {
        return Err(format!("position {position} is told, {} is on disk", auditor.through()));
    }
    Ok(())
}
