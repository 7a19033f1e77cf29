//! The first half of a payment's way: decode, check, admit, seal. What is refused here leaves no trace.

use adapters::check::{self, Checked, CheckedAnswer, CheckedTransfer, Refusal, Request};
use adapters::message::{ErrorCode, Lane, MessageKind, OUTBOX_LANES, Part, PaymentId};
use adapters::native::frame::{self, Decoded, Frame};
use adapters::stages;
use ledger::journal::Storage;

use super::accounts::AccountQuestion;
use super::asking::{Asked, Order, What};
use super::directing::AliasOrder;
use super::{Asks, Pipeline, Question};
use crate::entry::{
    AliasResolution, EntryHead, EntryKind, OriginalFound, ParticipantId, ReferenceAnnotation, Sender,
    TransferAnnotation,
};
use crate::history::HistoryAnswer;
use crate::limits::BUSY_RETRY_MS;
use crate::session::{Greeting, Phase, Session, SessionKey, text_of};

impl<S: Storage> Pipeline<S> {
    /// Takes what a connection has received; returns how much of it is dealt with. The rest is the start of a frame.
    pub fn receive(&mut self, key: SessionKey, bytes: &[u8], now_ns: u64) -> usize {
        self.now_ns = self.now_ns.max(now_ns);
        stages::admit(|| self.look_ahead(bytes));
        self.received_ns = now_ns;
        if let Some(session) = self.sessions.get_mut(key) {
            session.begin_reading();
        }
        let mut consumed = 0;
        loop {
            match stages::decode(|| frame::decode(&bytes[consumed..])) {
                Decoded::Incomplete => break,
                Decoded::Frame(frame, length) => {
                    consumed += length;
                    self.take_frame(key, &frame);
                }
                Decoded::Refused { code, number, length } => {
                    consumed += length;
                    // 0 is no number: such a frame is refused for what is wrong with it, not for its place.
                    if number == 0 || self.count_frame(key, number) {
                        self.refuse(key, number, Refusal::plain(code));
                    }
                }
                Decoded::Lost(code) => self.refuse(key, 0, Refusal::plain(code)),
            }
            if self.sessions.get(key).is_none_or(|session| session.phase == Phase::Closing) {
                return bytes.len();
            }
        }
        self.touched.push(key);
        if let Some(session) = self.sessions.get_mut(key) {
            session.heard(now_ns, consumed < bytes.len(), consumed > 0);
        }
        self.pause(key, now_ns);
        consumed
    }

    /// Asks for all payments at once what is asked for each below. One after the other, each would wait for memory: for the window's table, for the
    /// payment, and for a line of each of the history's filters.
    fn look_ahead(&mut self, bytes: &[u8]) {
        self.ahead.clear();
        let has_to_ask = !self.decisions.engine.remembers_all();
        let mut touched = 0;
        for (kind, id) in frame::peek_payments(bytes) {
            touched ^= PaymentId::from_bytes(id).map_or(0, |id| self.decisions.engine.touch(id));
            if has_to_ask && kind == MessageKind::CreditTransfer {
                self.ahead.ids.push(id);
            }
        }
        // What was touched is of no use but for having been touched, which no compiler may leave out.
        std::hint::black_box(touched);
        if has_to_ask {
            self.history.may_hold_each(&self.ahead.ids, &mut self.ahead.may_hold);
        }
    }

    fn take_frame(&mut self, key: SessionKey, frame: &Frame<'_>) {
        let number = frame.head.number;
        let is_numbered = !matches!(frame.kind, MessageKind::Hello | MessageKind::Ack);
        if is_numbered && !self.count_frame(key, number) {
            return;
        }
        if frame.head.lane != Lane::Session {
            return self.refuse(key, number, Refusal::plain(ErrorCode::BadMessage));
        }
        self.take_acknowledgement(key, frame.head.acknowledged_lane, frame.head.acknowledged);
        let phase = self.sessions.get(key).map(|session| session.phase);
        match (phase, stages::decode(|| check::request(frame))) {
            (_, Err(refusal)) => self.refuse(key, number, refusal),
            (Some(Phase::ExpectHello), Ok(Request::Hello { participant, lineage, seen, slot, is_alone })) => {
                self.hello(key, Greeting { participant, slot, is_alone, lineage, seen });
            }
            (Some(Phase::Live(participant)), Ok(request)) => self.take_request(key, participant, number, request),
            (_, Ok(_)) => self.refuse(key, number, Refusal::plain(ErrorCode::NotAllowed)),
        }
    }

    fn take_request(&mut self, key: SessionKey, participant: ParticipantId, number: u64, request: Request<'_>) {
        if let Some(id) = costs_a_token(&request)
            && let rate = self.rate_of(participant)
            && let Err(wait_ms) = self.buckets.take(participant, rate, self.received_ns)
        {
            return self.refuse_for(key, number, (id, wait_ms));
        }
        match request {
            Request::CreditTransfer(order) => stages::admit(|| self.admit(key, participant, number, &order)),
            Request::Answer(answer) => stages::admit(|| self.take_answer((key, number), participant, &answer)),
            Request::StatusRequest(id) if self.questions.len() < self.limits.questions_max => {
                self.questions.push(Question::new((key, number), id, Asks::Status));
            }
            Request::StatusRequest(id) => {
                self.refuse(key, number, Refusal { payment_id: id.bytes(), ..Refusal::plain(ErrorCode::Busy) });
            }
            Request::Echo { token, reply: false } => self.sessions.write(key, |session| session.echo(token)),
            Request::Echo { reply: true, .. } => {}
            Request::Ack(received) => {
                for (lane, number) in Lane::OUTBOX.into_iter().zip(received) {
                    self.take_acknowledgement(key, lane, number);
                }
            }
            Request::Return(message) => {
                let routing = message.routing();
                self.admit_reference(
                    (key, number),
                    participant,
                    EntryKind::Return,
                    (routing.return_id, routing.original_id),
                    &message,
                );
            }
            Request::CaseOpen(message) => {
                let routing = message.routing();
                self.admit_reference(
                    (key, number),
                    participant,
                    EntryKind::CaseOpen,
                    (routing.case_id, routing.original_id),
                    &message,
                );
            }
            Request::CaseAnswer(message) => {
                let id = message.routing().case_id;
                self.take_case_input((key, number), participant, EntryKind::CaseAnswer, id, &message);
            }
            Request::CaseCancel(message) => {
                let id = message.routing().case_id;
                self.take_case_input((key, number), participant, EntryKind::CaseCancel, id, &message);
            }
            Request::SignOn => self.seal((key, number), EntryKind::SignOn, [&[]; 3]),
            Request::SignOff => self.seal((key, number), EntryKind::SignOff, [&[]; 3]),
            Request::AliasCommand(command) => {
                let kind = (MessageKind::AliasCommand, command.routing().command_id);
                self.ask_clerk((key, number), participant, kind, &command);
            }
            Request::AliasLookup(lookup) => {
                let kind = (MessageKind::AliasLookup, lookup.routing().lookup_id);
                self.ask_clerk((key, number), participant, kind, &lookup);
            }
            Request::AliasTransfer(order) => self.admit_alias_transfer((key, number), participant, &order),
            Request::DirectoryQuery(query) => self.take_directory_query((key, number), participant, &query),
            Request::AccountQuery { query_id, currency }
                if self.account_questions.len() < self.limits.questions_max =>
            {
                self.account_questions.push(AccountQuestion { session: key, query_id, currency });
            }
            Request::AccountQuery { query_id, .. } => {
                self.refuse(key, number, Refusal { payment_id: query_id.bytes(), ..Refusal::plain(ErrorCode::Busy) });
            }
            Request::Hello { .. } => self.refuse(key, number, Refusal::plain(ErrorCode::NotAllowed)),
        }
    }

    /// Frame numbers follow one another; if this one does not, the connection ends.
    fn count_frame(&mut self, key: SessionKey, number: u64) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let follows = number == session.arrived + 1;
        if follows {
            session.arrived = number;
        } else {
            self.refuse(key, number, Refusal::plain(ErrorCode::BadNumber));
        }
        follows
    }

    fn take_acknowledgement(&mut self, key: SessionKey, lane: Lane, number: u64) {
        let participant = self.sessions.get(key).and_then(Session::participant);
        let enqueued = participant.map_or([0; OUTBOX_LANES], |id| self.engine().enqueued(id));
        let feed = participant.and_then(|participant| self.feeds.get_mut(participant));
        let taken = match feed {
            Some(feed) => feed.take_acknowledgement(lane, number, enqueued),
            // Who was not welcomed was sent nothing.
            None => (lane == Lane::Session || number == 0).then_some(false),
        };
        match (taken, participant) {
            (None, _) => self.refuse(key, 0, Refusal::plain(ErrorCode::BadNumber)),
            (Some(true), Some(participant)) => self.note_cursors(participant),
            (Some(_), _) => {}
        }
    }

    /// Says why a frame is refused. Who was told that the connection ends is told nothing more.
    pub(super) fn refuse(&mut self, key: SessionKey, number: u64, refusal: Refusal) {
        if self.sessions.get(key).is_none_or(|session| session.phase == Phase::Closing) {
            return;
        }
        let retry_after_ms = match refusal.code {
            ErrorCode::Busy | ErrorCode::ShuttingDown => BUSY_RETRY_MS,
            _ => 0,
        };
        self.refuse_until(key, number, refusal, retry_after_ms);
    }

    /// A participant that sends faster than it may is told when to come again.
    fn refuse_for(&mut self, key: SessionKey, number: u64, (payment_id, wait_ms): ([u8; 16], u32)) {
        let refusal = Refusal { payment_id, ..Refusal::plain(ErrorCode::RateLimited) };
        self.refuse_until(key, number, refusal, wait_ms);
    }

    fn refuse_until(&mut self, key: SessionKey, number: u64, refusal: Refusal, retry_after_ms: u32) {
        if refusal.code.is_fatal() {
            self.leave(key);
        }
        self.sessions.write(key, |session| session.refuse(number, refusal, retry_after_ms, text_of(&refusal)));
    }

    /// Takes a payment order into the batch, or refuses it at once where there is no room for it. Where its id may be older than the window, it waits until the
    /// history has been asked.
    fn admit(&mut self, key: SessionKey, participant: ParticipantId, number: u64, order: &CheckedTransfer<'_>) {
        if let Some(code) = self.why_not_now(participant, EntryKind::CreditTransfer) {
            return self.refuse(
                key,
                number,
                Refusal { payment_id: order.routing().payment_id, ..Refusal::plain(code) },
            );
        }
        let payment_id = PaymentId::from_bytes(order.routing().payment_id);
        let payment_id = payment_id.unwrap_or_else(|| unreachable!("a checked order has an id"));
        let digest = self.digester.digest(order);
        let (routing, private) = (order.routing_bytes(), order.private_bytes());
        let is_bulk = order.routing().lane == Lane::Bulk as u8;
        if !is_bulk && let Some(checked_through) = self.checked_in_memory(payment_id) {
            return self.sequence_transfer((key, number), (digest, checked_through), [routing, private], None);
        }
        let (routing, private) = (routing.to_vec(), private.to_vec());
        let order = Order { kind: EntryKind::CreditTransfer, digest, original: None, routing, private, alias: None };
        if is_bulk {
            return self.wait_as_bulk((key, number), (participant, payment_id), order);
        }
        self.ask(Asked { session: key, number, participant, payment_id, what: What::Order(order) });
    }

    /// As `admit`, of a return or the opening of a case: what it names may be older than the window, so as soon as anything is, the history is asked.
    fn admit_reference<M: Part>(
        &mut self,
        (key, number): (SessionKey, u64),
        participant: ParticipantId,
        kind: EntryKind,
        (id, original): ([u8; 16], [u8; 16]),
        message: &Checked<'_, M>,
    ) {
        if let Some(code) = self.why_not_now(participant, kind) {
            return self.refuse(key, number, Refusal { payment_id: id, ..Refusal::plain(code) });
        }
        let payment_id = PaymentId::from_bytes(id).unwrap_or_else(|| unreachable!("what was checked has an id"));
        let digest = self.digester.digest(message);
        let (routing, private) = (message.routing_bytes().to_vec(), message.private_bytes().to_vec());
        let original = PaymentId::from_bytes(original);
        let order = Order { kind, digest, original, routing, private, alias: None };
        if self.decisions.engine.remembers_all() {
            let nothing = HistoryAnswer {
                payment_id,
                outcome: None,
                posting: None,
                original: OriginalFound::NONE,
                checked_through: 0,
            };
            return self.sequence_order((key, number), payment_id, order, &nothing);
        }
        self.ask(Asked { session: key, number, participant, payment_id, what: What::Order(order) });
    }

    /// Adds something new to the batch, of which the history has said what it knows.
    pub(super) fn sequence_order(
        &mut self,
        frame: (SessionKey, u64),
        id: PaymentId,
        order: Order,
        said: &HistoryAnswer,
    ) {
        let checked_through = said.checked_through;
        if order.kind == EntryKind::CreditTransfer {
            return self.sequence_checked(frame, id, order, checked_through);
        }
        let Order { kind, digest, routing, private, .. } = order;
        let annotation = ReferenceAnnotation { digest, checked_through, original: said.original }.bytes();
        self.seal(frame, kind, [&annotation, &routing, &private]);
    }

    /// Adds a payment order to the batch. The history has no outcome of its id through `checked_through`.
    pub(super) fn sequence_transfer(
        &mut self,
        frame: (SessionKey, u64),
        (digest, checked_through): ([u8; 16], u64),
        [routing, private]: [&[u8]; 2],
        alias: Option<Box<AliasOrder>>,
    ) {
        let annotation = TransferAnnotation { digest, checked_through };
        let participant = self.sessions.get(frame.0).and_then(Session::participant);
        if let Some(feed) = participant.and_then(|participant| self.feeds.get_mut(participant)) {
            feed.count_order(self.watermarks.sequenced);
        }
        let Some(alias) = alias else {
            return self.seal(frame, EntryKind::CreditTransfer, [&annotation.bytes(), routing, private]);
        };
        let resolution = alias.resolved.clone().unwrap_or(AliasResolution::NONE);
        self.seal(frame, EntryKind::CreditTransfer, [&resolution.annotation(&annotation), routing, private]);
        self.keep_sent(*alias);
    }

    /// Why something new gets no room now.
    pub(super) fn why_not_now(&mut self, participant: ParticipantId, kind: EntryKind) -> Option<ErrorCode> {
        let engine = &self.decisions.engine;
        let in_batch = self.ingress.transfers() as u64;
        let of_participant = self.feeds.get(participant).map_or(0, |feed| feed.orders_after(self.watermarks.sequenced));
        let open = engine.counts().in_flight + in_batch;
        // All of these can become outcomes before more is indexed. They must not push out of the window what the history does not have yet. Open
        // cases may do so: there can be more of them than the window holds, and few of them end at once.
        let to_come = engine.counts().in_flight + self.ingress.orders() as u64;
        // Rules that will hold fewer wait for that, so new ones give way.
        let kept =
            self.operating.outcomes_kept().map_or(engine.outcomes_kept(), |kept| kept.min(engine.outcomes_kept()));
        let is_index_late = self.history.outcomes_unindexed() + to_come >= u64::from(kept) || self.history.is_behind();
        let limits = &self.limits;
        let is_full = match kind {
            EntryKind::CreditTransfer => {
                in_batch >= limits.ingress_transfers_max as u64
                    || open >= u64::from(limits.in_flight_max)
                    || engine.in_flight_of(participant) + of_participant >= self.in_flight_max_of(participant)
            }
            // What the open batch adds to these is little: a batch is bounded.
            EntryKind::CaseOpen => {
                engine.counts().cases_open >= limits.cases_open_max
                    || engine.cases_open_of(participant) >= limits.cases_open_per_participant_max
            }
            _ => false,
        };
        self.is_index_late |= is_index_late;
        match (self.is_draining, is_full || is_index_late) {
            (true, _) => Some(ErrorCode::ShuttingDown),
            (false, true) => Some(ErrorCode::Busy),
            (false, false) => None,
        }
    }

    /// Answers are never refused for want of room: whoever answers in time must not lose a payment to somebody else's load. What no payment
    /// waits for changes nothing and leaves no trace, so that nobody can fill the journal with it.
    fn take_answer(&mut self, frame: (SessionKey, u64), participant: ParticipantId, answer: &CheckedAnswer<'_>) {
        let id = PaymentId::from_bytes(answer.routing().payment_id);
        let id = id.unwrap_or_else(|| unreachable!("a checked answer names a payment"));
        let waits = self.decisions.engine.awaits_answer(participant, id);
        if waits || self.questions.len() >= self.limits.questions_max {
            self.seal(frame, EntryKind::Answer, [&[], answer.routing_bytes(), answer.private_bytes()]);
        } else {
            self.questions.push(Question::new(frame, id, Asks::Answer));
        }
    }

    /// As `take_answer`, of what may change a case.
    fn take_case_input<M: Part>(
        &mut self,
        frame: (SessionKey, u64),
        participant: ParticipantId,
        kind: EntryKind,
        id: [u8; 16],
        message: &Checked<'_, M>,
    ) {
        let id = PaymentId::from_bytes(id).unwrap_or_else(|| unreachable!("what was checked names a case"));
        let waits = self.decisions.engine.awaits_case_input(participant, id);
        if waits || self.questions.len() >= self.limits.questions_max {
            self.seal(frame, kind, [&[], message.routing_bytes(), message.private_bytes()]);
        } else {
            self.questions.push(Question::new(frame, id, Asks::CaseInput));
        }
    }

    /// Adds the entry of a frame to the batch, its private part sealed.
    pub(super) fn seal(&mut self, frame: (SessionKey, u64), kind: EntryKind, parts: [&[u8]; 3]) {
        let Some(session) = self.sessions.get(frame.0) else { return };
        let Some(participant) = session.participant() else { return };
        let sealer = self.sealers.get_mut(&session.code);
        let sealer = sealer.unwrap_or_else(|| unreachable!("every attached participant has a sealer"));
        let head = EntryHead { kind, sender: Sender::Participant(participant), seal_key: 0 };
        stages::sequence(|| self.ingress.add(frame, head, parts, sealer));
    }
}

/// The id of what costs its sender a token: whatever is new, and questions. What answers somebody else is free.
fn costs_a_token(request: &Request<'_>) -> Option<[u8; 16]> {
    match request {
        Request::CreditTransfer(order) => Some(order.routing().payment_id),
        Request::Return(message) => Some(message.routing().return_id),
        Request::CaseOpen(message) => Some(message.routing().case_id),
        Request::StatusRequest(id) => Some(id.bytes()),
        Request::AliasCommand(command) => Some(command.routing().command_id),
        Request::AliasLookup(lookup) => Some(lookup.routing().lookup_id),
        Request::AliasTransfer(order) => Some(order.routing().payment_id),
        Request::DirectoryQuery(query) => Some(query.routing().query_id),
        Request::AccountQuery { query_id, .. } => Some(query_id.bytes()),
        _ => None,
    }
}
