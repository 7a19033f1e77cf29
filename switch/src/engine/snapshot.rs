//! The engine's state as bytes: taken in portions while the engine goes on, and read back (`docs/formats/engine-snapshot.md`).
//!
//! The bytes are those of the state between two batches: a head, the book, then table by table items of fixed width. Each table writes and reads its own
//! items, in a file beside it; what is about to change and has not been taken yet is taken first ([`ledger::capture`]). What follows from the rest is not in
//! them: deadlines (of the open payments), accounts (of the book, by their ids), reservations (of the book, by the payments' ids), tables of ids.
//!
//! Equal engines have equal bytes. Who reads them believes nothing: what does not fit is refused, naming the item.

pub(super) mod slots;

use std::io::Read;

use ledger::{Amount, Book, Currency};

use super::accounts::{AccountKind, SCHEME, account_id};
use super::cases::Cases;
use super::deadlines::{Deadline, Deadlines};
use super::funds::{FundsBooked, FundsReferences};
use super::lookups::{Kept, Lookups, Touched};
use super::originals::Originals;
use super::participants::{Participant, Participants};
use super::payments::{Payments, State, Traits};
use super::rules::{CurrencyRules, Rules};
use super::scheme::{Model, Scheme, Told};
use super::seats::Seats;
use super::{Engine, PaymentCounts, book_options, payment_account};
use crate::entry::ParticipantId;
use crate::limits::{BULK_PURPOSES_MAX, CURRENCIES_MAX, MINOR_DIGITS_MAX, OUTCOMES_KEPT_MAX, SCHEME_BYTES_MAX};

/// What a snapshot of the engine is called in the file around it. Changed whenever the bytes below mean something else.
pub const ENGINE_SNAPSHOT_FORMAT: u32 = 0x5000_0003;

/// The first bytes.
const MAGIC: [u8; 8] = *b"CLSPENGS";
/// Length of the head without the currencies.
const HEAD_BYTES: usize = 352;
/// A currency in the head.
const CURRENCY_BYTES: usize = 16;

/// A table that a snapshot takes in portions.
pub(super) trait Table {
    /// Begins to take the table as it is now; its first byte stands at `offset` in the whole. Returns where its last one ends.
    fn begin_capture(&mut self, offset: u64) -> u64;

    /// Hands out the next portion, about so many bytes, and half as much of what had to be taken out of turn. Returns how many that counts.
    fn capture(&mut self, bytes_max: usize, sink: &mut dyn FnMut(u64, &[u8])) -> usize;

    /// All was handed out, or nobody wants to have it any more.
    fn end_capture(&mut self);
}

/// What of a capture is not in the tables themselves.
pub(super) struct EngineCapture {
    /// Until it has been handed out.
    head: Option<Vec<u8>>,
    /// Where the book's bytes begin.
    book_at: u64,
    /// Bytes of the tables that were not handed out yet.
    tables_left: u64,
}

impl Engine {
    /// The tables beside the book, in the order in which they stand in a snapshot.
    fn tables(&mut self) -> [&mut dyn Table; 8] {
        [
            &mut self.participants,
            &mut self.seats,
            &mut self.funds,
            &mut self.payments,
            &mut self.cases,
            &mut self.originals,
            &mut self.lookups.users,
            &mut self.lookups.paying,
        ]
    }

    /// Begins to take the bytes of the state as it is now, between two batches. Returns how many there will be.
    ///
    /// # Panics
    /// When a capture goes on already.
    pub fn begin_capture(&mut self) -> u64 {
        assert!(self.capture.is_none(), "one capture at a time");
        let book_bytes = self.book.begin_capture();
        // Touched aliases are small and are taken at once, with what the operator has set.
        let (floor, ring) = self.lookups.touched.parts();
        (self.scheme.directory.touched_floor, self.scheme.directory.touched) = (floor, ring);
        let head = self.head_bytes(book_bytes);
        (self.scheme.directory.touched_floor, self.scheme.directory.touched) = (0, Vec::new());
        let book_at = head.len() as u64;
        let tables_at = book_at + book_bytes;
        let end = self.tables().into_iter().fold(tables_at, |at, table| table.begin_capture(at));
        self.capture = Some(EngineCapture { head: Some(head), book_at, tables_left: end - tables_at });
        end
    }

    /// Hands out the next portion of the bytes, each piece with the place of its first one: about `bytes_max`, and half as much of what
    /// had to be taken before it changed. A portion is of the book or of the tables, whose short items count more than their bytes.
    /// Returns whether there is more. To be called between batches.
    ///
    /// # Panics
    /// When no capture goes on.
    pub fn capture(&mut self, bytes_max: usize, mut sink: impl FnMut(u64, &[u8])) -> bool {
        let Some(mut capture) = self.capture.take() else { panic!("a capture goes on") };
        if let Some(head) = capture.head.take() {
            sink(0, &head);
        }
        if self.book.is_capturing() {
            let book_at = capture.book_at;
            self.book.capture(bytes_max, |offset, bytes| sink(book_at + offset, bytes));
            self.capture = Some(capture);
            return true;
        }
        let mut sink = |offset: u64, bytes: &[u8]| {
            capture.tables_left -= bytes.len() as u64;
            sink(offset, bytes);
        };
        let mut left = bytes_max;
        for table in self.tables() {
            left = left.saturating_sub(table.capture(left, &mut sink));
        }
        let is_complete = capture.tables_left == 0;
        if is_complete {
            self.tables().into_iter().for_each(Table::end_capture);
        } else {
            self.capture = Some(capture);
        }
        !is_complete
    }

    /// Does a capture go on?
    pub fn is_capturing(&self) -> bool {
        self.capture.is_some()
    }

    /// Ends a capture that nobody wants to have any more.
    pub fn abandon_capture(&mut self) {
        self.capture = None;
        self.book.abandon_capture();
        self.tables().into_iter().for_each(Table::end_capture);
    }

    /// BLAKE3 of all the bytes that a snapshot would have now.
    ///
    /// # Panics
    /// When a capture goes on.
    pub fn snapshot_digest(&mut self) -> [u8; 32] {
        let bytes = self.begin_capture();
        let mut hasher = blake3::Hasher::new();
        // Nothing changes meanwhile, so everything comes in its turn.
        let mut sink = |offset: u64, piece: &[u8]| {
            assert_eq!(offset, hasher.count(), "pieces come in order");
            hasher.update(piece);
        };
        while self.capture(usize::MAX, &mut sink) {}
        assert_eq!(hasher.count(), bytes, "all of it was handed out");
        hasher.finalize().into()
    }

    /// All that is in no table. Whoever adds a field is stopped here, and finds the place where it is read below.
    fn head_bytes(&self, book_bytes: u64) -> Vec<u8> {
        let Engine {
            book: _,
            rules,
            currencies,
            participants,
            seats: _,
            funds,
            payments,
            originals,
            cases,
            deadlines: _,
            counts,
            time_ns,
            applied,
            seal_key_max,
            lookups,
            scheme,
            prices: _,
            told: _,
            capture: _,
        } = self;
        let scheme = scheme.bytes();
        let mut head = Writer::<HEAD_BYTES>::new();
        head.put(&MAGIC).put(&[0; 8]);
        for word in [*applied, *time_ns, *seal_key_max, payments.floor(), book_bytes] {
            head.put(&word.to_le_bytes());
        }
        put_counts(&mut head, counts);
        head.put(&rules_bytes(rules));
        for count in [length(currencies.len()), participants.length(), funds.length()] {
            head.put(&count.to_le_bytes());
        }
        for count in [
            payments.lengths(),
            cases.lengths(),
            originals.lengths(),
            lookups.users.lengths(),
            lookups.paying.lengths(),
        ]
        .concat()
        {
            head.put(&count.to_le_bytes());
        }
        head.put(&(scheme.len() as u64).to_le_bytes());
        head.put(&[0; HEAD_BYTES - HEAD_FIELDS_END]);
        let mut head = head.finish().to_vec();
        head.extend(currencies.iter().flat_map(currency_bytes));
        head.extend(scheme);
        head
    }

    /// The engine that `body` has the bytes of, to the last one of them, with room for so many payments.
    pub fn restore(payments_expected: u32, mut body: impl Read) -> Result<Engine, RestoreFault> {
        let body = &mut body;
        let head = Head::of(&read_item(body)?).map_err(|what| RestoreFault::new(Part::Head, 0, what))?;
        let mut currencies = Vec::new();
        read_items(body, Part::Currency, head.currencies, |_, bytes| {
            let rules = currency_of(bytes)?;
            let is_new = currencies.iter().all(|known: &CurrencyRules| known.currency != rules.currency);
            ensure(is_new && currencies.len() < CURRENCIES_MAX, "a currency again, or one too many")?;
            currencies.push(rules);
            Ok(())
        })?;
        let mut scheme = read_scheme(body, head.scheme_bytes)?;
        let (floor, ring) = (scheme.directory.touched_floor, std::mem::take(&mut scheme.directory.touched));
        scheme.directory.touched_floor = 0;
        let touched = Touched::of_parts(floor, ring);
        let touched = touched.ok_or_else(|| RestoreFault::new(Part::Scheme, 0, "touched aliases out of order"))?;
        let book = Book::restore(book_options(payments_expected), body.take(head.book_bytes))
            .map_err(|fault| RestoreFault::new(Part::Book, 0, &fault.to_string()))?;
        let funding = |number| book.find(account_id(number, SCHEME, AccountKind::Funding));
        if (0..currencies.len()).any(|number| funding(number).is_none()) {
            return Err(RestoreFault::new(Part::Book, 0, "the scheme's own account is missing"));
        }
        let participants = Participants::restore(head.participants, body)?;
        let account = |currency, id| {
            let participant: &Participant = &participants[id];
            let account = payment_account(&book, &currencies, currency, id, participant);
            ensure(account.is_some() != participant.is_technical, "an account is missing").map(|()| account)
        };
        let seats = Seats::restore([head.currencies, head.participants], body, account)?;
        let is_known = |booked: &FundsBooked| {
            let is_one = |id| participants.get(id).is_some();
            let other = booked.other;
            is_one(booked.participant) && (other.0 == 0 || is_one(other)) && booked.currency < currencies.len()
        };
        let funds = FundsReferences::restore(head.funds, body, is_known)?;
        let (expected, floor) = (payments_expected as usize, head.floor);
        let moves_nothing = |pair: [ParticipantId; 2], currency: [u8; 3]| {
            let number = currencies.iter().position(|rules: &CurrencyRules| rules.currency.bytes() == currency);
            let is_known = pair.iter().all(|id| participants.get(*id).is_some());
            let accounts = number.filter(|_| is_known).map(|number| pair.map(|id| seats.at(number, id).account));
            accounts.is_some_and(|[debit, credit]| debit == credit)
        };
        let payments = Payments::restore(expected, head.payments, floor, &book, moves_nothing, body)?;
        let cases = Cases::restore(head.cases, floor, body)?;
        let originals = Originals::restore(head.originals, body)?;
        let users = Kept::restore(head.users, true, body)?;
        let paying = Kept::restore(head.paying, false, body)?;
        let lookups = Lookups { users, paying, touched };
        ensure_end(body)?;
        let Head { rules, counts, time_ns, applied, seal_key_max, .. } = head;
        let deadlines = deadlines_of(&payments);
        let prices = scheme.fees.prices();
        let engine = Engine {
            book,
            rules,
            currencies,
            participants,
            seats,
            funds,
            payments,
            originals,
            cases,
            deadlines,
            counts,
            time_ns,
            applied,
            seal_key_max,
            lookups,
            scheme,
            prices,
            told: Told::default(),
            capture: None,
        };
        engine.check_restored().map_err(|what| RestoreFault::new(Part::Head, 0, what))?;
        Ok(engine)
    }

    /// What one part says of another.
    fn check_restored(&self) -> Checked<()> {
        let mut open_of = vec![0u32; self.participants.length() as usize];
        let mut incoming_of = open_of.clone();
        for payment in self.payments.open() {
            let payer = (payment.payer.0 as usize).checked_sub(1).and_then(|place| open_of.get_mut(place));
            *payer.ok_or("an open payment of nobody")? += 1;
            let payee = payment.payee.and_then(|payee| (payee.0 as usize).checked_sub(1));
            let payee = payee.and_then(|place| incoming_of.get_mut(place));
            *payee.ok_or("an open payment to nobody")? += 1;
        }
        let counted = self.participants.iter().map(|(_, participant)| participant.in_flight);
        ensure(counted.eq(open_of.iter().copied()), "the open payments of a participant are more or fewer")?;
        let counted = self.participants.iter().map(|(_, participant)| participant.incoming);
        ensure(counted.eq(incoming_of), "the open payments to a participant are more or fewer")?;
        let in_flight: u64 = open_of.iter().map(|&count| u64::from(count)).sum();
        ensure(self.counts.in_flight == in_flight, "the open payments are more or fewer")?;
        let mut cases_of = vec![0u32; open_of.len()];
        for case in self.cases.open() {
            let opener = (case.opener.0 as usize).checked_sub(1).and_then(|place| cases_of.get_mut(place));
            *opener.ok_or("an open case of nobody")? += 1;
        }
        let counted = self.participants.iter().map(|(_, participant)| participant.cases_open);
        ensure(counted.eq(cases_of), "the open cases of a participant are more or fewer")?;
        ensure(self.counts.cases_open == self.cases.open_count() as u64, "the open cases are more or fewer")?;
        let bulk = self.payments.open().into_iter().filter(|payment| payment.traits.has(Traits::BULK)).count() as u64;
        ensure(self.counts.bulk_in_flight == bulk, "the open bulk payments are more or fewer")?;
        let outcomes = (self.payments.outcomes_held() + self.cases.closed().len()) as u64;
        ensure(outcomes <= self.counts.decided(), "more outcomes than were ever decided")?;
        ensure(self.payments.floor() <= self.applied, "more has left than was applied")?;
        self.check_named()?;
        self.check_lookups()
    }

    /// Participants and currencies that are named exist.
    fn check_named(&self) -> Checked<()> {
        let is_one = |id: ParticipantId| self.participants.get(id).is_some();
        for payment in self.payments.open().into_iter().chain(self.payments.outcomes()) {
            ensure(is_one(payment.payer) && payment.payee.is_none_or(is_one), "a payment of nobody, or to nobody")?;
            // What was rejected before anybody was asked may be in any currency.
            let is_known = payment.payee.is_none() || self.currency_place(payment.currency).is_some();
            ensure(is_known, "a payment in a currency that does not exist")?;
        }
        for case in self.cases.open().chain(self.cases.closed()) {
            ensure(
                is_one(case.opener) && case.responder.is_none_or(is_one),
                "a case of nobody, or that nobody answers",
            )?;
        }
        for (_, original, _) in self.originals.iter() {
            ensure(is_one(original.payer) && is_one(original.payee), "a return of nobody, or to nobody")?;
            ensure(self.currency_place(original.currency).is_some(), "a return in a currency that does not exist")?;
        }
        Ok(())
    }
}

/// Deadlines of decided payments, which may still be in a running engine, change nothing.
fn deadlines_of(payments: &Payments) -> Deadlines {
    let mut deadlines = Deadlines::default();
    for (payment, open) in payments.open_with_places() {
        if let State::InFlight { deadline_ns, position, .. } = open.state {
            deadlines.add(Deadline { at_ns: deadline_ns, position, payment });
        }
    }
    deadlines
}

/// Where the fields of the head end.
const HEAD_FIELDS_END: usize = 16 + 5 * 8 + COUNTS_BYTES + RULES_BYTES + 18 * 4 + 8;

/// The head, read.
struct Head {
    rules: Rules,
    counts: PaymentCounts,
    time_ns: u64,
    applied: u64,
    seal_key_max: u64,
    floor: u64,
    book_bytes: u64,
    currencies: u32,
    participants: u32,
    funds: u32,
    /// Slots, free ones, outcomes.
    payments: [u32; 3],
    /// Slots, free ones, closed ones.
    cases: [u32; 3],
    /// Slots, free ones, returns.
    originals: [u32; 3],
    /// Slots, free ones, turns.
    users: [u32; 3],
    /// Slots, free ones; no turns.
    paying: [u32; 3],
    scheme_bytes: u64,
}

/// Counts in the head.
const COUNTS_BYTES: usize = 9 * 8;

fn put_counts(head: &mut Writer<HEAD_BYTES>, counts: &PaymentCounts) {
    let PaymentCounts {
        committed,
        rejected,
        expired,
        in_flight,
        bulk_in_flight,
        returned,
        returns_rejected,
        cases_open,
        cases_closed,
    } = counts;
    for word in
        [committed, rejected, expired, in_flight, bulk_in_flight, returned, returns_rejected, cases_open, cases_closed]
    {
        head.put(&word.to_le_bytes());
    }
}

fn counts_of(fields: &mut Fields<'_>) -> PaymentCounts {
    PaymentCounts {
        committed: fields.u64(),
        rejected: fields.u64(),
        expired: fields.u64(),
        in_flight: fields.u64(),
        bulk_in_flight: fields.u64(),
        returned: fields.u64(),
        returns_rejected: fields.u64(),
        cases_open: fields.u64(),
        cases_closed: fields.u64(),
    }
}

/// Rules in the head.
const RULES_BYTES: usize = 2 * 4 + 9 * 8 + 4 * BULK_PURPOSES_MAX + 1;

/// The rules as they stand in the head. The engine's digest has the same bytes.
pub(super) fn rules_bytes(rules: &Rules) -> [u8; RULES_BYTES] {
    let mut bytes = Writer::new();
    bytes.put(&rules.version.to_le_bytes()).put(&rules.outcomes_kept.to_le_bytes());
    for duration_ns in [
        rules.timeout_ns,
        rules.payee_share_ns,
        rules.skew_ns,
        rules.bulk_timeout_ns,
        rules.posting_follow_up_ns,
        rules.recall_window_ns,
        rules.recall_answer_ns,
        rules.information_answer_ns,
        rules.request_expiry_max_ns,
    ] {
        bytes.put(&duration_ns.to_le_bytes());
    }
    bytes.put(rules.bulk_purposes.as_flattened()).put(&[u8::from(rules.has_self_payments)]);
    bytes.finish()
}

/// Reads what `rules_bytes` has written.
fn rules_of(fields: &mut Fields<'_>) -> Checked<Rules> {
    let rules = Rules {
        version: fields.u32(),
        outcomes_kept: fields.u32(),
        timeout_ns: fields.u64(),
        payee_share_ns: fields.u64(),
        skew_ns: fields.u64(),
        bulk_timeout_ns: fields.u64(),
        posting_follow_up_ns: fields.u64(),
        recall_window_ns: fields.u64(),
        recall_answer_ns: fields.u64(),
        information_answer_ns: fields.u64(),
        request_expiry_max_ns: fields.u64(),
        bulk_purposes: std::array::from_fn(|_| fields.take()),
        has_self_payments: match fields.take() {
            [0] => false,
            [1] => true,
            _ => return Err("a flag that is neither 0 nor 1"),
        },
    };
    ensure(rules.outcomes_kept <= OUTCOMES_KEPT_MAX, "the window is larger than it may be")?;
    ensure(rules == Rules::UNSET || rules.is_known(), "the rules are unknown to this program")?;
    Ok(rules)
}

impl Head {
    fn of(bytes: &[u8; HEAD_BYTES]) -> Checked<Head> {
        let mut fields = Fields::new(bytes);
        ensure(fields.take() == MAGIC, "the magic is not there")?;
        ensure(fields.take() == [0; 8] && bytes[HEAD_FIELDS_END..].iter().all(|&byte| byte == 0), "no zeros")?;
        let (applied, time_ns, seal_key_max) = (fields.u64(), fields.u64(), fields.u64());
        let (floor, book_bytes) = (fields.u64(), fields.u64());
        let counts = counts_of(&mut fields);
        let rules = rules_of(&mut fields)?;
        let (currencies, participants, funds) = (fields.u32(), fields.u32(), fields.u32());
        let [payments, cases, originals, users, paying] = [(); 5].map(|()| [fields.u32(), fields.u32(), fields.u32()]);
        let head = Head {
            rules,
            counts,
            time_ns,
            applied,
            seal_key_max,
            floor,
            book_bytes,
            currencies,
            participants,
            funds,
            payments,
            cases,
            originals,
            users,
            paying,
            scheme_bytes: fields.u64(),
        };
        Ok(head)
    }
}

fn read_scheme(body: &mut impl Read, length: u64) -> Result<Scheme, RestoreFault> {
    let fault = |what: &str| RestoreFault::new(Part::Scheme, 0, what);
    if length > SCHEME_BYTES_MAX {
        return Err(fault("longer than it can be"));
    }
    let mut bytes = Vec::new();
    body.take(length).read_to_end(&mut bytes).map_err(|error| fault(&error.to_string()))?;
    let scheme = Scheme::read(&bytes).ok_or_else(|| fault("no archive of it"))?;
    ensure(scheme.bytes() == bytes, "the bytes are not canonical").map_err(fault)?;
    Ok(scheme)
}

fn currency_bytes(rules: &CurrencyRules) -> [u8; CURRENCY_BYTES] {
    let CurrencyRules { currency, minor_digits, amount_max, model } = rules;
    let mut bytes = Writer::new();
    bytes.put(&currency.bytes()).put(&[*minor_digits]).put(&amount_max.minor_units().to_le_bytes());
    bytes.put(&[*model as u8, 0, 0, 0]);
    bytes.finish()
}

fn currency_of(bytes: &[u8; CURRENCY_BYTES]) -> Checked<CurrencyRules> {
    let mut fields = Fields::new(bytes);
    let currency = Currency::parse(&fields.take::<3>()).ok_or("the currency is not three capital letters")?;
    let [minor_digits] = fields.take();
    let amount_max = Amount::new(fields.u64()).ok_or("the greatest payment is no amount")?;
    let [model, zeros @ ..] = fields.take::<4>();
    let model = Model::from_number(model).ok_or("no model of settlement")?;
    ensure(minor_digits <= MINOR_DIGITS_MAX && zeros == [0; 3], "too many digits, or no zeros")?;
    Ok(CurrencyRules { currency, minor_digits, amount_max, model })
}

/// A part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The head.
    Head,
    /// A currency.
    Currency,
    /// What the operator has set.
    Scheme,
    /// The book.
    Book,
    /// A participant.
    Participant,
    /// What a participant may do, and has done, in a currency.
    Seat,
    /// A reference of funds.
    Funds,
    /// A slot of a payment.
    Payment,
    /// An entry of the list of free slots.
    FreeSlot,
    /// An entry of the window of outcomes, or a closed case.
    Outcome,
    /// A slot of a case.
    Case,
    /// A slot of a payment with returns.
    Original,
    /// One of its returns.
    Return,
    /// A slot of an end user's bucket, or of a payment by alias.
    Lookup,
    /// Whose turn it is.
    Turn,
    /// What follows the last item.
    End,
}

/// Why an engine cannot be made of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreFault {
    /// In which part.
    pub part: Part,
    /// At which of its items, from 0.
    pub item: u32,
    /// What is wrong.
    pub what: String,
}

impl RestoreFault {
    pub(super) fn new(part: Part, item: u32, what: &str) -> RestoreFault {
        RestoreFault { part, item, what: what.to_owned() }
    }
}

impl std::fmt::Display for RestoreFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}: {}", self.part, self.item, self.what)
    }
}

impl std::error::Error for RestoreFault {}

/// What is wrong with one item.
pub(super) type Checked<T> = Result<T, &'static str>;

pub(super) fn ensure(holds: bool, what: &'static str) -> Checked<()> {
    if holds { Ok(()) } else { Err(what) }
}

/// The length of a table. Places are 32 bits.
pub(super) fn length(items: usize) -> u32 {
    u32::try_from(items).unwrap_or_else(|_| panic!("a table of four billion items"))
}

/// Reads so many items of one width.
pub(super) fn read_items<const WIDTH: usize>(
    body: &mut impl Read,
    part: Part,
    count: u32,
    mut take: impl FnMut(u32, &[u8; WIDTH]) -> Checked<()>,
) -> Result<(), RestoreFault> {
    for item in 0..count {
        let bytes = read_item(body)?;
        take(item, &bytes).map_err(|what| RestoreFault::new(part, item, what))?;
    }
    Ok(())
}

fn read_item<const WIDTH: usize>(body: &mut impl Read) -> Result<[u8; WIDTH], RestoreFault> {
    let mut bytes = [0; WIDTH];
    body.read_exact(&mut bytes).map_err(|error| RestoreFault::new(Part::End, 0, &error.to_string()))?;
    Ok(bytes)
}

fn ensure_end(body: &mut impl Read) -> Result<(), RestoreFault> {
    match body.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(RestoreFault::new(Part::End, 0, "bytes follow the last item")),
        Err(error) => Err(RestoreFault::new(Part::End, 0, &error.to_string())),
    }
}

/// Fills an item from the front, to its last byte.
pub(super) struct Writer<const WIDTH: usize> {
    bytes: [u8; WIDTH],
    at: usize,
}

impl<const WIDTH: usize> Writer<WIDTH> {
    pub(super) fn new() -> Writer<WIDTH> {
        Writer { bytes: [0; WIDTH], at: 0 }
    }

    pub(super) fn put(&mut self, field: &[u8]) -> &mut Writer<WIDTH> {
        self.bytes[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
        self
    }

    /// The item.
    ///
    /// # Panics
    /// When its fields do not add up to its width.
    pub(super) fn finish(self) -> [u8; WIDTH] {
        assert_eq!(self.at, WIDTH, "the widths of the fields add up to the item's");
        self.bytes
    }
}

/// Takes fields of fixed width from the front.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields(bytes)
    }

    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk() else {
            panic!("the widths of the fields add up to the item's")
        };
        self.0 = rest;
        *field
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
