//! Requests and answers in a small language that a payments person can read and extend. One request a line:
//!
//! ```text
//! hold    accounts 2 transfers 3            how much the book may hold; first line, may be left out
//! time    100                               the book is told the time
//! open    BANK_A EUR                        -> ok
//! open    BANK_B EUR limited 100 code 7     -> ok; also: credit_limited 100, history, ref 5, cap 5, credit_cap 5
//! cap     BANK_B 50                         -> ok
//! credit_cap BANK_B 50                      -> ok
//! freeze  BANK_B                            -> ok; also: thaw, close
//! move    T1 BANK_A BANK_B 60               -> applied, repeated, or a reject
//! reserve T2 BANK_A BANK_B 60               -> ...; both also: code 7, ref 5, deadline 200, balancing_debit,
//!                                              balancing_credit, closing_debit, closing_credit
//! post    T2 60                             -> ...; `post T2` posts all of it
//! void    T2                                -> ...
//! expire  2                                 -> T2 T5 more: what was released, at most 2, in its order; or nothing
//! balance BANK_A debits 60+0 credits 0+0    posted+pending
//! state   T2 posted 60                      reserved, posted, voided, moved, expired, with the amount that has moved
//! status  BANK_A frozen                     open, frozen, closed
//! ```
//!
//! A line that begins with `link` is tied to the request after it: all of such a chain happens, or nothing. `end` in place of
//! the request after it ends the batch there.
//!
//! Accounts are any words, transfers T1, T2 ...; NOBODY and T0 have the id 0. `max` is the highest amount, `cap_max` the
//! highest cap. What follows # is said to the reader.

use std::collections::BTreeSet;

use ledger::audit::Auditor;
use ledger::limits::{AMOUNT_MAX, CAP_MAX};
use ledger::{
    AccountFlags, AccountId, AccountIndex, AccountSpec, AccountStatus, Amount, Answer, BatchEntry, Book, BookOptions,
    Currency, HistoryQuery, Movement, PRECEDENCE, References, Reject, Request, Terms, TransferFlags, TransferId,
    TransferIndex, TransferSpec, TransferState,
};

/// Runs a table; every answer must be the one it gives. Returns the rejects that occurred.
fn check(table: &str) -> BTreeSet<Reject> {
    let mut teller = Teller::default();
    for line in table.lines().map(|line| line.split('#').next().unwrap_or("").trim()).filter(|line| !line.is_empty()) {
        let (request, expected) = match line.split_once("->") {
            Some((request, expected)) => (request, expected.trim()),
            None => (line, if line.starts_with("expire") { "" } else { "ok" }),
        };
        teller.line(&request.split_whitespace().collect::<Vec<_>>(), expected, line);
        teller.book.assert_balanced();
        teller.book.totals();
        teller.auditor.compare(&teller.book).expect("the auditor comes to the same");
    }
    assert!(teller.batch.is_empty(), "the last chain has no end");
    teller.rejects
}

#[derive(Default)]
struct Teller {
    book: Book,
    auditor: Auditor,
    rejects: BTreeSet<Reject>,
    /// Requests whose chain has not ended, each with its line and the answer that is expected.
    batch: Vec<(BatchEntry, String, String)>,
}

impl Teller {
    fn line(&mut self, words: &[&str], expected: &str, line: &str) {
        let (words, linked) = match words {
            ["link", rest @ ..] => (rest, true),
            ["end"] => return self.submit(),
            _ => (words, false),
        };
        if let Some(request) = request(words) {
            self.batch.push((BatchEntry { request, linked }, line.to_owned(), expected.to_owned()));
            if !linked {
                self.submit();
            }
        } else {
            assert!(!linked && self.batch.is_empty(), "not a part of a chain: {line}");
            self.look(words, expected, line);
        }
    }

    fn submit(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let entries: Vec<BatchEntry> = batch.iter().map(|(entry, ..)| *entry).collect();
        let before = self.book.digest();
        let mut answers = Vec::new();
        self.book.apply(self.book.now_ns(), &entries, &mut answers);
        for ((entry, line, expected), answer) in batch.iter().zip(&answers) {
            assert_eq!(word(entry, answer), *expected, "in the line: {line}");
            match answer {
                Ok(accepted) if accepted.repeated() => {}
                Ok(_) => self.auditor.accept(&entry.request).expect("what is accepted can be summed up"),
                Err(reject) => {
                    self.rejects.insert(*reject);
                }
            }
        }
        if answers.iter().all(|answer| answer.is_err() || answer.is_ok_and(|accepted| accepted.repeated())) {
            assert_eq!(self.book.digest(), before, "a reject or a repetition changes nothing: {:?}", batch[0].1);
        }
    }

    /// What is not a request: set-up, time, and looks at the book.
    fn look(&mut self, words: &[&str], expected: &str, line: &str) {
        match *words {
            ["hold", "accounts", accounts, "transfers", transfers] => {
                self.book = Book::new(BookOptions {
                    accounts_max: number(accounts).try_into().expect("a number of accounts"),
                    transfers_max: number(transfers).try_into().expect("a number of transfers"),
                    transfers_expected: 10,
                    ..BookOptions::default()
                });
            }
            ["time", now] => self.book.advance_to(time(now)),
            ["expire", max] => {
                let max = usize::try_from(number(max)).expect("a number");
                let expired = self.book.expire(self.book.now_ns(), max);
                let ids: Vec<TransferId> = expired.transfers.iter().map(|at| self.book.transfer(*at).id()).collect();
                assert_eq!(self.auditor.expire(self.book.now_ns(), max), Ok(ids.clone()), "in the line: {line}");
                let mut words: Vec<String> = ids.iter().map(|id| format!("T{}", id.0)).collect();
                words.extend(expired.more.then(|| "more".to_owned()));
                assert_eq!(words.join(" "), expected, "in the line: {line}");
            }
            ["balance", name, "debits", debits, "credits", credits] => {
                let account = self.book.account(self.account(name));
                assert_eq!(format!("{}+{}", account.debits_posted(), account.debits_pending()), debits, "{line}");
                assert_eq!(format!("{}+{}", account.credits_posted(), account.credits_pending()), credits, "{line}");
            }
            ["state", id, state, ref moved @ ..] => {
                let transfer = self.book.transfer(self.transfer(id));
                assert_eq!(state_name(transfer.state()), state, "{line}");
                assert_eq!(transfer.moved_amount(), moved.first().map(|amount| amount_of(amount)), "{line}");
            }
            ["status", name, status] => {
                assert_eq!(status_name(self.book.account(self.account(name)).status()), status, "{line}");
            }
            _ => panic!("no such request: {words:?}"),
        }
    }

    fn account(&self, name: &str) -> AccountIndex {
        self.book.find(account_id(name)).expect("an account opened before")
    }

    fn transfer(&self, id: &str) -> TransferIndex {
        self.book.find_transfer(transfer_id(id)).expect("a transfer made before")
    }
}

/// An answer as one word. Of accounts, "ok" is said whether or not they were so already.
fn word(entry: &BatchEntry, answer: &Answer) -> String {
    let of_transfer = matches!(entry.request, Request::Transfer(_) | Request::Post { .. } | Request::Void { .. });
    match answer {
        Ok(_) if !of_transfer => "ok".to_owned(),
        Ok(accepted) if accepted.repeated() => "repeated".to_owned(),
        Ok(_) => "applied".to_owned(),
        Err(reject) => reject.to_string(),
    }
}

fn request(words: &[&str]) -> Option<Request> {
    Some(match *words {
        ["open", name, currency, ref rest @ ..] => Request::Open(account_spec(name, currency, rest)),
        ["cap", name, cap] => Request::SetCap { account: account_id(name), cap: number(cap) },
        ["credit_cap", name, cap] => Request::SetCreditCap { account: account_id(name), cap: number(cap) },
        ["freeze", name] => Request::Freeze(account_id(name)),
        ["thaw", name] => Request::Thaw(account_id(name)),
        ["close", name] => Request::Close(account_id(name)),
        ["move", id, debit, credit, amount, ref rest @ ..] => {
            Request::Transfer(transfer_spec(id, debit, credit, amount, false, rest))
        }
        ["reserve", id, debit, credit, amount, ref rest @ ..] => {
            Request::Transfer(transfer_spec(id, debit, credit, amount, true, rest))
        }
        ["post", id] => Request::Post { transfer: transfer_id(id), amount: None },
        ["post", id, amount] => Request::Post { transfer: transfer_id(id), amount: Some(amount_of(amount)) },
        ["void", id] => Request::Void { transfer: transfer_id(id) },
        _ => return None,
    })
}

fn account_spec(name: &str, currency: &str, mut options: &[&str]) -> AccountSpec {
    let currency = Currency::parse(currency.as_bytes()).expect("a currency");
    let mut spec = AccountSpec { code: 1, ..AccountSpec::new(account_id(name), currency) };
    while !options.is_empty() {
        let (used, flag) = match *options {
            ["history", ..] => (1, AccountFlags::HISTORY),
            [option, value, ..] => {
                let flag = match option {
                    "limited" => AccountFlags::DEBITS_LIMITED,
                    "credit_limited" => AccountFlags::CREDITS_LIMITED,
                    _ => AccountFlags::NONE,
                };
                match option {
                    "limited" | "cap" => spec.cap = number(value),
                    "credit_limited" | "credit_cap" => spec.credit_cap = number(value),
                    "code" => spec.code = number(value).try_into().expect("a code"),
                    "ref" => spec.references.bits_128 = number(value),
                    _ => panic!("no such option: {option}"),
                }
                (2, flag)
            }
            _ => panic!("no such options: {options:?}"),
        };
        spec.flags = spec.flags.with(flag);
        options = &options[used..];
    }
    spec
}

fn transfer_spec(
    id: &str,
    debit: &str,
    credit: &str,
    amount: &str,
    two_phase: bool,
    mut options: &[&str],
) -> TransferSpec {
    let mut terms = Terms::NONE;
    while let Some(option) = options.first() {
        let flag = match *option {
            "balancing_debit" => TransferFlags::BALANCING_DEBIT,
            "balancing_credit" => TransferFlags::BALANCING_CREDIT,
            "closing_debit" => TransferFlags::CLOSING_DEBIT,
            "closing_credit" => TransferFlags::CLOSING_CREDIT,
            _ => TransferFlags::NONE,
        };
        terms.flags = terms.flags.with(flag);
        if flag != TransferFlags::NONE {
            options = &options[1..];
            continue;
        }
        match *option {
            "code" => terms.code = number(options[1]).try_into().expect("a code"),
            "ref" => terms.references.bits_64 = time(options[1]),
            "deadline" => terms.deadline_ns = time(options[1]),
            _ => panic!("no such option: {option}"),
        }
        options = &options[2..];
    }
    TransferSpec {
        id: transfer_id(id),
        debit: account_id(debit),
        credit: account_id(credit),
        amount: amount_of(amount),
        two_phase,
        terms,
    }
}

fn time(word: &str) -> u64 {
    number(word).try_into().expect("a time")
}

fn status_name(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Open => "open",
        AccountStatus::Frozen => "frozen",
        AccountStatus::Closed => "closed",
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
        TransferState::Expired => "expired",
    }
}

const REFUSED_ABOUT_ACCOUNTS: &str = "
    hold    accounts 3 transfers 3
    open    NOBODY EUR                        -> account_id_zero
    open    BANK_A EUR limited 100            -> ok
    open    BANK_A EUR                        -> account_exists_different
    open    BANK_B EUR cap 100                -> cap_without_limit
    open    BANK_B EUR limited cap_max+1      -> cap_too_high
    open    BANK_B EUR                        -> ok
    open    BANK_C USD                        -> ok
    open    BANK_D EUR                        -> too_many_accounts
    freeze  BANK_D                            -> account_unknown
    close   BANK_C                            -> ok
    thaw    BANK_C                            -> account_closed
    reserve T1 BANK_A BANK_B 10               -> applied
    close   BANK_A                            -> account_has_pending
";

const REFUSED_ABOUT_TRANSFERS: &str = "
    hold    accounts 9 transfers 3
    time    100
    open    BANK_A EUR limited 100            -> ok
    open    BANK_B EUR                        -> ok
    open    BANK_C USD                        -> ok
    reserve T0 BANK_A BANK_B 10               -> transfer_id_zero
    reserve T1 BANK_A BANK_B 10               -> applied
    reserve T1 BANK_A BANK_B 11               -> transfer_exists_different
    reserve T2 BANK_A BANK_A 10               -> same_account
    reserve T2 BANK_A BANK_C 10               -> currency_mismatch
    move    T2 BANK_A BANK_B 10               -> applied
    reserve T3 BANK_A BANK_B 81               -> debit_limit_exceeded
    reserve T3 BANK_X BANK_B 10               -> debit_account_unknown
    reserve T3 BANK_A BANK_X 10               -> credit_account_unknown

    open    CLOSED EUR                        -> ok
    close   CLOSED                            -> ok
    move    T3 CLOSED BANK_B 1                -> debit_account_closed
    move    T3 BANK_B CLOSED 1                -> credit_account_closed
    open    FROZEN EUR                        -> ok
    freeze  FROZEN                            -> ok
    move    T3 FROZEN BANK_B 1                -> debit_account_frozen
    move    T3 BANK_B FROZEN 1                -> credit_account_frozen
    open    FULL EUR credit_limited 5         -> ok
    move    T3 BANK_B FULL 6                  -> credit_limit_exceeded
    move    T3 FULL BANK_B 6 balancing_debit  -> nothing_available
    move    T3 BANK_B FULL 1 deadline 200     -> deadline_without_reservation
    reserve T3 BANK_B FULL 1 deadline 100     -> deadline_not_in_future
    reserve T3 BANK_B FULL 1 closing_credit   -> closing_with_reservation
    move    T3 BANK_B FULL 1 closing_debit    -> closing_has_pending

    post    T2 10                             -> not_two_phase
    post    T1 11                             -> post_exceeds_reserved
    post    T1 10                             -> applied
    void    T1                                -> already_posted
    post    T9                                -> transfer_unknown
    reserve T3 BANK_A BANK_B 10 deadline 150  -> applied
    reserve T4 BANK_A BANK_B 10               -> too_many_transfers
    time    150
    post    T3                                -> already_expired
    link freeze FROZEN                        -> linked_event_failed
    link thaw   FROZEN                        -> linked_event_chain_open
    end
";

const REFUSED_AFTER_A_VOID: &str = "
    open    BANK_A EUR
    open    BANK_B EUR
    reserve T3 BANK_A BANK_B 10               -> applied
    void    T3                                -> applied
    post    T3 10                             -> already_voided
";

#[test]
fn every_reject_is_reached() {
    let tables = [REFUSED_ABOUT_ACCOUNTS, REFUSED_ABOUT_TRANSFERS, REFUSED_AFTER_A_VOID];
    let reached: BTreeSet<Reject> = tables.into_iter().flat_map(check).collect();
    assert_eq!(reached, BTreeSet::from(Reject::ALL));
}

#[test]
fn the_precedence_table_names_every_code_and_puts_what_a_retry_can_cure_last() {
    let named: BTreeSet<Reject> = PRECEDENCE.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
    assert_eq!(named, BTreeSet::from(Reject::ALL));
    for (verb, codes) in PRECEDENCE {
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len(), "{verb}: each code once");
        assert!(codes.is_sorted_by_key(|code| code.is_transient()), "{verb}: what passes comes last");
    }
}

/// The table in the documentation of [`PRECEDENCE`] is the data: row by row, number by number.
#[test]
fn the_documented_precedence_is_the_one_in_force() {
    let source = include_str!("../../src/result.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("/// | `"));
    let documented: Vec<(String, Vec<u16>)> = rows
        .map(|row| {
            let mut columns = row.split('|');
            let verbs = columns.next().unwrap_or("").replace('`', "").trim().to_owned();
            let numbers = columns.next().unwrap_or("").split(',').map(|n| n.trim().parse().expect("a number"));
            (verbs, numbers.collect())
        })
        .collect();
    let in_force: Vec<(String, Vec<u16>)> = PRECEDENCE
        .iter()
        .map(|(verbs, codes)| ((*verbs).to_owned(), codes.iter().map(|code| code.number()).collect()))
        .collect();
    let documented: Vec<_> = documented
        .into_iter()
        .map(|(verbs, numbers)| (verbs.split(", before").next().unwrap_or("").to_owned(), numbers))
        .collect();
    assert_eq!(documented, in_force);
}

/// One transfer that is wrong in all ways at once, and then made right step by step: the answers are the table of precedence,
/// from the top.
#[test]
fn a_transfer_wrong_in_every_way_is_answered_in_the_order_of_precedence() {
    let reserved = "
        hold    accounts 9 transfers 2
        time    100
        open    BANK_A EUR limited 5
        open    BANK_B EUR credit_limited 5
        open    BANK_C USD
        open    BANK_D EUR
        open    BANK_E EUR
        close   BANK_D
        close   BANK_C
        freeze  BANK_A
        freeze  BANK_B
        reserve T0 BANK_X BANK_X 90 deadline 100 closing_debit -> transfer_id_zero
        reserve T2 BANK_X BANK_X 90 deadline 100 closing_debit -> debit_account_unknown
        reserve T2 BANK_D BANK_X 90 deadline 100 closing_debit -> credit_account_unknown
        reserve T2 BANK_D BANK_D 90 deadline 100 closing_debit -> same_account
        reserve T2 BANK_D BANK_C 90 deadline 100 closing_debit -> currency_mismatch
        move    T2 BANK_D BANK_B 90 deadline 100 closing_debit -> deadline_without_reservation
        reserve T2 BANK_D BANK_B 90 deadline 100 closing_debit -> deadline_not_in_future
        reserve T2 BANK_D BANK_B 90 deadline 101 closing_debit -> closing_with_reservation
        reserve T2 BANK_D BANK_B 90 deadline 101  -> debit_account_closed
    ";
    check(reserved);
    check(
        "
        hold    accounts 9 transfers 2
        open    BANK_A EUR limited 5
        open    BANK_B EUR credit_limited 5
        open    BANK_D EUR
        open    BANK_E EUR
        open    BANK_F EUR
        reserve T1 BANK_A BANK_B 5                -> applied
        close   BANK_D
        close   BANK_F
        freeze  BANK_A
        freeze  BANK_B
        reserve T1 BANK_X BANK_X 90               -> transfer_exists_different  # before unknown accounts
        move    T2 BANK_D BANK_F 90 balancing_debit closing_debit -> debit_account_closed
        move    T2 BANK_A BANK_F 90 balancing_debit closing_debit -> credit_account_closed
        move    T2 BANK_A BANK_B 90 balancing_debit closing_debit -> debit_account_frozen
        thaw    BANK_A
        move    T2 BANK_A BANK_B 90 balancing_debit closing_debit -> credit_account_frozen
        thaw    BANK_B
        move    T2 BANK_A BANK_B 90 balancing_debit closing_debit -> closing_has_pending
        move    T2 BANK_A BANK_B 90 balancing_debit -> nothing_available
        move    T2 BANK_A BANK_B 90               -> debit_limit_exceeded
        move    T2 BANK_E BANK_B 90               -> credit_limit_exceeded
        move    T2 BANK_E BANK_A 90               -> applied
        move    T3 BANK_D BANK_F 90               -> too_many_transfers         # before what is closed
        reserve T3 BANK_A BANK_E 90 closing_debit -> closing_with_reservation   # before too_many_transfers
        ",
    );
}

#[test]
fn requests_about_accounts_and_reservations_follow_the_table_too() {
    check(
        "
        time    10
        open    BANK_A EUR limited 5
        open    BANK_B EUR
        cap     BANK_X cap_max+1                  -> account_unknown
        credit_cap BANK_X 1                       -> account_unknown
        thaw    BANK_X                            -> account_unknown
        close   BANK_X                            -> account_unknown
        reserve T1 BANK_A BANK_B 5 deadline 20    -> applied
        close   BANK_B                            -> account_has_pending
        time    20
        post    T1 6                              -> already_expired            # before post_exceeds_reserved
        void    T1                                -> already_expired
        post    T2 6                              -> transfer_unknown
        void    T2                                -> transfer_unknown
        expire  9                                 -> T1
        close   BANK_B                            -> ok
        close   BANK_B                            -> ok                         # once is for good
        cap     BANK_B cap_max+1                  -> account_closed             # before cap_without_limit
        credit_cap BANK_B cap_max+1               -> account_closed
        freeze  BANK_B                            -> account_closed
        status  BANK_B closed
        credit_cap BANK_A cap_max+1               -> cap_without_limit
        open    BANK_C EUR credit_limited cap_max+1 -> cap_too_high
        open    BANK_C EUR credit_cap 5           -> cap_without_limit
        ",
    );
}

#[test]
fn credits_posted_and_pending_stay_within_posted_debits_and_cap() {
    check(
        "
        open    LOAN EUR credit_limited 0
        open    BANK EUR
        move    T1 BANK LOAN 1                    -> credit_limit_exceeded
        move    T2 LOAN BANK 100                  -> applied                    # paid out
        reserve T3 BANK LOAN 60                   -> applied
        reserve T4 BANK LOAN 41                   -> credit_limit_exceeded      # no more is paid back than was paid out
        void    T3                                -> applied
        move    T4 BANK LOAN 41                   -> applied
        credit_cap LOAN 1                         -> ok
        move    T5 BANK LOAN 60                   -> applied
        move    T6 BANK LOAN 1                    -> credit_limit_exceeded
        balance LOAN debits 100+0 credits 101+0
        ",
    );
}

#[test]
fn a_frozen_account_keeps_what_was_promised_and_takes_nothing_new() {
    check(
        "
        open    BANK_A EUR
        open    BANK_B EUR
        reserve T1 BANK_A BANK_B 10               -> applied
        reserve T2 BANK_B BANK_A 10               -> applied
        freeze  BANK_A                            -> ok
        freeze  BANK_A                            -> ok
        move    T3 BANK_A BANK_B 1                -> debit_account_frozen
        move    T3 BANK_B BANK_A 1                -> credit_account_frozen
        reserve T1 BANK_A BANK_B 10               -> repeated
        post    T1                                -> applied
        void    T2                                -> applied
        status  BANK_A frozen
        thaw    BANK_A                            -> ok
        status  BANK_A open
        move    T3 BANK_A BANK_B 1                -> applied
        freeze  BANK_A                            -> ok
        close   BANK_A                            -> ok
        status  BANK_A closed
        ",
    );
}

#[test]
fn a_balancing_transfer_moves_up_to_what_is_available() {
    check(
        "
        open    BANK EUR
        open    CUSTOMER EUR limited 0
        open    LOAN EUR credit_limited 0
        move    T1 BANK CUSTOMER 100              -> applied
        reserve T2 CUSTOMER BANK 30               -> applied
        move    T3 CUSTOMER BANK max balancing_debit -> applied
        state   T3 moved 70                                                     # 100, less the 30 that are held
        move    T3 CUSTOMER BANK max balancing_debit -> repeated                # what was asked for counts
        move    T3 CUSTOMER BANK 70 balancing_debit -> transfer_exists_different
        move    T4 CUSTOMER BANK max balancing_debit -> nothing_available
        void    T2                                -> applied
        move    T5 LOAN BANK 20                   -> applied
        reserve T6 CUSTOMER LOAN max balancing_debit balancing_credit -> applied   # 30 here, 20 there
        balance LOAN debits 20+0 credits 0+20
        post    T6                                -> applied
        state   T6 posted 20
        move    T7 CUSTOMER BANK 4 balancing_debit -> applied
        state   T7 moved 4                                                      # never more than asked for
        move    T8 CUSTOMER LOAN 9 balancing_debit -> credit_limit_exceeded     # only the side that balances is fitted
        cap     CUSTOMER 10                       -> ok
        move    T9 CUSTOMER BANK max balancing_debit -> applied
        state   T9 moved 16                                                     # the cap is available, too
        ",
    );
}

#[test]
fn a_closing_transfer_moves_the_rest_and_closes() {
    check(
        "
        open    BANK EUR
        open    CUSTOMER EUR limited 0
        move    T1 BANK CUSTOMER 100              -> applied
        reserve T2 CUSTOMER BANK 30               -> applied
        move    T3 CUSTOMER BANK max balancing_debit closing_debit -> closing_has_pending
        void    T2                                -> applied
        move    T3 CUSTOMER BANK max balancing_debit closing_debit -> applied
        status  CUSTOMER closed
        balance CUSTOMER debits 100+0 credits 100+0
        move    T3 CUSTOMER BANK max balancing_debit closing_debit -> repeated
        move    T4 BANK CUSTOMER 1                -> credit_account_closed
        thaw    CUSTOMER                          -> account_closed
        open    OTHER EUR
        move    T5 BANK OTHER 1 closing_debit closing_credit -> applied
        status  BANK closed
        status  OTHER closed
        ",
    );
}

#[test]
fn all_terms_are_content() {
    check(
        "
        time    5
        open    BANK_A EUR ref 7
        open    BANK_A EUR ref 8                  -> account_exists_different
        open    BANK_A EUR ref 7                  -> ok
        open    BANK_B EUR
        reserve T1 BANK_A BANK_B 5 code 1 ref 2 deadline 30 -> applied
        reserve T1 BANK_A BANK_B 5 code 1 ref 2 deadline 30 -> repeated
        reserve T1 BANK_A BANK_B 5 code 2 ref 2 deadline 30 -> transfer_exists_different
        reserve T1 BANK_A BANK_B 5 code 1 ref 3 deadline 30 -> transfer_exists_different
        reserve T1 BANK_A BANK_B 5 code 1 ref 2 deadline 31 -> transfer_exists_different
        reserve T1 BANK_A BANK_B 5 code 1 ref 2   -> transfer_exists_different
        reserve T1 BANK_A BANK_B 5 code 1 ref 2 deadline 30 balancing_debit -> transfer_exists_different
        time    40
        reserve T1 BANK_A BANK_B 5 code 1 ref 2 deadline 30 -> repeated         # though its deadline has passed
        ",
    );
}

#[test]
fn deadlines_pass_in_order_and_in_portions() {
    check(
        "
        time    10
        open    BANK_A EUR limited 100
        open    BANK_B EUR
        reserve T1 BANK_A BANK_B 10 deadline 30   -> applied
        reserve T2 BANK_A BANK_B 10 deadline 20   -> applied
        reserve T3 BANK_A BANK_B 10 deadline 20   -> applied
        reserve T4 BANK_A BANK_B 10 deadline 20   -> applied
        reserve T5 BANK_A BANK_B 10               -> applied
        expire  9
        time    19
        post    T3                                -> applied                    # just in time
        time    20
        expire  1                                 -> T2 more
        void    T4                                -> already_expired            # not swept, and over all the same
        post    T2                                -> already_expired
        state   T2 expired
        balance BANK_A debits 10+30 credits 0+0
        time    30
        expire  9                                 -> T4 T1
        balance BANK_A debits 10+10 credits 0+0
        expire  9
        post    T5                                -> applied
        ",
    );
}

#[test]
fn a_chain_happens_whole_or_not_at_all() {
    check(
        "
        open    BANK_A EUR limited 100
        open    BANK_B EUR
        link move T1 BANK_A BANK_B 60             -> applied
        move    T2 BANK_A BANK_B 40               -> applied

        link open BANK_C USD history              -> linked_event_failed        # a currency nobody had
        link open BANK_D EUR limited 0            -> linked_event_failed
        link move T3 BANK_B BANK_D 5              -> linked_event_failed
        link reserve T4 BANK_D BANK_A 5 ref 9     -> linked_event_failed
        link post T4                              -> linked_event_failed
        link move T5 BANK_D BANK_A 1              -> debit_limit_exceeded       # the culprit
        link freeze BANK_B                        -> linked_event_failed
        move    T6 BANK_B BANK_A 1                -> linked_event_failed
        post    T4                                -> transfer_unknown
        freeze  BANK_C                            -> account_unknown
        balance BANK_A debits 100+0 credits 0+0

        link open BANK_D EUR limited 0            -> ok
        link move T3 BANK_B BANK_D 5              -> applied
        link reserve T4 BANK_D BANK_A 5 ref 9     -> applied
        post    T4                                -> applied
        link open BANK_D EUR limited 0            -> ok                         # sent again: the first result again
        link move T3 BANK_B BANK_D 5              -> repeated
        link reserve T4 BANK_D BANK_A 5 ref 9     -> repeated
        post    T4                                -> repeated

        link move T7 BANK_B BANK_A 1              -> linked_event_failed
        link move T8 BANK_B BANK_A 1              -> linked_event_failed
        link move T8 BANK_B BANK_A 1              -> linked_event_chain_open
        end
        ",
    );
}

#[test]
fn an_undone_chain_gives_back_deadlines_states_and_caps() {
    check(
        "
        time    10
        open    BANK_A EUR limited 100
        open    BANK_B EUR history
        reserve T1 BANK_A BANK_B 10 deadline 20   -> applied
        reserve T2 BANK_A BANK_B 10 deadline 20   -> applied
        link post T1 4                            -> linked_event_failed
        link void T2                              -> linked_event_failed
        link reserve T3 BANK_A BANK_B 1 deadline 15 -> linked_event_failed
        link cap BANK_A 7                         -> linked_event_failed
        link move T4 BANK_A BANK_B 5              -> debit_limit_exceeded
        close   BANK_B                            -> linked_event_failed
        time    20
        expire  9                                 -> T1 T2
        link move T5 BANK_B BANK_A 1 closing_debit -> linked_event_failed
        move    T6 BANK_B BANK_A 1                -> debit_account_closed
        status  BANK_B open
        ",
    );
}

#[test]
fn a_history_is_read_in_pages_and_as_of_a_time() {
    let mut teller = Teller::default();
    let options = BookOptions { history_per_account_max: 3, ..BookOptions::default() };
    teller.book = Book::new(options);
    for (line, expected) in [
        ("open BANK_A EUR history", "ok"),
        ("open BANK_B EUR", "ok"),
        ("time 10", ""),
        ("reserve T1 BANK_A BANK_B 5", "applied"),
        ("time 20", ""),
        ("post T1 3", "applied"),
        ("move T2 BANK_B BANK_A 1", "applied"),
    ] {
        teller.line(&line.split_whitespace().collect::<Vec<_>>(), expected, line);
    }
    let (kept, none) = (teller.account("BANK_A"), teller.account("BANK_B"));
    assert_eq!(teller.book.history(none, &HistoryQuery::ALL), None);
    assert_eq!(teller.book.balances_at(none, 20), None);

    let first = teller.book.history(kept, &HistoryQuery { entries_max: 2, ..HistoryQuery::ALL }).expect("kept");
    let states: Vec<_> = first.entries.iter().map(|entry| (entry.time_ns, entry.state)).collect();
    assert_eq!(states, [(10, TransferState::Reserved), (20, TransferState::Posted)]);
    let rest = HistoryQuery { from_number: first.next_number.expect("more"), ..HistoryQuery::ALL };
    let second = teller.book.history(kept, &rest).expect("kept");
    assert_eq!((second.first_number, second.entries.len(), second.next_number), (2, 1, None));
    assert_eq!(second.entries[0].balances, teller.book.account(kept).balances());
    let day = HistoryQuery { from_ns: 10, until_ns: 20, ..HistoryQuery::ALL };
    assert_eq!(teller.book.history(kept, &day).expect("kept").entries, first.entries[..1]);

    let at = |teller: &Teller, time| teller.book.balances_at(kept, time).map(|b| (b.debits_posted, b.debits_pending));
    assert_eq!([at(&teller, 9), at(&teller, 10), at(&teller, 20)], [Some((0, 0)), Some((0, 5)), Some((3, 0))]);

    // A fourth entry, and the first leaves: its time is not answered from memory any more, and numbers stay.
    teller.line(&["move", "T3", "BANK_B", "BANK_A", "1"], "applied", "the fourth");
    assert_eq!([at(&teller, 9), at(&teller, 10), at(&teller, 20)], [None, None, Some((3, 0))]);
    let all = teller.book.history(kept, &HistoryQuery::ALL).expect("kept");
    assert_eq!((all.first_number, all.left_count, all.entries.len()), (1, 1, 3));

    // A chain that fails leaves a full history as it was.
    let before = teller.book.digest();
    teller.line(&["link", "move", "T5", "BANK_B", "BANK_A", "1"], "linked_event_failed", "undone");
    teller.line(&["move", "T6", "BANK_B", "BANK_X", "1"], "credit_account_unknown", "the culprit");
    assert_eq!(teller.book.digest(), before);
}

/// The auditor is of use only if it sees what is wrong: an accepted request is withheld from it.
#[test]
fn the_auditor_sees_what_it_was_not_told() {
    let mut teller = Teller::default();
    for line in ["open BANK_A EUR", "open BANK_B EUR"] {
        teller.line(&line.split_whitespace().collect::<Vec<_>>(), "ok", line);
    }
    teller.auditor.compare(&teller.book).expect("equal so far");
    let withheld = request(&["move", "T1", "BANK_A", "BANK_B", "5"]).expect("a request");
    teller.book.apply(0, &[withheld.into()], &mut Vec::new());
    let finding = teller.auditor.compare(&teller.book).expect_err("five were moved");
    assert!(finding.to_string().ends_with("debits_posted is 5 in the book and 0 by the requests"), "{finding}");
    let unknown = request(&["post", "T9"]).expect("a request");
    assert!(teller.auditor.accept(&unknown).is_err());
    let stranger = request(&["move", "T2", "BANK_A", "BANK_X", "5"]).expect("a request");
    assert!(teller.auditor.accept(&stranger).is_err());
}

#[test]
#[should_panic(expected = "time never goes back")]
fn time_never_goes_back() {
    let mut book = Book::default();
    book.advance_to(2);
    book.advance_to(1);
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
        book.open(AccountSpec::new(AccountId(id), currency)).expect("opened")
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
    book.advance_to(7);
    book.set_position(4);
    let currency = Currency::parse(b"EUR").expect("a currency");
    let references = References { bits_128: 1, bits_64: 2, bits_32: 3 };
    let flags = AccountFlags::DEBITS_LIMITED.with(AccountFlags::HISTORY);
    let debit = AccountSpec { code: 0x102, flags, cap: 500, references, ..AccountSpec::new(AccountId(0xa), currency) };
    let limited = AccountFlags::CREDITS_LIMITED;
    let credit = AccountSpec { flags: limited, credit_cap: 90, ..AccountSpec::new(AccountId(0xb), currency) };
    let (debit, credit) = (book.open(debit).expect("opened"), book.open(credit).expect("opened"));
    let amount = Amount::new(30).expect("an amount");
    let terms = Terms { code: 5, flags: TransferFlags::BALANCING_CREDIT, references, deadline_ns: 99 };
    let first = Movement { id: TransferId(0xc), debit, credit, amount: Amount::MAX };
    book.transfer_with(first, &terms, true).expect("reserved");
    book.move_now(Movement { id: TransferId(0xd), debit: credit, credit: debit, amount }).expect("moved");

    let references_bytes = || [&1u128.to_le_bytes()[..], &2u64.to_le_bytes(), &3u32.to_le_bytes()].concat();
    let mut bytes = b"CLSPBOOK\0\0\0\0\0\0\0\0".to_vec();
    let (time, position, floor, deadlines_made) = (7u64, 4, 0, 1);
    bytes.extend([time, position, floor, deadlines_made].iter().flat_map(|number| number.to_le_bytes()));
    let (accounts, slots, held, first_vacant) = (2u32, 64, 2, 2);
    bytes.extend([accounts, slots, held, first_vacant].iter().flat_map(|number| number.to_le_bytes()));
    let window_len = 1u64;
    bytes.extend(window_len.to_le_bytes());
    bytes.extend([0; 56]);
    let accounts = [
        (0xau128, 0x102u16, 5u16, [500u128, 90, 0, 0, 30], 0u128, references_bytes()),
        (0xb, 0, 2, [0, 0, 30, 90, 0], 90, vec![0; 28]),
    ];
    for (id, code, flags, numbers, credit_cap, references) in accounts {
        bytes.extend(id.to_le_bytes());
        bytes.extend(b"EUR");
        bytes.extend(code.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.push(0);
        bytes.extend(credit_cap.to_le_bytes());
        bytes.extend(references);
        bytes.extend(7u64.to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
    }
    let transfers = [
        (0xcu128, [0u32, 1], [90u64, 0], 1u8, 2u8, 5u16, [AMOUNT_MAX, 99, 1], references_bytes(), [7u64, 0]),
        (0xd, [1, 0], [30, 30], 4, 0, 0, [30, 0, 0], vec![0; 28], [7, 4]),
    ];
    for (id, accounts, amounts, state, flags, code, asked_and_deadline, references, made_and_final) in transfers {
        bytes.extend(id.to_le_bytes());
        bytes.extend(accounts.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(amounts.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend([state, flags]);
        bytes.extend(code.to_le_bytes());
        bytes.extend(asked_and_deadline.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(references);
        bytes.extend(made_and_final.iter().flat_map(|number| number.to_le_bytes()));
    }
    for next in (3..64).chain([u32::MAX]) {
        bytes.extend([0; 16]);
        bytes.extend(next.to_le_bytes());
        bytes.extend([0; 92]);
    }
    let moved_slot = 1u32;
    bytes.extend(moved_slot.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(2u32.to_le_bytes());
    for (transfer, state, balances) in [(0u32, 1u8, [90u128, 0, 0, 0]), (1, 4, [90, 0, 0, 30])] {
        bytes.extend(7u64.to_le_bytes());
        bytes.extend(transfer.to_le_bytes());
        bytes.push(state);
        bytes.extend(balances.iter().flat_map(|number| number.to_le_bytes()));
    }
    assert_eq!(book.digest(), *blake3::hash(&bytes).as_bytes());
}

/// What a table cannot say: handles, positions, and what comes back.
#[test]
fn the_oldest_final_transfers_leave_their_slots_are_used_again_and_one_that_left_can_be_put_back() {
    let options = BookOptions { history_per_account_max: 0, final_transfers_max: 2, ..BookOptions::default() };
    let mut book = Book::new(options);
    let currency = Currency::parse(b"EUR").expect("a currency");
    let open = |book: &mut Book, id| book.open(AccountSpec::new(AccountId(id), currency)).expect("opened");
    let (debit, credit) = (open(&mut book, 1), open(&mut book, 2));
    let movement = |id, units| {
        let amount = Amount::new(units).expect("an amount");
        Movement { id: TransferId(id), debit, credit, amount }
    };
    let held = book.reserve(movement(1, 10)).expect("reserved").index;
    for (id, position) in [(2, 20), (3, 30), (4, 40), (5, 40)] {
        book.set_position(position);
        book.move_now(movement(id, 10)).expect("moved");
    }
    let second = book.final_transfer(book.find_transfer(TransferId(2)).expect("held")).expect("final");
    assert_eq!((book.transfers_len(), book.leaving_through(), book.floor()), (5, 30, 0));

    book.trim();
    assert_eq!((book.transfers_len(), book.leaving_through(), book.floor()), (3, 0, 30));
    assert_eq!(book.find_transfer(TransferId(2)), None);
    assert_eq!(book.transfer(held).state(), TransferState::Reserved, "what is held never leaves");

    // The slot freed last is used first: that of transfer 3, then that of 2.
    book.set_position(50);
    assert_eq!(book.move_now(movement(6, 10)).map(|applied| applied.index.get()), Ok(2));
    let index = book.recall(&second);
    assert_eq!((index.get(), book.final_transfer(index)), (1, Some(second)));
    let again = book.move_now(movement(2, 10));
    assert_eq!(again.map(|applied| (applied.index, applied.repeated)), Ok((index, true)));
    assert_eq!(book.move_now(movement(2, 11)), Err(Reject::TransferExistsDifferent));
    assert_eq!(book.post(index, second.amount), Err(Reject::NotTwoPhase));

    // It leaves with what became final when it came back.
    assert_eq!(book.leaving_through(), 40);
    book.trim();
    assert_eq!((book.transfers_len(), book.floor()), (3, 40));
    assert_eq!(book.final_transfer(book.find_transfer(TransferId(2)).expect("held")), Some(second));
    book.assert_balanced();
    book.totals();
}

#[test]
fn rejects_are_numbered_in_order_and_named_once() {
    let numbers: Vec<u16> = Reject::ALL.iter().map(|reject| reject.number()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let names: BTreeSet<&str> = Reject::ALL.iter().map(|reject| reject.name()).collect();
    assert_eq!(names.len(), Reject::ALL.len());
    let transient: Vec<Reject> = Reject::ALL.into_iter().filter(|reject| reject.is_transient()).collect();
    let expected = [
        Reject::AccountHasPending,
        Reject::DebitLimitExceeded,
        Reject::DebitAccountFrozen,
        Reject::CreditAccountFrozen,
        Reject::CreditLimitExceeded,
        Reject::NothingAvailable,
        Reject::ClosingHasPending,
    ];
    assert_eq!(transient, expected);
}
