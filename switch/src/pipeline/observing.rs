//! What the switch itself observes and journals: who has come and who has gone, and what participants have acknowledged. An idle switch observes nothing new, and journals nothing.
//!
//! A participant that has no connection is journaled as absent after the grace; one that is absent and has a connection, as present once that has lasted. So for each
//! participant one thing at most is due:
//!
//! | journaled | it has a connection | due |
//! |---|---|---|
//! | present | yes | nothing |
//! | present | no | absent, `absence_grace_ms` after the last connection ended, or the switch started |
//! | absent | no | nothing |
//! | absent | yes | present, `presence_settle_ms` after the first connection began |
//!
//! A technical provider is paid by nobody, so nobody misses it.
//!
//! Cursors ride on a batch that is cut anyway, at most once a second; where none is, one is cut for them.

use std::collections::{BTreeSet, VecDeque};

use ledger::journal::Storage;

use super::Pipeline;
use crate::entry::{Acknowledged, EntryKind, ParticipantId, Presence, write_observation};
use crate::limits::{ACKNOWLEDGED_EVERY_NS, ACKNOWLEDGED_PER_BATCH_MAX, NS_PER_MS, PRESENCES_PER_BATCH_MAX};

/// How long the switch waits before it believes that a participant has gone, or has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceTimes {
    /// From the end of the last connection to `absent`, in milliseconds. `u64::MAX` is never.
    pub absence_grace_ms: u64,
    /// From the beginning of a connection to `present`, in milliseconds.
    pub presence_settle_ms: u64,
}

/// One participant, as it is observed.
#[derive(Clone, Copy, Default)]
struct Watched {
    is_live: bool,
    due_ns: Option<u64>,
}

/// Who has come and who has gone.
#[derive(Default)]
pub(super) struct Watch {
    /// By participant number less one.
    list: Vec<Watched>,
    /// What is due, by time.
    due: BTreeSet<(u64, ParticipantId)>,
}

impl Watch {
    /// A participant has a connection now, or none. It is journaled as absent, or not.
    fn note(&mut self, participant: ParticipantId, is_live: bool, is_absent: bool, due_ns: Option<u64>) {
        let watched = &mut self.list[participant.0 as usize - 1];
        if watched.is_live == is_live && watched.due_ns.is_some() {
            // Another connection beside one that is there already: the wait goes on.
            return;
        }
        watched.is_live = is_live;
        if let Some(due_ns) = watched.due_ns.take() {
            self.due.remove(&(due_ns, participant));
        }
        // What is journaled is right where these differ.
        if is_live == is_absent
            && let Some(due_ns) = due_ns
        {
            watched.due_ns = Some(due_ns);
            self.due.insert((due_ns, participant));
        }
    }

    /// Takes what is to be journaled by now: whose, and whether it is there.
    fn take_due(&mut self, now_ns: u64) -> Option<(ParticipantId, bool)> {
        self.next_ns().filter(|due_ns| *due_ns <= now_ns)?;
        let (_, participant) = self.due.pop_first()?;
        let watched = &mut self.list[participant.0 as usize - 1];
        watched.due_ns = None;
        Some((participant, watched.is_live))
    }

    /// When something is due next.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.due.first().map(|&(due_ns, _)| due_ns)
    }
}

/// Whose cursors have moved since they were journaled.
#[derive(Default)]
pub(super) struct Moved {
    /// Each once, in the order of moving.
    queue: VecDeque<ParticipantId>,
    /// When the first of them moved.
    since_ns: u64,
    /// When some were journaled last.
    journaled_ns: u64,
}

impl Moved {
    /// When they are to be journaled, whatever else happens.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let since_ns = self.since_ns.max(self.journaled_ns);
        (!self.queue.is_empty()).then(|| since_ns.saturating_add(ACKNOWLEDGED_EVERY_NS))
    }

    /// Are they to be journaled now, where a batch is cut anyway or is not?
    fn is_due(&self, now_ns: u64, is_cut: bool) -> bool {
        let may_ride = is_cut && now_ns >= self.journaled_ns.saturating_add(ACKNOWLEDGED_EVERY_NS);
        self.next_ns().is_some_and(|next_ns| may_ride || now_ns >= next_ns)
    }
}

impl<S: Storage> Pipeline<S> {
    /// Participants that came into the scheme are watched from now on.
    fn watch_new(&mut self, now_ns: u64) {
        while self.watch.list.len() < self.decisions.engine.participants_count() as usize {
            self.watch.list.push(Watched::default());
            let id = ParticipantId(u32::try_from(self.watch.list.len()).unwrap_or(u32::MAX));
            self.note_known(id, false, now_ns);
        }
    }

    /// A participant has a connection now, or has none any more.
    pub(super) fn note_presence(&mut self, participant: ParticipantId, is_live: bool, now_ns: u64) {
        self.watch_new(now_ns);
        self.note_known(participant, is_live, now_ns);
    }

    /// The same, of one that is watched already.
    fn note_known(&mut self, participant: ParticipantId, is_live: bool, now_ns: u64) {
        let Some(of) = self.decisions.engine.participant(participant).filter(|of| !of.is_technical) else { return };
        let is_absent = of.is_absent;
        let times = self.limits.presence;
        let wait_ms = if is_live { times.presence_settle_ms } else { times.absence_grace_ms };
        let due_ns = wait_ms.checked_mul(NS_PER_MS).and_then(|wait_ns| now_ns.checked_add(wait_ns));
        self.watch.note(participant, is_live, is_absent, due_ns);
    }

    /// What a participant has acknowledged may be more than what is journaled of it.
    pub(super) fn note_cursors(&mut self, participant: ParticipantId) {
        let Some(feed) = self.feeds.get_mut(participant).filter(|feed| !feed.has_moved) else { return };
        let journaled = self.decisions.engine.acknowledged(participant);
        feed.has_moved = feed.acknowledged().iter().zip(journaled).any(|(now, journaled)| *now > journaled);
        if feed.has_moved {
            if self.moved.queue.is_empty() {
                self.moved.since_ns = self.now_ns;
            }
            self.moved.queue.push_back(participant);
        }
    }

    /// Adds to the batch what was observed and is due. `is_cut` says whether there will be a batch anyway.
    pub(super) fn observe(&mut self, now_ns: u64, is_cut: bool) {
        self.watch_new(now_ns);
        for _ in 0..PRESENCES_PER_BATCH_MAX {
            let Some((participant, is_present)) = self.watch.take_due(now_ns) else { break };
            let presence = Presence { participant: participant.0, present: u8::from(is_present) };
            self.ingress.add_command(|out| write_observation(out, EntryKind::Presence, &presence.bytes()));
        }
        if self.moved.is_due(now_ns, is_cut || self.ingress.count() > 0) {
            self.add_cursors(now_ns);
        }
    }

    fn add_cursors(&mut self, now_ns: u64) {
        self.moved.journaled_ns = now_ns;
        for _ in 0..ACKNOWLEDGED_PER_BATCH_MAX {
            let Some(participant) = self.moved.queue.pop_front() else { return };
            let Some(feed) = self.feeds.get_mut(participant) else { continue };
            feed.has_moved = false;
            let journaled = self.decisions.engine.acknowledged(participant);
            // Who has lost its memory has acknowledged less than before. That bounds nothing.
            let acknowledged = feed.acknowledged();
            let cursors = std::array::from_fn(|lane| acknowledged[lane].max(journaled[lane]));
            if cursors != journaled {
                let acknowledged = Acknowledged { participant: participant.0, cursors };
                self.ingress.add_command(|out| write_observation(out, EntryKind::Acknowledged, &acknowledged.bytes()));
            }
        }
    }
}
