//! What operators ask for, kind by kind, and the entry that it becomes. Participants have their codes and currencies their letters; the numbers that an entry has are
//! looked up right before it is written.

use adapters::message::ParticipantCode;
use serde::{Deserialize, Serialize};

use super::directory;
use super::reference::Reference;
use super::tariff::{TariffLine, entry_rows};
use super::{Refusal, letters};
use crate::config::{GenesisDirectory, GenesisIssuer, GenesisRules};
use crate::engine::Engine;
use crate::engine::lookups::RehashStep;
use crate::engine::participants::Participant;
use crate::engine::scheme::Model;
use crate::engine::scheme::members::Standing;
use crate::engine::scheme::money::Operation;
use crate::engine::scheme::settlement::Cycle;
use crate::entry::{
    AgencySet, CalendarSet, CertificateSet, CurrencyOpened, CutOff, EntryKind, FeesCollected, HashKeySet, IssuerKeySet,
    LimitsSet, LiquidityRulesSet, LookupCategorySet, MoneyDecided, MoneyOrdered, ParticipantId, ParticipantOpened,
    SettlementStep, Signature, StandingSet, TariffSet, TermsSet, TransferAllowed, write_signed_command, write_tariff,
};
use crate::genesis::{directory_rules, scheme_rules};
use crate::limits::{
    CURRENCIES_MAX, CUT_OFFS_PER_DAY_MAX, HOLIDAYS_MAX, MINOR_DIGITS_MAX, PARTICIPANTS_MAX, TARIFF_ROWS_MAX,
};

/// What is asked for. Amounts in minor units; what each means stands in `docs/scheme-rules.md`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are those of the entries, which docs/formats/entries.md describes")]
pub enum Action {
    /// Other parameters of the scheme.
    ActivateRules {
        /// Those that are in force: where they are others meanwhile, nothing is done.
        #[serde(deserialize_with = "whole_rules")]
        from: GenesisRules,
        /// Those that are to be.
        #[serde(deserialize_with = "whole_rules")]
        to: GenesisRules,
    },
    /// Another currency.
    OpenCurrency { currency: String, minor_digits: u8, amount_max: u64, model: Model },
    /// Another participant.
    OpenParticipant { participant: String, is_active: bool, class: u8, sponsor: Option<String>, is_technical: bool },
    /// Lets a participant in, suspends it, or closes it.
    SetStanding { participant: String, standing: Standing },
    /// How much a participant may send at once.
    SetLimits { participant: String, in_flight_max: u32, orders_per_second: u32, orders_burst: u32 },
    /// What a participant may do in a currency.
    SetTerms { participant: String, currency: String, terms: TermsWords },
    /// A technical provider may connect for a participant, or may no more.
    SetAgency { technical: String, participant: String, is_granted: bool },
    /// A certificate is registered, or revoked. The fingerprint in hexadecimal digits.
    SetCertificate { participant: String, fingerprint: String, not_before_s: u64, not_after_s: u64, is_valid: bool },
    /// Money is to move, or to be held.
    OrderMoney {
        reference: Reference,
        operation: Operation,
        participant: String,
        other: Option<String>,
        currency: String,
        amount: u64,
    },
    /// An order of money is confirmed, or aborted.
    DecideMoney { reference: Reference, is_confirmed: bool },
    /// Floor and ceiling of a settlement account.
    SetLiquidityRules {
        participant: String,
        currency: String,
        floor: u64,
        target: u64,
        ceiling: u64,
        is_automatic: bool,
    },
    /// A participant may send another liquidity, or may no more.
    AllowTransfer { from: String, to: String, is_granted: bool },
    /// The open window of a cycle closes.
    CutOff { currency: String, cycle: Cycle },
    /// A step of the settlement of a window.
    StepSettlement { currency: String, cycle: Cycle, window: u32, step: SettlementInput },
    /// When windows close by themselves.
    SetCalendar { currency: String, cycle: Cycle, weekdays: u8, from_ns: u64, times_min: Vec<u16>, holidays: Vec<u32> },
    /// What postings cost.
    SetTariff { tariff: u32, effective_at_ns: u64, rows: Vec<TariffLine> },
    /// What stands on fee accounts is paid.
    CollectFees { currency: String },
    /// What look-ups cost, and what the directory allows.
    SetDirectoryRules {
        /// Those that are in force, none where none are: where they are others meanwhile, nothing is done.
        #[serde(deserialize_with = "directory::whole_rules_if_any")]
        from: Option<GenesisDirectory>,
        /// Those that are to be. Keys of ID systems are not among them.
        #[serde(deserialize_with = "directory::whole_rules")]
        to: GenesisDirectory,
    },
    /// How many look-ups a participant may make: a letter from A to H.
    SetLookupCategory { participant: String, category: char },
    /// A key of an ID system is trusted.
    TrustIssuerKey { key: GenesisIssuer, not_before_s: u64, not_after_s: u64 },
    /// A key of an ID system is trusted no more.
    RevokeIssuerKey { issuer: String, key_id: String },
    /// The directory's hashes are made anew under the key of this generation, one more than the one in use.
    RenewHashKey { generation: u8 },
}

/// What happens to a closed window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementInput {
    /// What debtors have to give is held.
    Start,
    /// This participant's net moves.
    Confirm(String),
    /// It is given up.
    Abort,
}

/// What a participant may do in a currency, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsWords {
    /// May it pay and be paid?
    pub is_offered: bool,
    /// Of one payment; 0: the scheme's.
    pub amount_max: u64,
    /// Between two cut-offs; 0: no limit.
    pub intraday_max: u64,
    /// How far its position may go below zero.
    pub net_debit_cap: u64,
    /// How far what it sent may exceed what it was paid; of indirect participants.
    pub sub_limit: u64,
}

/// Rules with every key: what a request does not name has no default.
fn whole_rules<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<GenesisRules, D::Error> {
    use serde::de::Error;
    let keys = serde_json::Map::deserialize(deserializer)?;
    if let Some((missing, _)) = rules_as_keys(&GenesisRules::default()).iter().find(|(key, _)| !keys.contains_key(*key))
    {
        return Err(Error::custom(format!("the rules lack `{missing}`")));
    }
    GenesisRules::deserialize(serde_json::Value::Object(keys)).map_err(Error::custom)
}

/// Rules by their keys, as `genesis.toml` has them.
pub fn rules_as_keys(rules: &GenesisRules) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(rules) {
        Ok(serde_json::Value::Object(keys)) => keys,
        other => unreachable!("rules are an object: {other:?}"),
    }
}

/// What each kind of command is; all else is the same for all.
impl Action {
    pub(super) fn kind(&self) -> EntryKind {
        match self {
            Action::ActivateRules { .. } => EntryKind::ActivateRules,
            Action::OpenCurrency { .. } => EntryKind::CurrencyOpened,
            Action::OpenParticipant { .. } => EntryKind::ParticipantOpened,
            Action::SetStanding { .. } => EntryKind::StandingSet,
            Action::SetLimits { .. } => EntryKind::LimitsSet,
            Action::SetTerms { .. } => EntryKind::TermsSet,
            Action::SetAgency { .. } => EntryKind::AgencySet,
            Action::SetCertificate { .. } => EntryKind::CertificateSet,
            Action::OrderMoney { .. } => EntryKind::MoneyOrdered,
            Action::DecideMoney { .. } => EntryKind::MoneyDecided,
            Action::SetLiquidityRules { .. } => EntryKind::LiquidityRulesSet,
            Action::AllowTransfer { .. } => EntryKind::TransferAllowed,
            Action::CutOff { .. } => EntryKind::CutOff,
            Action::StepSettlement { .. } => EntryKind::SettlementStep,
            Action::SetCalendar { .. } => EntryKind::CalendarSet,
            Action::SetTariff { .. } => EntryKind::TariffSet,
            Action::CollectFees { .. } => EntryKind::FeesCollected,
            Action::SetDirectoryRules { .. } => EntryKind::DirectoryRulesSet,
            Action::SetLookupCategory { .. } => EntryKind::LookupCategorySet,
            Action::TrustIssuerKey { .. } | Action::RevokeIssuerKey { .. } => EntryKind::IssuerKeySet,
            Action::RenewHashKey { .. } => EntryKind::HashKeySet,
        }
    }

    /// Can there be such a command at all?
    pub(super) fn check_alone(&self) -> Result<(), String> {
        match self {
            Action::ActivateRules { to, .. } => to.check(),
            Action::OpenParticipant { participant, .. } => code(participant).map(drop),
            Action::SetCertificate { fingerprint, .. } => fingerprint_bytes(fingerprint).map(drop),
            Action::SetTariff { rows, .. } => entry_rows(rows).map(drop),
            Action::SetCalendar { times_min, holidays, .. } => {
                filled::<u16, CUT_OFFS_PER_DAY_MAX>("cut-offs a day", times_min, 0).map(drop)?;
                filled::<u32, HOLIDAYS_MAX>("holidays", holidays, 0).map(drop)
            }
            Action::SetDirectoryRules { to, .. } => directory::check_rules_alone(to),
            Action::SetLookupCategory { category, .. } => directory::category_number(*category).map(drop),
            Action::TrustIssuerKey { key, .. } => key.key().map(drop),
            _ => Ok(()),
        }
    }

    /// Appends the entry; nothing where it cannot be. What the engine decides is not asked here: codes are, because an entry has none, and what makes a journal one
    /// that is refused.
    pub(super) fn write(&self, engine: &Engine, by: &Signature, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match self {
            Action::ActivateRules { from, to } => {
                check_rules(from, to, engine)?;
                write_signed_command(out, self.kind(), by, &scheme_rules(to));
                Ok(())
            }
            Action::OpenCurrency { .. } | Action::OpenParticipant { .. } => self.write_opening(engine, by, out),
            Action::OrderMoney { .. }
            | Action::DecideMoney { .. }
            | Action::SetLiquidityRules { .. }
            | Action::AllowTransfer { .. } => self.write_money(engine, by, out).map_err(Refusal::Asked),
            Action::CutOff { .. }
            | Action::StepSettlement { .. }
            | Action::SetCalendar { .. }
            | Action::SetTariff { .. }
            | Action::CollectFees { .. } => self.write_settlement(engine, by, out).map_err(Refusal::Asked),
            Action::SetStanding { .. }
            | Action::SetLimits { .. }
            | Action::SetTerms { .. }
            | Action::SetAgency { .. }
            | Action::SetCertificate { .. } => self.write_member(engine, by, out).map_err(Refusal::Asked),
            Action::SetDirectoryRules { .. }
            | Action::SetLookupCategory { .. }
            | Action::TrustIssuerKey { .. }
            | Action::RevokeIssuerKey { .. }
            | Action::RenewHashKey { .. } => self.write_directory(engine, by, out).map_err(Refusal::Asked),
        }
    }

    /// What can be opened only once, and is checked here: the engine takes no other.
    fn write_opening(&self, engine: &Engine, by: &Signature, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match self {
            &Action::OpenCurrency { ref currency, minor_digits, amount_max, model } => {
                let letters = letters(currency).map_err(Refusal::Asked)?;
                check_currency(engine, letters, minor_digits, amount_max).map_err(Refusal::Asked)?;
                let command = CurrencyOpened { currency: letters, minor_digits, amount_max, model: model as u8 };
                write_signed_command(out, self.kind(), by, &command);
            }
            &Action::OpenParticipant { ref participant, is_active, class, ref sponsor, is_technical } => {
                let code = code(participant).map_err(Refusal::Asked)?;
                let sponsor = sponsor_of(engine, code, sponsor.as_deref(), is_technical).map_err(Refusal::Asked)?;
                let command = ParticipantOpened {
                    participant: engine.participants_count() + 1,
                    code: *code.bytes(),
                    standing: if is_active { Standing::Active } else { Standing::Onboarding } as u8,
                    class,
                    sponsor,
                    is_technical: u8::from(is_technical),
                };
                write_signed_command(out, self.kind(), by, &command);
            }
            other => unreachable!("{other:?} opens nothing"),
        }
        Ok(())
    }

    fn write_member(&self, engine: &Engine, by: &Signature, out: &mut Vec<u8>) -> Result<(), String> {
        let kind = self.kind();
        let id = |code: &str| number_of(engine, code);
        match self {
            Action::SetStanding { participant, standing } => {
                let command = StandingSet { participant: id(participant)?, standing: *standing as u8 };
                write_signed_command(out, kind, by, &command);
            }
            &Action::SetLimits { ref participant, in_flight_max, orders_per_second, orders_burst } => {
                let participant = id(participant)?;
                let command = LimitsSet { participant, in_flight_max, orders_per_second, orders_burst };
                write_signed_command(out, kind, by, &command);
            }
            Action::SetTerms { participant, currency, terms } => {
                let &TermsWords { is_offered, amount_max, intraday_max, net_debit_cap, sub_limit } = terms;
                let (participant, currency) = (id(participant)?, letters(currency)?);
                let is_offered = u8::from(is_offered);
                let command =
                    TermsSet { participant, currency, is_offered, amount_max, intraday_max, net_debit_cap, sub_limit };
                write_signed_command(out, kind, by, &command);
            }
            Action::SetAgency { technical, participant, is_granted } => {
                let (technical, participant) = (id(technical)?, id(participant)?);
                let command = AgencySet { technical, participant, is_granted: u8::from(*is_granted) };
                write_signed_command(out, kind, by, &command);
            }
            &Action::SetCertificate { ref participant, ref fingerprint, not_before_s, not_after_s, is_valid } => {
                let (participant, fingerprint) = (id(participant)?, fingerprint_bytes(fingerprint)?);
                let is_valid = u8::from(is_valid);
                let command = CertificateSet { participant, fingerprint, not_before_s, not_after_s, is_valid };
                write_signed_command(out, kind, by, &command);
            }
            other => unreachable!("{other:?} is about no participant"),
        }
        Ok(())
    }

    fn write_money(&self, engine: &Engine, by: &Signature, out: &mut Vec<u8>) -> Result<(), String> {
        let kind = self.kind();
        let id = |code: &str| number_of(engine, code);
        match self {
            &Action::OrderMoney { reference, operation, ref participant, ref other, ref currency, amount } => {
                let command = MoneyOrdered {
                    reference: reference.bytes(),
                    operation: operation as u8,
                    participant: id(participant)?,
                    other: other.as_deref().map_or(Ok(0), id)?,
                    currency: letters(currency)?,
                    amount,
                };
                write_signed_command(out, kind, by, &command);
            }
            Action::DecideMoney { reference, is_confirmed } => {
                let decision = if *is_confirmed { 1 } else { 2 };
                write_signed_command(out, kind, by, &MoneyDecided { reference: reference.bytes(), decision });
            }
            &Action::SetLiquidityRules { ref participant, ref currency, floor, target, ceiling, is_automatic } => {
                let (participant, currency) = (id(participant)?, letters(currency)?);
                let is_automatic = u8::from(is_automatic);
                let command = LiquidityRulesSet { participant, currency, floor, target, ceiling, is_automatic };
                write_signed_command(out, kind, by, &command);
            }
            Action::AllowTransfer { from, to, is_granted } => {
                let (from, to) = (id(from)?, id(to)?);
                write_signed_command(out, kind, by, &TransferAllowed { from, to, is_granted: u8::from(*is_granted) });
            }
            other => unreachable!("{other:?} is about no money"),
        }
        Ok(())
    }

    fn write_settlement(&self, engine: &Engine, by: &Signature, out: &mut Vec<u8>) -> Result<(), String> {
        let kind = self.kind();
        match self {
            Action::CutOff { currency, cycle } => {
                let command = CutOff { currency: letters(currency)?, cycle: *cycle as u8 };
                write_signed_command(out, kind, by, &command);
            }
            Action::StepSettlement { currency, cycle, window, step } => {
                let (step, participant) = match step {
                    SettlementInput::Start => (1, 0),
                    SettlementInput::Confirm(participant) => (2, number_of(engine, participant)?),
                    SettlementInput::Abort => (3, 0),
                };
                let (currency, cycle) = (letters(currency)?, *cycle as u8);
                write_signed_command(
                    out,
                    kind,
                    by,
                    &SettlementStep { currency, cycle, window: *window, step, participant },
                );
            }
            &Action::SetCalendar { ref currency, cycle, weekdays, from_ns, ref times_min, ref holidays } => {
                let command = CalendarSet {
                    currency: letters(currency)?,
                    cycle: cycle as u8,
                    weekdays,
                    from_ns,
                    times_min: filled("cut-offs a day", times_min, u16::MAX)?,
                    holidays: filled("holidays", holidays, 0)?,
                };
                write_signed_command(out, kind, by, &command);
            }
            &Action::SetTariff { tariff, effective_at_ns, ref rows } => {
                let rows = entry_rows(rows)?;
                let count = u16::try_from(rows.len()).map_err(|_| format!("at most {TARIFF_ROWS_MAX} rows"))?;
                write_tariff(out, by, &TariffSet { tariff, effective_at_ns, rows: count }, &rows);
            }
            Action::CollectFees { currency } => {
                write_signed_command(out, kind, by, &FeesCollected { currency: letters(currency)? });
            }
            other => unreachable!("{other:?} settles nothing"),
        }
        Ok(())
    }
}

impl Action {
    fn write_directory(&self, engine: &Engine, by: &Signature, out: &mut Vec<u8>) -> Result<(), String> {
        let kind = self.kind();
        match self {
            Action::SetDirectoryRules { from, to } => {
                directory::check_rules(from.as_ref(), to, engine)?;
                write_signed_command(out, kind, by, &directory_rules(to));
            }
            Action::SetLookupCategory { participant, category } => {
                let participant = number_of(engine, participant)?;
                let category = directory::category_number(*category)?;
                write_signed_command(out, kind, by, &LookupCategorySet { participant, category });
            }
            Action::TrustIssuerKey { key, not_before_s, not_after_s } => {
                let (not_before_s, not_after_s) = (*not_before_s, *not_after_s);
                write_signed_command(out, kind, by, &IssuerKeySet { not_before_s, not_after_s, ..key.key()? });
            }
            Action::RevokeIssuerKey { issuer, key_id } => {
                write_signed_command(out, kind, by, &directory::revocation_of(engine, issuer, key_id)?);
            }
            Action::RenewHashKey { generation } => {
                directory::check_generation(engine, *generation)?;
                let step = RehashStep::Begin as u8;
                write_signed_command(out, kind, by, &HashKeySet { generation: *generation, step });
            }
            other => unreachable!("{other:?} is not about the directory"),
        }
        Ok(())
    }
}

fn check_rules(from: &GenesisRules, to: &GenesisRules, engine: &Engine) -> Result<(), Refusal> {
    let now = GenesisRules::of(engine.rules());
    if now == *to {
        return Err(Refusal::Asked("these rules are in force already: nothing to do".to_owned()));
    }
    if now != *from {
        let text = "the rules are others by now than those that were to be changed: look at them (rules show), and decide anew";
        return Err(Refusal::Asked(text.to_owned()));
    }
    let (in_flight, kept) = (engine.counts().in_flight, to.outcomes_kept);
    if in_flight >= u64::from(kept) {
        let text = format!(
            "rules: outcomes_kept of {kept} with {in_flight} payments in flight: a window must hold them all; choose more, or a quieter moment"
        );
        return Err(Refusal::NotNow(text));
    }
    Ok(())
}

fn check_currency(engine: &Engine, letters: [u8; 3], minor_digits: u8, amount_max: u64) -> Result<(), String> {
    let currency = String::from_utf8_lossy(&letters);
    if engine.currencies().iter().any(|known| known.currency.bytes() == letters) {
        return Err(format!("the scheme has {currency} already: nothing to do"));
    }
    if engine.currencies().len() == CURRENCIES_MAX {
        return Err(format!("the scheme has {CURRENCIES_MAX} currencies, as many as there can be"));
    }
    if minor_digits > MINOR_DIGITS_MAX {
        return Err(format!("{currency} with {minor_digits} digits after the point: at most {MINOR_DIGITS_MAX}"));
    }
    if ledger::Amount::new(amount_max).is_none() {
        let most = ledger::Amount::MAX.minor_units();
        return Err(format!("{currency} with payments of at most {amount_max}: expected 1 to {most} minor units"));
    }
    Ok(())
}

/// The sponsor's number of a participant that can be opened; 0 where it has none.
fn sponsor_of(
    engine: &Engine,
    code: ParticipantCode,
    sponsor: Option<&str>,
    is_technical: bool,
) -> Result<u32, String> {
    if engine.find_participant(&code).is_some() {
        return Err(format!("the scheme has a participant {code} already; a code is never given again"));
    }
    if engine.participants_count() >= PARTICIPANTS_MAX {
        return Err(format!("the scheme has {PARTICIPANTS_MAX} participants, as many as there can be"));
    }
    let Some(sponsor) = sponsor else { return Ok(0) };
    let number = number_of(engine, sponsor)?;
    let is_direct = engine.participant(ParticipantId(number)).is_some_and(Participant::is_direct);
    if is_technical || !is_direct {
        return Err(format!(
            "sponsor {sponsor}: a sponsor has accounts of its own, and whom it sponsors is not technical"
        ));
    }
    // Nobody could pay, and what it were paid would stand on accounts that are closed for good.
    if engine.standing_of(ParticipantId(number)) == Some(Standing::Closed) {
        return Err(format!("sponsor {sponsor}: it is closed for good: choose another"));
    }
    Ok(number)
}

fn code(text: &str) -> Result<ParticipantCode, String> {
    let code = ParticipantCode::parse(text);
    code.ok_or_else(|| format!("participant `{}`: a code is 1 to 35 of A-Z 0-9 - _", text.escape_debug()))
}

/// A participant's number.
pub(super) fn number_of(engine: &Engine, text: &str) -> Result<u32, String> {
    let found = engine.find_participant(&code(text)?);
    let found = found.ok_or_else(|| {
        format!("the scheme has no participant {text}: `switch admin participants list` shows those that it has")
    });
    found.map(|id| id.0)
}

/// 64 hexadecimal digits.
fn fingerprint_bytes(text: &str) -> Result<[u8; 32], String> {
    let wrong = || format!("fingerprint `{}`: expected 64 hexadecimal digits", text.escape_debug());
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

/// As many places as an entry has, the rest filled up.
fn filled<T: Copy, const N: usize>(what: &str, values: &[T], rest: T) -> Result<[T; N], String> {
    let mut places = [rest; N];
    let room = places.get_mut(..values.len()).ok_or_else(|| format!("{} {what}: at most {N}", values.len()))?;
    room.copy_from_slice(values);
    Ok(places)
}
