//! How long the pipeline stood still when windows were closed. For whoever watches: nothing is decided by it.

use std::time::Instant;

use crate::engine::scheme::events::{Event, EventKind};

/// The names are keys of `switch serve --status-file`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CutOffTimes {
    /// Settlement windows that were closed since the start.
    pub windows_closed: u64,
    /// The longest that it took since the start to apply a batch in which any was, in microseconds: to decide it, and to hand over what is told of it.
    pub cut_off_us_longest: u64,
}

/// When the applying of a batch began.
pub(super) struct Began(Instant);

impl Began {
    #[allow(clippy::disallowed_methods, reason = "a figure for whoever watches; nothing is decided by it")]
    pub(super) fn now() -> Began {
        Began(Instant::now())
    }
}

impl CutOffTimes {
    /// A batch is applied, and these are its events.
    pub(super) fn note(&mut self, began: &Began, events: &[Event]) {
        let closed = events.iter().filter(|event| event.kind == EventKind::WindowClosed).count() as u64;
        if closed > 0 {
            let us = u64::try_from(began.0.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.windows_closed += closed;
            self.cut_off_us_longest = us.max(self.cut_off_us_longest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_batches_that_close_windows_count() {
        let mut times = CutOffTimes::default();
        let Began(at) = Began::now();
        let ago = |ms| Began(at.checked_sub(Duration::from_millis(ms)).expect("the machine has run for longer"));
        times.note(&ago(90), &[Event::of(EventKind::NetDetermined)]);
        assert_eq!(times, CutOffTimes::default());
        times.note(
            &ago(50),
            &[EventKind::WindowClosed, EventKind::NetDetermined, EventKind::WindowClosed].map(Event::of),
        );
        times.note(&ago(0), &[Event::of(EventKind::WindowClosed)]);
        assert_eq!(times.windows_closed, 3);
        assert!(times.cut_off_us_longest >= 50_000, "the longest is kept: {times:?}");
    }
}
