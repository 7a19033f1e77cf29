//! What memory cannot answer, and the history must be asked: ids that may be older than the window.
//!
//! ```text
//!   an order, before it is sequenced ---- filters: nothing ----> the batch, checked through what is indexed
//!                                    ---- filters: perhaps ---> WAITING --question--> history, elsewhere
//!   a question about what is not held -- filters: perhaps ---->    |                      |
//!   an order that got a recheck ------------------------------>    | <------answer--------+
//!                                                                   +-- an outcome: it is told, unjournaled
//!                                                                   +-- none: an order goes into the batch, a question is answered after it
//! ```
//!
//! A frame that waits holds its connection's acknowledgement back. Answers come in the order of the questions.

use std::collections::VecDeque;

use adapters::check::Refusal;
use adapters::message::{CaseState, CreditTransfer, ErrorCode, NO_ID, Outcome, Part, PaymentId};
use ledger::journal::Storage;

use super::directing::AliasOrder;
use super::{Asks, Pipeline, Question};
use crate::engine::effect::{CaseNews, Delivery, Effect, News};
use crate::entry::{Body, EntryKind, ParticipantId};
use crate::history::{HistoryAnswer, HistoryQuestion};
use crate::session::SessionKey;

/// A frame that waits for the history.
pub(super) struct Asked {
    pub(super) session: SessionKey,
    /// The frame's number.
    pub(super) number: u64,
    pub(super) participant: ParticipantId,
    pub(super) payment_id: PaymentId,
    pub(super) what: What,
}

/// What the frame is.
pub(super) enum What {
    /// A payment order, a return or the opening of a case: whole, so that it can still be sequenced.
    Order(Order),
    /// A status request, or an answer or a cancellation that nothing waits for.
    Question(Asks),
}

/// Something new under an id of its own, on its way into a batch.
pub(super) struct Order {
    pub(super) kind: EntryKind,
    pub(super) digest: [u8; 16],
    /// The payment that it names.
    pub(super) original: Option<PaymentId>,
    pub(super) routing: Vec<u8>,
    pub(super) private: Vec<u8>,
    /// Of a payment order that named an alias.
    pub(super) alias: Option<Box<AliasOrder>>,
}

impl Order {
    /// Of a payment order: the lane that it is to go in.
    pub(super) fn lane(&self) -> u8 {
        CreditTransfer::read(&self.routing).map_or(0, |order| order.lane)
    }
}

/// An outcome from the history, for whoever has asked.
pub(super) struct Told {
    pub(super) session: SessionKey,
    pub(super) id: PaymentId,
    pub(super) news: News,
}

/// Everything that waits for the history.
#[derive(Default)]
pub(super) struct Waiting {
    /// In the order of asking.
    queue: VecDeque<Asked>,
    /// How many of them were asked: their answers are on the way, or in `answers`.
    asked: usize,
    answers: VecDeque<HistoryAnswer>,
}

impl Waiting {
    /// Does anything wait, or is there an answer to be dealt with?
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many frames wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Are there answers to be dealt with?
    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Are there questions that the history was not asked yet?
    pub(super) fn has_unasked(&self) -> bool {
        self.asked < self.queue.len()
    }

    /// The first answer, and who waits for it.
    fn take_answered(&mut self) -> Option<(Asked, HistoryAnswer)> {
        let answer = self.answers.pop_front()?;
        let asked = self.queue.pop_front().unwrap_or_else(|| unreachable!("every answer has a question"));
        assert_eq!(asked.payment_id, answer.payment_id, "answers come in the order of the questions");
        self.asked -= 1;
        Some((asked, answer))
    }
}

/// What the filters say of the orders in what was received, asked all at once.
#[derive(Default)]
pub(super) struct Ahead {
    /// The orders, as far as they are whole; empty where nobody has to ask.
    pub(super) ids: Vec<[u8; 16]>,
    /// Of each.
    pub(super) may_hold: Vec<bool>,
    /// How many of them were taken.
    taken: usize,
}

impl Ahead {
    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.may_hold.clear();
        self.taken = 0;
    }

    /// What was said of this order. Those before it were refused for other reasons, and nobody asks for them any more.
    fn take(&mut self, id: PaymentId) -> Option<bool> {
        let ahead = self.ids.iter().skip(self.taken).position(|&other| other == id.bytes());
        let place = self.taken + ahead?;
        self.taken = place + 1;
        self.may_hold.get(place).copied()
    }
}

/// What an effect leaves open: the window does not reach back to what was asked.
pub(super) fn is_open(effect: &Effect, floor: u64) -> bool {
    match effect.news {
        News::Recheck => true,
        News::Status(status) => status.outcome == Outcome::Unknown && floor > 0,
        News::CaseStatus(news) => news.state == CaseState::Unknown && floor > 0,
        News::Forward { .. } | News::Returned { .. } | News::CaseForward { .. } | News::LookedUp { .. } => false,
    }
}

impl<S: Storage> Pipeline<S> {
    /// Through which journal position there is no outcome of this id, as far as memory knows: it is what may be written into the entry. None where the
    /// files must be asked.
    pub(super) fn checked_in_memory(&mut self, id: PaymentId) -> Option<u64> {
        if self.decisions.engine.remembers_all() {
            return Some(0);
        }
        let said_ahead = self.ahead.take(id);
        // The filters were asked in this turn, and both know more only with the next.
        let indexed = self.history.indexed();
        if !said_ahead.unwrap_or_else(|| self.history.may_hold(id)) {
            return Some(indexed);
        }
        // The engine knows it and decides. If its outcome should leave before that, the engine says so, because nothing was checked.
        self.decisions.engine.holds(id).then_some(0)
    }

    /// Sets a frame aside until the history has answered; what is one too many is refused.
    pub(super) fn ask(&mut self, asked: Asked) {
        let Some(session) = self.sessions.get_mut(asked.session) else { return };
        let is_full = self.waiting.queue.len() >= self.limits.history_waiting_max
            || session.frames_held() >= self.limits.history_waiting_per_session_max;
        if is_full {
            let refusal = Refusal { payment_id: asked.payment_id.bytes(), ..Refusal::plain(ErrorCode::Busy) };
            return self.refuse(asked.session, asked.number, refusal);
        }
        session.hold(asked.number);
        self.waiting.queue.push_back(asked);
    }

    /// What the history is to be asked next. Nothing as long as the window's floor is above what is indexed: the answer could not be used.
    pub fn take_history_question(&mut self) -> Option<HistoryQuestion> {
        if self.history.indexed() < self.decisions.engine.floor() {
            return None;
        }
        let asked = self.waiting.queue.get(self.waiting.asked)?;
        self.waiting.asked += 1;
        let original = match &asked.what {
            What::Order(order) => order.original,
            What::Question(_) => None,
        };
        Some(HistoryQuestion { payment_id: asked.payment_id, original })
    }

    /// The history has answered. The next turn deals with it.
    pub fn history_answered(&mut self, answer: HistoryAnswer) {
        self.waiting.answers.push_back(answer);
    }

    /// Goes on with what the history has answered, as far as the batch has room.
    pub(super) fn resume_asked(&mut self) {
        while !self.ingress.is_full() {
            let Some((asked, answer)) = self.waiting.take_answered() else { return };
            let Some(session) = self.sessions.get_mut(asked.session) else { continue };
            session.release(asked.number);
            if session.participant() == Some(asked.participant) {
                self.touched.push(asked.session);
                self.resume(asked, &answer);
            }
        }
    }

    fn resume(&mut self, asked: Asked, answer: &HistoryAnswer) {
        let Asked { session, number, participant, payment_id: id, what } = asked;
        match (what, answer.outcome) {
            (What::Order(order), Some(record)) => {
                let news = match order.kind {
                    EntryKind::CaseOpen => News::CaseStatus(record.news_for_opening(participant, order.digest)),
                    _ => News::Status(record.status_for_order(participant, order.digest)),
                };
                self.told.push(Told { session, id, news });
            }
            (What::Question(asks), Some(record)) => {
                // A posting follow-up can still be held where its payment has left memory.
                let case = self.decisions.engine.case_for(participant, id);
                let case = case.unwrap_or_else(|| answer.news_for_case_input(participant));
                let news = match asks {
                    Asks::Status => record.news_for(participant),
                    Asks::Answer => News::Status(record.status_for_payee(participant)),
                    Asks::CaseInput => News::CaseStatus(case),
                };
                self.told.push(Told { session, id, news });
                if asks == Asks::Status && matches!(news, News::Status(_)) && case != CaseNews::UNKNOWN {
                    self.told.push(Told { session, id, news: News::CaseStatus(case) });
                }
            }
            (What::Order(order), None) => match self.why_not_now(participant, order.kind) {
                Some(code) => {
                    self.refuse(session, number, Refusal { payment_id: id.bytes(), ..Refusal::plain(code) });
                }
                None => self.sequence_order((session, number), id, order, answer),
            },
            (What::Question(asks), None) => {
                let checked_through = answer.checked_through;
                self.questions.push(Question { session, number, payment_id: id, asks, checked_through });
            }
        }
    }

    /// Takes out what the engine could not say of entries of this batch. An order is asked about once more; an answer becomes a question.
    pub(super) fn set_open_replies_aside(&mut self) {
        if !self.decisions.has_replies {
            return;
        }
        let floor = self.decisions.engine.floor();
        for place in 0..self.decisions.effects.len() {
            let effect = self.decisions.effects[place];
            let Delivery::Reply { entry } = effect.delivery else { continue };
            if !is_open(&effect, floor) {
                continue;
            }
            let place_in_batch = entry as usize;
            let (session, number) = self.ingress.origin_of(place_in_batch);
            let (entry, private) = self.ingress.entry(place_in_batch);
            let (participant, payment_id) = (effect.participant, effect.id);
            if let (Some(_), Body::CreditTransfer(_, annotation)) = (entry.resolution, entry.body) {
                let digest = annotation.digest;
                self.resolve_again(place_in_batch, participant, payment_id, digest);
                continue;
            }
            let order = |kind, digest, original: [u8; 16]| {
                let (routing, private) = (entry.routing.to_vec(), private.to_vec());
                let original = PaymentId::from_bytes(original);
                What::Order(Order { kind, digest, original, routing, private, alias: None })
            };
            let what = match entry.body {
                Body::CreditTransfer(_, annotation) => order(EntryKind::CreditTransfer, annotation.digest, NO_ID),
                Body::Return(message, annotation) => order(EntryKind::Return, annotation.digest, message.original_id),
                Body::CaseOpen(message, annotation) => {
                    order(EntryKind::CaseOpen, annotation.digest, message.original_id)
                }
                Body::Answer(_) => What::Question(Asks::Answer),
                _ => What::Question(Asks::CaseInput),
            };
            match what {
                What::Order(_) => self.ask(Asked { session, number, participant, payment_id, what }),
                What::Question(asks) => {
                    self.questions.push(Question { session, number, payment_id, asks, checked_through: 0 });
                }
            }
        }
    }

    /// Sets aside the questions that memory cannot answer. To be called before frames are acknowledged.
    pub(super) fn set_questions_aside(&mut self) {
        if self.decisions.engine.floor() == 0 {
            return;
        }
        let mut questions = std::mem::take(&mut self.questions);
        questions.retain(|question| {
            let can_be_answered = self.can_be_answered(question);
            if !can_be_answered {
                self.set_aside(*question);
            }
            can_be_answered
        });
        // The list and its memory stay.
        self.questions = questions;
    }

    fn set_aside(&mut self, question: Question) {
        let Question { session, number, payment_id, asks, .. } = question;
        let participant = self.sessions.get(session).and_then(|session| session.participant());
        if let Some(participant) = participant {
            self.ask(Asked { session, number, participant, payment_id, what: What::Question(asks) });
        }
    }

    /// Either the engine holds the payment, or there is no such outcome up to the window's floor.
    fn can_be_answered(&self, question: &Question) -> bool {
        let (floor, indexed) = (self.decisions.engine.floor(), self.history.indexed());
        let engine = &self.decisions.engine;
        let id = question.payment_id;
        engine.holds(id)
            || question.asks == Asks::CaseInput && engine.find_case(id).is_some()
            || floor <= question.checked_through
            || (floor <= indexed && !self.history.may_hold(question.payment_id))
    }
}
