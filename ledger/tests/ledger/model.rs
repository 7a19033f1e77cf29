//! Random histories: whatever has left the memory, whatever was restarted, deleted or rebuilt in between, a ledger answers as a
//! book that forgets nothing.

use ledger::journal::Storage;
use ledger::journal::faulty::FaultyStorage;
use ledger::{AccountId, BatchEntry, Directories, StatementQuery, Transfer, TransferId, TransferState, verify_in};
use proptest::prelude::*;

use crate::requests::{batch, openings};
use crate::room::{Reference, TINY, directories, open, plain};

const IDS: u128 = 60;

#[derive(Clone, Debug)]
enum Step {
    Submit {
        later_ns: u64,
        batch: Vec<BatchEntry>,
    },
    Snapshot,
    Reopen,
    /// The power goes between two batches.
    CutPower,
    /// All index files are gone at the next start.
    LoseIndex,
    /// All snapshots are.
    LoseSnapshots,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..10u64, batch(6, IDS)).prop_map(|(later_ns, batch)| Step::Submit { later_ns, batch }),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Reopen),
        1 => Just(Step::CutPower),
        1 => Just(Step::LoseIndex),
        1 => Just(Step::LoseSnapshots),
    ]
}

fn clear(storage: &FaultyStorage) {
    for file in storage.list().expect("lists") {
        storage.take(&file.name);
    }
}

fn restart(directories: &Directories<FaultyStorage>, step: &Step) {
    match step {
        Step::CutPower => {
            for storage in [&directories.journal, &directories.index, &directories.snapshots] {
                storage.cut_power();
            }
        }
        Step::LoseIndex => clear(&directories.index),
        Step::LoseSnapshots => clear(&directories.snapshots),
        Step::Reopen | Step::Submit { .. } | Step::Snapshot => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_ledger_answers_as_a_book_that_forgets_nothing(seed in any::<u32>(), steps in prop::collection::vec(step(), 1..80)) {
        let directories = directories(u64::from(seed));
        let mut ledger = open(&directories).expect("a new one");
        let mut reference = Reference::new();
        let mut now_ns = 1;
        reference.submit(now_ns, &openings());
        ledger.submit(now_ns, &openings()).expect("submits");
        for step in &steps {
            match step {
                Step::Submit { later_ns, batch } => {
                    now_ns += later_ns;
                    let expected: Vec<_> = reference.submit(now_ns, batch).iter().map(plain).collect();
                    let found: Vec<_> = ledger.submit(now_ns, batch).expect("submits").iter().map(plain).collect();
                    prop_assert_eq!(found, expected);
                }
                Step::Snapshot => {
                    let sequence = ledger.snapshot().expect("takes a snapshot");
                    prop_assert_eq!(sequence, ledger.durable_sequence());
                }
                restarting => {
                    let digest = ledger.state_digest();
                    drop(ledger);
                    restart(&directories, restarting);
                    ledger = open(&directories).expect("opens again");
                    prop_assert_eq!(ledger.state_digest(), digest);
                }
            }
            let is_final = |held: &Transfer| held.state() != TransferState::Reserved;
            let held = ledger.book().transfers().filter(|(_, held)| is_final(held)).count();
            prop_assert!(held <= 5 + 3 * 6, "the window, and what a batch expires, recalls and ends: {}", held);
        }
        same_balances(&ledger, &reference)?;
        same_transfers(&ledger, &reference)?;
        let report = verify_in(&directories, TINY).expect("verifies");
        prop_assert_eq!(report.state_digest, ledger.state_digest());
    }
}

fn same_balances(ledger: &ledger::Ledger<FaultyStorage>, reference: &Reference) -> Result<(), TestCaseError> {
    for account in reference.book.accounts() {
        let index = ledger.book().find(account.id()).expect("known");
        prop_assert_eq!(ledger.book().account(index).balances(), account.balances());
        let posted = ledger.posted_at(account.id(), u64::MAX - 1).expect("reads").expect("known");
        prop_assert_eq!((posted.debits, posted.credits), (account.debits_posted(), account.credits_posted()));
        statement_adds_up(ledger, account.id())?;
    }
    Ok(())
}

/// Page after page, each opens where the one before it has closed, and each line does what it says.
fn statement_adds_up(ledger: &ledger::Ledger<FaultyStorage>, account: AccountId) -> Result<(), TestCaseError> {
    let mut query = StatementQuery { from_ns: 0, until_ns: u64::MAX, from_record: 0, lines_max: 3 };
    let mut balance = ledger::Posted::default();
    loop {
        let page = ledger.statement(account, &query).expect("reads").expect("known");
        prop_assert_eq!(page.opening, balance);
        for line in &page.lines {
            let moved = line.moved_amount.map_or(0, |amount| u128::from(amount.minor_units()));
            if line.is_debit {
                balance.debits += moved;
            } else {
                balance.credits += moved;
            }
            prop_assert_eq!(line.balance, balance);
        }
        prop_assert_eq!(page.closing, balance);
        match page.next {
            Some(next) => query.from_record = next,
            None => break,
        }
    }
    let index = ledger.book().find(account).expect("known");
    prop_assert_eq!(balance.debits, ledger.book().account(index).debits_posted());
    prop_assert_eq!(balance.credits, ledger.book().account(index).credits_posted());
    Ok(())
}

fn same_transfers(ledger: &ledger::Ledger<FaultyStorage>, reference: &Reference) -> Result<(), TestCaseError> {
    for id in (1..=IDS).map(TransferId) {
        let expected = reference.book.find_transfer(id);
        let found = ledger.transfer(id).expect("reads");
        prop_assert_eq!(found.is_some(), expected.is_some());
        let (Some(found), Some(expected)) = (found, expected) else { continue };
        let transfer = reference.book.transfer(expected);
        prop_assert_eq!(found.state, transfer.state());
        prop_assert_eq!(found.moved_amount, transfer.moved_amount());
        prop_assert_eq!(found.amount, transfer.amount());
        prop_assert_eq!(found.debit, reference.book.account(transfer.debit()).id());
        prop_assert_eq!(found.terms.code, transfer.code());
    }
    Ok(())
}
