//! The directory at the edge: what providers say about aliases, on its way to the clerks, into the batch, and back.
//!
//! ```text
//!   a command -----> clerk: hashed, sealed ---> the batch ---> durable ---> directory: its result ------------------------> told
//!   a look-up -----> clerk: reads the store --> the batch ---> durable ---> engine: granted, or when to come again --delay--> told
//!   a payment to --> clerk: resolved ---------> the batch, as any payment; touched meanwhile: to the clerk once more
//!   an alias              \-- nobody's -------> the batch, as a look-up ---------------------------------------------delay--> refused
//!   a question ----> clerk ------------------------------------------------------------------------------------------------> told
//! ```
//!
//! A frame holds its connection's acknowledgement back until it was told what became of it. What is told of a look-up waits for the end of the delay class in
//! which it was ready, so that time does not tell what the answer does not. Nothing is told before the entry it depends on is durable.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use adapters::check::{Checked, Refusal};
use adapters::directory::{LookupResult, NameMatch, QueryForm};
use adapters::message::{
    AliasFound, AliasFoundPrivate, AliasResult, AliasResultPrivate, AliasTransfer, ArchivedDirectoryQuery,
    CreditTransfer, DirectoryAnswer, DirectoryItems, DirectoryQuery, ErrorCode, Lane, MessageKind, Part, PaymentId,
    PaymentPrivate,
};
use adapters::native::frame;
use hashbrown::HashMap;
use ledger::journal::Storage;

use super::Pipeline;
use super::asking::{Asked, Order, What};
use crate::clerk::{ClerkScheme, Found, Question, Renewal, Renewed, Reply};
use crate::directory::{CommandResult, DirectoryBatch, DirectoryProgress};
use crate::engine::effect::{Delivery, News};
use crate::engine::lookups::{LookupMade, RehashStep};
use crate::entry::{self, AliasLookedUp, AliasResolution, EntryKind, ParticipantId};
use crate::limits::{
    DELAY_CLASSES_MS, DIRECTORY_BATCHES_HELD_MAX, DIRECTORY_WAITING_PER_SESSION_MAX, LOOKUPS_GATHERED_NS, NS_PER_MS,
};
use crate::session::{Session, SessionKey};

/// A message about an alias as its provider has sent it.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) routing: Vec<u8>,
    pub(super) private: Vec<u8>,
}

/// What an order has beside its own parts that named an alias.
#[derive(Clone, Debug)]
pub(super) struct AliasOrder {
    /// None where nobody has the alias: then it is only sequenced if its id is known already.
    pub(super) resolved: Result<AliasResolution, AliasLookedUp>,
    /// As sent, to be resolved once more.
    pub(super) sent: Sent,
    /// When it came.
    pub(super) received_ns: u64,
}

/// A frame that a clerk has.
struct WithClerk {
    session: SessionKey,
    number: u64,
    participant: ParticipantId,
    id: [u8; 16],
    kind: MessageKind,
    received_ns: u64,
    digest: [u8; 16],
    /// Of a payment order, and of a command: they may have to be dealt with once more.
    sent: Option<Sent>,
}

/// What is held for an entry of the open batch.
struct Held {
    /// The entry's place in the batch, from 1.
    place: usize,
    received_ns: u64,
    /// None once it was taken.
    what: Option<HeldWhat>,
}

enum HeldWhat {
    /// What a look-up has found.
    Answer(Option<Box<Found>>),
    /// A payment order whose alias nobody has.
    Missed,
    /// A payment order, if it must be resolved once more.
    Order(Sent),
}

/// A command that is journaled and waits for the directory's word.
struct Commanded {
    position: u64,
    session: SessionKey,
    number: u64,
    participant: ParticipantId,
    command_id: [u8; 16],
    alias: Vec<u8>,
}

/// What is told at the end of its delay class.
struct Delayed {
    session: SessionKey,
    number: u64,
    participant: ParticipantId,
    what: DelayedWhat,
}

enum DelayedWhat {
    Found { routing: AliasFound, private: AliasFoundPrivate },
    Refused { refusal: Refusal, retry_after_ms: u32 },
}

/// Everything of the directory that is under way.
#[derive(Default)]
pub(super) struct Directing {
    /// How far the directory has come; none where the switch has none.
    progress: Option<Arc<DirectoryProgress>>,
    tickets: u64,
    with_clerk: HashMap<u64, WithClerk, foldhash::fast::RandomState>,
    questions: VecDeque<Question>,
    replies: VecDeque<(u64, Reply)>,
    /// When these are to be taken at the latest; none where there are none.
    replies_due_ns: Option<u64>,
    /// Of the open batch, in the order of places.
    held: Vec<Held>,
    /// Commands of the open batch, by their places.
    commands: Vec<(usize, Commanded)>,
    /// In the order of positions.
    commanded: VecDeque<Commanded>,
    results: VecDeque<CommandResult>,
    /// What is told later, by when and in which order it became ready.
    delayed: BinaryHeap<Reverse<(u64, u64)>>,
    delayed_whats: HashMap<u64, Delayed, foldhash::fast::RandomState>,
    /// For the directory's thread.
    batches: VecDeque<DirectoryBatch>,
    /// What a clerk has made of a portion.
    renewed: Option<Renewed>,
    scheme: Arc<ClerkScheme>,
    rehashing: Rehashing,
}

/// How hashes are made anew: one portion at a time, and the next once the last is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rehashing {
    /// Nothing is.
    #[default]
    Idle,
    /// The next portion can be asked for. What stood in the journal before this position is under the key before.
    Due { not_before: u64 },
    /// A clerk has it.
    Asked { not_before: u64 },
    /// The open batch has it.
    InBatch { not_before: u64 },
}

impl Directing {
    /// Is nothing under way that anyone waits for?
    pub(super) fn is_empty(&self) -> bool {
        self.with_clerk.is_empty() && self.commanded.is_empty() && self.delayed.is_empty()
    }

    /// How many frames wait.
    pub(super) fn len(&self) -> usize {
        self.with_clerk.len() + self.commanded.len() + self.delayed.len()
    }

    /// When the next turn is due for its sake.
    pub(super) fn next_ns(&self) -> Option<u64> {
        if !self.results.is_empty() || self.renewed.is_some() {
            return Some(0);
        }
        let delayed_ns = self.delayed.peek().map(|&Reverse((at_ns, _))| at_ns);
        delayed_ns.into_iter().chain(self.replies_due_ns).min()
    }

    /// A clerk has replied. A look-up waits a little for others: its answer leaves at the end of a class, and many cost one sync together.
    fn take_reply(&mut self, ticket: u64, reply: Reply) {
        let received_ns = match &reply {
            Reply::LookedUp { .. } => self.with_clerk.get(&ticket).map(|waits| waits.received_ns),
            _ => None,
        };
        let due_ns = received_ns.map_or(0, |received_ns| received_ns.saturating_add(LOOKUPS_GATHERED_NS));
        self.replies_due_ns = Some(self.replies_due_ns.map_or(due_ns, |others_ns| others_ns.min(due_ns)));
        self.replies.push_back((ticket, reply));
    }

    fn delay(&mut self, received_ns: u64, now_ns: u64, delayed: Delayed) {
        self.tickets += 1;
        self.delayed.push(Reverse((released_at(received_ns, now_ns), self.tickets)));
        self.delayed_whats.insert(self.tickets, delayed);
    }

    /// The next whose time has come.
    fn take_due(&mut self, now_ns: u64) -> Option<Delayed> {
        let &Reverse((at_ns, ticket)) = self.delayed.peek()?;
        if at_ns > now_ns {
            return None;
        }
        self.delayed.pop();
        let delayed = self.delayed_whats.remove(&ticket);
        Some(delayed.unwrap_or_else(|| unreachable!("what is delayed is kept")))
    }

    /// What is held for a place, and when it came.
    fn take_held(&mut self, place: usize) -> Option<(HeldWhat, u64)> {
        let index = self.held.binary_search_by_key(&place, |held| held.place).ok()?;
        let held = &mut self.held[index];
        held.what.take().map(|what| (what, held.received_ns))
    }
}

/// The end of the delay class in which an answer is ready. One that is later than the last class is told at once.
fn released_at(received_ns: u64, ready_ns: u64) -> u64 {
    let ends = DELAY_CLASSES_MS.iter().map(|ms| received_ns.saturating_add(ms * NS_PER_MS));
    ends.into_iter().find(|&end_ns| ready_ns <= end_ns).unwrap_or(ready_ns)
}

impl<S: Storage> Pipeline<S> {
    /// The same, with a directory: its messages are no longer refused.
    #[must_use]
    pub fn with_directory(mut self, progress: Arc<DirectoryProgress>) -> Pipeline<S> {
        self.directing.progress = Some(progress);
        let not_before = self.decisions.engine.applied();
        if self.decisions.engine.directory().is_rehashing() {
            self.directing.rehashing = Rehashing::Due { not_before };
        }
        self
    }

    /// Takes a message about an alias, for a clerk.
    pub(super) fn ask_clerk<M: Part>(
        &mut self,
        frame: (SessionKey, u64),
        participant: ParticipantId,
        (kind, id): (MessageKind, [u8; 16]),
        message: &Checked<'_, M>,
    ) {
        let sent = Sent { routing: message.routing_bytes().to_vec(), private: message.private_bytes().to_vec() };
        if let Err(code) = self.hold_for_clerk(frame) {
            return self.refuse(frame.0, frame.1, Refusal { payment_id: id, ..Refusal::plain(code) });
        }
        let received_ns = self.received_ns;
        // The others decide nothing that a repetition could ask for.
        let is_kept = matches!(kind, MessageKind::AliasTransfer | MessageKind::AliasCommand);
        let digest = if is_kept { self.digester.digest(message) } else { [0; 16] };
        let with_clerk = WithClerk {
            session: frame.0,
            number: frame.1,
            participant,
            id,
            kind,
            received_ns,
            digest,
            sent: is_kept.then(|| sent.clone()),
        };
        self.hand_to_clerk(with_clerk, sent, 0);
    }

    /// Makes room for a frame that waits, or says why there is none.
    fn hold_for_clerk(&mut self, (session, number): (SessionKey, u64)) -> Result<(), ErrorCode> {
        if self.directing.progress.is_none() {
            return Err(ErrorCode::NotAllowed);
        }
        if self.is_draining {
            return Err(ErrorCode::ShuttingDown);
        }
        // A directory that is behind has its batches taken first.
        let is_full = self.directing.len() >= self.limits.directory_waiting_max
            || self.directing.batches.len() >= DIRECTORY_BATCHES_HELD_MAX;
        let Some(session) = self.sessions.get_mut(session) else { return Err(ErrorCode::Busy) };
        if is_full || session.frames_held() >= DIRECTORY_WAITING_PER_SESSION_MAX {
            return Err(ErrorCode::Busy);
        }
        session.hold(number);
        Ok(())
    }

    fn hand_to_clerk(&mut self, with_clerk: WithClerk, sent: Sent, not_before: u64) {
        let scheme = self.clerk_scheme();
        let directing = &mut self.directing;
        directing.tickets += 1;
        let Some(&code) = self.decisions.engine.code_of(with_clerk.participant) else {
            unreachable!("who is connected is in the scheme")
        };
        directing.questions.push_back(Question {
            ticket: directing.tickets,
            participant: with_clerk.participant,
            code,
            now_ns: self.now_ns,
            not_before,
            digest: with_clerk.digest,
            kind: with_clerk.kind,
            routing: sent.routing,
            private: sent.private,
            scheme,
        });
        directing.with_clerk.insert(directing.tickets, with_clerk);
    }

    /// What clerks must know of the scheme by now.
    fn clerk_scheme(&mut self) -> Arc<ClerkScheme> {
        let (scheme, engine) = (&mut self.directing.scheme, &self.decisions.engine);
        if scheme.version != engine.directory().version() {
            *scheme = Arc::new(ClerkScheme::of(engine));
        }
        Arc::clone(scheme)
    }

    /// Takes a payment order that names an alias. One whose id the engine holds is a repetition, whoever has the alias now.
    pub(super) fn admit_alias_transfer(
        &mut self,
        frame: (SessionKey, u64),
        participant: ParticipantId,
        order: &Checked<'_, AliasTransfer>,
    ) {
        let id = order.routing().payment_id;
        if let Some(code) = self.why_not_now(participant, EntryKind::CreditTransfer) {
            return self.refuse(frame.0, frame.1, Refusal { payment_id: id, ..Refusal::plain(code) });
        }
        let is_known = PaymentId::from_bytes(id).is_some_and(|id| self.decisions.engine.holds(id));
        if !is_known || self.directing.progress.is_none() {
            return self.ask_clerk(frame, participant, (MessageKind::AliasTransfer, id), order);
        }
        let digest = self.digester.digest(order);
        let sent = Sent { routing: order.routing_bytes().to_vec(), private: order.private_bytes().to_vec() };
        let received_ns = self.received_ns;
        let resolved = Ok(AliasResolution::NONE);
        let alias = AliasOrder { resolved, sent, received_ns };
        let order = transfer_of(digest, alias, &[], *self.code_bytes_of(participant));
        self.sequence_transfer(frame, (digest, 0), [&order.routing, &order.private], order.alias);
    }

    fn code_bytes_of(&self, participant: ParticipantId) -> &[u8; 35] {
        match self.decisions.engine.code_of(participant) {
            Some(code) => code.bytes(),
            None => unreachable!("a participant of the scheme has a code"),
        }
    }

    /// What clerks are to do next.
    pub fn take_directory_question(&mut self) -> Option<Question> {
        self.directing.questions.pop_front()
    }

    /// A clerk has replied. The next turn deals with it, or, of a look-up, one that is soon.
    pub fn clerk_replied(&mut self, ticket: u64, reply: Reply) {
        self.directing.take_reply(ticket, reply);
    }

    /// Hashes are to be made anew: what a clerk is to do, behind all questions that were taken before.
    pub fn take_renewal(&mut self) -> Option<Renewal> {
        let Rehashing::Due { not_before } = self.directing.rehashing else { return None };
        // A directory that is behind has its batches taken first.
        if !self.directing.batches.is_empty() || self.is_draining {
            return None;
        }
        self.directing.rehashing = Rehashing::Asked { not_before };
        let codes = self.decisions.engine.participants().map(|(_, code)| code).collect();
        Some(Renewal { not_before, scheme: self.clerk_scheme(), codes })
    }

    /// A clerk has made hashes anew. The next turn journals it.
    pub fn renewed(&mut self, renewed: Renewed) {
        self.directing.renewed = Some(renewed);
    }

    /// Journals what a clerk has made anew.
    fn journal_renewed(&mut self) {
        let Some(renewed) = self.directing.renewed.take() else { return };
        let Rehashing::Asked { not_before } = self.directing.rehashing else { unreachable!("a portion was asked for") };
        let generation = self.decisions.engine.directory().generation();
        self.directing.rehashing = match renewed {
            Renewed::Rows { rows, .. } if rows.is_empty() => Rehashing::Due { not_before },
            Renewed::Rows { generation, rows, .. } => {
                self.ingress.add_command(|out| entry::write_rehashed(out, generation, &rows));
                Rehashing::InBatch { not_before }
            }
            Renewed::Done => {
                let done = [generation, RehashStep::Done as u8];
                self.ingress.add_command(|out| entry::write_observation(out, EntryKind::HashKeySet, &done));
                Rehashing::InBatch { not_before }
            }
            Renewed::KeyDestroyed => Rehashing::Idle,
        };
    }

    /// What the directory is to apply next.
    pub fn take_directory_batch(&mut self) -> Option<DirectoryBatch> {
        self.directing.batches.pop_front()
    }

    /// The directory could not take it now: it comes first the next time.
    pub fn keep_directory_batch(&mut self, batch: DirectoryBatch) {
        self.directing.batches.push_front(batch);
    }

    /// The directory has decided a command. The next turn tells who gave it.
    pub fn directory_decided(&mut self, result: CommandResult) {
        self.directing.results.push_back(result);
    }

    /// Goes on with what the directory and the clerks have said, as far as the batch has room, and tells what is due.
    pub(super) fn resume_directed(&mut self, now_ns: u64) {
        while let Some(delayed) = self.directing.take_due(now_ns) {
            self.tell_delayed(delayed);
        }
        while let Some(result) = self.directing.results.pop_front() {
            self.tell_result(&result);
        }
        if !self.ingress.is_full() {
            self.journal_renewed();
        }
        // What has company in the batch costs no sync of its own.
        let is_due = self.directing.replies_due_ns.is_some_and(|due_ns| due_ns <= now_ns) || self.ingress.count() > 0;
        while is_due && !self.ingress.is_full() {
            let Some((ticket, reply)) = self.directing.replies.pop_front() else {
                self.directing.replies_due_ns = None;
                return;
            };
            let waited = self.directing.with_clerk.remove(&ticket);
            let waited = waited.unwrap_or_else(|| unreachable!("every reply has a question"));
            if self.is_still(waited.session, waited.participant) {
                self.resume_one(waited, reply);
            }
        }
    }

    /// Is a session still that of who has sent what it waits for?
    fn is_still(&self, session: SessionKey, participant: ParticipantId) -> bool {
        self.sessions.get(session).and_then(Session::participant) == Some(participant)
    }

    /// The frame waits no longer; the end of the turn counts it.
    fn release(&mut self, session: SessionKey, number: u64) {
        if let Some(state) = self.sessions.get_mut(session) {
            state.release(number);
            self.touched.push(session);
        }
    }

    fn resume_one(&mut self, waited: WithClerk, reply: Reply) {
        let WithClerk { session, number, participant, id, .. } = waited;
        match reply {
            Reply::Refused { refusal, text } => {
                self.release(session, number);
                let refusal = Refusal { payment_id: id, ..refusal };
                self.sessions.write(session, |session| session.refuse(number, refusal, 0, &text));
            }
            Reply::Answered { form, has_more, after, items } => {
                self.release(session, number);
                let routing = DirectoryAnswer { query_id: id, form: form as u8, has_more: u8::from(has_more), after };
                self.tell_answer(session, &routing, items);
            }
            Reply::LookedUpBy { made, next } => {
                self.release(session, number);
                let (form, has_more, after) = (QueryForm::Lookups as u8, u8::from(next.is_some()), next.unwrap_or(0));
                let items = made.iter().flat_map(|made| self.item_of(made)).collect();
                self.tell_answer(session, &DirectoryAnswer { query_id: id, form, has_more, after }, items);
            }
            // It was hashed under the key before: the directory would not find what has gone over to the new one.
            Reply::Commanded { generation, .. } if generation != self.decisions.engine.directory().generation() => {
                let Some(sent) = waited.sent.clone() else { unreachable!("a command is kept as it was sent") };
                self.hand_to_clerk(waited, sent, 0);
            }
            Reply::Commanded { entry, alias, .. } => {
                let place = self.ingress.add_written((session, number), &entry);
                let commanded = Commanded { position: 0, session, number, participant, command_id: id, alias };
                self.directing.commands.push((place, commanded));
            }
            Reply::LookedUp { entry, found } => {
                self.sequence_lookup((session, number), &entry, waited.received_ns, HeldWhat::Answer(found));
            }
            Reply::Missed(entry) => self.resume_transfer(waited, Err(entry), None),
            Reply::Resolved { payee, account, resolution } => {
                self.resume_transfer(waited, Ok(resolution), Some((payee, account)));
            }
        }
    }

    /// Journals a look-up; what is told of it waits for the engine.
    fn sequence_lookup(&mut self, frame: (SessionKey, u64), entry: &AliasLookedUp, received_ns: u64, what: HeldWhat) {
        self.seal(frame, EntryKind::AliasLookedUp, [&[], &entry.bytes(), &[]]);
        let place = self.ingress.count() as usize;
        self.directing.held.push(Held { place, received_ns, what: Some(what) });
    }

    /// A payment order goes on as any other, with the account that its alias stands for.
    fn resume_transfer(
        &mut self,
        waited: WithClerk,
        resolved: Result<AliasResolution, AliasLookedUp>,
        payee: Option<(ParticipantId, Vec<u8>)>,
    ) {
        let WithClerk { session, number, participant, id, received_ns, digest, sent, .. } = waited;
        let Some(sent) = sent else { unreachable!("a payment order is kept as it was sent") };
        let Some(payment_id) = PaymentId::from_bytes(id) else { unreachable!("a checked order has an id") };
        self.release(session, number);
        if let Some(code) = self.why_not_now(participant, EntryKind::CreditTransfer) {
            return self.refuse(session, number, Refusal { payment_id: id, ..Refusal::plain(code) });
        }
        let code = match &payee {
            Some((payee, _)) => *self.code_bytes_of(*payee),
            None => *self.code_bytes_of(participant),
        };
        let account = payee.map_or(Vec::new(), |(_, account)| account);
        let order = transfer_of(digest, AliasOrder { resolved, sent, received_ns }, &account, code);
        let is_bulk = order.lane() == Lane::Bulk as u8;
        if is_bulk {
            return self.wait_as_bulk((session, number), (participant, payment_id), order);
        }
        match self.checked_in_memory(payment_id) {
            Some(checked_through) => self.sequence_checked((session, number), payment_id, order, checked_through),
            None => self.ask(Asked { session, number, participant, payment_id, what: What::Order(order) }),
        }
    }

    /// Adds a payment order to the batch of whose id the history has no outcome through `checked_through`. One whose alias nobody has is journaled as a look-up,
    /// unless its id is known: then the engine says what became of it.
    pub(super) fn sequence_checked(
        &mut self,
        frame: (SessionKey, u64),
        id: PaymentId,
        order: Order,
        checked_through: u64,
    ) {
        let Order { digest, routing, private, alias, .. } = order;
        if let Some(AliasOrder { resolved: Err(entry), received_ns, .. }) = alias.as_deref()
            && !self.decisions.engine.holds(id)
        {
            if let Some(session) = self.sessions.get_mut(frame.0) {
                session.hold(frame.1);
            }
            return self.sequence_lookup(frame, entry, *received_ns, HeldWhat::Missed);
        }
        self.sequence_transfer(frame, (digest, checked_through), [&routing, &private], alias);
    }

    /// Notes an order of the batch that may have to be resolved once more.
    pub(super) fn keep_sent(&mut self, alias: AliasOrder) {
        let place = self.ingress.count() as usize;
        let AliasOrder { sent, received_ns, .. } = alias;
        self.directing.held.push(Held { place, received_ns, what: Some(HeldWhat::Order(sent)) });
    }

    /// Has an order resolved once more whose alias was touched since: by a directory that has come as far as the engine.
    pub(super) fn resolve_again(&mut self, place: usize, participant: ParticipantId, id: PaymentId, digest: [u8; 16]) {
        let frame @ (session, number) = self.ingress.origin_of(place);
        let Some((HeldWhat::Order(sent), received_ns)) = self.directing.take_held(place) else {
            unreachable!("a payment to an alias is kept until it is decided")
        };
        if let Err(code) = self.hold_for_clerk(frame) {
            return self.refuse(session, number, Refusal { payment_id: id.bytes(), ..Refusal::plain(code) });
        }
        let kind = MessageKind::AliasTransfer;
        let with_clerk = WithClerk {
            session,
            number,
            participant,
            id: id.bytes(),
            kind,
            received_ns,
            digest,
            sent: Some(sent.clone()),
        };
        self.hand_to_clerk(with_clerk, sent, self.watermarks.applied);
    }

    /// What the directory needs of a batch that was just applied, and what waits for the engine's word about it.
    pub(super) fn follow_directory(&mut self, first_sequence: u64, time_ns: u64) {
        for (place, commanded) in self.directing.commands.drain(..) {
            let position = first_sequence + place as u64;
            self.directing.commanded.push_back(Commanded { position, ..commanded });
        }
        let Some(progress) = &self.directing.progress else { return };
        let engine = &self.decisions.engine;
        if let Some(batch) = DirectoryBatch::of(first_sequence, time_ns, self.ingress.payload(), engine) {
            progress.hand_over(batch.last_sequence);
            self.directing.batches.push_back(batch);
        }
        progress.pass(engine.applied());
        let (is_rehashing, not_before) = (engine.directory().is_rehashing(), engine.applied());
        self.directing.rehashing = match self.directing.rehashing {
            Rehashing::Idle if is_rehashing => Rehashing::Due { not_before },
            // Behind the end one more is asked for: the key before is destroyed.
            Rehashing::InBatch { not_before } => Rehashing::Due { not_before },
            other => other,
        };
    }

    /// Takes what was held for the look-ups of a batch, with the engine's word about each, into its delay class.
    pub(super) fn decide_lookups(&mut self, first_sequence: u64) {
        if self.directing.held.is_empty() {
            return;
        }
        let effects = std::mem::take(&mut self.decisions.effects);
        for effect in &effects {
            let (Delivery::Reply { entry }, News::LookedUp { is_granted, retry_after_ms }) =
                (effect.delivery, effect.news)
            else {
                continue;
            };
            let (session, number) = self.ingress.origin_of(entry as usize);
            let Some((held, received_ns)) = self.directing.take_held(entry as usize) else { continue };
            // An order was to be decided with its batch; now it is told later, as one is whose alias nobody has.
            if let (HeldWhat::Order(_), Some(session)) = (&held, self.sessions.get_mut(session)) {
                session.hold(number);
            }
            let what = match (held, is_granted) {
                (HeldWhat::Missed | HeldWhat::Order(_), _) => {
                    let code = if is_granted { ErrorCode::AliasNotFound } else { ErrorCode::LookupLimited };
                    let refusal = Refusal { payment_id: effect.id.bytes(), ..Refusal::plain(code) };
                    DelayedWhat::Refused { refusal, retry_after_ms }
                }
                (HeldWhat::Answer(found), true) => {
                    // The entry of the batch's first place stands behind its tick.
                    self.found(effect.id, first_sequence + u64::from(entry), found)
                }
                (HeldWhat::Answer(_), false) => limited(effect.id, retry_after_ms),
            };
            let delayed = Delayed { session, number, participant: effect.participant, what };
            self.directing.delay(received_ns, self.now_ns, delayed);
        }
        self.decisions.effects = effects;
        self.directing.held.clear();
    }

    fn found(&self, id: PaymentId, position: u64, found: Option<Box<Found>>) -> DelayedWhat {
        let nothing = AliasFound { result: LookupResult::NotFound as u8, position, ..nothing_found(id) };
        let Some(found) = found else {
            return DelayedWhat::Found { routing: nothing, private: AliasFoundPrivate::default() };
        };
        let Found { participant, name_match, owned_since_ns, counters, account, name } = *found;
        let routing = AliasFound {
            result: LookupResult::Found as u8,
            name_match: name_match.map_or(0, |name_match: NameMatch| name_match as u8),
            participant: *self.code_bytes_of(participant),
            owned_since_ns,
            counters,
            ..nothing
        };
        DelayedWhat::Found { routing, private: AliasFoundPrivate { account, name } }
    }

    fn tell_delayed(&mut self, delayed: Delayed) {
        let Delayed { session, number, participant, what } = delayed;
        if !self.is_still(session, participant) {
            return;
        }
        self.release(session, number);
        self.sessions.write(session, |session| match what {
            DelayedWhat::Found { routing, private } => {
                let head = session.plain_head();
                frame::encode(session.outgoing(), MessageKind::AliasFound, head, &routing, |out| {
                    if private != AliasFoundPrivate::default() {
                        private.write(out);
                    }
                });
            }
            DelayedWhat::Refused { refusal, retry_after_ms } => {
                session.refuse(number, refusal, retry_after_ms, crate::session::text_of(&refusal));
            }
        });
    }

    fn tell_result(&mut self, result: &CommandResult) {
        // Those of commands that were journaled before this run, or of somebody who has gone, are told to whoever repeats the command.
        while let Some(commanded) = self.directing.commanded.pop_front_if(|first| first.position <= result.position) {
            assert!(commanded.position == result.position, "the directory decides every command, in order");
            let Commanded { position, session, number, participant, command_id, alias } = commanded;
            if !self.is_still(session, participant) {
                continue;
            }
            self.release(session, number);
            let (code, claim, at_ns) = (result.outcome as u8, result.claim as u8, result.at_ns);
            let routing = AliasResult { command_id, result: code, claim, at_ns, position };
            self.sessions.write(session, |session| {
                let head = session.plain_head();
                frame::encode(session.outgoing(), MessageKind::AliasResult, head, &routing, |out| {
                    if !alias.is_empty() {
                        AliasResultPrivate { alias }.write(out);
                    }
                });
            });
        }
    }

    /// A look-up on record, as its holder's provider is told it (`docs/formats/native.md`, section 8).
    fn item_of(&self, made: &LookupMade) -> Vec<u8> {
        let LookupMade { position, time_ns, participant, purpose, .. } = made;
        let asker = self.code_bytes_of(*participant);
        [&position.to_le_bytes()[..], &time_ns.to_le_bytes(), asker, &[*purpose]].concat()
    }

    fn tell_answer(&mut self, session: SessionKey, routing: &DirectoryAnswer, items: Vec<u8>) {
        self.sessions.write(session, |session| {
            let head = session.plain_head();
            let items = DirectoryItems { items };
            frame::encode(session.outgoing(), MessageKind::DirectoryAnswer, head, routing, |out| items.write(out));
        });
    }

    /// What the buckets hold, which the engine knows: everything else that is asked goes to a clerk.
    pub(super) fn take_directory_query(
        &mut self,
        frame: (SessionKey, u64),
        participant: ParticipantId,
        query: &Checked<'_, DirectoryQuery>,
    ) {
        let routing: &ArchivedDirectoryQuery = query.routing();
        let query_id = routing.query_id;
        if routing.form != QueryForm::Buckets as u8 {
            return self.ask_clerk(frame, participant, (MessageKind::DirectoryQuery, query_id), query);
        }
        if self.directing.progress.is_none() {
            return self.refuse(
                frame.0,
                frame.1,
                Refusal { payment_id: query_id, ..Refusal::plain(ErrorCode::NotAllowed) },
            );
        }
        let held = self.decisions.engine.participant_allowance(participant);
        let routing = DirectoryAnswer { query_id, form: QueryForm::Buckets as u8, has_more: 0, after: 0 };
        self.tell_answer(frame.0, &routing, held.iter().flat_map(|number| number.to_le_bytes()).collect());
    }
}

fn nothing_found(id: PaymentId) -> AliasFound {
    AliasFound {
        lookup_id: id.bytes(),
        result: LookupResult::Limited as u8,
        name_match: 0,
        participant: [0; 35],
        owned_since_ns: 0,
        counters: [0; 9],
        retry_after_ms: 0,
        position: 0,
    }
}

fn limited(id: PaymentId, retry_after_ms: u32) -> DelayedWhat {
    let routing = AliasFound { retry_after_ms, ..nothing_found(id) };
    DelayedWhat::Found { routing, private: AliasFoundPrivate::default() }
}

/// The payment order that one to an alias becomes: to a participant and an account, as if it had named them.
fn transfer_of(digest: [u8; 16], alias: AliasOrder, account: &[u8], payee: [u8; 35]) -> Order {
    let (Some(sent), Some(private)) =
        (AliasTransfer::read(&alias.sent.routing), adapters::message::AliasTransferPrivate::read(&alias.sent.private))
    else {
        unreachable!("it was checked when it came")
    };
    let order = CreditTransfer {
        payment_id: sent.payment_id,
        payer: sent.payer,
        payee,
        amount: sent.amount.to_native(),
        currency: sent.currency,
        accepted_at_ns: sent.accepted_at_ns.to_native(),
        purpose: sent.purpose,
        lane: sent.lane,
        request_id: sent.request_id,
    };
    let details = PaymentPrivate {
        payer_name: private.payer_name.to_vec(),
        payer_account: private.payer_account.to_vec(),
        payee_name: private.payee_name.to_vec(),
        payee_account: account.to_vec(),
        end_to_end_id: private.end_to_end_id.to_vec(),
        remittance: private.remittance.to_vec(),
        extension: private.extension.to_vec(),
    };
    let (mut routing, mut private) = (Vec::with_capacity(126), Vec::with_capacity(256));
    order.write(&mut routing);
    details.write(&mut private);
    Order { kind: EntryKind::CreditTransfer, digest, original: None, routing, private, alias: Some(Box::new(alias)) }
}
