//! A numbered frame says what the auditor has decided, word for word: the same payment, outcome, reason, time and position, and the private
//! part that its sender wrote.

use super::{Finding, Leaving};
use crate::simulate::auditor::Told;
use crate::simulate::provider::hex;
use crate::simulate::wire::{self, kind};

pub(in super::super) const NAME: &str = "told the truth";

pub(super) fn check(leaving: &mut Leaving<'_>) -> Finding {
    let frame = &leaving.frame;
    if frame.lane == 0 {
        return Ok(());
    }
    let told = leaving.auditor.told(leaving.connection.provider, frame.number);
    match (frame.kind, told) {
        (kind::FORWARD, Some(Told::Forward { routing, private })) => {
            same("what is forwarded", frame.routing, routing)?;
            same("the private part of what is forwarded", frame.private, private)
        }
        (kind::STATUS, Some(Told::Status { status, note })) => {
            let said = wire::status(frame.routing).ok_or("a status of the wrong length")?;
            if said != *status {
                return Err(format!("number {} says {said:?}, and it is {status:?}", frame.number));
            }
            same("the note of a status", frame.private, note)
        }
        (kind, Some(_)) => Err(format!("number {} is a frame of kind {kind}", frame.number)),
        (_, None) => Err(format!("number {} is not to be told", frame.number)),
    }
}

fn same(what: &str, said: &[u8], right: &[u8]) -> Finding {
    if said == right {
        return Ok(());
    }
    let id = said.first_chunk::<16>().map(hex).unwrap_or_default();
    Err(format!("{what} is not what was sent: {} bytes for {}, {id}", said.len(), right.len()))
}
