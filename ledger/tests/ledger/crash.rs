//! The power goes at every operation of every directory; every byte of index and snapshots is damaged; the disk fills up and
//! fails. What was acknowledged is there, and the ledger goes on as if nothing had been.

use ledger::journal::Storage;
use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use ledger::{
    AccountId, Amount, BatchEntry, Directories, Ledger, LedgerFault, Request, Terms, TransferId, TransferSpec,
    verify_in,
};

use crate::requests::openings;
use crate::room::{TINY, directories, open};

const BATCHES: usize = 14;

/// Batch number `n` of a fixed history: movements, reservations that are posted, voided or left to expire, and old ids again.
fn batch(n: usize) -> Vec<BatchEntry> {
    if n == 0 {
        return openings();
    }
    let n = n as u128;
    let transfer = |id: u128, two_phase: bool, deadline_ns: u64| {
        let amount = Amount::new(3).expect("more than nothing");
        let (debit, credit) = (AccountId(1), AccountId(2 + id % 2));
        let terms = Terms { deadline_ns, ..Terms::NONE };
        Request::Transfer(TransferSpec { id: TransferId(id), debit, credit, amount, two_phase, terms })
    };
    let deadline_ns = 100 * (u64::try_from(n).expect("small") + 3);
    vec![
        transfer(10 * n + 1, false, 0).into(),
        transfer(10 * n + 2, true, 0).into(),
        transfer(10 * n + 3, true, deadline_ns).into(),
        Request::Post { transfer: TransferId(10 * n + 2), amount: Amount::new(2) }.into(),
        Request::Void { transfer: TransferId(10 * n - 7) }.into(),
        // An id from the beginning, which has left the memory.
        transfer(11, false, 0).into(),
        Request::Post { transfer: TransferId(12), amount: None }.into(),
    ]
}

fn submit(ledger: &mut Ledger<FaultyStorage>, n: usize) -> Result<(), LedgerFault> {
    ledger.submit(100 * (n as u64 + 1), &batch(n)).map(|_| ())
}

/// The state after each batch when nothing goes wrong; the first is that of an empty ledger.
fn digests() -> Vec<[u8; 32]> {
    let mut ledger = open(&directories(1)).expect("a new one");
    let mut digests = vec![ledger.state_digest()];
    for n in 0..BATCHES {
        submit(&mut ledger, n).expect("nothing goes wrong");
        digests.push(ledger.state_digest());
    }
    digests
}

fn each(directories: &Directories<FaultyStorage>) -> [&FaultyStorage; 3] {
    [&directories.journal, &directories.index, &directories.snapshots]
}

/// Submits until something fails. Returns how many batches were acknowledged, none where not even the opening was.
fn run(directories: &Directories<FaultyStorage>) -> usize {
    let Ok(mut ledger) = open(directories) else { return 0 };
    (0..BATCHES).take_while(|n| submit(&mut ledger, *n).is_ok()).count()
}

/// Opens what is left, finds at least what was acknowledged, and goes on to the end.
fn go_on(directories: &Directories<FaultyStorage>, acknowledged: usize, digests: &[[u8; 32]], case: &str) {
    let mut ledger = open(directories).unwrap_or_else(|fault| panic!("{case}: {fault}"));
    let found = digests.iter().position(|digest| *digest == ledger.state_digest());
    let found = found.unwrap_or_else(|| panic!("{case}: a state that never was"));
    assert!((acknowledged..=acknowledged + 1).contains(&found), "{case}: {acknowledged} acknowledged, {found} found");
    for n in found..BATCHES {
        submit(&mut ledger, n).unwrap_or_else(|fault| panic!("{case}: {fault}"));
    }
    assert_eq!(ledger.state_digest(), digests[BATCHES], "{case}");
    drop(ledger);
    verify_in(directories, TINY).unwrap_or_else(|fault| panic!("{case}: {fault}"));
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let digests = digests();
    for place in 0..3 {
        for operation in 1.. {
            let directories = directories(operation);
            let plan = FaultPlan { crash_at_operation: Some(operation), ..FaultPlan::default() };
            each(&directories)[place].set_plan(plan);
            let acknowledged = run(&directories);
            if acknowledged == BATCHES && each(&directories)[place].operations() < operation {
                break;
            }
            each(&directories).into_iter().for_each(FaultyStorage::cut_power);
            each(&directories).into_iter().for_each(|storage| storage.set_plan(FaultPlan::default()));
            go_on(&directories, acknowledged, &digests, &format!("directory {place}, operation {operation}"));
        }
    }
}

#[test]
fn a_failed_sync_stops_the_ledger_and_loses_nothing_acknowledged() {
    let digests = digests();
    for place in 0..3 {
        for sync in 1.. {
            let directories = directories(sync);
            each(&directories)[place].set_plan(FaultPlan { sync_fails_at: Some(sync), ..FaultPlan::default() });
            let acknowledged = run(&directories);
            if acknowledged == BATCHES && each(&directories)[place].syncs() < sync {
                break;
            }
            each(&directories).into_iter().for_each(FaultyStorage::cut_power);
            go_on(&directories, acknowledged, &digests, &format!("directory {place}, sync {sync}"));
        }
    }
}

#[test]
fn a_full_disk_stops_the_ledger_and_loses_nothing_acknowledged() {
    let digests = digests();
    for place in 0..3 {
        for blocks in 0..60 {
            let directories = directories(blocks);
            let plan = FaultPlan { space_bytes: Some(blocks * 5_000), ..FaultPlan::default() };
            each(&directories)[place].set_plan(plan);
            let acknowledged = run(&directories);
            each(&directories).into_iter().for_each(FaultyStorage::kill);
            each(&directories).into_iter().for_each(|storage| storage.set_plan(FaultPlan::default()));
            go_on(&directories, acknowledged, &digests, &format!("directory {place}, {blocks} blocks"));
        }
    }
}

#[test]
fn short_reads_change_nothing() {
    let digests = digests();
    let directories = directories(3);
    assert_eq!(run(&directories), BATCHES);
    let plan = FaultPlan { short_reads: true, ..FaultPlan::default() };
    each(&directories).into_iter().for_each(|storage| storage.set_plan(plan));
    go_on(&directories, BATCHES, &digests, "short reads");
}

/// Index and snapshots are copies of what the journal says: whatever happens to them, the state is the journal's.
#[test]
fn damage_to_index_or_snapshots_changes_no_answer() {
    let digests = digests();
    let whole = directories(4);
    assert_eq!(run(&whole), BATCHES);
    for place in 1..3 {
        for file in each(&whole)[place].list().expect("lists") {
            for byte in (0..usize::try_from(file.bytes).expect("small")).step_by(41) {
                let directories = Directories {
                    journal: whole.journal.copy(5),
                    index: whole.index.copy(6),
                    snapshots: whole.snapshots.copy(7),
                    archive: None,
                };
                each(&directories)[place].flip(&file.name, byte, 3);
                check_damaged(&directories, &digests, &format!("{} byte {byte}", file.name));
            }
        }
    }
}

/// A damaged index may refuse to answer; it never answers wrongly. Without it the answer is right again.
fn check_damaged(directories: &Directories<FaultyStorage>, digests: &[[u8; 32]], case: &str) {
    let mut ledger = open(directories).unwrap_or_else(|fault| panic!("{case}: {fault}"));
    assert_eq!(ledger.state_digest(), digests[BATCHES], "{case}");
    let repeated = ledger.submit(100 * BATCHES as u64, &batch(1)[..1]).map(|answers| answers[0]);
    match repeated {
        Ok(answer) => assert!(answer.is_ok_and(ledger::Accepted::repeated), "{case}: {answer:?}"),
        Err(fault) => {
            assert!(matches!(fault, LedgerFault::Index(_)), "{case}: {fault}");
            drop(ledger);
            for file in directories.index.list().expect("lists") {
                directories.index.take(&file.name);
            }
            let mut ledger = open(directories).unwrap_or_else(|fault| panic!("{case}: {fault}"));
            let answer = ledger.submit(100 * BATCHES as u64, &batch(1)[..1]).expect("submits")[0];
            assert!(answer.is_ok_and(ledger::Accepted::repeated), "{case}: {answer:?}");
        }
    }
}

/// A journal that is put back from an older copy has lost what was acknowledged since. The index and the snapshots, which were
/// made from it, are witnesses.
#[test]
fn a_journal_that_has_lost_its_end_is_refused() {
    let directories = directories(8);
    let mut ledger = open(&directories).expect("a new one");
    (0..4).for_each(|n| submit(&mut ledger, n).expect("submits"));
    let older = directories.journal.copy(9);
    (4..8).for_each(|n| submit(&mut ledger, n).expect("submits"));
    ledger.snapshot().expect("takes a snapshot");
    drop(ledger);

    let index_alone = || Directories {
        snapshots: FaultyStorage::new(1),
        index: directories.index.copy(2),
        archive: None,
        journal: older.copy(3),
    };
    let with_snapshot = || Directories { snapshots: directories.snapshots.copy(1), ..index_alone() };
    for (directories, what) in [(with_snapshot(), "a snapshot"), (index_alone(), "the index")] {
        let fault = open(&directories).err().expect("refused");
        assert!(matches!(&fault, LedgerFault::JournalLost { what: who, .. } if *who == what), "{fault}");
        assert!(fault.to_string().contains("restore the journal's segments"), "{fault}");
        for storage in [&directories.index, &directories.snapshots] {
            for file in storage.list().expect("lists") {
                storage.take(&file.name);
            }
        }
        let ledger = open(&directories).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(ledger.state_digest(), digests()[4]);
    }
}
