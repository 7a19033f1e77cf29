//! What was: balances as of any time, statements between two times, transfers by time.

use ledger::{
    AccountId, Amount, BatchEntry, Book, BookOptions, Posted, Request, StatementQuery, Terms, TransferId, TransferSpec,
    TransferState,
};

use crate::requests::openings;
use crate::room::{directories, open};

fn transfer(id: u128, debit: u128, credit: u128, two_phase: bool) -> BatchEntry {
    let amount = Amount::new(u64::try_from(id % 5 + 1).expect("small")).expect("more than nothing");
    let (debit, credit) = (AccountId(debit), AccountId(credit));
    Request::Transfer(TransferSpec { id: TransferId(id), debit, credit, amount, two_phase, terms: Terms::NONE }).into()
}

/// Batch number `n`, at time 10 n: account 4 keeps a history, 1 and 2 do not.
fn batch(n: u128) -> Vec<BatchEntry> {
    vec![
        transfer(10 * n, 2, 1, false),
        transfer(10 * n + 1, 2, 4, true),
        transfer(10 * n + 2, 1, 4, true),
        Request::Post { transfer: TransferId(10 * n - 9), amount: None }.into(),
        Request::Void { transfer: TransferId(10 * n - 8) }.into(),
    ]
}

#[test]
fn balances_as_of_any_time_are_what_they_were() {
    let directories = directories(1);
    let mut ledger = open(&directories).expect("a new one");
    let mut book = Book::new(BookOptions::default());
    let mut answers = Vec::new();
    ledger.submit(1, &openings()).expect("submits");
    book.apply(1, &openings(), &mut answers);
    let mut were = Vec::new();
    for n in 1..=40 {
        let now_ns = 10 * u64::try_from(n).expect("small");
        ledger.submit(now_ns, &batch(n)).expect("submits");
        book.apply(now_ns, &batch(n), &mut answers);
        were.push((now_ns, book.accounts().map(|account| (account.id(), account.balances())).collect::<Vec<_>>()));
    }
    for reopened in [false, true] {
        if reopened {
            drop(ledger);
            ledger = open(&directories).expect("opens again");
        }
        for (now_ns, accounts) in &were {
            for (account, balances) in accounts {
                let posted = Posted { debits: balances.debits_posted, credits: balances.credits_posted };
                for time_ns in [*now_ns, now_ns + 9] {
                    assert_eq!(ledger.posted_at(*account, time_ns), Ok(Some(posted)), "{account:?} at {time_ns}");
                }
                let all = (*account == AccountId(4) || *account == AccountId(3)).then_some(*balances);
                assert_eq!(ledger.balances_at(*account, *now_ns), Ok(all), "{account:?} at {now_ns}");
            }
        }
    }
    assert_eq!(ledger.posted_at(AccountId(99), 5), Ok(None));
}

#[test]
fn a_statement_opens_and_closes_at_the_times_asked_for() {
    let mut ledger = open(&directories(2)).expect("a new one");
    ledger.submit(1, &openings()).expect("submits");
    for n in 1..=30 {
        ledger.submit(10 * u64::try_from(n).expect("small"), &batch(n)).expect("submits");
    }
    let query = StatementQuery { from_ns: 101, until_ns: 200, from_record: 0, lines_max: 1_000 };
    let statement = ledger.statement(AccountId(2), &query).expect("reads").expect("known");
    assert_eq!(Ok(Some(statement.opening)), ledger.posted_at(AccountId(2), 100));
    assert_eq!(Ok(Some(statement.closing)), ledger.posted_at(AccountId(2), 199));
    // Nine batches, each with a movement and a posting; what is only reserved or voided is no line of this account.
    assert_eq!(statement.lines.len(), 18);
    assert!(statement.lines.iter().all(|line| (101..200).contains(&line.time_ns) && line.is_debit));
    let with_history = ledger.statement(AccountId(4), &query).expect("reads").expect("known");
    let states = |state| with_history.lines.iter().filter(|line| line.state == state).count();
    assert_eq!(
        (states(TransferState::Reserved), states(TransferState::Posted), states(TransferState::Voided)),
        (18, 9, 9)
    );
    let nothing = StatementQuery { from_ns: 10_000, until_ns: 20_000, ..query };
    let empty = ledger.statement(AccountId(2), &nothing).expect("reads").expect("known");
    assert!(empty.lines.is_empty() && empty.opening == empty.closing && empty.next.is_none());
    assert_eq!(ledger.statement(AccountId(99), &query), Ok(None));
}

#[test]
fn transfers_come_by_time_in_pages() {
    let mut ledger = open(&directories(3)).expect("a new one");
    ledger.submit(1, &openings()).expect("submits");
    for n in 1..=500 {
        ledger.submit(10 * u64::try_from(n).expect("small"), &batch(n)).expect("submits");
    }
    let (mut from_record, mut found) = (0, Vec::new());
    loop {
        let page = ledger.transfers(1_000, 4_000, from_record).expect("reads");
        found.extend(page.transfers);
        match page.next {
            Some(next) => from_record = next,
            None => break,
        }
    }
    // One moved, one posted, one voided in each of three hundred batches.
    assert_eq!(found.len(), 900);
    let mut times = found.iter().map(|view| view.journaled.expect("from the index").1);
    assert!(times.all(|time_ns| (1_000..4_000).contains(&time_ns)));
    assert_eq!(found[0].id, TransferId(1_000));
}
