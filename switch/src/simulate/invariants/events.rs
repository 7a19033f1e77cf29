//! What the operator is told is one stream: its numbers follow each other without gap, and each event is what the auditor says that it is.

use super::{Finding, Turn};
use crate::engine::scheme::events::Event;
use crate::simulate::auditor::{Auditor, Happened};

pub(in super::super) const NAME: &str = "events without gap, and true";

/// Events of the last batch, which the auditor has seen, too.
pub(super) fn check(turn: &Turn<'_>) -> Finding {
    let engine = turn.pipeline.engine();
    let (newest, right) = (engine.scheme().events.newest(), turn.auditor.scheme().events().len() as u64);
    if newest != right {
        let events = turn.auditor.scheme().events();
        let last = &events[events.len().saturating_sub(3)..];
        let told = &engine.told().events;
        return Err(format!("the newest event is {newest}, it should be {right}: {told:?}; the auditor has {last:?}"));
    }
    check_list(&engine.told().events, turn.auditor)
}

/// These events, in order, each under its number.
pub(in super::super) fn check_list(events: &[Event], auditor: &Auditor) -> Finding {
    let mut last = None;
    for event in events {
        if last.is_some_and(|last| event.number != last + 1) {
            return Err(format!("event {} follows {last:?}", event.number));
        }
        last = Some(event.number);
        let place = usize::try_from(event.number - 1).unwrap_or(usize::MAX);
        match auditor.scheme().events().get(place) {
            Some(right) if *right == as_happened(event) => {}
            right => return Err(format!("{event:?} is told, it should be {right:?}")),
        }
    }
    Ok(())
}

fn as_happened(event: &Event) -> Happened {
    let &Event { number, position, time_ns, kind, participant, other, currency, .. } = event;
    let &Event { cycle, window, amount, code, detail, .. } = event;
    let kind = kind as u16;
    Happened { number, position, time_ns, kind, participant, other, currency, cycle, window, amount, code, detail }
}
