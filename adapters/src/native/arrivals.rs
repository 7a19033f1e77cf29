//! What of a provider's outbox has arrived: the cumulative numbers, and, where two connections bring them, what came before its turn.
//!
//! The application is handed each number once, in the order of its lane. With one connection the switch sends them so, and a number that is missing is an error of
//! the switch. With two they interleave, and come twice where a connection was cut: what is ahead of a gap is held until the gap closes.

use std::collections::BTreeMap;

use crate::limits::ARRIVALS_AHEAD_BYTES_MAX;
use crate::message::{Cursors, Lineage, OUTBOX_LANES};
use crate::native::frame::{self, Frame};
use crate::native::session::{Broken, Resume};

/// What to do with a numbered frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Its number is the next: it is counted, and to be handed out.
    Next,
    /// It was seen before.
    Seen,
    /// It is held until those before it have come.
    Held,
}

/// What has arrived.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    pub(super) lineage: Lineage,
    /// Everything up to here was handed out.
    pub(super) seen: Cursors,
    /// Whole frames ahead of a gap, by number; none where only one connection brings anything.
    ahead: Option<[BTreeMap<u64, Vec<u8>>; OUTBOX_LANES]>,
    ahead_bytes: usize,
}

impl Arrivals {
    /// Of one connection.
    pub(super) fn after(resume: Resume) -> Arrivals {
        Arrivals { lineage: resume.lineage, seen: resume.seen, ..Arrivals::default() }
    }

    /// Of two connections.
    pub(super) fn of_two_after(resume: Resume) -> Arrivals {
        Arrivals { ahead: Some(Default::default()), ..Arrivals::after(resume) }
    }

    /// What was handed out.
    pub(super) fn resume(&self) -> Resume {
        Resume { lineage: self.lineage, seen: self.seen }
    }

    /// Numbers of this lineage go on after these. Where they have begun anew, what is held means nothing.
    pub(super) fn go_on(&mut self, lineage: Lineage, after: Cursors, restarted: bool) {
        self.lineage = lineage;
        self.seen = after;
        if restarted {
            self.forget_ahead();
        }
    }

    /// What is held comes again when the next connection begins.
    pub(super) fn forget_ahead(&mut self) {
        self.ahead.iter_mut().flatten().for_each(BTreeMap::clear);
        self.ahead_bytes = 0;
    }

    /// Where a frame of an outbox lane belongs.
    pub(super) fn place(&mut self, frame: &Frame<'_>, lane_index: usize) -> Result<Place, Broken> {
        let number = frame.head.number;
        let expected = self.seen[lane_index].saturating_add(1);
        if number < expected {
            return Ok(Place::Seen);
        }
        if number == expected {
            self.seen[lane_index] = number;
            return Ok(Place::Next);
        }
        let Some(ahead) = &mut self.ahead else {
            return Err(Broken::Gap { lane: frame.head.lane, expected, received: number });
        };
        if ahead[lane_index].contains_key(&number) {
            return Ok(Place::Seen);
        }
        let mut bytes = Vec::new();
        frame::encode_raw(&mut bytes, frame.kind, frame.head, frame.routing, frame.private);
        self.ahead_bytes += bytes.len();
        if self.ahead_bytes > ARRIVALS_AHEAD_BYTES_MAX {
            return Err(Broken::TooFarAhead { lane: frame.head.lane, expected });
        }
        ahead[lane_index].insert(number, bytes);
        Ok(Place::Held)
    }

    /// Takes the frame that follows what was handed out, if it is held: it is counted, and to be handed out.
    pub(super) fn take_held(&mut self, lane_index: usize) -> Option<Vec<u8>> {
        let expected = self.seen[lane_index].saturating_add(1);
        let bytes = self.ahead.as_mut()?[lane_index].remove(&expected)?;
        self.seen[lane_index] = expected;
        self.ahead_bytes -= bytes.len();
        Some(bytes)
    }
}
