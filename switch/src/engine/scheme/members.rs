//! Participants beyond their payments: standing, class, sponsor, terms, limits, certificates, who connects for whom.

use rkyv::{Archive, Deserialize, Serialize};

use super::events::{Event, EventKind};
use super::rejects::CommandReject;
use crate::engine::accounts::{AccountKind, account_id};
use crate::engine::scheme::Model;
use crate::engine::seats::Terms;
use crate::engine::{Engine, Moment};
use crate::entry::{
    ArchivedAgencySet, ArchivedCertificateSet, ArchivedLimitsSet, ArchivedStandingSet, ArchivedTermsSet, ParticipantId,
};
use crate::limits::CERTIFICATES_MAX;

/// Where a participant stands with the scheme. The numbers are in the journal: never renumber, never reuse.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Not yet let in.
    Onboarding = 1,
    /// All may be done.
    #[default]
    Active = 2,
    /// It may not pay.
    DebitsSuspended = 3,
    /// It may not be paid.
    CreditsSuspended = 4,
    /// Neither.
    Suspended = 5,
    /// Gone for good.
    Closed = 6,
}

impl Standing {
    /// All of them, in the order of their numbers.
    pub const ALL: [Standing; 6] = [
        Standing::Onboarding,
        Standing::Active,
        Standing::DebitsSuspended,
        Standing::CreditsSuspended,
        Standing::Suspended,
        Standing::Closed,
    ];

    /// The standing with a number.
    pub fn from_number(number: u8) -> Option<Standing> {
        Standing::ALL.into_iter().find(|standing| *standing as u8 == number)
    }

    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Onboarding => "onboarding",
            Standing::Active => "active",
            Standing::DebitsSuspended => "debits suspended",
            Standing::CreditsSuspended => "credits suspended",
            Standing::Suspended => "suspended",
            Standing::Closed => "closed",
        }
    }

    /// May it pay and return?
    pub fn may_pay(self) -> bool {
        matches!(self, Standing::Active | Standing::CreditsSuspended)
    }

    /// May it be paid?
    pub fn may_be_paid(self) -> bool {
        matches!(self, Standing::Active | Standing::DebitsSuspended)
    }

    /// May it connect?
    pub fn may_connect(self) -> bool {
        self != Standing::Closed
    }

    /// May it become that? What else must hold of one that is closed is not asked here.
    pub fn may_become(self, next: Standing) -> bool {
        match (self, next) {
            (Standing::Closed, _) | (_, Standing::Onboarding) => false,
            (Standing::Onboarding, next) => matches!(next, Standing::Active | Standing::Closed),
            (from, next) => from != next,
        }
    }
}

/// What of a participant's limits the operator has set; 0 where the switch's configuration holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Payments in flight.
    pub in_flight_max: u32,
    /// Orders, returns, cases and questions a second.
    pub orders_per_second: u32,
    /// Of these, at once after a pause.
    pub orders_burst: u32,
}

/// A certificate that the operator has registered.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose.
    pub participant: u32,
    /// SHA-256 of its DER form.
    pub fingerprint: [u8; 32],
    /// Seconds since 1970, from which it is good.
    pub not_before_s: u64,
    /// Seconds since 1970, through which it is good.
    pub not_after_s: u64,
}

/// What the operator has set for participants, beyond what payments ask for.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct Members {
    /// In the order of participant and fingerprint.
    certificates: Vec<Certificate>,
    /// Who has had one registered, ever, in order: only registered ones may connect as them.
    bound: Vec<u32>,
    /// Who connects for whom: (technical provider, participant), in order.
    agencies: Vec<(u32, u32)>,
}

/// Why a connection is not let in, or goes on no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionReject {
    /// The participant, or who connects for it, has left the scheme.
    ParticipantClosed,
    /// Certificates are registered of who shows this one, and it is none of them, or not within its validity.
    CertificateRefused,
    /// It connects for another, and may not.
    NotItsAgent,
}

impl Members {
    /// Those that are registered for a participant.
    pub fn certificates_of(&self, participant: ParticipantId) -> &[Certificate] {
        let start = self.certificates.partition_point(|certificate| certificate.participant < participant.0);
        let end = self.certificates.partition_point(|certificate| certificate.participant <= participant.0);
        &self.certificates[start..end]
    }

    /// May only registered certificates of its be shown?
    pub fn is_bound(&self, holder: ParticipantId) -> bool {
        self.bound.binary_search(&holder.0).is_ok()
    }

    /// May this certificate be shown by its holder at this time?
    fn accepts(&self, holder: ParticipantId, fingerprint: &[u8; 32], now_s: u64) -> bool {
        let is_good = |certificate: &Certificate| {
            certificate.fingerprint == *fingerprint
                && (certificate.not_before_s..=certificate.not_after_s).contains(&now_s)
        };
        !self.is_bound(holder) || self.certificates_of(holder).iter().any(is_good)
    }

    /// May this technical provider connect for that participant?
    pub fn connects_for(&self, technical: ParticipantId, participant: ParticipantId) -> bool {
        self.agencies.binary_search(&(technical.0, participant.0)).is_ok()
    }

    /// For whom a technical provider may connect.
    pub fn clients_of(&self, technical: ParticipantId) -> impl Iterator<Item = ParticipantId> {
        let of_it = self.agencies.iter().filter(move |(agent, _)| *agent == technical.0);
        of_it.map(|&(_, participant)| ParticipantId(participant))
    }
}

impl Engine {
    /// May the holder of this certificate connect for that participant, now (seconds since 1970)? Once one of its certificates was registered, only registered ones
    /// may, within their validity; for another than itself only as its technical provider.
    pub fn check_connection(
        &self,
        (holder, fingerprint): (ParticipantId, &[u8; 32]),
        participant: ParticipantId,
        now_s: u64,
    ) -> Result<(), ConnectionReject> {
        let members = &self.scheme.members;
        let is_in_scheme = |id| self.standing_of(id).is_some_and(Standing::may_connect);
        if holder != participant && !members.connects_for(holder, participant) {
            Err(ConnectionReject::NotItsAgent)
        } else if !is_in_scheme(holder) || !is_in_scheme(participant) {
            Err(ConnectionReject::ParticipantClosed)
        } else if !members.accepts(holder, fingerprint, now_s) {
            Err(ConnectionReject::CertificateRefused)
        } else {
            Ok(())
        }
    }

    /// A participant's standing; none where there is no such participant.
    pub fn standing_of(&self, participant: ParticipantId) -> Option<Standing> {
        self.participants.get(participant).map(|participant| participant.standing)
    }

    /// A participant's limits, as far as the operator has set them.
    pub fn limits_of(&self, participant: ParticipantId) -> Limits {
        self.participants.get(participant).map(|participant| participant.limits).unwrap_or_default()
    }

    /// A participant's terms in a currency of the scheme.
    pub fn terms_of(&self, participant: ParticipantId, currency: [u8; 3]) -> Option<Terms> {
        let number = self.currency_place(currency)?;
        self.participants.get(participant)?;
        Some(self.seats.at(number, participant).terms)
    }

    /// A participant whom a command may be about: it exists, and is not closed.
    pub(super) fn open_member(&self, number: u32) -> Result<ParticipantId, CommandReject> {
        let id = ParticipantId(number);
        let participant = self.participants.get(id).ok_or(CommandReject::ParticipantUnknown)?;
        if participant.standing == Standing::Closed { Err(CommandReject::ParticipantClosed) } else { Ok(id) }
    }

    /// One that has accounts of its own.
    pub(super) fn direct_member(&self, number: u32) -> Result<ParticipantId, CommandReject> {
        let id = self.open_member(number)?;
        if self.participants[id].is_direct() { Ok(id) } else { Err(CommandReject::ParticipantNotDirect) }
    }

    pub(super) fn set_standing(&mut self, moment: Moment, command: &ArchivedStandingSet) -> Result<(), CommandReject> {
        let id = self.open_member(command.participant.to_native())?;
        let standing = Standing::from_number(command.standing).ok_or(CommandReject::ValueMeaningless)?;
        let before = self.participants[id].standing;
        if !before.may_become(standing) {
            return Err(CommandReject::TransitionNotPermitted);
        }
        if standing == Standing::Closed {
            self.check_closing(id)?;
        }
        self.participants[id].standing = standing;
        let event = Event { participant: id.0, code: standing as u16, ..Event::of(EventKind::StandingChanged) };
        self.announce(moment, Event { detail: before as u32, ..event });
        Ok(())
    }

    /// What must not be open of a participant that leaves for good.
    fn check_closing(&self, id: ParticipantId) -> Result<(), CommandReject> {
        let unless = |holds: bool, reject: CommandReject| if holds { Ok(()) } else { Err(reject) };
        let participant = &self.participants[id];
        let cases = self.cases.open().any(|case| case.concerns(id));
        let is_idle = participant.in_flight == 0 && participant.incoming == 0 && !cases;
        let has_orders = self.prepared_orders().any(|(_, order)| order.participant == id);
        unless(is_idle && !has_orders, CommandReject::ParticipantHasBusiness)?;
        let is_sponsor =
            self.participants.iter().any(|(_, other)| other.sponsor == Some(id) && other.standing != Standing::Closed);
        unless(!is_sponsor, CommandReject::ParticipantSponsors)?;
        unless(!self.scheme.settlement.concerns(id), CommandReject::ParticipantInSettlement)?;
        let mut accounts = (0..self.currencies.len()).flat_map(|currency| {
            AccountKind::ALL.into_iter().filter_map(move |kind| self.book.find(account_id(currency, id, kind)))
        });
        let is_empty = accounts.all(|index| {
            let account = self.book.account(index);
            account.balances().booked() == 0 && !account.has_pending()
        });
        unless(is_empty, CommandReject::ParticipantHasMoney)
    }

    pub(super) fn set_limits(&mut self, moment: Moment, command: &ArchivedLimitsSet) -> Result<(), CommandReject> {
        let id = self.open_member(command.participant.to_native())?;
        let limits = Limits {
            in_flight_max: command.in_flight_max.to_native(),
            orders_per_second: command.orders_per_second.to_native(),
            orders_burst: command.orders_burst.to_native(),
        };
        let participant = &self.participants[id];
        let [before, set] = [participant.limits, limits].map(|limits| unless_zero(limits.in_flight_max.into()));
        check_use(before, set, u128::from(participant.in_flight))?;
        self.participants[id].limits = limits;
        self.announce(moment, Event { participant: id.0, ..Event::of(EventKind::LimitsChanged) });
        Ok(())
    }

    pub(super) fn set_terms(&mut self, moment: Moment, command: &ArchivedTermsSet) -> Result<(), CommandReject> {
        let id = self.open_member(command.participant.to_native())?;
        let currency = self.currency_place(command.currency).ok_or(CommandReject::CurrencyUnknown)?;
        let terms = Terms {
            is_offered: flag(command.is_offered)?,
            amount_max: command.amount_max.to_native(),
            intraday_max: command.intraday_max.to_native(),
            net_debit_cap: command.net_debit_cap.to_native(),
            sub_limit: command.sub_limit.to_native(),
        };
        let participant = &self.participants[id];
        let is_net = self.currencies[currency].model == Model::Net;
        let has_cap = terms.net_debit_cap != 0 && !(is_net && participant.is_direct());
        let has_sub_limit = terms.sub_limit != 0 && participant.sponsor.is_none();
        if participant.is_technical || has_cap || has_sub_limit {
            return Err(CommandReject::ValueMeaningless);
        }
        self.check_terms_use(currency, id, terms)?;
        self.seats.at_mut(currency, id).terms = terms;
        self.refresh_cap(currency, id);
        let event = Event { participant: id.0, currency: command.currency, ..Event::of(EventKind::TermsChanged) };
        self.announce(moment, Event { amount: i128::from(terms.net_debit_cap), ..event });
        Ok(())
    }

    /// No limit of a participant falls below what is in use of it.
    fn check_terms_use(&self, currency: usize, id: ParticipantId, terms: Terms) -> Result<(), CommandReject> {
        let seat = self.seats.at(currency, id);
        let (before, sent) = (seat.terms, seat.held + seat.sent);
        check_use(unless_zero(before.intraday_max), unless_zero(terms.intraday_max), sent)?;
        check_use(before.net_debit_cap.into(), terms.net_debit_cap.into(), self.overdrawn(currency, id))?;
        check_use(before.sub_limit.into(), terms.sub_limit.into(), sent.saturating_sub(seat.received))
    }

    pub(super) fn set_agency(&mut self, moment: Moment, command: &ArchivedAgencySet) -> Result<(), CommandReject> {
        let technical = self.open_member(command.technical.to_native())?;
        let client = self.open_member(command.participant.to_native())?;
        let is_granted = flag(command.is_granted)?;
        if !self.participants[technical].is_technical || self.participants[client].is_technical {
            return Err(CommandReject::ParticipantNotTechnical);
        }
        put(&mut self.scheme.members.agencies, (technical.0, client.0), is_granted);
        let event = Event { participant: technical.0, other: client.0, ..Event::of(EventKind::AgencyChanged) };
        self.announce(moment, Event { code: u16::from(is_granted), ..event });
        Ok(())
    }

    pub(super) fn set_certificate(
        &mut self,
        moment: Moment,
        command: &ArchivedCertificateSet,
    ) -> Result<(), CommandReject> {
        let id = self.open_member(command.participant.to_native())?;
        let certificate = Certificate {
            participant: id.0,
            fingerprint: command.fingerprint,
            not_before_s: command.not_before_s.to_native(),
            not_after_s: command.not_after_s.to_native(),
        };
        let is_valid = flag(command.is_valid)?;
        if certificate.not_after_s < certificate.not_before_s {
            return Err(CommandReject::ValueMeaningless);
        }
        let registered = self.scheme.members.certificates_of(id).len();
        let certificates = &mut self.scheme.members.certificates;
        let key = (id.0, certificate.fingerprint);
        match (certificates.binary_search_by_key(&key, |known| (known.participant, known.fingerprint)), is_valid) {
            (Ok(place), true) => certificates[place] = certificate,
            (Ok(place), false) => drop(certificates.remove(place)),
            (Err(_), true) if registered == CERTIFICATES_MAX => return Err(CommandReject::CertificatesFull),
            (Err(place), true) => {
                certificates.insert(place, certificate);
                put(&mut self.scheme.members.bound, id.0, true);
            }
            (Err(_), false) => return Err(CommandReject::CertificateUnknown),
        }
        let event = Event { participant: id.0, ..Event::of(EventKind::CertificateChanged) };
        self.announce(moment, Event { code: u16::from(is_valid), ..event });
        Ok(())
    }
}

/// A limit of which 0 says that there is none.
fn unless_zero(limit: u64) -> u128 {
    if limit == 0 { u128::MAX } else { limit.into() }
}

/// A limit is not lowered below what is in use. One that is too low already may be raised by any amount.
fn check_use(before: u128, set: u128, used: u128) -> Result<(), CommandReject> {
    if set < before && set < used { Err(CommandReject::LimitBelowUse) } else { Ok(()) }
}

/// A flag of a command.
pub(super) fn flag(value: u8) -> Result<bool, CommandReject> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(CommandReject::ValueMeaningless),
    }
}

/// Puts something into a list in order, or takes it out; said again, it changes nothing.
pub(super) fn put<T: Ord>(list: &mut Vec<T>, item: T, is_in: bool) {
    match (list.binary_search(&item), is_in) {
        (Err(place), true) => list.insert(place, item),
        (Ok(place), false) => drop(list.remove(place)),
        _ => {}
    }
}
