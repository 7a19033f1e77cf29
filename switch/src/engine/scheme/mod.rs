//! The scheme: what the operator sets, and the money that moves by its orders. The rules are `docs/scheme-rules.md`.
//!
//! It is small and changes seldom, so a snapshot takes all of it at once. What payments read of it for each of them stands in the participants too.

pub mod events;
pub mod fees;
pub mod members;
pub mod money;
pub mod rejects;
pub mod settlement;

use adapters::message::Outcome;
use ledger::{Movement, TransferId};
use rkyv::rancor::Failure;
use rkyv::{Archive, Deserialize, Serialize};

use self::events::{Event, Events};
use self::fees::Fees;
use self::members::Members;
use self::money::Money;
use self::rejects::CommandReject;
use self::settlement::Settlement;
use super::lookups::{DirectoryScheme, LookupMade};
use super::{Engine, Moment};
use crate::entry::Body;

/// How payments in a currency settle. The numbers are in the journal.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Each moves settlement accounts.
    #[default]
    Gross = 1,
    /// Each moves position accounts; windows of them are settled.
    Net = 2,
}

impl Model {
    /// The model with a number.
    pub fn from_number(number: u8) -> Option<Model> {
        Some(match number {
            1 => Model::Gross,
            2 => Model::Net,
            _ => return None,
        })
    }

    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Model::Gross => "gross",
            Model::Net => "net",
        }
    }
}

/// All of it. What a snapshot has are the bytes of its archive.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct Scheme {
    /// Participants beyond their payments.
    pub members: Members,
    /// Orders of money, floors and ceilings.
    pub money: Money,
    /// Windows and calendars.
    pub settlement: Settlement,
    /// Tariffs.
    pub fees: Fees,
    /// The directory.
    pub directory: DirectoryScheme,
    /// How much the operator was told.
    pub events: Events,
}

/// What the operator hears of the last batch.
#[derive(Debug, Default)]
pub struct Told {
    /// In order.
    pub events: Vec<Event>,
    /// Signed commands, by their journal positions.
    pub commands: Vec<(u64, Result<(), CommandReject>)>,
    /// What moved besides payments and returns, in order.
    pub moves: Vec<Moved>,
    /// Payments by alias that were decided, in order: the alias's hash, and what became of them.
    pub alias_outcomes: Vec<([u8; 16], Outcome)>,
    /// Look-ups that were let pass, of what was found, in order.
    pub lookups: Vec<LookupMade>,
    /// Has the batch anything for the directory?
    pub is_directorys: bool,
}

/// What a movement by order, of a settlement or of a fee does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is held.
    Reserved,
    /// What was held has moved.
    Posted,
    /// What was held is free.
    Voided,
    /// It moves at once.
    Moved,
}

/// A movement that is no payment and no return.
#[derive(Clone, Copy, Debug)]
pub(super) struct SchemeMove {
    /// What moves. Its id is that of the payment, where it is a fee of one.
    pub(super) movement: Movement,
    /// Which of the fees of a posting it is, from 1; 0: none.
    pub(super) leg: u8,
    /// How.
    pub(super) step: Step,
}

/// A movement that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Journal position of the entry, or of the batch's tick, that made it.
    pub position: u64,
    /// What moved. Its id is that of the payment, where it is a fee of one.
    pub movement: Movement,
    /// Which of the fees of a posting it is, from 1; 0: none.
    pub leg: u8,
    /// How.
    pub step: Step,
}

impl Scheme {
    /// The bytes of it in a snapshot.
    pub fn bytes(&self) -> Vec<u8> {
        let bytes = rkyv::to_bytes::<Failure>(self);
        bytes.unwrap_or_else(|_| unreachable!("an archive in memory")).into_vec()
    }

    /// What a snapshot has the bytes of; none where they are none.
    pub fn read(bytes: &[u8]) -> Option<Scheme> {
        rkyv::from_bytes::<Scheme, Failure>(bytes).ok()
    }
}

impl Engine {
    /// What the operator hears of the last batch.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// What the operator has set.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// A batch begins: what time alone does to the scheme.
    pub(super) fn begin_batch(&mut self, moment: Moment) {
        self.told.events.clear();
        self.told.commands.clear();
        self.told.moves.clear();
        self.told.alias_outcomes.clear();
        self.told.lookups.clear();
        self.told.is_directorys = false;
        self.close_due_windows(moment);
        self.advance_tariffs(moment);
    }

    /// A batch ends: what follows from the balances that it has left.
    pub(super) fn end_batch(&mut self, moment: Moment) {
        self.level_liquidity(moment);
    }

    /// When time alone changes the scheme next.
    pub(super) fn next_scheme_time_ns(&self) -> Option<u64> {
        self.scheme.settlement.next_cut_off_ns().into_iter().chain(self.scheme.fees.next_tariff_ns()).min()
    }

    /// Carries out a command that is about the scheme's money.
    pub(super) fn obey_for_scheme(
        &mut self,
        moment: Moment,
        command: Body<'_>,
    ) -> Result<Result<(), CommandReject>, String> {
        Ok(match command {
            Body::StandingSet(command) => self.set_standing(moment, command),
            Body::LimitsSet(command) => self.set_limits(moment, command),
            Body::TermsSet(command) => self.set_terms(moment, command),
            Body::AgencySet(command) => self.set_agency(moment, command),
            Body::CertificateSet(command) => self.set_certificate(moment, command),
            Body::MoneyOrdered(command) => self.order_money(moment, command),
            Body::MoneyDecided(command) => self.decide_money(moment, command),
            Body::LiquidityRulesSet(command) => self.set_liquidity_rules(moment, command),
            Body::TransferAllowed(command) => self.allow_transfer(moment, command),
            Body::CutOff(command) => self.cut_off(moment, command),
            Body::SettlementStep(command) => self.step_settlement(moment, command),
            Body::CalendarSet(command) => self.set_calendar(moment, command),
            Body::TariffSet(command, rows) => self.set_tariff(moment, command, rows),
            Body::FeesCollected(command) => self.collect_fees(moment, command),
            Body::DirectoryRulesSet(command) => self.set_directory_rules(moment, command),
            Body::LookupCategorySet(command) => self.set_lookup_category(moment, command),
            Body::IssuerKeySet(command) => self.set_issuer_key(moment, command),
            Body::HashKeySet(command) => self.begin_rehash(moment, command),
            other => return Err(format!("{other:?} from the operator")),
        })
    }

    /// Tells the operator, under the next number.
    pub(super) fn announce(&mut self, moment: Moment, event: Event) {
        let number = self.scheme.events.next();
        self.told.events.push(Event { number, position: moment.position, time_ns: moment.time_ns, ..event });
    }

    /// Carries out what was checked.
    pub(super) fn carry_out(&mut self, moment: Moment, SchemeMove { movement, leg, step }: SchemeMove) {
        let held = |engine: &Engine| {
            engine.book.find_transfer(movement.id).unwrap_or_else(|| panic!("{movement:?} is not held"))
        };
        let done = match step {
            Step::Moved if leg != 0 => {
                self.book.move_leg(movement.debit, movement.credit, movement.amount);
                None
            }
            Step::Moved => Some(self.book.move_now(movement)),
            Step::Reserved => Some(self.book.reserve(movement)),
            Step::Posted => Some(self.book.post(held(self), movement.amount)),
            Step::Voided => Some(self.book.void(held(self))),
        };
        if let Some(done) = done {
            assert!(done.is_ok_and(|applied| !applied.repeated), "{step:?} of {movement:?} was checked: {done:?}");
        }
        self.told.moves.push(Moved { position: moment.position, movement, leg, step });
    }
}

/// Is a transfer with this id one that the scheme makes by itself?
pub fn is_scheme_transfer(id: [u8; 16]) -> bool {
    id[6] >> 4 == 8 && id[8] & 0xc0 == 0x80
}

/// The id of a movement that the scheme makes: a version-8 UUID, as no payment and no reference of an order is.
pub(super) fn scheme_transfer_id(what: &[u8], words: &[u64]) -> TransferId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(what);
    words.iter().for_each(|word| {
        hasher.update(&word.to_le_bytes());
    });
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    TransferId(u128::from_be_bytes(id))
}
