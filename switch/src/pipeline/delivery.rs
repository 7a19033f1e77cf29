//! The second half of a payment's way: what was decided becomes frames of those it concerns.
//!
//! A provider that is connected and keeps up gets its frames from what is at hand. One that was away, or is slow, falls behind: its
//! frames are made from outbox records (those that are held, or older ones from the history) and the journal, elsewhere, and come back through `rendered`. Order is kept either way.

use adapters::message::{Lane, PaymentId};
use ledger::journal::Storage;

use super::asking::{Told, is_open};
use super::{Asks, Pipeline, Question};
use crate::engine::effect::{CaseNews, Delivery, Effect, News};
use crate::ingress::Ingress;
use crate::limits::RENDER_RECORDS_MAX;
use crate::render::{self, RenderRequest, Rendered};
use crate::session::{Session, SessionKey};

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
                Delivery::Reply { entry } => {
                    let (key, _) = self.ingress.origin_of(entry as usize);
                    self.sessions.write(key, |session| {
                        let batch = BatchAtHand { first_sequence, time_ns, entries: &self.ingress };
                        write_effect(session, (Lane::Session, 0), effect, batch);
                    });
                }
                Delivery::Outbox { lane, number, .. } => {
                    let Some(key) = *self.live_slot(effect.participant) else { continue };
                    if !self.is_next(key, lane, number) {
                        self.fall_behind(key);
                        continue;
                    }
                    self.sessions.write(key, |session| {
                        session.lanes[lane as usize - 1].sent = number;
                        let batch = BatchAtHand { first_sequence, time_ns, entries: &self.ingress };
                        write_effect(session, (lane, number), effect, batch);
                    });
                }
            }
        }
        self.decisions.effects = effects;
    }

    /// Has this connection everything before `number`, and room for it?
    fn is_next(&self, key: SessionKey, lane: Lane, number: u64) -> bool {
        self.sessions.get(key).is_some_and(|session| {
            let state = &session.lanes[lane as usize - 1];
            state.sent + 1 == number && session.has_room()
        })
    }

    /// Notes that a connection may have older records to be sent.
    pub(super) fn fall_behind(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if !std::mem::replace(&mut session.is_behind, true) {
            self.behind.push(key);
        }
    }

    /// Asks for the frames of those who are behind and have room.
    pub(super) fn catch_up(&mut self) {
        let Pipeline { behind, sessions, decisions, to_render, .. } = self;
        behind.retain(|&key| {
            let Some(session) = sessions.get_mut(key) else { return false };
            let Some(participant) = session.participant() else { return false };
            let has_room = session.has_room();
            let mut is_behind = false;
            let enqueued = decisions.outboxes.enqueued(participant);
            for ((state, lane), enqueued) in session.lanes.iter_mut().zip(Lane::OUTBOX).zip(enqueued) {
                is_behind |= state.sent < enqueued;
                if state.sent < enqueued && has_room && !state.is_rendering {
                    state.is_rendering = true;
                    to_render.push_back((key, lane));
                }
            }
            session.is_behind = is_behind;
            is_behind
        });
    }

    /// What the renderer is to do next. At most one request for each lane of each connection is under way.
    pub fn take_render_request(&mut self) -> Option<RenderRequest> {
        loop {
            let (session, lane) = self.to_render.pop_front()?;
            let Some(state) = self.sessions.get(session) else { continue };
            let Some(participant) = state.participant() else { continue };
            let after = state.lanes[lane as usize - 1].sent;
            let records = self.decisions.outboxes.after(participant, lane, after, RENDER_RECORDS_MAX);
            return Some(RenderRequest { session, participant, lane, first_number: after + 1, records });
        }
    }

    /// Frames of older records are here.
    pub fn rendered(&mut self, rendered: &Rendered) {
        self.sessions.write(rendered.session, |session| {
            let state = &mut session.lanes[rendered.lane as usize - 1];
            assert!(state.is_rendering && state.sent < rendered.through);
            state.is_rendering = false;
            state.sent = rendered.through;
            if session.participant().is_some() {
                session.outgoing().extend_from_slice(&rendered.frames);
            }
        });
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
