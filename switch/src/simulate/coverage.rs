//! How often what happened: a workload that tests nothing is seen.

use std::collections::BTreeMap;

use adapters::directory::AliasOutcome;

use super::auditor::{command_name, no_name, refused_name, result_name, row_name};
use super::faults::Fault;
use crate::engine::cases::TRANSITIONS;
use crate::engine::rules::Reject;
use crate::engine::scheme::rejects::CommandReject;

/// Counts of rare paths, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<String, u64>,
}

/// What two dozen seeds of a minute each meet with all faults on; the gate asks for it.
const EXPECTED: [&str; 146] = [
    "own account told",
    "account of a sponsor not told",
    "no account told",
    "look-ups asked on",
    "account not found",
    "account verified",
    "bucket told",
    "entries told",
    "look-ups told",
    "name verified: close match",
    "name verified: match",
    "name verified: no match",
    "own aliases told",
    "alias found",
    "alias not found",
    "order to nobody's alias",
    "look-up granted",
    "look-up limited",
    "order limited",
    "order to be resolved again",
    "payment by alias",
    "payment by ID token",
    "hash key renewed",
    "hashes made anew",
    "portion of hashes made anew",
    "refused: nobody has the alias",
    "refused: too much was looked up",
    "absent",
    "acceptance without posting where there is none",
    "acceptance without posting within one institution",
    "acknowledgement that goes back",
    "answer in time",
    "answer journaled that no payment waited for",
    "batch of many entries",
    "batch without entries",
    "bit of a snapshot turned at rest",
    "bit of the history turned at rest",
    "both lines of two die unnoticed",
    "case about a payment that had left memory",
    "case input of the wrong party",
    "case input that no case waited for",
    "case left memory",
    "case repeated",
    "case to be checked again",
    "case told: duplicate",
    "case told: final, again",
    "case told: open",
    "case told: unknown",
    "case with a known id and other content",
    "command answered",
    "connection cut",
    "connection half open",
    "connection replaced",
    "connection that is alone takes another's place",
    "crash in a recovery",
    "cursors journaled",
    "cut-off by the calendar",
    "disk full",
    "disk slow",
    "duplicate with other content",
    "expired by time",
    "fails at create in the journal",
    "fails at sync in the history",
    "fails at sync in the journal",
    "fails at write in the history",
    "fails at write in the journal",
    "fee to the other provider",
    "fee to the scheme",
    "file of the history dropped by a start",
    "flip found by a recovery",
    "flip found in the history",
    "flip in the last record",
    "flood of orders",
    "funds insufficient",
    "history asked in vain",
    "history lost",
    "history waits for its files",
    "killed",
    "level told",
    "names unsynced at a power cut",
    "number sent again on the other connection",
    "one line of two dies unnoticed",
    "one line of two stalls",
    "order of money repeated",
    "order repeated",
    "order sent again in other bytes",
    "order to be checked again",
    "outcome found in the history",
    "outcome left memory",
    "payee unreachable",
    "payment in the bulk lane",
    "payment on one account",
    "payment within one institution",
    "power cut",
    "power cut with unsynced sectors",
    "present again",
    "provider dead",
    "provider disordered",
    "provider falls silent",
    "provider good",
    "provider lost its memory",
    "provider lying",
    "provider reconnecting",
    "provider repeating",
    "provider restarted",
    "provider slow",
    "provider's clock set",
    "refused: bad field",
    "refused: bad number",
    "refused: busy",
    "refused: not a frame",
    "rendered from the journal",
    "return left memory",
    "return of a part",
    "return of a payment that had left memory",
    "return of what was left",
    "return repeated",
    "return to be checked again",
    "return with a known id and other content",
    "second connection begun",
    "segment begun",
    "signed off",
    "signed on",
    "snapshot ahead of its journal passed over",
    "snapshot beyond the history passed over",
    "snapshot damaged, and passed over",
    "snapshot taken",
    "start from a snapshot",
    "status asked",
    "status told: duplicate",
    "status told: in flight",
    "status told: unknown",
    "storm",
    "submission sent again on the other connection",
    "swept",
    "sync failed",
    "topped up",
    "torn tail cut off",
    "two connections",
    "wall clock set",
    "window aborted",
    "window settled",
    "window settled in part aborted",
    "window with a net of the scheme",
    "window with nets",
    "window without nets",
];

/// What a few hundred seeds meet.
const RARE: [&str; 45] = [
    "command refused: 81",
    "name verified: not possible",
    "directory lost",
    "refused: attestation",
    "snapshot beyond the directory passed over",
    "alias command: 10",
    "alias command: 11",
    "alias command: 32",
    "alias command: 33",
    "command refused: 82",
    "Hello of an earlier life",
    "Welcome ahead of what this life has seen",
    "acknowledgement of what an earlier connection brought",
    "answer after the deadline",
    "case input after the deadline",
    "command refused: 10",
    "command refused: 12",
    "command refused: 14",
    "command refused: 15",
    "command refused: 18",
    "command refused: 30",
    "command refused: 33",
    "command refused: 53",
    "command refused: 54",
    "command refused: 55",
    "command refused: 57",
    "command refused: 58",
    "command refused: 71",
    "command refused: 72",
    "connection paused",
    "fails at create in the history",
    "fails at remove in the history",
    "fails at rename in the history",
    "fails at rename in the journal",
    "fails at rename in the snapshots",
    "fails at sync in the snapshots",
    "fails at sync of names in the history",
    "fails at sync of names in the journal",
    "fails at write in the snapshots",
    "fees not paid",
    "flip found by a reader",
    "participant closed",
    "provider falls silent for good",
    "refused: too many at once",
    "snapshot given up",
];

/// What the switch is in the middle of when something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// The process is not there.
    Down,
    /// It starts, and reads its journal.
    Recovering,
    /// Files of the history are being written.
    WritingHistory,
    /// A snapshot is being made.
    TakingSnapshot,
    /// The history was asked, and has not answered.
    AskingHistory,
    /// Messages are being made from the journal.
    Rendering,
    /// Payments are open.
    PaymentsOpen,
    /// Nothing.
    Idle,
}

impl Doing {
    const ALL: [Doing; 8] = [
        Doing::Down,
        Doing::Recovering,
        Doing::WritingHistory,
        Doing::TakingSnapshot,
        Doing::AskingHistory,
        Doing::Rendering,
        Doing::PaymentsOpen,
        Doing::Idle,
    ];

    fn name(self) -> &'static str {
        match self {
            Doing::Down => "while it is down",
            Doing::Recovering => "in a recovery",
            Doing::WritingHistory => "while history is written",
            Doing::TakingSnapshot => "while a snapshot is taken",
            Doing::AskingHistory => "while history is asked",
            Doing::Rendering => "while rendering",
            Doing::PaymentsOpen => "with payments open",
            Doing::Idle => "while idle",
        }
    }

    /// Can this fault come then? Those of the disk come with its operations, which the process makes; where there is no process, no bit turns, so
    /// that a copy to restore from is whole.
    fn can_meet(self, fault: Fault) -> bool {
        let is_of_operations = matches!(fault, Fault::Kill | Fault::Power | Fault::Sync | Fault::Full);
        match self {
            Doing::Down => !is_of_operations && fault != Fault::Flip,
            Doing::Recovering => is_of_operations,
            _ => true,
        }
    }
}

/// Every row of the table of what can happen to a case, every reason for which a rule says no, every command and every reason to refuse one.
fn rules() -> impl Iterator<Item = String> {
    let rows = TRANSITIONS.iter().map(|row| row_name(row.kind as u8, row.state as u8, row.input));
    let rejects = Reject::ALL.into_iter().map(|reject| no_name((reject.reason().bytes(), reject.field() as u8)));
    let commands = (134..=151).map(|kind| command_name(kind).to_owned());
    // So many orders of money as fill the switch are made in no run, nor so many keys of ID systems, nor such sums as no movement can carry.
    let is_unmet = |reject: &CommandReject| {
        matches!(reject, CommandReject::OrdersFull | CommandReject::IssuerKeysFull | CommandReject::NetTooLarge)
    };
    let refused = CommandReject::ALL.into_iter().filter(move |reject| !is_unmet(reject));
    let refused = refused.map(|reject| refused_name(reject.number()));
    let results = AliasOutcome::ALL.iter().map(|outcome| result_name(*outcome as u8));
    rows.chain(rejects).chain(commands).chain(refused).chain(results)
}

fn hit_name(fault: Fault, doing: Doing) -> String {
    format!("{} {}", fault.name(), doing.name())
}

impl Coverage {
    /// Nothing yet.
    pub fn new() -> Coverage {
        let hits = Fault::EVENTS.into_iter().flat_map(|fault| {
            let met = Doing::ALL.into_iter().filter(move |doing| doing.can_meet(fault));
            met.map(move |doing| hit_name(fault, doing))
        });
        let paths = EXPECTED.iter().chain(&RARE).map(|name| (*name).to_owned());
        Coverage { counts: paths.chain(rules()).chain(hits).map(|name| (name, 0)).collect() }
    }

    /// A fault has come while the switch was doing all that.
    pub(super) fn count_hit(&mut self, fault: Fault, doing: &[Doing]) {
        doing.iter().for_each(|doing| self.count(&hit_name(fault, *doing)));
    }

    pub(super) fn count(&mut self, what: &str) {
        self.count_many(what, 1);
    }

    pub(super) fn count_many(&mut self, what: &str, times: u64) {
        match self.counts.get_mut(what) {
            Some(count) => *count += times,
            None => drop(self.counts.insert(what.to_owned(), times)),
        }
    }

    /// Adds what another run met.
    pub fn add(&mut self, other: &Coverage) {
        for (what, count) in &other.counts {
            *self.counts.entry(what.clone()).or_default() += count;
        }
    }

    /// Every path and how often it was met, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(what, count)| (what.as_str(), *count))
    }

    /// Known paths that were not met; of few seeds, some are.
    pub fn missing(&self) -> Vec<&str> {
        self.iter().filter(|(_, count)| *count == 0).map(|(what, _)| what).collect()
    }

    /// Paths that two dozen seeds of a minute meet, and that were not met.
    pub fn missing_of_a_gate(&self) -> Vec<&str> {
        let with_payments = Fault::EVENTS.map(|fault| hit_name(fault, Doing::PaymentsOpen));
        let of_gate: Vec<String> = rules().filter(|name| !RARE.contains(&name.as_str())).chain(with_payments).collect();
        let is_asked = |what: &str| EXPECTED.contains(&what) || of_gate.iter().any(|name| name == what);
        self.missing().into_iter().filter(|what| is_asked(what)).collect()
    }
}
