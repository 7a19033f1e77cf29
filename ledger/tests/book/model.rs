//! Random histories against a second book, written as plainly as possible: lists and ordered maps, signed sums that are counted
//! anew each time from all transfers, a copy of everything before each chain, no shared rule. Ids and amounts are drawn from a
//! few, so that repetitions, reuse, full accounts and failed chains are frequent. The auditor goes along and must agree.
//!
//! So does a book that remembers but a few final transfers: what has left it is kept here in a map, and recalled from there before
//! it is asked for, as a ledger does from its index. It must answer like the book that never forgets.

use std::collections::{BTreeMap, BTreeSet};

use ledger::audit::Auditor;
use ledger::{
    AccountFlags, AccountId, AccountSpec, Amount, Answer, BatchEntry, Book, BookOptions, Currency, FinalTransfer,
    HistoryQuery, Movement, References, Request, Terms, TransferFlags, TransferId, TransferSpec, TransferState,
};
use proptest::prelude::*;

/// One call of the book.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Apply {
        later_ns: u64,
        batch: Vec<BatchEntry>,
    },
    /// One request through the verbs that take handles, where there is one for it.
    ByHandle(Request),
    Expire {
        later_ns: u64,
        transfers_max: usize,
    },
}

/// (currency, flags, cap, credit cap), of account 1, 2, ...; 6 and 7 are opened in the course of events, or not.
const ACCOUNTS: [(&str, u16, u64, u64); 7] = [
    ("EUR", 1 | 4, 30, 0),
    ("EUR", 0, 0, 0),
    ("EUR", 1, 0, 0),
    ("EUR", 2 | 4, 0, 20),
    ("USD", 1 | 2, 10, 10),
    ("USD", 0, 0, 0),
    ("XAU", 4, 0, 0),
];

const HISTORY_KEPT: usize = 3;

fn spec(account: u8, code: u16) -> AccountSpec {
    let (letters, flags, cap, credit_cap) = ACCOUNTS[usize::from(account.clamp(1, 7)) - 1];
    AccountSpec {
        code,
        flags: AccountFlags::from_bits(flags).expect("known flags"),
        cap: u128::from(cap),
        credit_cap: u128::from(credit_cap),
        ..AccountSpec::new(AccountId(u128::from(account)), Currency::parse(letters.as_bytes()).expect("a currency"))
    }
}

fn terms() -> impl Strategy<Value = Terms> {
    let flag = prop_oneof![4 => Just(0u8), 2 => 1..4u8, 1 => 0..16u8];
    let deadline = prop_oneof![2 => Just(0), 1 => 1..60u64];
    prop_oneof![
        2 => Just(Terms::NONE),
        3 => (0..2u16, flag, 0..2u64, deadline).prop_map(|(code, flags, bits_64, deadline_ns)| Terms {
            code,
            flags: TransferFlags::from_bits(flags).expect("known flags"),
            references: References { bits_64, ..References::NONE },
            deadline_ns,
        }),
    ]
}

fn transfer() -> impl Strategy<Value = Request> {
    let amount = prop_oneof![8 => 1..20u64, 1 => Just(Amount::MAX.minor_units())];
    (0..24u128, 1..9u128, 1..9u128, amount, any::<bool>(), terms()).prop_map(
        |(id, debit, credit, amount, two_phase, terms)| {
            Request::Transfer(TransferSpec {
                id: TransferId(id),
                debit: AccountId(debit),
                credit: AccountId(credit),
                amount: Amount::new(amount).expect("more than nothing"),
                two_phase,
                terms,
            })
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let account = || (1..9u128).prop_map(AccountId);
    let transfer_id = || (0..24u128).prop_map(TransferId);
    let amount = prop_oneof![1 => Just(None), 2 => (1..20u64).prop_map(Amount::new)];
    prop_oneof![
        4 => (0..8u8, 0..8u16).prop_map(|(account, code)| Request::Open(spec(account, code / 7))),
        4 => (account(), 0..60u128).prop_map(|(account, cap)| Request::SetCap { account, cap }),
        4 => (account(), 0..60u128).prop_map(|(account, cap)| Request::SetCreditCap { account, cap }),
        2 => account().prop_map(Request::Freeze),
        6 => account().prop_map(Request::Thaw),
        1 => account().prop_map(Request::Close),
        60 => transfer(),
        24 => (transfer_id(), amount).prop_map(|(transfer, amount)| Request::Post { transfer, amount }),
        12 => transfer_id().prop_map(|transfer| Request::Void { transfer }),
    ]
}

pub(crate) fn call() -> impl Strategy<Value = Call> {
    let entry = |linked| (request(), linked).prop_map(|(request, linked)| BatchEntry { request, linked });
    let batch = proptest::collection::vec(entry(proptest::bool::weighted(0.45)), 0..8);
    prop_oneof![
        6 => (0..4u64, batch).prop_map(|(later_ns, batch)| Call::Apply { later_ns, batch }),
        3 => request().prop_map(Call::ByHandle),
        1 => (0..4u64, 0..3usize).prop_map(|(later_ns, transfers_max)| Call::Expire { later_ns, transfers_max }),
    ]
}

#[derive(Clone, PartialEq)]
struct NaiveAccount {
    spec: AccountSpec,
    cap: i128,
    credit_cap: i128,
    status: &'static str,
    opened: u64,
    closed: u64,
    /// Time, transfer, balances after it.
    history: Vec<(u64, u128, Balances)>,
}

#[derive(Clone, PartialEq)]
struct NaiveTransfer {
    spec: TransferSpec,
    amount: i128,
    state: &'static str,
    moved: i128,
}

#[derive(Clone, Default)]
struct NaiveBook {
    now: u64,
    accounts: BTreeMap<AccountId, NaiveAccount>,
    transfers: Vec<NaiveTransfer>,
}

/// Debits posted, debits pending, credits posted, credits pending.
type Balances = [i128; 4];

pub(crate) type NaiveAnswer = Result<bool, &'static str>;

fn naive_is(flags: AccountFlags, bit: u16) -> bool {
    flags.bits() & bit != 0
}

impl NaiveBook {
    fn balances(&self, account: AccountId) -> Balances {
        let mut sums = [0; 4];
        for transfer in &self.transfers {
            let pending = if transfer.state == "reserved" { transfer.amount } else { 0 };
            if transfer.spec.debit == account {
                sums[0] += transfer.moved;
                sums[1] += pending;
            }
            if transfer.spec.credit == account {
                sums[2] += transfer.moved;
                sums[3] += pending;
            }
        }
        sums
    }

    fn apply(&mut self, batch: &[BatchEntry]) -> Vec<NaiveAnswer> {
        let mut answers: Vec<NaiveAnswer> = Vec::new();
        let mut at = 0;
        while at < batch.len() {
            let mut end = at;
            while end < batch.len() && batch[end].linked {
                end += 1;
            }
            let open = end == batch.len();
            let chain = &batch[at..(end + 1).min(batch.len())];
            let saved = self.clone();
            let tried: Vec<NaiveAnswer> = chain.iter().map(|entry| self.ask(&entry.request)).collect();
            // After the first refusal the others mean nothing; an open chain is refused at its last entry at the latest.
            let culprit = tried.iter().position(Result::is_err).or(open.then_some(chain.len() - 1));
            match culprit {
                Some(culprit) => {
                    *self = saved;
                    for (place, answer) in tried.iter().enumerate() {
                        let last_of_open = open && place == chain.len() - 1;
                        answers.push(if last_of_open {
                            Err("linked_event_chain_open")
                        } else if place == culprit {
                            *answer
                        } else {
                            Err("linked_event_failed")
                        });
                    }
                }
                None => answers.extend(tried),
            }
            at += chain.len();
        }
        answers
    }

    fn ask(&mut self, request: &Request) -> NaiveAnswer {
        match *request {
            Request::Open(spec) => self.open(spec),
            Request::SetCap { account, cap } => self.set_cap(account, cap, true),
            Request::SetCreditCap { account, cap } => self.set_cap(account, cap, false),
            Request::Freeze(account) => self.set_status(account, "frozen"),
            Request::Thaw(account) => self.set_status(account, "open"),
            Request::Close(account) => self.close(account),
            Request::Transfer(spec) => self.make(spec),
            Request::Post { transfer, amount } => {
                self.end(transfer, "posted", amount.map(|amount| i128::from(amount.minor_units())))
            }
            Request::Void { transfer } => self.end(transfer, "voided", Some(0)),
        }
    }

    fn open(&mut self, spec: AccountSpec) -> NaiveAnswer {
        if spec.id.0 == 0 {
            return Err("account_id_zero");
        }
        if let Some(known) = self.accounts.get(&spec.id) {
            return if known.spec == spec { Ok(true) } else { Err("account_exists_different") };
        }
        let account = NaiveAccount {
            spec,
            cap: i128::try_from(spec.cap).expect("small"),
            credit_cap: i128::try_from(spec.credit_cap).expect("small"),
            status: "open",
            opened: self.now,
            closed: 0,
            history: Vec::new(),
        };
        self.accounts.insert(spec.id, account);
        Ok(false)
    }

    fn set_cap(&mut self, account: AccountId, cap: u128, debits: bool) -> NaiveAnswer {
        let account = self.accounts.get_mut(&account).ok_or("account_unknown")?;
        if account.status == "closed" {
            return Err("account_closed");
        }
        if cap > 0 && !naive_is(account.spec.flags, if debits { 1 } else { 2 }) {
            return Err("cap_without_limit");
        }
        let place = if debits { &mut account.cap } else { &mut account.credit_cap };
        let old = std::mem::replace(place, i128::try_from(cap).expect("small"));
        Ok(old == *place)
    }

    fn set_status(&mut self, account: AccountId, status: &'static str) -> NaiveAnswer {
        let account = self.accounts.get_mut(&account).ok_or("account_unknown")?;
        if account.status == "closed" {
            return Err("account_closed");
        }
        Ok(std::mem::replace(&mut account.status, status) == status)
    }

    fn close(&mut self, id: AccountId) -> NaiveAnswer {
        let [_, debits_pending, _, credits_pending] = self.balances(id);
        let now = self.now;
        let account = self.accounts.get_mut(&id).ok_or("account_unknown")?;
        if account.status == "closed" {
            return Ok(true);
        }
        if debits_pending + credits_pending > 0 {
            return Err("account_has_pending");
        }
        (account.status, account.closed) = ("closed", now);
        Ok(false)
    }

    fn make(&mut self, spec: TransferSpec) -> NaiveAnswer {
        if spec.id.0 == 0 {
            return Err("transfer_id_zero");
        }
        if let Some(known) = self.transfers.iter().find(|transfer| transfer.spec.id == spec.id) {
            return if known.spec == spec { Ok(true) } else { Err("transfer_exists_different") };
        }
        let debit = self.accounts.get(&spec.debit).ok_or("debit_account_unknown")?;
        let credit = self.accounts.get(&spec.credit).ok_or("credit_account_unknown")?;
        let flag = |bit: u8| spec.terms.flags.bits() & bit != 0;
        let (debits, credits) = (self.balances(spec.debit), self.balances(spec.credit));
        let closing_pending = (flag(4) && debits[1] + debits[3] > 0) || (flag(8) && credits[1] + credits[3] > 0);
        for (wrong, name) in [
            (spec.debit == spec.credit, "same_account"),
            (debit.spec.currency != credit.spec.currency, "currency_mismatch"),
            (spec.terms.deadline_ns > 0 && !spec.two_phase, "deadline_without_reservation"),
            (spec.terms.deadline_ns > 0 && spec.terms.deadline_ns <= self.now, "deadline_not_in_future"),
            (spec.two_phase && (flag(4) || flag(8)), "closing_with_reservation"),
            (debit.status == "closed", "debit_account_closed"),
            (credit.status == "closed", "credit_account_closed"),
            (debit.status == "frozen", "debit_account_frozen"),
            (credit.status == "frozen", "credit_account_frozen"),
            (closing_pending, "closing_has_pending"),
        ] {
            if wrong {
                return Err(name);
            }
        }
        let debit_room = debits[2] + debit.cap - debits[0] - debits[1];
        let credit_room = credits[0] + credit.credit_cap - credits[2] - credits[3];
        let asked = i128::from(spec.amount.minor_units());
        let amount = asked.min(if flag(1) { debit_room } else { asked }).min(if flag(2) { credit_room } else { asked });
        if amount <= 0 {
            return Err("nothing_available");
        }
        if naive_is(debit.spec.flags, 1) && amount > debit_room {
            return Err("debit_limit_exceeded");
        }
        if naive_is(credit.spec.flags, 2) && amount > credit_room {
            return Err("credit_limit_exceeded");
        }
        let (state, moved) = if spec.two_phase { ("reserved", 0) } else { ("moved", amount) };
        self.transfers.push(NaiveTransfer { spec, amount, state, moved });
        self.note(&spec);
        for (closes, account) in [(flag(4), spec.debit), (flag(8), spec.credit)] {
            if closes {
                assert_eq!(self.close(account), Ok(false));
            }
        }
        Ok(false)
    }

    /// `None` moves all that is held.
    fn end(&mut self, id: TransferId, state: &'static str, moved: Option<i128>) -> NaiveAnswer {
        let now = self.now;
        let found = self.transfers.iter_mut().find(|transfer| transfer.spec.id == id);
        let transfer = found.ok_or("transfer_unknown")?;
        let moved = moved.unwrap_or(transfer.amount);
        match transfer.state {
            "moved" => return Err("not_two_phase"),
            known if known == state && moved == transfer.moved => return Ok(true),
            "posted" => return Err("already_posted"),
            "voided" => return Err("already_voided"),
            "expired" => return Err("already_expired"),
            _ if (1..=now).contains(&transfer.spec.terms.deadline_ns) => return Err("already_expired"),
            _ if moved > transfer.amount => return Err("post_exceeds_reserved"),
            _ => {}
        }
        (transfer.state, transfer.moved) = (state, moved);
        let spec = transfer.spec;
        self.note(&spec);
        Ok(false)
    }

    fn expire(&mut self, transfers_max: usize) -> (Vec<TransferId>, bool) {
        let due = |transfer: &&mut NaiveTransfer, now| {
            transfer.state == "reserved" && (1..=now).contains(&transfer.spec.terms.deadline_ns)
        };
        let mut ids = Vec::new();
        loop {
            let now = self.now;
            let all = self.transfers.iter_mut().filter(|transfer| due(transfer, now));
            // Of equals the first made comes first: `min_by_key` says so.
            let Some(next) = all.min_by_key(|transfer| transfer.spec.terms.deadline_ns) else {
                return (ids, false);
            };
            if ids.len() == transfers_max {
                return (ids, true);
            }
            next.state = "expired";
            let spec = next.spec;
            ids.push(spec.id);
            self.note(&spec);
        }
    }

    fn note(&mut self, spec: &TransferSpec) {
        for id in [spec.debit, spec.credit] {
            let (now, balances) = (self.now, self.balances(id));
            let account = self.accounts.get_mut(&id).expect("it exists");
            if naive_is(account.spec.flags, 4) {
                account.history.push((now, spec.id.0, balances));
            }
        }
    }
}

fn plain(answers: &[Answer]) -> Vec<NaiveAnswer> {
    answers.iter().map(|answer| answer.map(ledger::Accepted::repeated).map_err(ledger::Reject::name)).collect()
}

/// Through the verb that takes handles; through a batch of one where handles are missing.
fn by_handle(book: &mut Book, request: &Request) -> NaiveAnswer {
    let applied = match *request {
        Request::Transfer(spec) => match (book.find(spec.debit), book.find(spec.credit)) {
            (Some(debit), Some(credit)) => {
                let movement = Movement { id: spec.id, debit, credit, amount: spec.amount };
                Some(match (spec.terms == Terms::NONE, spec.two_phase) {
                    (true, false) => book.move_now(movement),
                    (true, true) => book.reserve(movement),
                    (false, two_phase) => book.transfer_with(movement, &spec.terms, two_phase),
                })
            }
            _ => None,
        },
        Request::Post { transfer, amount: Some(amount) } => {
            book.find_transfer(transfer).map(|index| book.post(index, amount))
        }
        Request::Void { transfer } => book.find_transfer(transfer).map(|index| book.void(index)),
        _ => None,
    };
    match applied {
        Some(applied) => applied.map(|applied| applied.repeated).map_err(ledger::Reject::name),
        None => {
            let mut answers = Vec::new();
            book.apply(book.now_ns(), &[(*request).into()], &mut answers);
            plain(&answers)[0]
        }
    }
}

fn new_book() -> (Book, Auditor, NaiveBook) {
    let options =
        BookOptions { history_per_account_max: u32::try_from(HISTORY_KEPT).expect("few"), ..BookOptions::default() };
    let (mut book, mut auditor, mut naive) = (Book::new(options), Auditor::default(), NaiveBook::default());
    for account in 1..=5 {
        let request = Request::Open(spec(account, 0));
        assert_eq!(by_handle(&mut book, &request), Ok(false));
        assert_eq!(naive.ask(&request), Ok(false));
        auditor.accept(&request).expect("opened");
    }
    (book, auditor, naive)
}

/// One call of both books and of the auditor; answers must be equal, and what is refused or repeated changes nothing.
fn step(book: &mut Book, auditor: &mut Auditor, naive: &mut NaiveBook, call: &Call) -> Result<(), TestCaseError> {
    let (requests, answers) = match call {
        Call::Apply { later_ns, batch } => {
            naive.now += later_ns;
            book.advance_to(naive.now);
            let before = book.digest();
            let mut answers = Vec::new();
            book.apply(naive.now, batch, &mut answers);
            let answers = plain(&answers);
            prop_assert_eq!(&answers, &naive.apply(batch), "{:?}", batch);
            if !answers.contains(&Ok(false)) {
                prop_assert_eq!(book.digest(), before, "nothing was done: {:?}", batch);
            }
            (batch.iter().map(|entry| entry.request).collect(), answers)
        }
        Call::ByHandle(request) => {
            let before = book.digest();
            let answer = by_handle(book, request);
            prop_assert_eq!(answer, naive.ask(request), "{:?}", request);
            if answer != Ok(false) {
                prop_assert_eq!(book.digest(), before, "nothing was done: {:?}", request);
            }
            (vec![*request], vec![answer])
        }
        Call::Expire { later_ns, transfers_max } => {
            naive.now += later_ns;
            let expired = book.expire(naive.now, *transfers_max);
            let ids: Vec<TransferId> = expired.transfers.iter().map(|at| book.transfer(*at).id()).collect();
            prop_assert_eq!((ids.clone(), expired.more), naive.expire(*transfers_max));
            prop_assert_eq!(auditor.expire(naive.now, *transfers_max), Ok(ids));
            (vec![], vec![])
        }
    };
    let accepted = requests.iter().zip(&answers).filter(|(_, answer)| **answer == Ok(false));
    for (request, _) in accepted {
        prop_assert_eq!(auditor.accept(request), Ok(()));
    }
    book.assert_balanced();
    prop_assert_eq!(auditor.compare(book), Ok(()));
    Ok(())
}

/// Everything that can be looked at is as in the naive book.
fn compare(book: &Book, naive: &NaiveBook) -> Result<(), TestCaseError> {
    let signed = |balances: &ledger::Balances| {
        [balances.debits_posted, balances.debits_pending, balances.credits_posted, balances.credits_pending]
            .map(|sum| i128::try_from(sum).expect("small"))
    };
    prop_assert_eq!(book.accounts().len(), naive.accounts.len());
    for (id, expected) in &naive.accounts {
        let index = book.find(*id).expect("it was opened");
        let (account, details) = (book.account(index), book.account_details(index));
        prop_assert_eq!(signed(&account.balances()), naive.balances(*id), "account {:?}", id);
        prop_assert_eq!(format!("{:?}", account.status()).to_lowercase(), expected.status);
        prop_assert_eq!((details.opened_ns(), details.closed_ns()), (expected.opened, expected.closed));
        let Some(page) = book.history(index, &HistoryQuery::ALL) else {
            prop_assert!(expected.history.is_empty());
            continue;
        };
        let left = expected.history.len().saturating_sub(HISTORY_KEPT);
        let entries: Vec<_> = page
            .entries
            .iter()
            .map(|entry| (entry.time_ns, book.transfer(entry.transfer).id().0, signed(&entry.balances)))
            .collect();
        prop_assert_eq!(&entries[..], &expected.history[left..], "history of {:?}", id);
        prop_assert_eq!(page.left_count, left as u64);
        for time in 0..=naive.now {
            let then = expected.history.iter().rposition(|(at, ..)| *at <= time);
            let known = match then {
                Some(place) if place >= left => Some(expected.history[place].2),
                None if left == 0 => Some([0; 4]),
                _ => None,
            };
            prop_assert_eq!(book.balances_at(index, time).map(|b| signed(&b)), known, "at {} of {:?}", time, id);
        }
    }
    prop_assert_eq!((book.transfers_len(), book.transfers().count()), (naive.transfers.len(), naive.transfers.len()));
    for ((_, transfer), expected) in book.transfers().zip(&naive.transfers) {
        prop_assert_eq!(transfer.id(), expected.spec.id);
        prop_assert_eq!(format!("{:?}", transfer.state()).to_lowercase(), expected.state);
        prop_assert_eq!(i128::from(transfer.amount().minor_units()), expected.amount);
        prop_assert_eq!(
            transfer.moved_amount().map_or(0, Amount::minor_units),
            u64::try_from(expected.moved).expect("small")
        );
    }
    let deadlines = naive.transfers.iter().filter(|t| t.state == "reserved" && t.spec.terms.deadline_ns > 0);
    prop_assert_eq!(book.next_deadline_ns(), deadlines.map(|t| t.spec.terms.deadline_ns).min());
    let currencies: BTreeSet<Currency> = naive.accounts.values().map(|account| account.spec.currency).collect();
    prop_assert!(book.totals().iter().map(|total| total.currency).eq(currencies), "each currency in use, once");
    for total in book.totals() {
        prop_assert_eq!(total.debits, total.credits);
        prop_assert_eq!(total.debits_pending, total.credits_pending);
    }
    Ok(())
}

/// A book with a window, and what has left it.
#[derive(Default)]
pub(crate) struct Forgetful {
    pub(crate) book: Book,
    pub(crate) left: BTreeMap<TransferId, FinalTransfer>,
    /// Every change there was, as the book told it.
    pub(crate) changes: Vec<(TransferId, TransferState)>,
    /// Balances of each account before the run, as they must be told.
    pub(crate) before_run: BTreeMap<AccountId, ledger::Balances>,
    pub(crate) position: u64,
}

pub(crate) fn forgetful_options(final_transfers_max: u32) -> BookOptions {
    BookOptions { history_per_account_max: 0, final_transfers_max, keeps_changes: true, ..BookOptions::default() }
}

impl Forgetful {
    pub(crate) fn new(final_transfers_max: u32) -> Forgetful {
        let options = forgetful_options(final_transfers_max);
        let mut forgetful = Forgetful {
            book: Book::new(options),
            left: BTreeMap::new(),
            changes: Vec::new(),
            before_run: BTreeMap::new(),
            position: 0,
        };
        for account in 1..=5 {
            assert_eq!(by_handle(&mut forgetful.book, &Request::Open(spec(account, 0))), Ok(false));
        }
        forgetful
    }

    /// As a ledger does it: let go, recall what the batch names, apply.
    fn begin(&mut self, named: &[Request]) -> Result<(), TestCaseError> {
        let (before, leaving_through) = (self.all_final(), self.book.leaving_through());
        self.book.trim();
        let after = self.all_final();
        prop_assert_eq!(leaving_through == 0, before.len() == after.len());
        prop_assert!(self.book.floor() >= leaving_through);
        self.left.extend(before.into_iter().filter(|(id, _)| !after.contains_key(id)));
        self.position += 3;
        self.book.set_position(self.position);
        for request in named {
            let (Request::Transfer(TransferSpec { id, .. })
            | Request::Post { transfer: id, .. }
            | Request::Void { transfer: id }) = request
            else {
                continue;
            };
            if let Some(left) = self.left.remove(id) {
                prop_assert_eq!(self.book.find_transfer(*id), None);
                let index = self.book.recall(&left);
                prop_assert_eq!(self.book.recall(&left), index, "once is enough");
                prop_assert_eq!(self.book.final_transfer(index), Some(left));
            }
        }
        Ok(())
    }

    fn all_final(&self) -> BTreeMap<TransferId, FinalTransfer> {
        let found = self.book.transfers().filter_map(|(index, _)| self.book.final_transfer(index));
        found.map(|transfer| (transfer.id, transfer)).collect()
    }

    fn end(&mut self) -> Result<(), TestCaseError> {
        for change in self.book.changes() {
            self.changes.push((self.book.transfer(change.transfer).id(), change.state));
        }
        for touched in self.book.touched() {
            let id = self.book.account(touched.account).id();
            prop_assert_eq!(self.before_run.insert(id, touched.balances), None, "once in a run");
        }
        self.book.assert_balanced();
        Ok(())
    }

    fn all_balances(&self) -> BTreeMap<AccountId, ledger::Balances> {
        self.book.accounts().map(|account| (account.id(), account.balances())).collect()
    }

    /// What was told of the accounts in this run is what they had at its beginning, and nothing that changed was left out.
    fn end_run(&mut self, at_run: &BTreeMap<AccountId, ledger::Balances>) -> Result<(), TestCaseError> {
        let told = core::mem::take(&mut self.before_run);
        for (id, now) in self.all_balances() {
            let before = at_run.get(&id).copied().unwrap_or_default();
            prop_assert_eq!(told.get(&id).copied().unwrap_or(now), before, "{:?}", id);
        }
        Ok(())
    }

    pub(crate) fn step(&mut self, call: &Call, now: u64) -> Result<Vec<NaiveAnswer>, TestCaseError> {
        let answers = match call {
            Call::Apply { batch, .. } => {
                self.begin(&batch.iter().map(|entry| entry.request).collect::<Vec<_>>())?;
                let mut answers = Vec::new();
                self.book.apply(now, batch, &mut answers);
                plain(&answers)
            }
            Call::ByHandle(request) => {
                self.begin(&[*request])?;
                vec![by_handle(&mut self.book, request)]
            }
            Call::Expire { transfers_max, .. } => {
                self.begin(&[])?;
                let expired = self.book.expire(now, *transfers_max);
                expired.transfers.iter().map(|index| Ok(self.book.transfer(*index).id().0 > 0)).collect()
            }
        };
        self.end()?;
        Ok(answers)
    }
}

/// The state of each transfer, one by one, as the changes tell it.
fn told(changes: &[(TransferId, TransferState)]) -> Result<BTreeMap<TransferId, TransferState>, TestCaseError> {
    let mut states = BTreeMap::new();
    for (id, state) in changes {
        let before = states.insert(*id, *state);
        let is_end = !matches!(state, TransferState::Reserved | TransferState::Moved);
        prop_assert_eq!(before, is_end.then_some(TransferState::Reserved), "{:?} {:?}", id, state);
    }
    Ok(states)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_book_that_forgets_and_is_reminded_answers_like_one_that_never_forgets(
        calls in proptest::collection::vec(call(), 1..60),
        final_transfers_max in 0..6u32,
        run_calls in 1..9usize,
    ) {
        let (mut book, mut auditor, mut naive) = new_book();
        let mut forgetful = Forgetful::new(final_transfers_max);
        let mut at_run = BTreeMap::new();
        for (number, call) in calls.iter().enumerate() {
            if number % run_calls == 0 {
                forgetful.end_run(&at_run)?;
                forgetful.book.set_run(u32::try_from(number / run_calls + 1).expect("few"));
                at_run = forgetful.all_balances();
            }
            let before = naive.clone();
            step(&mut book, &mut auditor, &mut naive, call)?;
            let answers = forgetful.step(call, naive.now)?;
            // The naive book has said already what the right answers are.
            match call {
                Call::Apply { batch, .. } => {
                    let mut again = NaiveBook { now: naive.now, ..before };
                    prop_assert_eq!(answers, again.apply(batch));
                }
                Call::ByHandle(request) => prop_assert_eq!(answers, vec![before.clone().ask(request)]),
                Call::Expire { .. } => {}
            }
        }
        forgetful.end_run(&at_run)?;
        for (index, account) in book.accounts().enumerate() {
            let other = forgetful.book.account(forgetful.book.find(account.id()).expect("opened there, too"));
            prop_assert_eq!(other.balances(), account.balances(), "account {}", index);
        }
        let mut known = forgetful.all_final();
        known.append(&mut forgetful.left.clone());
        let held = forgetful.book.transfers().filter(|(_, transfer)| transfer.state() == TransferState::Reserved);
        prop_assert_eq!(known.len() + held.count(), naive.transfers.len());
        let states = told(&forgetful.changes)?;
        for (index, transfer) in book.transfers() {
            prop_assert_eq!(known.get(&transfer.id()).copied(), book.final_transfer(index));
            prop_assert_eq!(states.get(&transfer.id()), Some(&transfer.state()));
        }
        forgetful.book.trim();
        let windowed = forgetful.book.transfers().filter(|(_, transfer)| transfer.state() != TransferState::Reserved);
        prop_assert!(windowed.count() <= final_transfers_max as usize);
    }

    #[test]
    fn every_answer_and_balance_is_that_of_the_naive_book(calls in proptest::collection::vec(call(), 1..60)) {
        let (mut book, mut auditor, mut naive) = new_book();
        for call in &calls {
            step(&mut book, &mut auditor, &mut naive, call)?;
        }
        compare(&book, &naive)?;

        // The same calls in another book, whose tables are ordered differently: the same state.
        let (mut again, mut auditor, mut naive) = new_book();
        for call in &calls {
            step(&mut again, &mut auditor, &mut naive, call)?;
        }
        prop_assert_eq!(again.digest(), book.digest());
    }
}
