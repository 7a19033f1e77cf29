//! The independent auditor: decides every payment anew, as plainly as `docs/payment-rules.md` reads, and shares no code with the engine.
//!
//! What it believes: what providers say that they sent, and, for order and time alone, the batches that are on disk beyond the reach of a
//! power cut. What an entry says must be what a provider sent. From these it computes every outcome, every balance, and every numbered
//! message that anybody is to be told.

mod aliases;
mod cases;
mod deliveries;
mod returns;
mod scheme;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::invariants::{Finding, Violation, duplicates, durability, journal, named};
use super::machine::Found;
use super::plan::{BULK_PURPOSE, CURRENCIES, Plan, Rules};
use super::provider::hex;
use super::random::to_usize;
use super::wire::{self, Id, LANES, NO_ID, kind};
pub(super) use aliases::{Aliases, OwnTold, result_name};
pub(super) use cases::{Case, row_name, state};
pub(super) use deliveries::{Deliveries, Door};
use scheme::Open;
pub(super) use scheme::Scheme;
pub(super) use scheme::{AccountKey, Balance, Given, Happened, Shown, Window, account, command_name, refused_name};

/// Overdue payments that end with one batch; the rest ends with the next. Of cases as many.
const EXPIRED_PER_BATCH_MAX: usize = 1_024;

/// What sealing adds to a private part.
const SEAL_BYTES: usize = 28;

/// Outcomes, as on the wire.
pub(super) mod outcome {
    pub(in super::super) const COMMITTED: u8 = 1;
    pub(in super::super) const REJECTED: u8 = 2;
    pub(in super::super) const EXPIRED: u8 = 3;
    pub(in super::super) const IN_FLIGHT: u8 = 4;
    pub(in super::super) const UNKNOWN: u8 = 5;
    pub(in super::super) const DUPLICATE: u8 = 6;
}

/// Fields to blame, as on the wire.
mod field {
    pub(super) const NONE: u8 = 0;
    pub(super) const PAYER: u8 = 2;
    pub(super) const PAYEE: u8 = 3;
    pub(super) const AMOUNT: u8 = 4;
    pub(super) const CURRENCY: u8 = 5;
    pub(super) const ACCEPTED_AT: u8 = 6;
    pub(super) const LANE: u8 = 14;
    pub(super) const REQUEST_ID: u8 = 15;
    pub(super) const ORIGINAL_ID: u8 = 16;
    pub(super) const CASE_ID: u8 = 17;
    pub(super) const CASE_KIND: u8 = 18;
    pub(super) const RESPONDER: u8 = 19;
    pub(super) const EXPIRES_AT: u8 = 29;
    pub(super) const OPENER: u8 = 30;
}

/// Why a rule says no: the reason and the field to blame.
type No = ([u8; 4], u8);

/// Lanes by their place in an outbox.
const PAYMENTS: usize = 0;
const BULK: usize = 1;

/// What has an outcome: a payment or a return, a case, or the posting follow-up of a payment, whose id is the payment's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Payment(Id),
    Case(Id),
    Posting(Id),
}

/// Something that a provider sent.
struct Sent {
    sender: usize,
    routing: Vec<u8>,
    private: Vec<u8>,
    /// What the private part says, whatever its layout.
    fields: Vec<Vec<u8>>,
}

/// What an entry is of, as its sender has it.
struct Came<'e> {
    position: u64,
    sender: usize,
    /// Through which position the history was asked.
    checked_through: u64,
    routing: &'e [u8],
    /// The routing part as it was sent: another one, of an order that named an alias.
    as_sent: Vec<u8>,
    private: Vec<u8>,
    fields: Vec<Vec<u8>>,
}

/// A payment that is on disk, or a return, which is one the other way.
pub(super) struct Payment {
    pub(super) sender: usize,
    /// Once it was forwarded; of a return that went back, who had paid.
    pub(super) payee: Option<usize>,
    pub(super) position: u64,
    pub(super) end: Option<wire::Status>,
    pub(super) is_return: bool,
    routing: Vec<u8>,
    as_sent: Vec<u8>,
    fields: Vec<Vec<u8>>,
    lane: usize,
    /// The place of its currency; 0 where it was rejected.
    currency: usize,
    pub(super) amount: i128,
    /// What of it has gone back.
    pub(super) returned: i128,
    /// The request that it is to pay.
    request: Option<Id>,
    deadline_ns: u64,
}

impl Payment {
    /// Is this the same once more?
    fn is_same(&self, came: &Came<'_>, is_return: bool) -> bool {
        let is_of_kind = self.is_return == is_return;
        is_of_kind && self.sender == came.sender && self.as_sent == came.as_sent && self.fields == came.fields
    }

    pub(super) fn is_party(&self, participant: usize) -> bool {
        self.sender == participant || self.payee == Some(participant)
    }

    /// As ordered.
    pub(super) fn currency_code(&self) -> [u8; 3] {
        CURRENCIES[self.currency]
    }

    /// Did its order name an alias?
    fn is_by_alias(&self) -> bool {
        !self.is_return && self.as_sent != self.routing
    }

    pub(super) fn is_committed(&self) -> bool {
        self.end.is_some_and(|end| end.outcome == outcome::COMMITTED)
    }
}

/// One numbered message of a participant, as it must read.
pub(super) struct Told {
    pub(super) kind: u8,
    pub(super) routing: Vec<u8>,
    pub(super) private: Vec<u8>,
}

/// What became of everything so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Payments committed, rejected, expired.
    pub(super) ended: [u64; 3],
    pub(super) in_flight: u64,
    pub(super) returned: u64,
    pub(super) returns_rejected: u64,
    pub(super) cases_open: u64,
    pub(super) cases_closed: u64,
}

/// See the module.
pub(super) struct Auditor {
    rules: Rules,
    codes: Vec<[u8; 35]>,
    /// By kind of message and id.
    sent: BTreeMap<(u8, Id), Vec<Sent>>,
    /// First position and digest of each batch that was on disk.
    batches: Vec<(u64, [u8; 32])>,
    through: u64,
    time_ns: u64,
    payments: BTreeMap<Id, Payment>,
    open: BTreeSet<(u64, u64, Id)>,
    cases: BTreeMap<Subject, Case>,
    /// Open cases by the payment they are about, and their kind.
    about: BTreeMap<(Id, u8), Subject>,
    /// Open cases that wait for their deadline, which comes first, and then the position of their opening.
    case_deadlines: BTreeSet<(u64, u64, Subject)>,
    scheme: Scheme,
    aliases: Aliases,
    told: Vec<[Vec<Told>; LANES]>,
    /// What each participant has acknowledged of each lane, as journaled.
    acknowledged: Vec<[u64; LANES]>,
    is_signed_off: Vec<bool>,
    /// Which signs each participant has ever said, and where the last of each is in the journal: on, off.
    signs: Vec<[(bool, u64); 2]>,
    is_absent: Vec<bool>,
    /// What batches have said about that since somebody last asked.
    observed: Vec<Observed>,
    /// The newest outcomes in their order, as many as the rules say that memory holds.
    window: VecDeque<(u64, Subject)>,
    /// Position of the newest outcome that has left the window; 0 as long as none has.
    floor: u64,
    /// Those that have left.
    left: BTreeSet<Subject>,
    /// Positions of all outcomes, in order.
    outcomes: Vec<u64>,
    counts: Counts,
    /// Cases that had been open and were closed.
    closings: u64,
    /// What orders, returns and openings of the last batch that were known are to be told.
    replies_due: Vec<Reply>,
    /// Ids of payments and cases that batches have changed since somebody last asked.
    changed: Vec<Id>,
    rare: Vec<Cow<'static, str>>,
}

/// That a participant has gone, or has come, and the time of the batch that says so.
pub(super) struct Observed {
    pub(super) participant: usize,
    pub(super) is_absent: bool,
    pub(super) time_ns: u64,
}

/// Who is told of which id, by which kind of message, which outcome or state.
pub(super) type Reply = (usize, Id, u8, u8);

impl Auditor {
    pub(super) fn new(plan: &Plan) -> Auditor {
        Auditor {
            rules: plan.rules,
            codes: plan.providers.iter().map(|provider| *provider.code.bytes()).collect(),
            sent: BTreeMap::new(),
            batches: Vec::new(),
            through: 0,
            time_ns: 0,
            payments: BTreeMap::new(),
            open: BTreeSet::new(),
            cases: BTreeMap::new(),
            about: BTreeMap::new(),
            case_deadlines: BTreeSet::new(),
            told: plan.providers.iter().map(|_| Default::default()).collect(),
            acknowledged: plan.providers.iter().map(|_| [0; LANES]).collect(),
            is_signed_off: plan.providers.iter().map(|_| false).collect(),
            signs: plan.providers.iter().map(|_| Default::default()).collect(),
            is_absent: plan.providers.iter().map(|_| false).collect(),
            observed: Vec::new(),
            scheme: Scheme::new(plan),
            aliases: Aliases::new(plan.aliases),
            window: VecDeque::new(),
            floor: 0,
            left: BTreeSet::new(),
            outcomes: Vec::new(),
            counts: Counts::default(),
            closings: 0,
            replies_due: Vec::new(),
            changed: Vec::new(),
            rare: Vec::new(),
        }
    }

    /// A provider asks about its own aliases, and knows what became of its command at this position.
    pub(super) fn asks_about_own(&mut self, sender: usize, id: Id, since: u64) {
        self.aliases.asks(sender, id, since);
    }

    /// A provider hands a message to its session.
    pub(super) fn sent(&mut self, kind: u8, sender: usize, routing: &[u8], private: &[u8]) {
        let cells = match kind {
            kind::CREDIT_TRANSFER | kind::CASE_OPEN => 7,
            kind::ALIAS_TRANSFER => 8,
            kind::ALIAS_COMMAND => 5,
            kind::ALIAS_LOOKUP => 4,
            kind::DIRECTORY_QUERY => 1,
            _ => 2,
        };
        let fields = wire::private_fields(private, cells);
        let sent = Sent { sender, routing: routing.to_vec(), private: private.to_vec(), fields };
        let known = self.sent.entry((kind, wire::array(routing, 0))).or_default();
        let is_same = |other: &Sent| other.sender == sender && other.routing == routing && other.fields == sent.fields;
        if kind == kind::CREDIT_TRANSFER && known.iter().any(is_same) {
            self.rare.push("order sent again".into());
            if known.iter().all(|other| other.private != private) {
                self.rare.push("order sent again in other bytes".into());
            }
        }
        known.push(sent);
    }

    /// Has this participant ever sent such a message under this id?
    pub(super) fn has_sent(&self, kind: u8, participant: usize, id: Id) -> bool {
        self.sent.get(&(kind, id)).is_some_and(|sent| sent.iter().any(|sent| sent.sender == participant))
    }

    /// A batch is on disk for good.
    pub(super) fn take_batch(&mut self, batch: wire::Batch<'_>) -> Result<(), Violation> {
        let entries = named(journal::NAME, self.check_batch(&batch))?;
        self.batches.push((batch.first_sequence, digest(&batch)));
        self.time_ns = batch.time_ns;
        self.trim();
        self.scheme.begin_batch(batch.first_sequence, batch.time_ns);
        self.expire(batch.first_sequence);
        self.expire_cases(batch.first_sequence);
        self.through = batch.first_sequence + batch.count;
        for (position, entry) in (batch.first_sequence + 1..).zip(&entries) {
            self.scheme.at(position, batch.time_ns);
            match (entry.kind, entry.sender_kind) {
                (kind::CREDIT_TRANSFER, 1) if entry.annotation.len() == 104 => self.begin_by_alias(position, entry)?,
                (kind::CREDIT_TRANSFER | kind::RETURN | kind::CASE_OPEN, 1) => self.begin(position, entry)?,
                (kind::ALIAS_COMMANDED, 1) => named(journal::NAME, self.alias_command(position, entry))?,
                (kind::ALIAS_LOOKED_UP, 1) => self.looked_up(position, entry)?,
                (kind::DIRECTORY_RULES..=kind::HASH_KEY, 2) if self.batches.len() > 1 => {
                    named(journal::NAME, self.directory_command(position, entry))?;
                }
                (kind::HASH_KEY | kind::REHASHED, 3) => named(journal::NAME, self.renewed(position, entry))?,
                (kind::ANSWER, 1) => named(journal::NAME, self.answer(position, entry))?,
                (kind::CASE_ANSWER | kind::CASE_CANCEL, 1) => {
                    named(journal::NAME, self.case_input(position, entry))?;
                }
                (kind::SIGN_ON | kind::SIGN_OFF, 1) => named(journal::NAME, self.sign(position, entry))?,
                (kind::PRESENCE, 3) => named(journal::NAME, self.observed(entry))?,
                (kind::ACKNOWLEDGED, 3) => named(journal::NAME, self.cursors(entry))?,
                (128..=130 | 136 | 148 | 150, 2) if self.batches.len() == 1 => self.scheme.begins_with(entry),
                (128.., 2) if self.batches.len() == 1 => {}
                (134..=147, 2) => named(journal::NAME, self.command(entry))?,
                (kind, sender) => {
                    let what = format!("an entry of kind {kind} from a sender of kind {sender}");
                    return named(journal::NAME, Err(what));
                }
            }
        }
        self.scheme.end_batch();
        self.aliases.note_allowances((self.through, self.time_ns), self.codes.len());
        let size = match entries.len() {
            0 => "batch without entries",
            1..=9 => "batch of few entries",
            _ => "batch of many entries",
        };
        self.rare.push(size.into());
        Ok(())
    }

    /// The operator gives a command.
    pub(super) fn commanded(&mut self, command: Given) {
        self.scheme.gives(command);
    }

    /// A command is on disk.
    fn command(&mut self, entry: &wire::Entry<'_>) -> Finding {
        let business = (&self.open, &self.payments, &self.cases);
        self.scheme.command(entry, &|number: u32| business_of(business, number as usize - 1))
    }

    /// A provider says that it signs on or off.
    pub(super) fn signs(&mut self, kind: u8, sender: usize) {
        self.signs[sender][usize::from(kind == kind::SIGN_OFF)].0 = true;
    }

    /// Does the last word of a participant that counts say that it does not want to be paid?
    pub(super) fn is_signed_off(&self, participant: usize) -> bool {
        self.is_signed_off[participant]
    }

    /// What was journaled about who has gone and who has come since somebody last asked.
    pub(super) fn take_observed(&mut self) -> Vec<Observed> {
        std::mem::take(&mut self.observed)
    }

    fn can_be_paid(&self, participant: usize) -> bool {
        !self.is_signed_off[participant] && !self.is_absent[participant]
    }

    pub(super) fn is_absent(&self, participant: usize) -> bool {
        self.is_absent[participant]
    }

    /// Is such a sign of a participant in the journal behind this position?
    pub(super) fn has_signed(&self, participant: usize, kind: u8, position: u64) -> bool {
        self.signs[participant][usize::from(kind == kind::SIGN_OFF)].1 > position
    }

    fn sign(&mut self, position: u64, entry: &wire::Entry<'_>) -> Result<(), String> {
        let sender = self.sender(entry)?;
        let (was_said, last) = &mut self.signs[sender][usize::from(entry.kind == kind::SIGN_OFF)];
        *last = position;
        if !*was_said {
            return Err(format!("participant {sender} has never sent what is at {position}, kind {}", entry.kind));
        }
        let before = self.can_be_paid(sender);
        self.is_signed_off[sender] = entry.kind == wire::kind::SIGN_OFF;
        self.scheme.reached(sender, (before, self.can_be_paid(sender)), true);
        self.rare.push(if self.is_signed_off[sender] { "signed off" } else { "signed on" }.into());
        Ok(())
    }

    /// What the switch observes is news: who is absent comes, or who is not goes.
    fn observed(&mut self, entry: &wire::Entry<'_>) -> Result<(), String> {
        let place = (wire::u32_at(entry.routing, 0) as usize).wrapping_sub(1);
        let was_absent = *self.is_absent.get(place).ok_or("the presence of nobody")?;
        let now = entry.routing[4] == 0;
        if was_absent == now {
            return Err(format!("participant {place} is absent, {now}, as it was before"));
        }
        let before = self.can_be_paid(place);
        self.is_absent[place] = now;
        self.scheme.reached(place, (before, self.can_be_paid(place)), false);
        self.observed.push(Observed { participant: place, is_absent: now, time_ns: self.time_ns });
        self.rare.push(if now { "absent" } else { "present again" }.into());
        Ok(())
    }

    /// Cursors never go back, and never beyond what was told.
    fn cursors(&mut self, entry: &wire::Entry<'_>) -> Result<(), String> {
        let place = (wire::u32_at(entry.routing, 0) as usize).wrapping_sub(1);
        let told = self.told.get(place).ok_or("the cursors of nobody")?;
        let told: [u64; LANES] = std::array::from_fn(|lane| told[lane].len() as u64);
        let cursors = [4, 12, 20].map(|at| wire::u64_at(entry.routing, at));
        let last = std::mem::replace(&mut self.acknowledged[place], cursors);
        let is_right = |lane: usize| (last[lane]..=told[lane]).contains(&cursors[lane]);
        if cursors == last || !(0..LANES).all(is_right) {
            return Err(format!("cursors {cursors:?} of participant {place} follow {last:?}, {told:?} were told"));
        }
        self.rare.push("cursors journaled".into());
        Ok(())
    }

    fn check_batch<'b>(&self, batch: &wire::Batch<'b>) -> Result<Vec<wire::Entry<'b>>, String> {
        if batch.first_sequence != self.through + 1 {
            return Err(format!("batch {} follows position {}", batch.first_sequence, self.through));
        }
        if batch.time_ns < self.time_ns {
            return Err(format!("journal time goes back by {} ns", self.time_ns - batch.time_ns));
        }
        let entries = wire::entries(batch.payload)?;
        if entries.len() as u64 != batch.count {
            return Err(format!("a batch of {} entries holds {}", batch.count, entries.len()));
        }
        Ok(entries)
    }

    /// The oldest outcomes leave the window, until as many are left as the rules say.
    fn trim(&mut self) {
        while self.window.len() > self.rules.outcomes_kept as usize {
            let Some((position, subject)) = self.window.pop_front() else { return };
            self.floor = position;
            self.left.insert(subject);
            let is_return = |id| self.payments.get(&id).is_some_and(|payment| payment.is_return);
            match subject {
                Subject::Payment(id) if is_return(id) => self.rare.push("return left memory".into()),
                Subject::Payment(_) => {}
                Subject::Case(_) | Subject::Posting(_) => self.rare.push("case left memory".into()),
            }
        }
    }

    /// What a recovery found: all that was on disk, unchanged, and perhaps more at the end.
    pub(super) fn take_recovered(&mut self, found: &[Found]) -> Result<(), Violation> {
        let known = found.len().min(self.batches.len());
        let lost = self.batches.len() - known;
        let finding = match (lost, self.is_prefix(&found[..known])) {
            (0, true) => Ok(()),
            (0, false) => Err("a batch is not what was durable".to_owned()),
            (lost, _) => Err(format!("{lost} batches of {} that were durable are gone", self.batches.len())),
        };
        named(durability::NAME, finding)?;
        found[known..].iter().try_for_each(|batch| self.take_batch(as_batch(batch)))
    }

    /// Are these the first batches of what is on disk?
    pub(super) fn is_prefix(&self, found: &[Found]) -> bool {
        let is_known = |(batch, known): (&Found, &(u64, [u8; 32]))| *known == (batch.0, digest(&as_batch(batch)));
        found.len() <= self.batches.len() && found.iter().zip(&self.batches).all(is_known)
    }

    fn expire(&mut self, position: u64) {
        let due: Vec<Id> =
            self.open.iter().take_while(|(deadline_ns, ..)| *deadline_ns <= self.time_ns).map(|o| o.2).collect();
        for id in due.into_iter().take(EXPIRED_PER_BATCH_MAX) {
            self.rare.push("expired by time".into());
            self.end(id, position, outcome::EXPIRED, *b"AB05", &[]);
        }
    }

    /// A payment order, a return or the opening of a case: something new under an id of its own, or known.
    fn begin(&mut self, position: u64, entry: &wire::Entry<'_>) -> Result<(), Violation> {
        let came = named(journal::NAME, self.find_sent(position, entry))?;
        let id: Id = wire::array(entry.routing, 0);
        if self.holds(id) {
            self.repeat(id, entry.kind, &came);
            return Ok(());
        }
        if came.checked_through < self.floor {
            let what = match entry.kind {
                kind::CREDIT_TRANSFER => "order to be checked again",
                kind::RETURN => "return to be checked again",
                _ => "case to be checked again",
            };
            self.rare.push(what.into());
            return Ok(());
        }
        let is_known = self.payments.contains_key(&id) || self.cases.contains_key(&Subject::Case(id));
        named(duplicates::NAME, if is_known { Err(hex(&id)) } else { Ok(()) })?;
        self.changed.push(id);
        let decided = match entry.kind {
            kind::CREDIT_TRANSFER => wire::order(entry.routing).map(|order| self.decide(&order, came)),
            kind::RETURN => wire::payment_return(entry.routing).map(|message| self.decide_return(&message, came)),
            _ => wire::case_open(entry.routing).map(|message| self.decide_opening(&message, came)),
        };
        named(journal::NAME, decided.ok_or_else(|| format!("position {position}: a routing part of the wrong length")))
    }

    /// Has memory a payment, a return or a case with this id?
    fn holds(&self, id: Id) -> bool {
        let [payment, case] = [Subject::Payment(id), Subject::Case(id)];
        self.payments.contains_key(&id) && !self.left.contains(&payment)
            || self.cases.contains_key(&case) && !self.left.contains(&case)
    }

    /// Something with an id that memory has: the sender is told where it stands, if it is the same, and that the id is taken, if not.
    fn repeat(&mut self, id: Id, kind: u8, came: &Came<'_>) {
        let (reply, is_same) = if kind == kind::CASE_OPEN {
            let case = self.cases.get(&Subject::Case(id)).filter(|case| case.is_same(came));
            let state = case.map_or(state::DUPLICATE, |case| case.last().state);
            ((came.sender, id, kind::CASE_STATUS, state), case.is_some())
        } else {
            let is_return = kind == kind::RETURN;
            let payment = self.payments.get(&id).filter(|payment| payment.is_same(came, is_return));
            let so_far = |payment: &Payment| payment.end.map_or(outcome::IN_FLIGHT, |end| end.outcome);
            ((came.sender, id, kind::STATUS, payment.map_or(outcome::DUPLICATE, so_far)), payment.is_some())
        };
        self.replies_due.push(reply);
        let what = match (kind, is_same) {
            (kind::CREDIT_TRANSFER, true) => "order repeated",
            (kind::RETURN, true) => "return repeated",
            (kind::CASE_OPEN, true) => "case repeated",
            (kind::CREDIT_TRANSFER, false) => "duplicate with other content",
            (kind::RETURN, false) => "return with a known id and other content",
            _ => "case with a known id and other content",
        };
        self.rare.push(what.into());
    }

    /// What was sent and became this entry.
    fn find_sent<'e>(&self, position: u64, entry: &wire::Entry<'e>) -> Result<Came<'e>, String> {
        let sender = self.sender(entry)?;
        let id = entry.routing.get(..16).ok_or("a routing part without an id")?;
        let sent = self.sent.get(&(entry.kind, wire::array(id, 0))).into_iter().flatten();
        let sent = sent.into_iter().find(|sent| is_entry(sent, sender, entry));
        let sent = sent.ok_or_else(|| format!("position {position} holds what nobody sent, kind {}", entry.kind))?;
        let checked_through = if entry.annotation.len() >= 24 { wire::u64_at(entry.annotation, 16) } else { 0 };
        let (as_sent, private, fields) = (sent.routing.clone(), sent.private.clone(), sent.fields.clone());
        Ok(Came { position, sender, checked_through, routing: entry.routing, as_sent, private, fields })
    }

    /// A payment that nobody knew is decided by the rules.
    fn decide(&mut self, order: &wire::Order, came: Came<'_>) {
        let Came { position, sender, routing, as_sent, private, fields, .. } = came;
        let judged = self.judge(sender, order);
        let (payee, currency) = judged.unwrap_or((0, 0));
        let payment = Payment {
            sender,
            payee: judged.is_ok().then_some(payee),
            position,
            end: None,
            is_return: false,
            routing: routing.to_vec(),
            as_sent,
            fields,
            lane: if order.lane == 2 { BULK } else { PAYMENTS },
            currency,
            amount: i128::from(order.amount),
            returned: 0,
            request: (judged.is_ok() && order.request != NO_ID).then_some(order.request),
            deadline_ns: order.accepted_at_ns.saturating_add(self.timeout_ns(order.lane)),
        };
        match judged {
            Ok(_) => self.forward(order.id, payment, private),
            Err(no) => self.reject(order.id, payment, no),
        }
    }

    /// A payment or a return that a rule refuses: only its sender is told.
    fn reject(&mut self, id: Id, payment: Payment, (reason, field): No) {
        self.rare.push(no_name((reason, field)).into());
        let known = match &reason {
            b"AM04" => "funds insufficient",
            b"AB08" => "payee unreachable",
            _ => "rejected by a rule",
        };
        self.rare.push(known.into());
        if payment.is_return {
            self.counts.returns_rejected += 1;
        } else {
            self.counts.ended[1] += 1;
        }
        let (decided_at_ns, position, sender, lane) = (self.time_ns, payment.position, payment.sender, payment.lane);
        let status = wire::Status { id, outcome: outcome::REJECTED, reason, field, decided_at_ns, position };
        self.payments.insert(id, Payment { end: Some(status), ..payment });
        self.outcome(position, Subject::Payment(id));
        self.tell(sender, lane, Told { kind: kind::STATUS, routing: status.bytes(), private: Vec::new() });
    }

    fn forward(&mut self, id: Id, payment: Payment, private: Vec<u8>) {
        let payee = payment.payee.unwrap_or_default();
        let mut routing = payment.routing.clone();
        routing.extend_from_slice(&payment.deadline_ns.to_le_bytes());
        self.tell(payee, payment.lane, Told { kind: kind::FORWARD, routing, private });
        if payment.lane == BULK {
            self.rare.push("payment in the bulk lane".into());
        }
        if payment.sender == payee {
            self.rare.push("payment within one institution".into());
        } else if !self.scheme.moves(payment.sender, payee) {
            self.rare.push("payment on one account".into());
        }
        self.scheme.hold(payment.currency, payment.sender, payee, payment.amount);
        self.open.insert((payment.deadline_ns, payment.position, id));
        if let Some(request) = payment.request {
            self.pay(request, payment.position);
        }
        self.payments.insert(id, payment);
    }

    fn timeout_ns(&self, lane: u8) -> u64 {
        if lane == 2 { self.rules.bulk_timeout_ns } else { self.rules.timeout_ns }
    }

    /// The rules in their order: the payee's place and the currency's, or why not.
    fn judge(&self, sender: usize, order: &wire::Order) -> Result<(usize, usize), No> {
        let unless = |holds: bool, reason: &[u8; 4], field: u8| if holds { Ok(()) } else { Err((*reason, field)) };
        unless(order.payer == self.codes[sender], b"AGNT", field::PAYER)?;
        unless(self.scheme.may_pay(sender), b"AG10", field::PAYER)?;
        let payee = self.codes.iter().position(|code| *code == order.payee).ok_or((*b"CNOR", field::PAYEE))?;
        unless(payee != sender || self.rules.has_self_payments, b"AG12", field::PAYEE)?;
        unless(self.can_be_paid(payee), b"AB08", field::PAYEE)?;
        unless(self.scheme.may_be_paid(payee), b"AG11", field::PAYEE)?;
        let currency = CURRENCIES.iter().position(|currency| *currency == order.currency);
        let currency = currency.ok_or((*b"AM03", field::CURRENCY))?;
        unless(self.scheme.is_offered(currency, sender, payee), b"AM03", field::CURRENCY)?;
        let is_bulk = order.lane == 2;
        unless(!is_bulk || self.rules.bulk_timeout_ns > 0, b"AG03", field::LANE)?;
        let belongs_into_bulk = self.rules.has_bulk_purpose && order.purpose == BULK_PURPOSE;
        unless(is_bulk || !belongs_into_bulk, b"FF03", field::LANE)?;
        unless(order.amount <= self.rules.amount_max, b"AM13", field::AMOUNT)?;
        self.scheme.check_terms(currency, sender, i128::from(order.amount))?;
        let [now, accepted] = [self.time_ns, order.accepted_at_ns].map(i128::from);
        unless(accepted - now <= i128::from(self.rules.skew_ns), b"DT04", field::ACCEPTED_AT)?;
        let left_ns = accepted + i128::from(self.timeout_ns(order.lane)) - now;
        unless(left_ns > i128::from(self.rules.payee_share_ns), b"TM01", field::ACCEPTED_AT)?;
        if order.request != NO_ID {
            self.judge_request(sender, payee, order)?;
        }
        let is_covered = i128::from(order.amount) <= self.scheme.spendable(sender, currency).posted;
        unless(!self.scheme.moves(sender, payee) || is_covered, b"AM04", field::AMOUNT)?;
        Ok((payee, currency))
    }

    fn answer(&mut self, position: u64, entry: &wire::Entry<'_>) -> Finding {
        let Came { sender, private: note, .. } = self.find_sent(position, entry)?;
        let id: Id = wire::array(entry.routing, 0);
        let waits = self
            .payments
            .get(&id)
            .filter(|payment| !payment.is_return && payment.payee == Some(sender) && payment.end.is_none());
        let Some(payment) = waits else {
            self.rare.push("answer journaled that no payment waited for".into());
            return Ok(());
        };
        let (is_late, decision, reason) =
            (self.time_ns >= payment.deadline_ns, entry.routing[16], wire::array(entry.routing, 17));
        let is_within_one = payment.sender == sender;
        if decision == 2 && !is_late && self.rules.posting_follow_up_ns == 0 {
            self.rare.push("acceptance without posting where there is none".into());
            return Ok(());
        }
        self.rare.push(if is_late { "answer after the deadline" } else { "answer in time" }.into());
        match decision {
            _ if is_late => self.end(id, position, outcome::EXPIRED, *b"AB05", &[]),
            1 => self.end(id, position, outcome::COMMITTED, [0; 4], &note),
            2 => {
                self.end(id, position, outcome::COMMITTED, [0; 4], &note);
                if is_within_one {
                    self.rare.push("acceptance without posting within one institution".into());
                } else {
                    self.open_posting(id, position);
                }
            }
            _ => self.end(id, position, outcome::REJECTED, reason, &note),
        }
        Ok(())
    }

    /// An open payment is final; both sides are told.
    fn end(&mut self, id: Id, position: u64, outcome: u8, reason: [u8; 4], note: &[u8]) {
        let Some(payment) = self.payments.get_mut(&id) else { return };
        self.changed.push(id);
        let decided_at_ns = self.time_ns;
        let status = wire::Status { id, outcome, reason, field: field::NONE, decided_at_ns, position };
        payment.end = Some(status);
        let &mut Payment { sender: payer, currency, amount, lane, request, .. } = payment;
        let payee = payment.payee.unwrap_or_default();
        self.open.remove(&(payment.deadline_ns, payment.position, id));
        self.scheme.release(currency, payer, payee, amount);
        if outcome == outcome::COMMITTED {
            self.scheme.post(1, currency, payer, payee, amount);
        }
        self.aliases.decided(self.time_ns, id, outcome);
        self.counts.ended[usize::from(outcome) - 1] += 1;
        self.outcome(position, Subject::Payment(id));
        self.tell(payer, lane, Told { kind: kind::STATUS, routing: status.bytes(), private: note.to_vec() });
        if payer != payee {
            self.tell(payee, lane, Told { kind: kind::STATUS, routing: status.bytes(), private: Vec::new() });
        }
        if let Some(request) = request {
            self.request_decided(request, outcome == outcome::COMMITTED, position);
        }
    }

    fn outcome(&mut self, position: u64, subject: Subject) {
        self.outcomes.push(position);
        self.window.push_back((position, subject));
    }

    fn tell(&mut self, participant: usize, lane: usize, told: Told) {
        self.told[participant][lane].push(told);
    }

    fn sender(&self, entry: &wire::Entry<'_>) -> Result<usize, String> {
        let place = (entry.sender as usize).checked_sub(1).filter(|place| *place < self.codes.len());
        place.ok_or_else(|| format!("an entry of participant {}, who is none", entry.sender))
    }
}

/// A no of the rules, as it is counted.
pub(super) fn no_name((reason, field): No) -> String {
    format!("rejected: {} for field {field}", String::from_utf8_lossy(&reason))
}

/// What it knows.
impl Auditor {
    /// The last position that is on disk.
    pub(super) fn through(&self) -> u64 {
        self.through
    }

    pub(super) fn batches(&self) -> usize {
        self.batches.len()
    }

    pub(super) fn payment(&self, id: Id) -> Option<&Payment> {
        self.payments.get(&id)
    }

    pub(super) fn payments(&self) -> impl Iterator<Item = (&Id, &Payment)> {
        self.payments.iter()
    }

    /// The case that was opened under this id.
    pub(super) fn case(&self, id: Id) -> Option<&Case> {
        self.cases.get(&Subject::Case(id))
    }

    /// The posting follow-up of this payment.
    pub(super) fn posting(&self, id: Id) -> Option<&Case> {
        self.cases.get(&Subject::Posting(id))
    }

    pub(super) fn cases(&self) -> impl Iterator<Item = (&Subject, &Case)> {
        self.cases.iter()
    }

    /// Is anything on disk under this id?
    pub(super) fn knows(&self, id: Id) -> bool {
        self.payment(id).is_some() || self.case(id).is_some()
    }

    /// Was anything on disk under this id already, when the journal ended here?
    pub(super) fn knew(&self, id: Id, through: u64) -> bool {
        let payment = self.payment(id).is_some_and(|payment| payment.position <= through);
        payment || self.case(id).is_some_and(|case| case.opened() <= through)
    }

    /// Can payments be accepted without being posted?
    pub(super) fn has_postings(&self) -> bool {
        self.rules.posting_follow_up_ns > 0
    }

    /// The scheme's money.
    pub(super) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Has a participant payments in flight, or open cases?
    pub(super) fn is_busy(&self, place: usize) -> bool {
        is_busy((&self.open, &self.payments, &self.cases), place)
    }

    /// A participant's code, as on the wire.
    pub(super) fn code_of(&self, place: usize) -> [u8; 35] {
        self.codes[place]
    }

    /// How many participants there are.
    pub(super) fn participants(&self) -> usize {
        self.codes.len()
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { in_flight: self.open.len() as u64, ..self.counts }
    }

    /// What a participant is to be told as number `number` of a lane, by its place.
    pub(super) fn told(&self, participant: usize, lane: usize, number: u64) -> Option<&Told> {
        self.told[participant][lane].get(to_usize(number.checked_sub(1)?))
    }

    /// How many numbered messages a participant has in each lane.
    pub(super) fn told_counts(&self, participant: usize) -> [u64; LANES] {
        std::array::from_fn(|lane| self.told[participant][lane].len() as u64)
    }

    /// Did this participant use the id of something with other content, or of somebody else's? `is_case`: to open a case.
    pub(super) fn has_misused(&self, participant: usize, id: Id, is_case: bool) -> bool {
        let is_sent = |kind: u8| self.has_sent(kind, participant, id);
        if is_case {
            let sent = self.sent.get(&(kind::CASE_OPEN, id)).into_iter().flatten();
            let mut sent = sent.filter(|sent| sent.sender == participant).peekable();
            return match (self.payment(id), self.case(id)) {
                (None, Some(case)) => sent.any(|sent| !case.is_what(sent)),
                (None, None) => false,
                _ => sent.peek().is_some(),
            };
        }
        let Some(payment) = self.payments.get(&id) else {
            let orders = [kind::CREDIT_TRANSFER, kind::ALIAS_TRANSFER, kind::RETURN];
            return self.case(id).is_some() && orders.into_iter().any(is_sent);
        };
        let [own, other, third] = if payment.is_return {
            [kind::RETURN, kind::CREDIT_TRANSFER, kind::ALIAS_TRANSFER]
        } else if payment.is_by_alias() {
            [kind::ALIAS_TRANSFER, kind::CREDIT_TRANSFER, kind::RETURN]
        } else {
            [kind::CREDIT_TRANSFER, kind::RETURN, kind::ALIAS_TRANSFER]
        };
        let is_what = |sent: &Sent| {
            payment.sender == sent.sender && payment.as_sent == sent.routing && payment.fields == sent.fields
        };
        let mut sent = self.sent.get(&(own, id)).into_iter().flatten().filter(|sent| sent.sender == participant);
        sent.any(|sent| !is_what(sent)) || is_sent(other) || is_sent(third)
    }

    /// How many cases had been open and were closed.
    pub(super) fn closings(&self) -> u64 {
        self.closings
    }

    /// How many outcomes have left the window.
    pub(super) fn left(&self) -> u64 {
        self.left.len() as u64
    }

    /// Replies to what was known, since the last call.
    pub(super) fn take_replies_due(&mut self) -> Vec<Reply> {
        std::mem::take(&mut self.replies_due)
    }

    /// Ids of payments and cases that batches have changed since the last call.
    pub(super) fn take_changed(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.changed)
    }

    /// How many payments memory holds: open ones, and outcomes in the window.
    pub(super) fn held(&self) -> usize {
        let is_payment = |(_, subject): &&(u64, Subject)| matches!(subject, Subject::Payment(_));
        self.open.len() + self.window.iter().filter(is_payment).count()
    }

    /// Journal time of the last batch.
    pub(super) fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// What memory has to hold where files reach to `indexed`: the outcomes after that, and the payments that are open and become some.
    pub(super) fn to_hold(&self, indexed: u64) -> u64 {
        let in_files = self.outcomes.partition_point(|position| *position <= indexed);
        (self.outcomes.len() - in_files + self.open.len()) as u64
    }

    /// How many outcomes the window holds.
    pub(super) fn outcomes_kept(&self) -> u64 {
        u64::from(self.rules.outcomes_kept)
    }

    /// Position of the newest outcome that has left the window; 0 as long as none has.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// Paths that were met since the last call.
    pub(super) fn take_rare(&mut self) -> Vec<Cow<'static, str>> {
        self.rare.extend(self.scheme.take_rare().into_iter().map(Cow::Owned));
        std::mem::take(&mut self.rare)
    }
}

/// What is open: payments by deadline, all payments, all cases.
type Business<'a> = (&'a BTreeSet<(u64, u64, Id)>, &'a BTreeMap<Id, Payment>, &'a BTreeMap<Subject, Case>);

fn is_busy(business: Business<'_>, place: usize) -> bool {
    business_of(business, place).is_busy
}

/// What is open of a participant.
fn business_of((open, payments, cases): Business<'_>, place: usize) -> Open {
    let in_flight = || open.iter().filter_map(|(_, _, id)| payments.get(id));
    let is_busy = in_flight().any(|payment| payment.is_party(place))
        || cases.values().any(|case| case.is_open() && case.is_party(place));
    Open { paying: in_flight().filter(|payment| payment.sender == place).count(), is_busy }
}

/// Is this the entry that what was sent became?
fn is_entry(sent: &Sent, sender: usize, entry: &wire::Entry<'_>) -> bool {
    let sealed_bytes = if sent.private.is_empty() { 0 } else { sent.private.len() + SEAL_BYTES };
    sent.sender == sender && sent.routing == entry.routing && sealed_bytes == entry.sealed_bytes
}

fn as_batch((first_sequence, count, time_ns, payload): &Found) -> wire::Batch<'_> {
    wire::Batch { first_sequence: *first_sequence, count: *count, time_ns: *time_ns, payload }
}

fn digest(batch: &wire::Batch<'_>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&batch.time_ns.to_le_bytes()).update(&batch.count.to_le_bytes()).update(batch.payload);
    *hasher.finalize().as_bytes()
}
