//! Looking payments, returns and cases up: one with all that the journal and the outboxes know of it, or many by participant, time and outcome.
//!
//! What is in the history's files is read from there, entries from the journal; what is newer comes from [`Beyond`]: the running switch's memory, or a replay of
//! the journal. So both ways give the same answers. It changes nothing, and never opens what is sealed.

mod answer;
mod case;
mod list;
mod offline;
mod show;
mod trace;

use std::ops::ControlFlow;

use adapters::message::{Lane, ParticipantCode, PaymentId};
use ledger::index::{IndexFault, TimeQuery};
use ledger::journal::{JournalFault, JournalReader, Storage};

use crate::engine::Engine;
use crate::engine::cases::Case;
use crate::engine::payments::{Payment, State};
use crate::entry::{Body, Entries, ParticipantId};
use crate::history::{HistoryFault, HistoryReader, HistoryRecord, RECORD_BYTES};
use crate::limits::LOOKUP_RECORDS_MAX;
use crate::operator::Refusal;
pub use answer::{Cursor, ListQuery, OutcomeFilter, PaymentRow, PaymentTrace, Step, StepKind};
pub use offline::{Offline, open_offline};

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// It was asked wrongly.
    Asked(String),
    /// There is no such payment.
    NotThere(String),
    /// What is on disk is not what was written, or the switch cannot say.
    Fault(String),
    /// A command of an operator was refused. It is in the journal, and has changed nothing.
    Refused(String),
    /// Whoever asked takes no more.
    Output(std::io::Error),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Asked(text) | Trouble::NotThere(text) | Trouble::Fault(text) | Trouble::Refused(text) => {
                f.write_str(text)
            }
            Trouble::Output(error) => write!(f, "writing the output: {error}"),
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        match refusal {
            Refusal::Asked(text) => Trouble::Asked(text),
            Refusal::NotNow(text) => Trouble::Fault(text),
        }
    }
}

impl From<HistoryFault> for Trouble {
    fn from(fault: HistoryFault) -> Trouble {
        Trouble::Fault(format!("{fault}; a damaged history is made again at the next start, once its file is removed"))
    }
}

impl From<IndexFault> for Trouble {
    fn from(fault: IndexFault) -> Trouble {
        Trouble::from(HistoryFault::from(fault))
    }
}

impl From<JournalFault> for Trouble {
    fn from(fault: JournalFault) -> Trouble {
        match fault {
            JournalFault::NotFound { sequence } => Trouble::Fault(format!(
                "the history names journal position {sequence}, which the journal does not have: run `switch ledger verify`"
            )),
            fault => Trouble::Fault(fault.to_string()),
        }
    }
}

/// Who takes part, and which currencies there are. What is known once stays so: numbers are never given again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// By number, from 1.
    participants: Vec<ParticipantCode>,
    /// With the digits after the point.
    currencies: Vec<([u8; 3], u8)>,
}

impl Names {
    /// As an engine knows them.
    pub fn of(engine: &Engine) -> Names {
        let currencies = engine.currencies().iter().map(|rules| (rules.currency.bytes(), rules.minor_digits));
        Names { participants: engine.participants().map(|(_, code)| code).collect(), currencies: currencies.collect() }
    }

    /// As the first batch of a journal, the genesis, has them: mostly all there are.
    fn of_genesis(payload: &[u8]) -> Names {
        let mut names = Names::default();
        for entry in Entries::new(payload).map_while(Result::ok) {
            match entry.body {
                Body::ParticipantOpened(opened) => names.participants.extend(ParticipantCode::from_bytes(opened.code)),
                Body::CurrencyOpened(opened) => names.currencies.push((opened.currency, opened.minor_digits)),
                _ => {}
            }
        }
        names
    }

    fn code(&self, id: ParticipantId) -> Option<ParticipantCode> {
        self.participants.get((id.0 as usize).checked_sub(1)?).copied()
    }

    fn number(&self, code: &ParticipantCode) -> Option<ParticipantId> {
        let place = self.participants.iter().position(|known| known == code)?;
        u32::try_from(place + 1).ok().map(ParticipantId)
    }

    fn minor_digits(&self, currency: [u8; 3]) -> Option<u8> {
        self.currencies.iter().find(|(known, _)| *known == currency).map(|(_, digits)| *digits)
    }
}

/// A payment that is not decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPayment {
    /// Its UETR.
    pub id: PaymentId,
    /// What was ordered, as the edge digested it.
    pub digest: [u8; 16],
    /// The sender of the order.
    pub payer: ParticipantId,
    /// The payee provider.
    pub payee: ParticipantId,
    /// In minor units.
    pub amount: u64,
    /// As ordered.
    pub currency: [u8; 3],
    /// An answer counts before this journal time.
    pub deadline_ns: u64,
    /// Journal position of the order.
    pub order: u64,
    /// The lane in which it is told of.
    pub lane: Lane,
}

impl OpenPayment {
    /// None where it is decided.
    pub fn of(payment: &Payment) -> Option<OpenPayment> {
        let &Payment { id, digest, payer, payee, amount, currency, traits, state } = payment;
        let lane = traits.lane();
        match state {
            State::InFlight { deadline_ns, position: order, .. } => {
                Some(OpenPayment { id, digest, payer, payee: payee?, amount, currency, deadline_ns, order, lane })
            }
            State::Final { .. } => None,
        }
    }
}

/// How far a visit of records came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// To the end: the number of the record to come.
    End(u64),
    /// The records from this number on have come into files meanwhile.
    InFiles(u64),
    /// The visitor had enough.
    Stopped,
}

/// Takes records with their numbers, in order.
pub type Visit<'a> = dyn FnMut(u64, &HistoryRecord) -> Result<ControlFlow<()>, Trouble> + 'a;

/// What is not in the history's files.
pub trait Beyond {
    /// All participants and currencies there are.
    fn names(&mut self) -> Result<Names, Trouble>;

    /// Could there be a payment with this id that is not in files? After "no", what files say is all there is.
    fn may_hold(&mut self, id: PaymentId) -> Result<bool, Trouble>;

    /// Does it change while it is asked?
    fn is_moving(&self) -> bool;

    /// Visits the records from a number on.
    fn each(&mut self, from: u64, visit: &mut Visit<'_>) -> Result<Reached, Trouble>;

    /// The payments that are not decided, in no order.
    fn open(&mut self) -> Result<Vec<OpenPayment>, Trouble>;

    /// The payment with this id, if it is not decided.
    fn open_payment(&mut self, id: PaymentId) -> Result<Option<OpenPayment>, Trouble>;

    /// How much of a payment was returned; none where no return of it is newer than what is in files.
    fn returned_of(&mut self, id: PaymentId) -> Result<Option<u64>, Trouble>;

    /// The case with this id, if it is held.
    fn case(&mut self, id: PaymentId) -> Result<Option<Case>, Trouble>;

    /// The journal position up to which everything is decided.
    fn applied(&mut self) -> Result<u64, Trouble>;
}

/// Looks payments up in files, and beyond them.
pub struct Lookup<S: Storage, B> {
    history: HistoryReader<S>,
    journal: JournalReader<S>,
    beyond: B,
    names: Names,
    /// Do they come from beyond? Then they are not asked for again.
    has_all_names: bool,
}

impl<S: Storage, B: Beyond> Lookup<S, B> {
    /// Over readers of its own.
    pub fn new(history: HistoryReader<S>, mut journal: JournalReader<S>, beyond: B) -> Result<Lookup<S, B>, Trouble> {
        let names = match journal.read(1) {
            Ok(batch) => Names::of_genesis(batch.payload),
            // Nothing is journaled yet.
            Err(JournalFault::NotFound { .. }) => Names::default(),
            Err(fault) => return Err(fault.into()),
        };
        Ok(Lookup { history, journal, beyond, names, has_all_names: false })
    }

    /// Somebody is not among the names of the genesis.
    fn ask_names(&mut self) -> Result<(), Trouble> {
        if !std::mem::replace(&mut self.has_all_names, true) {
            self.names = self.beyond.names()?;
        }
        Ok(())
    }

    /// Whose number this is.
    fn code(&mut self, id: ParticipantId) -> Result<ParticipantCode, Trouble> {
        if self.names.code(id).is_none() {
            self.ask_names()?;
        }
        let unknown = || Trouble::Fault(format!("history: participant {} is not in the scheme; {REMOVE}", id.0));
        self.names.code(id).ok_or_else(unknown)
    }

    /// The number of the first record that is not in files.
    fn end_of_files(&self) -> Result<u64, Trouble> {
        let none = TimeQuery { from_record: u64::MAX, records_max: 0, ..TimeQuery::ALL };
        Ok(self.history.time_page(&none)?.first_number)
    }

    /// Visits all records from a number on, in files and beyond. Gives the number of the record to come; none where the visitor had enough.
    fn each_record(&mut self, from: u64, visit: &mut Visit<'_>) -> Result<Option<u64>, Trouble> {
        let mut number = from;
        loop {
            let query = TimeQuery { from_record: number, records_max: LOOKUP_RECORDS_MAX, ..TimeQuery::ALL };
            let page = self.history.time_page(&query)?;
            if visit_page(&page.records, &mut number, visit)?.is_break() {
                return Ok(None);
            }
            if page.next.is_some() {
                continue;
            }
            match self.beyond.each(number, visit)? {
                Reached::End(number) => return Ok(Some(number)),
                Reached::Stopped => return Ok(None),
                Reached::InFiles(next) => number = next,
            }
        }
    }
}

/// What to do about a history that contradicts the journal.
const REMOVE: &str = "remove the directory `history`, it is made again at the next start";

/// Visits records that follow each other. `number` is that of the first, and is then that of the next.
pub(crate) fn visit_page(records: &[u8], number: &mut u64, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, Trouble> {
    for bytes in records.chunks(RECORD_BYTES) {
        let visited = visit(*number, &decode(bytes)?)?;
        *number += 1;
        if visited.is_break() {
            return Ok(visited);
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn decode(bytes: &[u8]) -> Result<HistoryRecord, Trouble> {
    HistoryRecord::decode(bytes).ok_or_else(|| HistoryFault::Mismatch.into())
}
