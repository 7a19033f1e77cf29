//! What must be true at every step, one file each. None of them asks the engine what is right: the auditor says that.
//!
//! | when | invariant | file |
//! |---|---|---|
//! | a frame leaves | told after durable | `told_after_durable.rs` |
//! | a frame leaves | outbox numbers without gap or repeat | `outbox_numbers.rs` |
//! | a frame leaves | told the truth | `told_the_truth.rs` |
//! | a frame leaves | replies true, and silent to strangers | `replies.rs` |
//! | a frame leaves | acknowledged after recorded | `acknowledged.rs` |
//! | a frame leaves | one owner for each alias | `aliases.rs` |
//! | a frame leaves | no answer without a debit | `aliases.rs` |
//! | a frame leaves | everyone is told of its own entries | `aliases.rs` |
//! | a frame leaves | everyone is told where it stands | `standing.rs` |
//! | a batch is on disk | look-ups true | `aliases.rs` |
//! | a batch is on disk | no payment to an old owner | `aliases.rs` |
//! | the process starts, the end | the directory is what the journal makes it | `aliases.rs` |
//! | a connection is read or left alone, a turn ends | who is refused pauses, for a while | `pauses.rs` |
//! | a frame leaves, a turn ends | who may connect is let in, and nobody else | `door.rs` |
//! | a turn ends | money conserved | `money.rs` |
//! | a turn ends | every account as the auditor has it | `accounts.rs` |
//! | a turn ends | caps never exceeded | `caps.rs` |
//! | a turn ends | no position below its cap | `positions.rs` |
//! | a turn ends | closed windows change by their settlement alone | `windows.rs` |
//! | a turn ends, the process starts | events without gap, and true | `events.rs` |
//! | a command is answered | commands answered as decided | `commands.rs` |
//! | a turn ends | watermarks ordered | `watermarks.rs` |
//! | a turn ends | engine and auditor agree | `agreement.rs` |
//! | a turn ends | private parts sealed | `sealed.rs` |
//! | a turn ends, the process starts | what is indexed is on disk | `history.rs` |
//! | the history answers | the history is asked what it can know | `questions.rs` |
//! | a batch is on disk | the journal holds what was sent | `journal.rs` |
//! | a batch is on disk | presence journaled when it has lasted | `presence.rs` |
//! | a batch is on disk, a turn ends | no payment is decided twice | `duplicates.rs` |
//! | the process starts | nothing durable is lost | `durability.rs` |
//! | the process starts | a replay gives the same state and effects | `replay.rs` |
//! | the process starts | damage is never taken | `damage.rs` |
//! | the process starts | a snapshot is the state of its position | `snapshots.rs` |
//! | the end | one outcome, known to all | `one_outcome.rs` |
//! | the end | everything finishes | `progress.rs` |

pub(super) mod accounts;
pub(super) mod acknowledged;
pub(super) mod agreement;
pub(super) mod aliases;
pub(super) mod caps;
pub(super) mod commands;
pub(super) mod damage;
pub(super) mod door;
pub(super) mod duplicates;
pub(super) mod durability;
pub(super) mod events;
pub(super) mod history;
pub(super) mod journal;
pub(super) mod money;
pub(super) mod one_outcome;
pub(super) mod outbox_numbers;
pub(super) mod pauses;
pub(super) mod positions;
pub(super) mod presence;
pub(super) mod progress;
pub(super) mod questions;
pub(super) mod replay;
pub(super) mod replies;
pub(super) mod sealed;
pub(super) mod snapshots;
pub(super) mod standing;
pub(super) mod told_after_durable;
pub(super) mod told_the_truth;
pub(super) mod watermarks;
pub(super) mod windows;

use super::auditor::{Auditor, Deliveries};
use super::disk::VirtualDisk;
use super::network::{Connection, Network};
use super::wire::{Frame, Id};
use crate::pipeline::{Pipeline, PipelineLimits};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) invariant: &'static str,
    pub(super) what: String,
}

/// What an invariant finds: nothing, or what is wrong.
pub(super) type Finding = Result<(), String>;

/// A frame on its way out of the switch.
pub(super) struct Leaving<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) connection: &'a mut Connection,
    /// It knows every batch that is on disk now.
    pub(super) auditor: &'a Auditor,
    /// The last position that was on disk when the turn began.
    pub(super) through_before: u64,
    pub(super) journal_ns: u64,
}

/// A turn that is over.
pub(super) struct Turn<'a> {
    pub(super) pipeline: &'a Pipeline<VirtualDisk>,
    pub(super) auditor: &'a Auditor,
    pub(super) deliveries: &'a Deliveries,
    pub(super) network: &'a Network,
    pub(super) history_disk: &'a VirtualDisk,
    pub(super) limits: PipelineLimits,
    pub(super) journal_ns: u64,
    /// Batch records that became durable in it.
    pub(super) records: &'a [Vec<u8>],
    /// Payments that they have changed.
    pub(super) changed: &'a [Id],
}

/// Gives a finding its invariant's name.
pub(super) fn named<T>(invariant: &'static str, finding: Result<T, String>) -> Result<T, Violation> {
    finding.map_err(|what| Violation { invariant, what })
}

/// Everything that is checked of a frame that leaves.
pub(super) fn of_frame(leaving: &mut Leaving<'_>) -> Result<(), Violation> {
    named(told_after_durable::NAME, told_after_durable::check(leaving))?;
    named(told_the_truth::NAME, told_the_truth::check(leaving))?;
    named(replies::NAME, replies::check(leaving))?;
    named(door::NAME, door::check_frame(leaving))?;
    named(aliases::COMMANDS, aliases::check_result(leaving))?;
    named(aliases::DEBITED, aliases::check_answer(leaving))?;
    named(aliases::OWN, aliases::check_own(leaving))?;
    named(standing::NAME, standing::check(leaving))?;
    named(acknowledged::NAME, acknowledged::check(leaving))
}

/// What invariants know of the turns before, since the process has started.
#[derive(Default)]
pub(super) struct TurnsBefore {
    order: watermarks::Order,
    window: duplicates::Window,
    positions: positions::Before,
    caps: caps::Before,
    closed: windows::Before,
    pub(super) presence: presence::Watch,
}

impl TurnsBefore {
    /// The process has started.
    pub(super) fn at_start(pipeline: &Pipeline<VirtualDisk>, auditor: &Auditor) -> TurnsBefore {
        TurnsBefore { window: duplicates::Window::at_start(pipeline, auditor), ..TurnsBefore::default() }
    }
}

/// Everything that is checked after a turn.
pub(super) fn of_turn(turn: &Turn<'_>, before: &mut TurnsBefore) -> Result<(), Violation> {
    named(money::NAME, money::check(turn))?;
    named(events::NAME, events::check(turn))?;
    named(accounts::NAME, accounts::check(turn))?;
    named(windows::NAME, before.closed.check(turn))?;
    named(positions::NAME, before.positions.check(turn))?;
    named(caps::NAME, caps::check(turn))?;
    named(caps::NAME, before.caps.check(turn))?;
    named(door::NAME, door::check(turn))?;
    named(watermarks::NAME, before.order.check(turn))?;
    named(duplicates::NAME, before.window.check(turn))?;
    named(agreement::NAME, agreement::check(turn))?;
    named(sealed::NAME, sealed::check(turn))?;
    named(history::NAME, history::check(turn))
}
