//! The second half of a payment's way: what was decided becomes frames of those it concerns.
//!
//! A provider that is connected and keeps up gets its frames from what is at hand. One that was away, or is slow, falls behind: its
//! frames are made from outbox records (those that are held, or older ones from the history) and the journal, elsewhere, and come back through `rendered`. Order is kept either way.

use adapters::message::Lane;
use ledger::journal::Storage;

use super::asking::{Told, is_open};
use super::{Pipeline, Question};
use crate::engine::effect::{Delivery, Effect, News};
use crate::entry::{Body, ParticipantId};
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
        for effect in &effects {
            match effect.delivery {
                // What is open waits for the history.
                Delivery::Reply { .. } if is_open(effect, floor) => {}
                Delivery::Reply { entry } => {
                    let (key, _) = self.ingress.origin_of(entry as usize);
                    self.sessions.write(key, |session| {
                        write_effect(session, Lane::Session, 0, effect, first_sequence, &self.ingress);
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
                        write_effect(session, lane, number, effect, first_sequence, &self.ingress);
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
        for Told { session, payment_id, status } in self.told.drain(..) {
            self.sessions.write(session, |session| {
                let head = session.plain_head();
                render::status(session.outgoing(), head, payment_id.bytes(), &status, &[]);
            });
        }
        for Question { session: key, payment_id, is_answer, .. } in self.questions.drain(..) {
            let participant = self.sessions.get(key).and_then(Session::participant);
            let Some(participant) = participant else { continue };
            let engine = &self.decisions.engine;
            let status = match is_answer {
                true => engine.status_for_payee(participant, payment_id),
                false => engine.status_for(participant, payment_id),
            };
            self.sessions.write(key, |session| {
                let head = session.plain_head();
                render::status(session.outgoing(), head, payment_id.bytes(), &status, &[]);
            });
        }
    }
}

/// Writes the frame of an effect of the batch that is at hand.
fn write_effect(session: &mut Session, lane: Lane, number: u64, effect: &Effect, first_sequence: u64, batch: &Ingress) {
    let head = session.numbered_head(lane, number);
    let source = match effect.source {
        0 => None,
        position => usize::try_from(position - first_sequence).ok().map(|place| batch.entry(place)),
    };
    let id = effect.payment_id.bytes();
    match (effect.news, source) {
        (News::Forward { deadline_ns }, Some((entry, private))) => {
            let Body::CreditTransfer(order, _) = entry.body else { unreachable!("a Forward comes of an order") };
            render::forward(session.outgoing(), head, order, deadline_ns, private);
        }
        (News::Status(status), source) => {
            let note = source.map_or(&[][..], |(_, private)| private);
            render::status(session.outgoing(), head, id, &status, note);
        }
        (News::Forward { .. }, None) => unreachable!("a Forward comes of an order in the same batch"),
        (News::Recheck, _) => unreachable!("a recheck is no message"),
    }
}
