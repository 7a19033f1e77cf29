//! Requests and answers in a small language that a payments person can read and extend. One request a line:
//!
//! ```text
//! hold    accounts 2 transfers 3            how much the book may hold; first line, may be left out
//! open    BANK_A EUR                        -> ok
//! open    BANK_B EUR limited 100 code 7     -> ok
//! cap     BANK_B 50                         -> ok
//! move    T1 BANK_A BANK_B 60               -> applied, repeated, or a reject
//! reserve T2 BANK_A BANK_B 60               -> ...
//! post    T2 60                             -> ...
//! void    T2                                -> ...
//! balance BANK_A debits 60+0 credits 0+0    posted+pending
//! state   T2 posted 60                      reserved, posted, voided, moved, with the amount that has moved
//! ```
//!
//! Accounts are any words, transfers T1, T2 ...; NOBODY and T0 have the id 0. `max` is the highest amount, `cap_max` the
//! highest cap. What follows # is said to the reader.

use std::collections::{BTreeMap, BTreeSet};

use ledger::limits::{AMOUNT_MAX, CAP_MAX};
use ledger::{
    AccountFlags, AccountId, AccountIndex, AccountSpec, Amount, Applied, Book, BookOptions, Currency, Movement, Reject,
    TransferId, TransferIndex, TransferState,
};

/// Runs a table; every answer must be the one it gives. Returns the rejects that occurred.
fn check(table: &str) -> BTreeSet<Reject> {
    let mut teller = Teller::default();
    for line in table.lines().map(|line| line.split('#').next().unwrap_or("").trim()).filter(|line| !line.is_empty()) {
        let (request, expected) = match line.split_once("->") {
            Some((request, expected)) => (request, expected.trim()),
            None => (line, "ok"),
        };
        let words: Vec<&str> = request.split_whitespace().collect();
        let before = teller.book.digest();
        let answer = teller.ask(&words);
        assert_eq!(answer, expected, "in the line: {line}");
        if answer != "ok" && answer != "applied" {
            assert_eq!(teller.book.digest(), before, "a reject or a repetition changes nothing: {line}");
        }
        teller.book.assert_balanced();
        teller.book.totals();
    }
    teller.rejects
}

#[derive(Default)]
struct Teller {
    book: Book,
    accounts: BTreeMap<String, AccountIndex>,
    rejects: BTreeSet<Reject>,
}

impl Teller {
    fn ask(&mut self, words: &[&str]) -> String {
        match *words {
            ["hold", "accounts", accounts, "transfers", transfers] => {
                self.book = Book::new(BookOptions {
                    accounts_max: number(accounts).try_into().expect("a number of accounts"),
                    transfers_max: number(transfers).try_into().expect("a number of transfers"),
                    transfers_expected: 10,
                });
                "ok".to_owned()
            }
            ["open", name, currency, ref rest @ ..] => self.open(name, currency, rest),
            ["cap", name, cap] => {
                let answer = self.book.set_cap(self.account(name), number(cap));
                self.answer(answer.map(|()| "ok".to_owned()))
            }
            ["move", id, debit, credit, amount] => {
                let movement = self.movement(id, debit, credit, amount);
                let answer = self.book.move_now(movement);
                self.applied(answer)
            }
            ["reserve", id, debit, credit, amount] => {
                let movement = self.movement(id, debit, credit, amount);
                let answer = self.book.reserve(movement);
                self.applied(answer)
            }
            ["post", id, amount] => {
                let answer = self.book.post(self.transfer(id), amount_of(amount));
                self.applied(answer)
            }
            ["void", id] => {
                let answer = self.book.void(self.transfer(id));
                self.applied(answer)
            }
            ["balance", name, "debits", debits, "credits", credits] => {
                let account = self.book.account(self.account(name));
                assert_eq!(format!("{}+{}", account.debits_posted(), account.debits_pending()), debits, "{name}");
                assert_eq!(format!("{}+{}", account.credits_posted(), account.credits_pending()), credits, "{name}");
                "ok".to_owned()
            }
            ["state", id, state, ref moved @ ..] => {
                let transfer = self.book.transfer(self.transfer(id));
                assert_eq!(state_name(transfer.state()), state, "{id}");
                let expected = moved.first().map(|amount| amount_of(amount));
                assert_eq!(transfer.moved_amount(), expected, "{id}");
                "ok".to_owned()
            }
            _ => panic!("no such request: {words:?}"),
        }
    }

    fn open(&mut self, name: &str, currency: &str, rest: &[&str]) -> String {
        let mut spec = AccountSpec {
            id: account_id(name),
            currency: Currency::parse(currency.as_bytes()).expect("a currency"),
            code: 1,
            flags: AccountFlags::NONE,
            cap: 0,
        };
        for option in rest.chunks(2) {
            match *option {
                ["limited", cap] => (spec.flags, spec.cap) = (AccountFlags::DEBITS_LIMITED, number(cap)),
                ["cap", cap] => spec.cap = number(cap),
                ["code", code] => spec.code = number(code).try_into().expect("a code"),
                _ => panic!("no such option: {option:?}"),
            }
        }
        let answer = self.book.open(spec).map(|index| {
            let known = self.accounts.entry(name.to_owned()).or_insert(index);
            assert_eq!(*known, index, "an account keeps its handle");
            assert_eq!(self.book.find(spec.id), Some(index));
            "ok".to_owned()
        });
        self.answer(answer)
    }

    fn applied(&mut self, answer: Result<Applied, Reject>) -> String {
        self.answer(answer.map(|applied| if applied.repeated { "repeated" } else { "applied" }.to_owned()))
    }

    fn answer(&mut self, answer: Result<String, Reject>) -> String {
        answer.unwrap_or_else(|reject| {
            self.rejects.insert(reject);
            reject.to_string()
        })
    }

    fn movement(&self, id: &str, debit: &str, credit: &str, amount: &str) -> Movement {
        Movement {
            id: transfer_id(id),
            debit: self.account(debit),
            credit: self.account(credit),
            amount: amount_of(amount),
        }
    }

    fn account(&self, name: &str) -> AccountIndex {
        self.accounts[name]
    }

    fn transfer(&self, id: &str) -> TransferIndex {
        self.book.find_transfer(transfer_id(id)).expect("a transfer made before")
    }
}

fn account_id(name: &str) -> AccountId {
    let bytes = name.bytes().fold(0, |id: u128, byte| id << 8 | u128::from(byte));
    AccountId(if name == "NOBODY" { 0 } else { bytes })
}

fn transfer_id(word: &str) -> TransferId {
    TransferId(number(word.strip_prefix('T').expect("transfers are T1, T2 ...")))
}

fn number(word: &str) -> u128 {
    match word {
        "max" => u128::from(AMOUNT_MAX),
        "cap_max" => CAP_MAX,
        "cap_max+1" => CAP_MAX + 1,
        _ => word.parse().expect("a number"),
    }
}

fn amount_of(word: &str) -> Amount {
    u64::try_from(number(word)).ok().and_then(Amount::new).expect("an amount")
}

fn state_name(state: TransferState) -> &'static str {
    match state {
        TransferState::Reserved => "reserved",
        TransferState::Posted => "posted",
        TransferState::Voided => "voided",
        TransferState::Moved => "moved",
    }
}

#[test]
fn every_reject_is_reached_in_the_order_of_its_number() {
    let reached = check(
        "
        hold    accounts 3 transfers 3
        open    NOBODY EUR                        -> account_id_zero
        open    BANK_A EUR limited 100            -> ok
        open    BANK_A EUR                        -> account_exists_different
        open    BANK_B EUR cap 100                -> cap_without_limit
        open    BANK_B EUR limited cap_max+1      -> cap_too_high
        open    BANK_B EUR                        -> ok
        open    BANK_C USD                        -> ok
        open    BANK_D EUR                        -> too_many_accounts

        reserve T0 BANK_A BANK_B 10               -> transfer_id_zero
        reserve T1 BANK_A BANK_B 10               -> applied
        reserve T1 BANK_A BANK_B 11               -> transfer_exists_different
        reserve T2 BANK_A BANK_A 10               -> same_account
        reserve T2 BANK_A BANK_C 10               -> currency_mismatch
        reserve T2 BANK_A BANK_B 91               -> debit_limit_exceeded
        move    T2 BANK_A BANK_B 10               -> applied
        reserve T3 BANK_A BANK_B 10               -> applied
        reserve T4 BANK_A BANK_B 10               -> too_many_transfers

        post    T2 10                             -> not_two_phase
        post    T1 11                             -> post_exceeds_reserved
        post    T1 10                             -> applied
        void    T1                                -> already_posted
        void    T3                                -> applied
        post    T3 10                             -> already_voided
        ",
    );
    assert_eq!(reached, BTreeSet::from(Reject::ALL));
}

/// Each request below is wrong in two or more ways; the answer is the one with precedence.
#[test]
fn the_first_reject_that_applies_is_the_one_reported() {
    check(
        "
        hold    accounts 2 transfers 1
        open    NOBODY EUR cap 5                  -> account_id_zero
        open    BANK_A EUR limited 100            -> ok
        open    BANK_A USD cap 5                  -> account_exists_different
        open    BANK_A USD                        -> account_exists_different   # before too_many_accounts, too
        open    BANK_B USD cap cap_max+1          -> cap_without_limit
        open    BANK_B USD                        -> ok
        open    BANK_C EUR limited cap_max+1      -> cap_too_high
        cap     BANK_B cap_max+1                  -> cap_without_limit

        move    T0 BANK_A BANK_A 500              -> transfer_id_zero
        move    T1 BANK_A BANK_A 500              -> same_account
        move    T1 BANK_A BANK_B 500              -> currency_mismatch
        ",
    );
    check(
        "
        hold    accounts 9 transfers 1
        open    BANK_A EUR limited 100
        open    BANK_B EUR
        open    BANK_C USD
        reserve T1 BANK_A BANK_B 10               -> applied
        reserve T1 BANK_A BANK_A 500              -> transfer_exists_different
        reserve T1 BANK_A BANK_C 500              -> transfer_exists_different
        reserve T2 BANK_A BANK_A 500              -> same_account
        reserve T2 BANK_A BANK_C 500              -> currency_mismatch
        reserve T2 BANK_A BANK_B 500              -> too_many_transfers
        void    T1                                -> applied
        post    T1 500                            -> already_voided             # before post_exceeds_reserved
        ",
    );
}

#[test]
fn idempotency_comes_before_everything_else() {
    check(
        "
        hold    accounts 2 transfers 1
        open    BANK_A EUR limited 100
        open    BANK_B EUR
        open    BANK_B EUR                        -> ok                         # found again, though the book is full
        reserve T1 BANK_A BANK_B 60               -> applied
        reserve T1 BANK_A BANK_B 60               -> repeated                   # though full, and 60 + 60 > 100
        reserve T1 BANK_A BANK_B 61               -> transfer_exists_different
        reserve T1 BANK_B BANK_A 60               -> transfer_exists_different
        move    T1 BANK_A BANK_B 60               -> transfer_exists_different   # one phase is not two
        balance BANK_A debits 0+60 credits 0+0
        ",
    );
}

#[test]
fn a_reservation_is_posted_whole_or_in_part_or_voided_once() {
    check(
        "
        open    BANK_A EUR limited 100
        open    BANK_B EUR
        reserve T1 BANK_A BANK_B 60               -> applied
        balance BANK_A debits 0+60 credits 0+0
        balance BANK_B debits 0+0 credits 0+60
        state   T1 reserved
        post    T1 60                             -> applied
        post    T1 60                             -> repeated
        post    T1 59                             -> already_posted
        post    T1 61                             -> already_posted
        void    T1                                -> already_posted
        reserve T1 BANK_A BANK_B 60               -> repeated                   # the reservation itself, long since posted
        state   T1 posted 60
        balance BANK_A debits 60+0 credits 0+0

        reserve T2 BANK_A BANK_B 40               -> applied
        post    T2 15                             -> applied                    # 25 are free again
        state   T2 posted 15
        balance BANK_A debits 75+0 credits 0+0
        balance BANK_B debits 0+0 credits 75+0

        reserve T3 BANK_A BANK_B 26               -> debit_limit_exceeded
        reserve T3 BANK_A BANK_B 25               -> applied
        void    T3                                -> applied
        void    T3                                -> repeated
        post    T3 25                             -> already_voided
        state   T3 voided
        balance BANK_A debits 75+0 credits 0+0
        balance BANK_B debits 0+0 credits 75+0
        ",
    );
}

#[test]
fn a_single_phase_movement_is_final() {
    check(
        "
        open    BANK_A EUR
        open    BANK_B EUR
        move    T1 BANK_A BANK_B 60               -> applied
        move    T1 BANK_A BANK_B 60               -> repeated
        reserve T1 BANK_A BANK_B 60               -> transfer_exists_different
        post    T1 60                             -> not_two_phase
        void    T1                                -> not_two_phase
        state   T1 moved 60
        balance BANK_A debits 60+0 credits 0+0
        balance BANK_B debits 0+0 credits 60+0
        ",
    );
}

#[test]
fn debits_posted_and_pending_stay_within_posted_credits_and_cap() {
    check(
        "
        open    BANK_A EUR limited 100
        open    BANK_B EUR
        move    T1 BANK_A BANK_B 100              -> applied
        move    T2 BANK_A BANK_B 1                -> debit_limit_exceeded
        reserve T3 BANK_B BANK_A 50               -> applied
        move    T2 BANK_A BANK_B 1                -> debit_limit_exceeded       # what is pending is not yet there
        post    T3 50                             -> applied
        move    T2 BANK_A BANK_B 1                -> applied
        reserve T4 BANK_A BANK_B 49               -> applied
        reserve T5 BANK_A BANK_B 1                -> debit_limit_exceeded
        void    T4                                -> applied
        reserve T5 BANK_A BANK_B 49               -> applied
        post    T5 49                             -> applied                    # posting needs no room: it was held
        balance BANK_A debits 150+0 credits 50+0
        ",
    );
}

#[test]
fn a_lowered_cap_undoes_nothing_and_refuses_new_debits() {
    check(
        "
        open    BANK_A EUR limited 100
        open    BANK_B EUR
        reserve T1 BANK_A BANK_B 60               -> applied
        cap     BANK_A 10                         -> ok
        open    BANK_A EUR limited 100            -> ok                         # found again; the cap stays at 10
        move    T2 BANK_A BANK_B 1                -> debit_limit_exceeded
        post    T1 60                             -> applied
        move    T3 BANK_B BANK_A 51               -> applied
        move    T2 BANK_A BANK_B 1                -> applied                    # 61 <= 51 + 10
        move    T4 BANK_A BANK_B 1                -> debit_limit_exceeded
        cap     BANK_A cap_max                    -> ok
        move    T4 BANK_A BANK_B max              -> applied
        cap     BANK_A cap_max+1                  -> cap_too_high
        ",
    );
}

#[test]
fn the_greatest_amounts_add_up() {
    check(
        "
        open    BANK_A EUR
        open    BANK_B EUR
        move    T1 BANK_A BANK_B max              -> applied
        move    T2 BANK_A BANK_B max              -> applied
        reserve T3 BANK_A BANK_B max              -> applied
        balance BANK_A debits 1999999999999999998+999999999999999999 credits 0+0
        ",
    );
}

#[test]
fn currencies_are_counted_apart() {
    let mut book = Book::default();
    let mut open = |id, letters: &[u8]| {
        let currency = Currency::parse(letters).expect("a currency");
        let spec = AccountSpec { id: AccountId(id), currency, code: 0, flags: AccountFlags::NONE, cap: 0 };
        book.open(spec).expect("opened")
    };
    let [usd_1, eur_1, usd_2, eur_2] = [open(1, b"USD"), open(2, b"EUR"), open(3, b"USD"), open(4, b"EUR")];
    let amount = |minor_units| Amount::new(minor_units).expect("an amount");
    let mut id = 0;
    let mut movement = |debit, credit, minor_units| {
        id += 1;
        Movement { id: TransferId(id), debit, credit, amount: amount(minor_units) }
    };
    book.move_now(movement(usd_1, usd_2, 5)).expect("moved");
    book.reserve(movement(eur_1, eur_2, 7)).expect("reserved");
    let totals: Vec<String> = book
        .totals()
        .iter()
        .map(|t| format!("{} {}={} {}={}", t.currency, t.debits, t.credits, t.debits_pending, t.credits_pending))
        .collect();
    assert_eq!(totals, ["EUR 0=0 7=7", "USD 5=5 0=0"]);
}

/// The digest is a form that other programs compute: here by hand, from the table in its documentation.
#[test]
fn the_digest_is_as_documented() {
    let mut book = Book::default();
    let currency = Currency::parse(b"EUR").expect("a currency");
    let limited = AccountFlags::DEBITS_LIMITED;
    let debit = book.open(AccountSpec { id: AccountId(0xa), currency, code: 0x102, flags: limited, cap: 500 });
    let credit = book.open(AccountSpec { id: AccountId(0xb), currency, code: 3, flags: AccountFlags::NONE, cap: 0 });
    let (debit, credit) = (debit.expect("opened"), credit.expect("opened"));
    let amount = |minor_units| Amount::new(minor_units).expect("an amount");
    let first = book.reserve(Movement { id: TransferId(0xc), debit, credit, amount: amount(30) }).expect("reserved");
    book.post(first.index, amount(20)).expect("posted");
    book.reserve(Movement { id: TransferId(0xd), debit, credit, amount: amount(4) }).expect("reserved");

    let mut bytes = b"CLSPBOOK\0\0\x02\0\0\0\x02\0\0\0".to_vec();
    for (id, code, flags, numbers) in [(0xau128, 0x102u16, 1u16, [500u128, 4, 20, 0, 0]), (0xb, 3, 0, [0, 0, 0, 4, 20])]
    {
        bytes.extend(id.to_le_bytes());
        bytes.extend(b"EUR");
        bytes.extend(code.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
    for (id, amount, moved, state) in [(0xcu128, 30u64, 20u64, 2u8), (0xd, 4, 0, 1)] {
        bytes.extend(id.to_le_bytes());
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(amount.to_le_bytes());
        bytes.extend(moved.to_le_bytes());
        bytes.push(state);
    }
    assert_eq!(book.digest(), *blake3::hash(&bytes).as_bytes());
}

#[test]
fn rejects_are_numbered_in_order_and_named_once() {
    let numbers: Vec<u16> = Reject::ALL.iter().map(|reject| reject.number()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let names: BTreeSet<&str> = Reject::ALL.iter().map(|reject| reject.name()).collect();
    assert_eq!(names.len(), Reject::ALL.len());
    let transient: Vec<Reject> = Reject::ALL.into_iter().filter(|reject| reject.is_transient()).collect();
    assert_eq!(transient, [Reject::DebitLimitExceeded]);
}
