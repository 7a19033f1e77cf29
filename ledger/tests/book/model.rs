//! Random histories against a second book, written as plainly as possible: ordered maps, signed sums that are counted anew each
//! time from all transfers, no shared rule. Ids and amounts are drawn from a few, so that repetitions, reuse and full accounts
//! are frequent.

use std::collections::BTreeMap;

use ledger::{
    AccountFlags, AccountId, AccountIndex, AccountSpec, Amount, Applied, Book, Currency, Movement, Reject, TransferId,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Request {
    SetCap { account: usize, cap: u64 },
    Move { id: u8, debit: usize, credit: usize, amount: u64 },
    Reserve { id: u8, debit: usize, credit: usize, amount: u64 },
    Post { id: u8, amount: u64 },
    Void { id: u8 },
}

/// (currency, limited, cap at opening)
const ACCOUNTS: [(&str, bool, u64); 5] =
    [("EUR", true, 30), ("EUR", false, 0), ("EUR", true, 0), ("USD", false, 0), ("USD", true, 10)];

fn request() -> impl Strategy<Value = Request> {
    let (id, account, amount) = (0..24u8, 0..ACCOUNTS.len(), 1..20u64);
    let movement = (id.clone(), account.clone(), account.clone(), amount.clone());
    prop_oneof![
        1 => (account, 0..60u64).prop_map(|(account, cap)| Request::SetCap { account, cap }),
        4 => movement.clone().prop_map(|(id, debit, credit, amount)| Request::Move { id, debit, credit, amount }),
        6 => movement.prop_map(|(id, debit, credit, amount)| Request::Reserve { id, debit, credit, amount }),
        4 => (id.clone(), amount).prop_map(|(id, amount)| Request::Post { id, amount }),
        2 => id.prop_map(|id| Request::Void { id }),
    ]
}

#[derive(Clone, PartialEq)]
struct NaiveTransfer {
    two_phase: bool,
    debit: usize,
    credit: usize,
    asked: i128,
    /// `None`: still reserved. 0: voided.
    moved: Option<i128>,
}

struct NaiveBook {
    caps: Vec<i128>,
    transfers: BTreeMap<u8, NaiveTransfer>,
}

/// Debits posted, debits pending, credits posted, credits pending.
type Balances = [i128; 4];

impl NaiveBook {
    fn balances(&self, account: usize) -> Balances {
        let mut sums = [0; 4];
        for transfer in self.transfers.values() {
            let (at, amount) = match transfer.moved {
                Some(moved) => (0, moved),
                None => (1, transfer.asked),
            };
            if transfer.debit == account {
                sums[at] += amount;
            }
            if transfer.credit == account {
                sums[2 + at] += amount;
            }
        }
        sums
    }

    fn ask(&mut self, request: &Request) -> Result<bool, &'static str> {
        match *request {
            Request::SetCap { account, cap } => {
                if cap > 0 && !ACCOUNTS[account].1 {
                    return Err("cap_without_limit");
                }
                self.caps[account] = i128::from(cap);
                Ok(false)
            }
            Request::Move { id, debit, credit, amount } => self.make(id, false, debit, credit, amount),
            Request::Reserve { id, debit, credit, amount } => self.make(id, true, debit, credit, amount),
            Request::Post { id, amount } => self.finish(id, Some(i128::from(amount))),
            Request::Void { id } => self.finish(id, None),
        }
    }

    fn make(
        &mut self,
        id: u8,
        two_phase: bool,
        debit: usize,
        credit: usize,
        amount: u64,
    ) -> Result<bool, &'static str> {
        let asked = i128::from(amount);
        if id == 0 {
            return Err("transfer_id_zero");
        }
        if let Some(known) = self.transfers.get(&id) {
            let same = (known.two_phase, known.debit, known.credit, known.asked) == (two_phase, debit, credit, asked);
            return if same { Ok(true) } else { Err("transfer_exists_different") };
        }
        if debit == credit {
            return Err("same_account");
        }
        if ACCOUNTS[debit].0 != ACCOUNTS[credit].0 {
            return Err("currency_mismatch");
        }
        let [debits, debits_pending, credits, _] = self.balances(debit);
        if ACCOUNTS[debit].1 && debits + debits_pending + asked > credits + self.caps[debit] {
            return Err("debit_limit_exceeded");
        }
        let moved = if two_phase { None } else { Some(asked) };
        self.transfers.insert(id, NaiveTransfer { two_phase, debit, credit, asked, moved });
        Ok(false)
    }

    /// Posts an amount, or voids.
    fn finish(&mut self, id: u8, amount: Option<i128>) -> Result<bool, &'static str> {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return Err("unknown");
        };
        if !transfer.two_phase {
            return Err("not_two_phase");
        }
        match (transfer.moved, amount) {
            (None, Some(amount)) if amount > transfer.asked => Err("post_exceeds_reserved"),
            (None, amount) => {
                transfer.moved = Some(amount.unwrap_or(0));
                Ok(false)
            }
            (Some(0), None) => Ok(true),
            (Some(0), Some(_)) => Err("already_voided"),
            (Some(moved), Some(amount)) if moved == amount => Ok(true),
            (Some(_), _) => Err("already_posted"),
        }
    }
}

fn open_accounts(book: &mut Book) -> Vec<AccountIndex> {
    let open = |(at, (letters, limited, cap)): (usize, &(&str, bool, u64))| {
        let flags = if *limited { AccountFlags::DEBITS_LIMITED } else { AccountFlags::NONE };
        let currency = Currency::parse(letters.as_bytes()).expect("a currency");
        let id = AccountId(1_000 + at as u128);
        book.open(AccountSpec { id, currency, code: 1, flags, cap: u128::from(*cap) }).expect("opened")
    };
    ACCOUNTS.iter().enumerate().map(open).collect()
}

fn ask(book: &mut Book, accounts: &[AccountIndex], request: &Request) -> Result<bool, &'static str> {
    let amount = |amount| Amount::new(amount).expect("more than nothing");
    let movement = |id, debit: usize, credit: usize, minor_units| Movement {
        id: TransferId(u128::from(id)),
        debit: accounts[debit],
        credit: accounts[credit],
        amount: amount(minor_units),
    };
    let find = |book: &Book, id| book.find_transfer(TransferId(u128::from(id))).ok_or("unknown");
    let plain = |answer: Result<Applied, Reject>| answer.map(|applied| applied.repeated).map_err(Reject::name);
    match *request {
        Request::SetCap { account, cap } => {
            book.set_cap(accounts[account], u128::from(cap)).map(|()| false).map_err(Reject::name)
        }
        Request::Move { id, debit, credit, amount } => plain(book.move_now(movement(id, debit, credit, amount))),
        Request::Reserve { id, debit, credit, amount } => plain(book.reserve(movement(id, debit, credit, amount))),
        Request::Post { id, amount: minor_units } => {
            let index = find(book, id)?;
            plain(book.post(index, amount(minor_units)))
        }
        Request::Void { id } => {
            let index = find(book, id)?;
            plain(book.void(index))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_and_balance_is_that_of_the_naive_book(requests in proptest::collection::vec(request(), 1..120)) {
        let mut book = Book::default();
        let accounts = open_accounts(&mut book);
        let caps = ACCOUNTS.iter().map(|(_, _, cap)| i128::from(*cap)).collect();
        let mut naive = NaiveBook { caps, transfers: BTreeMap::new() };
        for request in &requests {
            let before = book.digest();
            let answer = ask(&mut book, &accounts, request);
            prop_assert_eq!(answer, naive.ask(request), "{:?}", request);
            if answer != Ok(false) {
                prop_assert_eq!(book.digest(), before, "a reject or a repetition changes nothing: {:?}", request);
            }
            book.assert_balanced();
        }
        for (at, index) in accounts.iter().enumerate() {
            let account = book.account(*index);
            let balances: Vec<i128> = [
                account.debits_posted(), account.debits_pending(), account.credits_posted(), account.credits_pending(),
            ].into_iter().map(|sum| i128::try_from(sum).expect("small")).collect();
            prop_assert_eq!(balances, naive.balances(at), "account {}", at);
        }
        for total in book.totals() {
            prop_assert_eq!(total.debits, total.credits);
            prop_assert_eq!(total.debits_pending, total.credits_pending);
        }

        // The same requests in another book, whose tables are ordered differently: the same state.
        let mut again = Book::default();
        let accounts = open_accounts(&mut again);
        for request in &requests {
            let _ = ask(&mut again, &accounts, request);
        }
        prop_assert_eq!(again.digest(), book.digest());
    }
}
