//! The independent auditor: decides every payment anew, as plainly as `docs/payment-rules.md` reads, and shares no code with the engine.
//!
//! What it believes: what providers say that they sent, and, for order and time alone, the batches that are on disk beyond the reach of a
//! power cut. What an entry says must be what a provider sent. From these it computes every outcome, every balance, and every numbered
//! message that anybody is to be told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::invariants::{Finding, Violation, duplicates, durability, journal, named};
use super::machine::Found;
use super::plan::{CURRENCIES, Plan, Rules};
use super::provider::hex;
use super::random::to_usize;
use super::wire::{self, Id};

/// Overdue payments that end with one batch; the rest ends with the next.
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
}

/// Something that a provider sent: an order or an answer.
struct Sent {
    sender: usize,
    routing: Vec<u8>,
    private: Vec<u8>,
    /// What the private part says, whatever its layout.
    fields: Vec<Vec<u8>>,
}

/// An order as its entry and its sender have it.
struct Ordered {
    sender: usize,
    order: wire::Order,
    private: Vec<u8>,
    fields: Vec<Vec<u8>>,
}

/// Money of one participant in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) money: i128,
    pub(super) reserved: i128,
}

impl Account {
    pub(super) fn available(&self) -> i128 {
        self.money - self.reserved
    }
}

/// A payment that is on disk.
pub(super) struct Payment {
    pub(super) sender: usize,
    /// Once it was forwarded.
    pub(super) payee: Option<usize>,
    pub(super) position: u64,
    pub(super) end: Option<wire::Status>,
    routing: Vec<u8>,
    fields: Vec<Vec<u8>>,
    currency: usize,
    amount: i128,
    arrival: u64,
    deadline_ns: u64,
}

impl Payment {
    /// Is this the same order once more?
    fn is_order(&self, sender: usize, routing: &[u8], fields: &[Vec<u8>]) -> bool {
        self.sender == sender && self.routing == routing && self.fields == fields
    }

    pub(super) fn is_party(&self, participant: usize) -> bool {
        self.sender == participant || self.payee == Some(participant)
    }
}

/// One numbered message of a participant, as it must read.
pub(super) enum Told {
    Forward { routing: Vec<u8>, private: Vec<u8> },
    Status { status: wire::Status, note: Vec<u8> },
}

/// See the module.
pub(super) struct Auditor {
    rules: Rules,
    codes: Vec<[u8; 35]>,
    funds: [i128; 2],
    orders_sent: BTreeMap<Id, Vec<Sent>>,
    answers_sent: BTreeMap<(usize, Id), Vec<Sent>>,
    /// First position and digest of each batch that was on disk.
    batches: Vec<(u64, [u8; 32])>,
    through: u64,
    time_ns: u64,
    payments: BTreeMap<Id, Payment>,
    open: BTreeSet<(u64, u64, Id)>,
    accounts: Vec<[Account; 2]>,
    told: Vec<Vec<Told>>,
    /// What each participant has acknowledged of the payments lane, as journaled.
    acknowledged: Vec<u64>,
    is_signed_off: Vec<bool>,
    is_absent: Vec<bool>,
    /// The newest outcomes by position, as many as the rules say that memory holds.
    window: VecDeque<(u64, Id)>,
    /// Position of the newest outcome that has left the window; 0 as long as none has.
    floor: u64,
    /// Those that have left.
    left: BTreeSet<Id>,
    /// Positions of all outcomes, in order.
    outcomes: Vec<u64>,
    ended: [u64; 3],
    /// What orders of the last batch that were known are to be told.
    replies_due: Vec<ReplyDue>,
    /// Payments that batches have changed since somebody last asked.
    changed: Vec<Id>,
    rare: Vec<&'static str>,
}

/// Who is to be told which outcome of which payment, since it has sent that payment's id again.
pub(super) type ReplyDue = (usize, Id, u8);

impl Auditor {
    pub(super) fn new(plan: &Plan) -> Auditor {
        let account = |money: u64| Account { money: i128::from(money), reserved: 0 };
        let accounts: Vec<[Account; 2]> = plan.providers.iter().map(|p| p.funds.map(account)).collect();
        let sum = |currency: usize| accounts.iter().map(|of| of[currency].money).sum();
        Auditor {
            rules: plan.rules,
            codes: plan.providers.iter().map(|provider| *provider.code.bytes()).collect(),
            funds: [sum(0), sum(1)],
            orders_sent: BTreeMap::new(),
            answers_sent: BTreeMap::new(),
            batches: Vec::new(),
            through: 0,
            time_ns: 0,
            payments: BTreeMap::new(),
            open: BTreeSet::new(),
            told: plan.providers.iter().map(|_| Vec::new()).collect(),
            acknowledged: plan.providers.iter().map(|_| 0).collect(),
            is_signed_off: plan.providers.iter().map(|_| false).collect(),
            is_absent: plan.providers.iter().map(|_| false).collect(),
            accounts,
            window: VecDeque::new(),
            floor: 0,
            left: BTreeSet::new(),
            outcomes: Vec::new(),
            ended: [0; 3],
            replies_due: Vec::new(),
            changed: Vec::new(),
            rare: Vec::new(),
        }
    }

    /// A provider hands an order to its session.
    pub(super) fn order_sent(&mut self, sender: usize, routing: &[u8], private: &[u8]) {
        let fields = wire::private_fields(private, 7);
        let sent = Sent { sender, routing: routing.to_vec(), private: private.to_vec(), fields };
        let known = self.orders_sent.entry(wire::array(routing, 0)).or_default();
        if known.iter().any(|other| other.sender == sender && other.routing == routing && other.fields == sent.fields) {
            self.rare.push("order sent again");
            if known.iter().all(|other| other.private != private) {
                self.rare.push("order sent again in other bytes");
            }
        }
        known.push(sent);
    }

    /// A provider hands an answer to its session.
    pub(super) fn answer_sent(&mut self, sender: usize, routing: &[u8], private: &[u8]) {
        let fields = wire::private_fields(private, 2);
        let sent = Sent { sender, routing: routing.to_vec(), private: private.to_vec(), fields };
        self.answers_sent.entry((sender, wire::array(routing, 0))).or_default().push(sent);
    }

    /// Has this participant ever answered this payment?
    pub(super) fn has_answered(&self, participant: usize, id: Id) -> bool {
        self.answers_sent.contains_key(&(participant, id))
    }

    /// A batch is on disk for good.
    pub(super) fn take_batch(&mut self, batch: wire::Batch<'_>) -> Result<(), Violation> {
        let entries = named(journal::NAME, self.check_batch(&batch))?;
        self.batches.push((batch.first_sequence, digest(&batch)));
        self.time_ns = batch.time_ns;
        self.trim();
        self.expire(batch.first_sequence);
        self.through = batch.first_sequence + batch.count;
        for (position, entry) in (batch.first_sequence + 1..).zip(&entries) {
            match (entry.kind, entry.sender_kind) {
                (wire::kind::CREDIT_TRANSFER, 1) => self.order(position, entry)?,
                (wire::kind::ANSWER, 1) => named(journal::NAME, self.answer(position, entry))?,
                (wire::kind::SIGN_ON | wire::kind::SIGN_OFF, 1) => named(journal::NAME, self.sign(entry))?,
                (wire::kind::PRESENCE, 3) => named(journal::NAME, self.observed(entry))?,
                (wire::kind::ACKNOWLEDGED, 3) => named(journal::NAME, self.cursors(entry))?,
                (128.., 2) if self.batches.len() == 1 => {}
                (kind, sender) => {
                    let what = format!("an entry of kind {kind} from a sender of kind {sender}");
                    return named(journal::NAME, Err(what));
                }
            }
        }
        self.rare.push(match entries.len() {
            0 => "batch without entries",
            1..=9 => "batch of few entries",
            _ => "batch of many entries",
        });
        Ok(())
    }

    fn sign(&mut self, entry: &wire::Entry<'_>) -> Result<(), String> {
        let sender = self.sender(entry)?;
        self.is_signed_off[sender] = entry.kind == wire::kind::SIGN_OFF;
        self.rare.push(if self.is_signed_off[sender] { "signed off" } else { "signed on" });
        Ok(())
    }

    /// What the switch observes is news: who is absent comes, or who is not goes.
    fn observed(&mut self, entry: &wire::Entry<'_>) -> Result<(), String> {
        let place = (wire::u32_at(entry.routing, 0) as usize).wrapping_sub(1);
        let is_absent = self.is_absent.get_mut(place).ok_or("the presence of nobody")?;
        let now = entry.routing[4] == 0;
        if std::mem::replace(is_absent, now) == now {
            return Err(format!("participant {place} is absent, {now}, as it was before"));
        }
        self.rare.push(if now { "absent" } else { "present again" });
        Ok(())
    }

    /// Cursors never go back, and never beyond what was told.
    fn cursors(&mut self, entry: &wire::Entry<'_>) -> Result<(), String> {
        let place = (wire::u32_at(entry.routing, 0) as usize).wrapping_sub(1);
        let told = self.told.get(place).ok_or("the cursors of nobody")?.len() as u64;
        let [payments, others @ ..] = [4, 12, 20].map(|at| wire::u64_at(entry.routing, at));
        let last = std::mem::replace(&mut self.acknowledged[place], payments);
        if payments <= last || payments > told || others != [0; 2] {
            return Err(format!("cursor {payments} of participant {place} follows {last}, {told} were told"));
        }
        self.rare.push("cursors journaled");
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
            let Some((position, id)) = self.window.pop_front() else { return };
            self.floor = position;
            self.left.insert(id);
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
            self.rare.push("expired by time");
            self.end(id, position, outcome::EXPIRED, *b"AB05", &[]);
        }
    }

    fn order(&mut self, position: u64, entry: &wire::Entry<'_>) -> Result<(), Violation> {
        let ordered = named(journal::NAME, self.find_sent(position, entry))?;
        let Ordered { sender, order, fields, .. } = &ordered;
        let is_held = self.payments.contains_key(&order.id) && !self.left.contains(&order.id);
        if is_held {
            let known = self.payments.get(&order.id).filter(|known| known.is_order(*sender, entry.routing, fields));
            let same = known.is_some();
            let so_far =
                known.map_or(outcome::DUPLICATE, |known| known.end.map_or(outcome::IN_FLIGHT, |end| end.outcome));
            self.replies_due.push((*sender, order.id, so_far));
            self.rare.push(if same { "order repeated" } else { "duplicate with other content" });
            return Ok(());
        }
        if wire::u64_at(entry.annotation, 16) < self.floor {
            self.rare.push("order to be checked again");
            return Ok(());
        }
        let finding = if self.left.contains(&order.id) { Err(hex(&order.id)) } else { Ok(()) };
        named(duplicates::NAME, finding)?;
        self.decide(position, entry.routing, ordered);
        Ok(())
    }

    /// What was sent and became this entry.
    fn find_sent(&self, position: u64, entry: &wire::Entry<'_>) -> Result<Ordered, String> {
        let order = wire::order(entry.routing).ok_or("an order of the wrong length")?;
        let sender = self.sender(entry)?;
        let sent = self.orders_sent.get(&order.id).into_iter().flatten().find(|sent| is_entry(sent, sender, entry));
        let sent = sent.ok_or_else(|| format!("position {position} holds an order that nobody sent"))?;
        Ok(Ordered { sender, order, private: sent.private.clone(), fields: sent.fields.clone() })
    }

    /// A payment that nobody knew is decided by the rules.
    fn decide(&mut self, position: u64, routing: &[u8], ordered: Ordered) {
        let Ordered { sender, order, private, fields } = ordered;
        self.changed.push(order.id);
        let judged = self.judge(sender, &order);
        let (payee, currency) = judged.unwrap_or((0, 0));
        let payment = Payment {
            sender,
            payee: judged.is_ok().then_some(payee),
            position,
            end: None,
            routing: routing.to_vec(),
            fields,
            currency,
            amount: i128::from(order.amount),
            arrival: position,
            deadline_ns: order.accepted_at_ns.saturating_add(self.rules.timeout_ns),
        };
        match judged {
            Ok(_) => self.forward(order.id, payment, private),
            Err((reason, field)) => {
                self.rare.push(match &reason {
                    b"AM04" => "funds insufficient",
                    b"AB08" => "payee unreachable",
                    _ => "rejected by a rule",
                });
                self.ended[1] += 1;
                let (id, decided_at_ns) = (order.id, self.time_ns);
                let status = wire::Status { id, outcome: outcome::REJECTED, reason, field, decided_at_ns, position };
                self.payments.insert(id, Payment { end: Some(status), ..payment });
                self.outcome(position, id);
                self.told[sender].push(Told::Status { status, note: Vec::new() });
            }
        }
    }

    fn forward(&mut self, id: Id, payment: Payment, private: Vec<u8>) {
        let payee = payment.payee.unwrap_or_default();
        let mut routing = payment.routing.clone();
        routing.extend_from_slice(&payment.deadline_ns.to_le_bytes());
        self.told[payee].push(Told::Forward { routing, private });
        self.accounts[payment.sender][payment.currency].reserved += payment.amount;
        self.open.insert((payment.deadline_ns, payment.arrival, id));
        self.payments.insert(id, payment);
    }

    /// The rules in their order: the payee's place and the currency's, or why not.
    fn judge(&self, sender: usize, order: &wire::Order) -> Result<(usize, usize), ([u8; 4], u8)> {
        if order.payer != self.codes[sender] {
            return Err((*b"AGNT", field::PAYER));
        }
        let Some(payee) = self.codes.iter().position(|code| *code == order.payee) else {
            return Err((*b"CNOR", field::PAYEE));
        };
        if payee == sender {
            return Err((*b"AG12", field::PAYEE));
        }
        if self.is_signed_off[payee] || self.is_absent[payee] {
            return Err((*b"AB08", field::PAYEE));
        }
        let Some(currency) = CURRENCIES.iter().position(|currency| *currency == order.currency) else {
            return Err((*b"AM03", field::CURRENCY));
        };
        if order.amount > self.rules.amount_max {
            return Err((*b"AM13", field::AMOUNT));
        }
        let [now, accepted] = [self.time_ns, order.accepted_at_ns].map(i128::from);
        if accepted - now > i128::from(self.rules.skew_ns) {
            return Err((*b"DT04", field::ACCEPTED_AT));
        }
        if accepted + i128::from(self.rules.timeout_ns) - now <= i128::from(self.rules.payee_share_ns) {
            return Err((*b"TM01", field::ACCEPTED_AT));
        }
        if i128::from(order.amount) > self.accounts[sender][currency].available() {
            return Err((*b"AM04", field::AMOUNT));
        }
        Ok((payee, currency))
    }

    fn answer(&mut self, position: u64, entry: &wire::Entry<'_>) -> Finding {
        let sender = self.sender(entry)?;
        let id: Id = wire::array(entry.routing, 0);
        let sent = self.answers_sent.get(&(sender, id)).into_iter().flatten();
        let sent = sent.into_iter().find(|sent| is_entry(sent, sender, entry));
        let sent = sent.ok_or_else(|| format!("position {position} holds an answer that nobody sent"))?;
        let note = sent.private.clone();
        let Some(payment) = self.payments.get(&id) else {
            self.rare.push("answer journaled that no payment waited for");
            return Ok(());
        };
        if payment.payee != Some(sender) || payment.end.is_some() {
            self.rare.push("answer journaled that no payment waited for");
            return Ok(());
        }
        let (is_late, decision, reason) =
            (self.time_ns >= payment.deadline_ns, entry.routing[16], wire::array(entry.routing, 17));
        self.rare.push(if is_late { "answer after the deadline" } else { "answer in time" });
        match decision {
            _ if is_late => self.end(id, position, outcome::EXPIRED, *b"AB05", &[]),
            1 => self.end(id, position, outcome::COMMITTED, [0; 4], &note),
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
        let (payer, payee, currency, amount) =
            (payment.sender, payment.payee.unwrap_or_default(), payment.currency, payment.amount);
        self.open.remove(&(payment.deadline_ns, payment.arrival, id));
        self.accounts[payer][currency].reserved -= amount;
        if outcome == outcome::COMMITTED {
            self.accounts[payer][currency].money -= amount;
            self.accounts[payee][currency].money += amount;
        }
        self.ended[usize::from(outcome) - 1] += 1;
        self.outcome(position, id);
        self.told[payer].push(Told::Status { status, note: note.to_vec() });
        self.told[payee].push(Told::Status { status, note: Vec::new() });
    }

    fn outcome(&mut self, position: u64, id: Id) {
        self.outcomes.push(position);
        self.window.push_back((position, id));
    }

    fn sender(&self, entry: &wire::Entry<'_>) -> Result<usize, String> {
        let place = (entry.sender as usize).checked_sub(1).filter(|place| *place < self.codes.len());
        place.ok_or_else(|| format!("an entry of participant {}, who is none", entry.sender))
    }
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

    pub(super) fn accounts(&self) -> &[[Account; 2]] {
        &self.accounts
    }

    /// All money of the scheme in each currency: nothing comes in or goes out while it runs.
    pub(super) fn funds(&self) -> [i128; 2] {
        self.funds
    }

    /// Committed, rejected, expired, in flight.
    pub(super) fn counts(&self) -> [u64; 4] {
        let [committed, rejected, expired] = self.ended;
        [committed, rejected, expired, self.open.len() as u64]
    }

    /// What a participant is to be told as number `number`.
    pub(super) fn told(&self, participant: usize, number: u64) -> Option<&Told> {
        self.told[participant].get(to_usize(number.checked_sub(1)?))
    }

    /// How many numbered messages a participant has.
    pub(super) fn told_count(&self, participant: usize) -> u64 {
        self.told[participant].len() as u64
    }

    /// Did this participant use the id of a payment with other content, or of somebody else's payment?
    pub(super) fn has_misused(&self, participant: usize, id: Id) -> bool {
        let Some(payment) = self.payments.get(&id) else { return false };
        let is_other = |sent: &Sent| !payment.is_order(sent.sender, &sent.routing, &sent.fields);
        let sent = self.orders_sent.get(&id).into_iter().flatten();
        sent.filter(|sent| sent.sender == participant).any(is_other)
    }

    /// How many outcomes have left the window.
    pub(super) fn left(&self) -> u64 {
        self.left.len() as u64
    }

    /// Replies to orders that were known, since the last call.
    pub(super) fn take_replies_due(&mut self) -> Vec<ReplyDue> {
        std::mem::take(&mut self.replies_due)
    }

    /// Payments that batches have changed since the last call.
    pub(super) fn take_changed(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.changed)
    }

    /// How many payments memory holds: open ones, and outcomes in the window.
    pub(super) fn held(&self) -> usize {
        self.open.len() + self.window.len()
    }

    /// What memory has to hold where files reach to `indexed`: the outcomes after that, and what is open and becomes one.
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
    pub(super) fn take_rare(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.rare)
    }
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
