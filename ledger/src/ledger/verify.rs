//! `verify`: believes nothing but the journal, and holds everything else against it.

use std::path::Path;

use super::machine::{Decoded, Machine, Reading};
use super::record::LedgerSchema;
use super::{Directories, LedgerFault, LedgerOptions};
use crate::audit::Auditor;
use crate::index::{Index, IndexReader, IndexSchema, TimeQuery};
use crate::journal::{Batch, DiskStorage, JournalFault, Storage, lineage_of, scan, scan_with_archive};
use crate::limits::{EXPIRED_PER_BATCH_MAX, HISTORY_PAGE_MAX};
use crate::request::Accepted;
use crate::snapshot::{Snapshot, Snapshots};

/// What was found to be in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Journal batches, each of which follows on the one before by its digest.
    pub batches: u64,
    /// Entries in them.
    pub entries: u64,
    /// Of these, accepted and no repetition: the auditor has summed them up anew.
    pub accepted: u64,
    /// Accounts whose four numbers, caps and status are the auditor's.
    pub accounts: usize,
    /// Records of the index, each of which says what the journal says and is found by its key and by its groups.
    pub index_records: u64,
    /// Snapshots whose digest is the state's at their place.
    pub snapshots: usize,
    /// Files of the index and snapshots that are of no use, and why: the next opening makes the index's anew, and passes over
    /// such snapshots.
    pub refused: Vec<String>,
    /// Sequence number of the journal's last entry.
    pub last_sequence: u64,
    /// The chain through the last batch.
    pub chain_digest: [u8; 32],
    /// The state after it.
    pub state_digest: [u8; 32],
    /// A torn tail, which the next opening cuts off.
    pub torn: bool,
}

/// Replays the journal of a ledger from its first batch and compares everything with it: balances with an audit that shares no
/// code with the book, the index record by record, snapshots by their digests. Changes nothing, needs no lock.
pub fn verify(path: &Path, options: LedgerOptions) -> Result<VerifyReport, LedgerFault> {
    verify_in(&Directories::<DiskStorage>::open(path)?, options)
}

/// As [`verify`], in any storage.
pub fn verify_in<S: Storage>(
    directories: &Directories<S>,
    options: LedgerOptions,
) -> Result<VerifyReport, LedgerFault> {
    options.check()?;
    let absent = || LedgerFault::Journal(JournalFault::Absent { directory: directories.journal.path_of(".") });
    let lineage = lineage_of(&directories.journal)?.ok_or_else(absent)?;
    let reader = IndexReader::open(directories.index.clone(), lineage)?;
    let index = Index::<S, LedgerSchema>::verify(directories.index.clone(), lineage)?;
    let snapshots = Snapshots::open(directories.snapshots.clone(), lineage, options.snapshots()).verify()?;
    let mut refused: Vec<String> = index.report.dropped.iter().map(ToString::to_string).collect();
    refused.extend(snapshots.iter().filter_map(|read| read.as_ref().err()).map(ToString::to_string));
    let mut verifier = Verifier {
        machine: Machine::new(options.book()),
        reading: Reading::default(),
        auditor: Auditor::default(),
        index: IndexWalk::new(reader),
        snapshots: snapshots.into_iter().flatten().collect(),
        snapshots_checked: 0,
        accepted: 0,
        fault: None,
    };
    let visit = |batch: Batch<'_>| verifier.take(&batch);
    let scanned = match &directories.archive {
        Some(archive) => scan_with_archive(&directories.journal, archive, None, visit),
        None => scan(&directories.journal, visit),
    };
    if let Some(fault) = verifier.fault.take() {
        return Err(fault);
    }
    let report = scanned?;
    verifier.auditor.compare(&verifier.machine.book).map_err(LedgerFault::Audit)?;
    verifier.index.finish()?;
    Ok(VerifyReport {
        batches: report.batches,
        entries: report.entries,
        accepted: verifier.accepted,
        accounts: verifier.machine.book.accounts().len(),
        index_records: verifier.index.compared,
        snapshots: verifier.snapshots_checked,
        refused,
        last_sequence: report.next_sequence - 1,
        chain_digest: report.chain_digest,
        state_digest: verifier.machine.book.digest(),
        torn: report.torn.is_some(),
    })
}

struct Verifier<S: Storage> {
    machine: Machine,
    reading: Reading,
    auditor: Auditor,
    index: IndexWalk<S>,
    /// Those that are whole.
    snapshots: Vec<Snapshot>,
    snapshots_checked: usize,
    accepted: u64,
    /// What a batch has brought to light.
    fault: Option<LedgerFault>,
}

impl<S: Storage> Verifier<S> {
    fn take(&mut self, batch: &Batch<'_>) -> Result<(), String> {
        let Verifier { machine, reading, auditor, index, accepted, fault, .. } = self;
        let decoded = reading.decode(batch)?;
        machine.book.set_final_transfers_max(decoded.preface.final_transfers_max);
        machine.book.trim();
        machine.apply(&decoded)?;
        let looked = audit(auditor, machine, &decoded, accepted).and_then(|()| index.compare(machine, &decoded));
        looked.map_err(|found| keep(fault, found))?;
        self.check_snapshot(batch.last_sequence())
    }

    fn check_snapshot(&mut self, sequence: u64) -> Result<(), String> {
        for snapshot in self.snapshots.iter().filter(|snapshot| snapshot.position == sequence) {
            if snapshot.body_digest != self.machine.book.digest() {
                return Err(keep(&mut self.fault, LedgerFault::Differs { what: "the snapshot", sequence }));
            }
            self.snapshots_checked += 1;
        }
        Ok(())
    }
}

/// Keeps a fault beside its words, which are all that the scan can carry.
fn keep(fault: &mut Option<LedgerFault>, found: LedgerFault) -> String {
    let words = found.to_string();
    *fault = Some(found);
    words
}

/// Sums up what the batch was answered to have done.
fn audit(auditor: &mut Auditor, machine: &Machine, batch: &Decoded<'_>, accepted: &mut u64) -> Result<(), LedgerFault> {
    let expired = auditor.expire(batch.time_ns, EXPIRED_PER_BATCH_MAX).map_err(LedgerFault::Audit)?;
    if expired.len() != machine.expired {
        return Err(LedgerFault::Differs { what: "what has expired", sequence: batch.first_sequence });
    }
    for (entry, answer) in batch.entries.iter().zip(&machine.answers) {
        if answer.as_ref().is_ok_and(|accepted: &Accepted| !accepted.repeated()) {
            auditor.accept(&entry.request).map_err(LedgerFault::Audit)?;
            *accepted += 1;
        }
    }
    Ok(())
}

/// The index's records in order, beside the events of the replay.
struct IndexWalk<S: Storage> {
    reader: IndexReader<S, LedgerSchema>,
    page: Vec<u8>,
    offset: usize,
    next: Option<u64>,
    compared: u64,
}

impl<S: Storage> IndexWalk<S> {
    fn new(reader: IndexReader<S, LedgerSchema>) -> IndexWalk<S> {
        IndexWalk { reader, page: Vec::new(), offset: 0, next: Some(0), compared: 0 }
    }

    fn compare(&mut self, machine: &Machine, batch: &Decoded<'_>) -> Result<(), LedgerFault> {
        if batch.first_sequence > self.reader.covered_through() {
            return Ok(());
        }
        let mut differs = Ok(());
        machine.events(batch, |event| {
            if differs.is_ok() {
                differs = self.compare_one(&event.encode());
            }
        });
        differs
    }

    fn compare_one(&mut self, expected: &[u8]) -> Result<(), LedgerFault> {
        let sequence = LedgerSchema::position(expected).0;
        let differs = |what| LedgerFault::Differs { what, sequence };
        self.load()?;
        let found = self.page.get(self.offset..self.offset + expected.len()).ok_or(differs("the end of the index"))?;
        if found != expected {
            return Err(differs("an index record"));
        }
        self.offset += expected.len();
        self.compared += 1;
        Ok(())
    }

    /// Nothing stands behind what was compared.
    fn finish(&mut self) -> Result<(), LedgerFault> {
        self.load()?;
        if self.offset == self.page.len() {
            return Ok(());
        }
        let sequence = LedgerSchema::position(&self.page[self.offset..]).0;
        Err(LedgerFault::Differs { what: "an index record that nothing has made", sequence })
    }

    fn load(&mut self) -> Result<(), LedgerFault> {
        while self.offset == self.page.len()
            && let Some(from_record) = self.next
        {
            let query = TimeQuery { from_record, from_ns: 0, until_ns: u64::MAX, records_max: HISTORY_PAGE_MAX };
            let page = self.reader.time_page(&query)?;
            (self.page, self.offset, self.next) = (page.records, 0, page.next);
        }
        Ok(())
    }
}
