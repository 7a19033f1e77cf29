//! The second half of a payment's way: what was decided becomes frames of those it concerns.
//!
//! A provider that is connected and keeps up gets its frames from what is at hand. One that was away, or is slow, falls behind: its
//! frames are made from outbox records (those that are held, or older ones from the history) and the journal, elsewhere, and come back through `rendered`. Order is kept either way.

use adapters::message::{Lane, PaymentId};
use ledger::journal::Storage;

use super::asking::{Told, is_open};
use super::{Asks, Pipeline, Question};
use crate::engine::effect::{CaseNews, Delivery, Effect, News};
use crate::entry::ParticipantId;
use crate::ingress::Ingress;
use crate::limits::RENDER_RECORDS_MAX;
use crate::render::{self, RenderRequest, Rendered};
use crate::session::Session;

impl<S: Storage> Pipeline<S> {
    /// Everything that had arrived is decided now: frames written from here on say so.
    pub(super) fn acknowledge(&mut self) {
        for &key in &self.touched {
            if let Some(session) = self.sessions.get_mut(key) {
                session.decided_all();
            }
        }
    }

    /// Those who got no frame that said so get an `Ack`.
    pub(super) fn finish_acknowledging(&mut self) {
        for key in self.touched.drain(..) {
            self.sessions.write(key, Session::acknowledge);
        }
    }

    /// Writes the frames of the last batch's effects.
    pub(super) fn deliver(&mut self, first_sequence: u64) {
        let effects = std::mem::take(&mut self.decisions.effects);
        let floor = self.decisions.engine.floor();
        let time_ns = self.decisions.engine.time_ns();
        for effect in &effects {
            match effect.delivery {
                // What is open waits for the history.
                Delivery::Reply { .. } if is_open(effect, floor) => {}
                // It waits for the end of its delay class.
                Delivery::Reply { .. } if matches!(effect.news, News::LookedUp { .. }) => {}
                Delivery::Reply { entry } => {
                    let (key, _) = self.ingress.origin_of(entry as usize);
                    self.sessions.write(key, |session| {
                        let batch = BatchAtHand { first_sequence, time_ns, entries: &self.ingress };
                        write_effect(session, (Lane::Session, 0), effect, batch);
                    });
                }
                Delivery::Outbox { lane, number, .. } => {
                    let Some(feed) = self.feeds.get_mut(effect.participant).filter(|feed| feed.is_live()) else {
                        continue;
                    };
                    let has_room = |key| self.sessions.get(key).is_some_and(Session::has_room);
                    let Some(key) = feed.offer(lane, number, first_sequence, has_room) else {
                        self.fall_behind(effect.participant);
                        continue;
                    };
                    self.sessions.write(key, |session| {
                        let batch = BatchAtHand { first_sequence, time_ns, entries: &self.ingress };
                        write_effect(session, (lane, number), effect, batch);
                    });
                }
            }
        }
        self.decisions.effects = effects;
    }

    /// Notes that a participant may have older records to be sent.
    pub(super) fn fall_behind(&mut self, participant: ParticipantId) {
        let Some(feed) = self.feeds.get_mut(participant) else { return };
        if !std::mem::replace(&mut feed.is_behind, true) {
            self.behind.push(participant);
        }
    }

    /// Asks for the frames of those who are behind and have room.
    pub(super) fn catch_up(&mut self) {
        self.is_cut = false;
        let Pipeline { behind, feeds, sessions, decisions, to_render, .. } = self;
        behind.retain(|&participant| {
            let Some(feed) = feeds.get_mut(participant) else { return false };
            feed.is_behind = false;
            if !feed.is_live() {
                return false;
            }
            let has_room = feed.lines().any(|key| sessions.get(key).is_some_and(Session::has_room));
            let mut is_behind = false;
            let enqueued = decisions.outboxes.enqueued(participant);
            for (lane, enqueued) in Lane::OUTBOX.into_iter().zip(enqueued) {
                let is_lane_behind = feed.is_lane_behind(lane, enqueued);
                is_behind |= is_lane_behind;
                if is_lane_behind && has_room && feed.begin_rendering(lane) {
                    to_render.push_back((participant, lane, feed.life()));
                }
            }
            feed.is_behind = is_behind;
            is_behind
        });
    }

    /// What the renderer is to do next. At most one request for each lane of a participant is under way.
    pub fn take_render_request(&mut self) -> Option<RenderRequest> {
        loop {
            let (participant, lane, life) = self.to_render.pop_front()?;
            let Some(feed) = self.feeds.get_mut(participant).filter(|feed| feed.life() == life) else { continue };
            let outboxes = &self.decisions.outboxes;
            let Some(place) = lane.outbox_index() else { continue };
            let Some(wanted) = feed.wanted(lane, outboxes.enqueued(participant)[place]) else { continue };
            let count = usize::try_from(wanted.last - wanted.first + 1).unwrap_or(usize::MAX).min(RENDER_RECORDS_MAX);
            let first_number = wanted.first;
            let records = outboxes.after(participant, lane, first_number - 1, count);
            return Some(RenderRequest { participant, life, lane, first_number, count, records });
        }
    }

    /// Frames of older records are here.
    pub fn rendered(&mut self, rendered: &Rendered) {
        let Rendered { participant, life, lane, made, ref frames } = *rendered;
        let Some(feed) = self.feeds.get_mut(participant).filter(|feed| feed.life() == life) else { return };
        let has_room = |key| self.sessions.get(key).is_some_and(Session::has_room);
        if let Some(key) = feed.give_rendered(lane, made, has_room) {
            self.sessions.write(key, |session| session.outgoing().extend_from_slice(frames));
        }
    }

    /// Answers who has asked, and those for whom the history was asked. It comes after the batch, so that an order and a question about it may travel together.
    pub(super) fn answer_questions(&mut self) {
        for Told { session, id, news } in self.told.drain(..) {
            self.sessions.write(session, |session| write_reply(session, id, &news));
        }
        for Question { session: key, payment_id: id, asks, .. } in self.questions.drain(..) {
            let participant = self.sessions.get(key).and_then(Session::participant);
            let Some(participant) = participant else { continue };
            let engine = &self.decisions.engine;
            let case = engine.case_for(participant, id);
            // A payment that was accepted without being posted has a case under its own id.
            let (first, second) = match asks {
                Asks::Answer => (News::Status(engine.status_for_payee(participant, id)), None),
                Asks::CaseInput => (News::CaseStatus(case.unwrap_or(CaseNews::UNKNOWN)), None),
                Asks::Status if engine.find_payment(id).is_some() => {
                    (News::Status(engine.status_for(participant, id)), case.map(News::CaseStatus))
                }
                Asks::Status => (case.map_or(News::Status(engine.status_for(participant, id)), News::CaseStatus), None),
            };
            self.sessions.write(key, |session| {
                write_reply(session, id, &first);
                second.iter().for_each(|news| write_reply(session, id, news));
            });
        }
    }
}

/// Writes the frame of what is told without a number and without a note.
fn write_reply(session: &mut Session, id: PaymentId, news: &News) {
    let head = session.plain_head();
    let is_written = render::message(session.outgoing(), head, id.bytes(), news, None);
    assert!(is_written, "a reply says where something stands");
}

/// Writes the frame of an effect of the batch that is at hand.
fn write_effect(session: &mut Session, (lane, number): (Lane, u64), effect: &Effect, batch: BatchAtHand<'_>) {
    let head = session.numbered_head(lane, number);
    let BatchAtHand { first_sequence, time_ns, entries } = batch;
    let source = match effect.source {
        0 => None,
        position => usize::try_from(position - first_sequence).ok().map(|place| (entries.entry(place), position)),
    };
    let source = source.as_ref().map(|((entry, private), position)| {
        let at = render::Moment { time_ns, position: *position };
        render::Source { entry, private, at }
    });
    let is_written = render::message(session.outgoing(), head, effect.id.bytes(), &effect.news, source);
    assert!(is_written, "an effect comes of an entry of its batch");
}

/// The batch that was applied last.
#[derive(Clone, Copy)]
struct BatchAtHand<'a> {
    first_sequence: u64,
    time_ns: u64,
    entries: &'a Ingress,
}
