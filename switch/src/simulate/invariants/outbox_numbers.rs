//! On one connection every number of a lane follows the one before it: no gap, no repetition, and it goes on where `Welcome` said.

use super::{Finding, Leaving};
use crate::simulate::wire::{self, kind};

pub(in super::super) const NAME: &str = "outbox numbers without gap or repeat";

pub(super) fn check(leaving: &mut Leaving<'_>) -> Finding {
    let (frame, connection) = (&leaving.frame, &mut leaving.connection);
    if frame.kind == kind::WELCOME {
        connection.last_numbers = Some(std::array::from_fn(|lane| wire::u64_at(frame.routing, 16 + 8 * lane)));
        return Ok(());
    }
    if frame.lane == 0 {
        return if frame.number == 0 { Ok(()) } else { Err(format!("a reply has number {}", frame.number)) };
    }
    if frame.lane > 2 {
        return Err(format!("lane {} is used by nobody", frame.lane));
    }
    let lasts = connection.last_numbers.as_mut().ok_or("a numbered frame before Welcome")?;
    let last = &mut lasts[usize::from(frame.lane) - 1];
    if frame.number != *last + 1 {
        return Err(format!("number {} of lane {} follows {last}", frame.number, frame.lane));
    }
    *last = frame.number;
    Ok(())
}
