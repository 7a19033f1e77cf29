//! A numbered frame says what the auditor has decided, word for word: the same payment or case, outcome, reason, time and position, and the
//! private part that its sender wrote. Both sides of a case are told the same of it.

use super::{Finding, Leaving};
use crate::simulate::provider::hex;

pub(in super::super) const NAME: &str = "told the truth";

pub(super) fn check(leaving: &mut Leaving<'_>) -> Finding {
    let frame = &leaving.frame;
    if frame.lane == 0 {
        return Ok(());
    }
    let lane = usize::from(frame.lane) - 1;
    let told = leaving.auditor.told(leaving.connection.provider, lane, frame.number);
    let told = told.ok_or_else(|| format!("number {} of lane {} is not to be told", frame.number, frame.lane))?;
    if frame.kind != told.kind {
        return Err(format!("number {} is a frame of kind {}, and not of {}", frame.number, frame.kind, told.kind));
    }
    same("what is told", frame.routing, &told.routing)?;
    same("the private part of what is told", frame.private, &told.private)
}

fn same(what: &str, said: &[u8], right: &[u8]) -> Finding {
    if said == right {
        return Ok(());
    }
    let id = said.first_chunk::<16>().map(hex).unwrap_or_default();
    Err(format!("{what} is not what was sent: {} bytes for {}, {id}", said.len(), right.len()))
}
