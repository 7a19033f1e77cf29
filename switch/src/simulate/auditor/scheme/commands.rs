//! Commands of the operator: is it what was given, may it be, and what becomes of it. Participants' standings, limits, terms and certificates.

use super::super::super::plan::CURRENCIES;
use super::super::super::wire::{self, Entry};
use super::{AccountKey, Balance, Certificate, Given, Happened, Member, Open, Scheme, account, letters};

/// Kinds of commands, `entries.md`.
mod kind {
    pub(super) const STANDING: u8 = 134;
    pub(super) const LIMITS: u8 = 135;
    pub(super) const TERMS: u8 = 136;
    pub(super) const AGENCY: u8 = 137;
    pub(super) const CERTIFICATE: u8 = 138;
    pub(super) const ORDER: u8 = 139;
    pub(super) const DECISION: u8 = 140;
    pub(super) const LEVELS: u8 = 141;
    pub(super) const PERMISSION: u8 = 142;
    pub(super) const CUT_OFF: u8 = 143;
    pub(super) const STEP: u8 = 144;
    pub(super) const CALENDAR: u8 = 145;
    pub(super) const TARIFF: u8 = 146;
    pub(super) const FEES: u8 = 147;
    pub(super) use super::super::super::super::wire::kind::{CATEGORY, DIRECTORY_RULES, HASH_KEY, ISSUER_KEY};
}

mod event {
    pub(super) const REFUSED: u16 = 1;
    pub(super) const STANDING: u16 = 2;
    pub(super) const LIMITS: u16 = 3;
    pub(super) const TERMS: u16 = 4;
    pub(super) const AGENCY: u16 = 5;
    pub(super) const CERTIFICATE: u16 = 6;
    pub(super) const PARTICIPANT: u16 = 7;
    pub(super) const CURRENCY: u16 = 8;
    pub(super) const RULES: u16 = 9;
    pub(super) const REACHABLE: u16 = 20;
    pub(super) const UNREACHABLE: u16 = 21;
    pub(super) const DIRECTORY_RULES: u16 = 60;
    pub(super) const CATEGORY: u16 = 61;
    pub(super) const ISSUER_KEY: u16 = 62;
    pub(super) const HASH_KEY: u16 = 63;
}

mod no {
    pub(super) const PARTICIPANT_UNKNOWN: u16 = 1;
    pub(super) const CURRENCY_UNKNOWN: u16 = 2;
    pub(super) const MEANINGLESS: u16 = 3;
    pub(super) const CLOSED: u16 = 10;
    pub(super) const TRANSITION: u16 = 11;
    pub(super) const HAS_MONEY: u16 = 12;
    pub(super) const HAS_BUSINESS: u16 = 13;
    pub(super) const SPONSORS: u16 = 14;
    pub(super) const IN_SETTLEMENT: u16 = 15;
    pub(super) const NOT_DIRECT: u16 = 16;
    pub(super) const NOT_TECHNICAL: u16 = 17;
    pub(super) const CERTIFICATES_FULL: u16 = 18;
    pub(super) const CERTIFICATE_UNKNOWN: u16 = 19;
    pub(super) const BELOW_USE: u16 = 20;
    pub(super) const OPERATOR_MISSING: u16 = 100;
    pub(super) const APPROVER_IS_OPERATOR: u16 = 101;
    pub(super) const APPROVER_MISSING: u16 = 102;
}

/// What the operator is told of a change of the directory.
#[derive(Clone, Copy, Default)]
pub(in super::super::super) struct DirectoryChange {
    pub(in super::super::super) participant: u32,
    pub(in super::super::super) code: u16,
    pub(in super::super::super) detail: u32,
}

const ONBOARDING: u8 = 1;
pub(super) const CLOSED: u8 = 6;
const CERTIFICATES_MAX: usize = 8;
const NAME_BYTES: usize = 35;

/// The command of a kind of entry, as it is counted.
pub(in super::super::super) fn command_name(kind: u8) -> &'static str {
    match kind {
        kind::STANDING => "command: standing",
        kind::LIMITS => "command: limits",
        kind::TERMS => "command: terms",
        kind::AGENCY => "command: agency",
        kind::CERTIFICATE => "command: certificate",
        kind::ORDER => "command: order of money",
        kind::DECISION => "command: decision about money",
        kind::LEVELS => "command: floor and ceiling",
        kind::PERMISSION => "command: permission to transfer",
        kind::CUT_OFF => "command: cut-off",
        kind::STEP => "command: step of a settlement",
        kind::CALENDAR => "command: calendar",
        kind::TARIFF => "command: tariff",
        kind::DIRECTORY_RULES => "command: rules of the directory",
        kind::CATEGORY => "command: category",
        kind::ISSUER_KEY => "command: key of an ID system",
        kind::HASH_KEY => "command: hash key",
        _ => "command: fees collected",
    }
}

/// A refusal, as it is counted.
pub(in super::super::super) fn refused_name(number: u16) -> String {
    format!("command refused: {number}")
}

pub(super) fn currency_at(body: &[u8], at: usize) -> Result<usize, u16> {
    let currency: [u8; 3] = wire::array(body, at);
    CURRENCIES.iter().position(|known| *known == currency).ok_or(no::CURRENCY_UNKNOWN)
}

pub(super) fn flag(byte: u8) -> Result<bool, u16> {
    if byte < 2 { Ok(byte == 1) } else { Err(no::MEANINGLESS) }
}

impl Scheme {
    /// The operator gives a command.
    pub(in super::super) fn gives(&mut self, command: Given) {
        self.given.insert(command, None);
    }

    /// What the genesis sets, which nobody signs and nobody is answered about: rules, currencies, participants, terms.
    pub(in super::super) fn begins_with(&mut self, entry: &Entry<'_>) {
        let body = entry.routing;
        match entry.kind {
            128 => self.tell(event::RULES, Happened::default()),
            129 => {
                let (currency, code) = (wire::array(body, 0), u16::from(body[12]));
                self.tell(event::CURRENCY, Happened { currency, code, ..Happened::default() });
            }
            130 => {
                let (participant, other) = (wire::u32_at(body, 0), wire::u32_at(body, 41));
                let code = u16::from(body[39]);
                self.tell(event::PARTICIPANT, Happened { participant, other, code, ..Happened::default() });
            }
            kind::DIRECTORY_RULES => self.tell(event::DIRECTORY_RULES, Happened::default()),
            kind::ISSUER_KEY => {
                self.tell(event::ISSUER_KEY, Happened { code: u16::from(body[210]), ..Happened::default() });
            }
            _ => {
                if let Err(code) = self.set_terms(body) {
                    self.tell(event::REFUSED, Happened { code, ..Happened::default() });
                }
            }
        }
    }

    /// A command about the directory is decided: what has changed, or why nothing has.
    pub(in super::super) fn directory_commanded(
        &mut self,
        entry: &Entry<'_>,
        decided: Result<DirectoryChange, u16>,
    ) -> Result<(), String> {
        self.take_given(entry)?;
        let kind = entry.kind;
        let decided = check_signature(entry).and(decided);
        self.note_decided(decided.map(drop));
        decided.into_iter().for_each(|change| self.directory_changed(kind, change));
        Ok(())
    }

    /// Something of the directory has changed.
    pub(in super::super) fn directory_changed(&mut self, kind: u8, change: DirectoryChange) {
        let DirectoryChange { participant, code, detail } = change;
        let kind = match kind {
            kind::DIRECTORY_RULES => event::DIRECTORY_RULES,
            kind::CATEGORY => event::CATEGORY,
            kind::ISSUER_KEY => event::ISSUER_KEY,
            kind::HASH_KEY => event::HASH_KEY,
            kind => unreachable!("{kind} is no change of the directory"),
        };
        // A change of the directory moves no money, so nothing that is checked of that has to wait.
        let last_change = self.last_change;
        self.tell(kind, Happened { participant, code, detail, ..Happened::default() });
        self.last_change = last_change;
    }

    /// A participant can be paid, or not, as it could before or not: by its own word, or by its connections.
    pub(in super::super) fn reached(&mut self, place: usize, (before, now): (bool, bool), is_said: bool) {
        if before != now {
            let participant = u32::try_from(place + 1).unwrap_or(u32::MAX);
            let kind = if now { event::REACHABLE } else { event::UNREACHABLE };
            // It moves no money, so nothing that is checked of that has to wait.
            let last_change = self.last_change;
            self.tell(kind, Happened { participant, code: u16::from(is_said), ..Happened::default() });
            self.last_change = last_change;
        }
    }

    /// What is on disk was given, and is there once.
    fn take_given(&mut self, entry: &Entry<'_>) -> Result<(), String> {
        let key = (entry.kind, entry.annotation.to_vec(), entry.routing.to_vec());
        let position = self.position;
        let given =
            self.given.get_mut(&key).ok_or_else(|| format!("position {position} holds a command nobody gave"))?;
        if let Some(before) = given.replace(position) {
            return Err(format!("a command of {before} is at {position} once more"));
        }
        self.rare.push(command_name(entry.kind).to_owned());
        Ok(())
    }

    /// What becomes of the command at this position.
    fn note_decided(&mut self, decided: Result<(), u16>) {
        if let Err(code) = decided {
            self.rare.push(refused_name(code));
            self.tell(event::REFUSED, Happened { code, ..Happened::default() });
        }
        self.answers.insert(self.position, decided.err().unwrap_or(0));
    }

    /// A command is on disk: what was given, once. `open_of`: what a participant has open.
    pub(in super::super) fn command(&mut self, entry: &Entry<'_>, open_of: &dyn Fn(u32) -> Open) -> Result<(), String> {
        self.take_given(entry)?;
        self.last_change = self.position;
        let decided = check_signature(entry).and_then(|()| self.obey(entry.kind, entry.routing, open_of));
        self.note_decided(decided);
        Ok(())
    }

    fn obey(&mut self, kind: u8, body: &[u8], open_of: &dyn Fn(u32) -> Open) -> Result<(), u16> {
        match kind {
            kind::STANDING => self.set_standing(body, open_of),
            kind::LIMITS => self.set_limits(body, open_of),
            kind::TERMS => self.set_terms(body),
            kind::AGENCY => self.set_agency(body),
            kind::CERTIFICATE => self.set_certificate(body),
            kind::ORDER => self.order_money(body),
            kind::DECISION => self.decide_money(body),
            kind::LEVELS => self.set_levels(body),
            kind::PERMISSION => self.allow_transfer(body),
            kind::CUT_OFF => self.cut_off(body),
            kind::STEP => self.step(body),
            kind::CALENDAR => self.set_calendar(body),
            kind::TARIFF => self.set_tariff(body),
            kind::FEES => {
                let currency = currency_at(body, 0)?;
                self.collect_fees(currency);
                Ok(())
            }
            _ => Err(no::MEANINGLESS),
        }
    }

    /// A participant that is not closed.
    fn open_member(&self, number: u32) -> Result<u32, u16> {
        let place = (number as usize).checked_sub(1).ok_or(no::PARTICIPANT_UNKNOWN)?;
        let member = self.members.get(place).ok_or(no::PARTICIPANT_UNKNOWN)?;
        if member.standing == CLOSED { Err(no::CLOSED) } else { Ok(number) }
    }

    /// One that has accounts of its own.
    pub(super) fn direct(&self, number: u32) -> Result<u32, u16> {
        let number = self.open_member(number)?;
        let Member { sponsor, is_technical, .. } = self.member(number);
        if sponsor.is_some() || *is_technical { Err(no::NOT_DIRECT) } else { Ok(number) }
    }

    fn member(&self, number: u32) -> &Member {
        &self.members[number as usize - 1]
    }

    fn set_standing(&mut self, body: &[u8], open_of: &dyn Fn(u32) -> Open) -> Result<(), u16> {
        let number = self.open_member(wire::u32_at(body, 0))?;
        let (before, next) = (self.member(number).standing, body[4]);
        if !(ONBOARDING..=CLOSED).contains(&next) {
            return Err(no::MEANINGLESS);
        }
        let is_permitted = next != before && next != ONBOARDING && (before != ONBOARDING || matches!(next, 2 | CLOSED));
        if !is_permitted {
            return Err(no::TRANSITION);
        }
        if next == CLOSED {
            self.check_closing(number, open_of)?;
            self.rare.push("participant closed".to_owned());
        }
        self.members[number as usize - 1].standing = next;
        let (code, detail) = (u16::from(next), u32::from(before));
        self.tell(event::STANDING, Happened { participant: number, code, detail, ..Happened::default() });
        Ok(())
    }

    fn check_closing(&self, number: u32, open_of: &dyn Fn(u32) -> Open) -> Result<(), u16> {
        let mut others = self.members.iter().filter(|member| member.standing != CLOSED);
        let is_sponsor = others.any(|member| member.sponsor == Some(number));
        let is_his = |key: &AccountKey| key.1 == number;
        let has_money = self.accounts.iter().any(|(key, of)| is_his(key) && (of.posted, of.held) != (0, 0));
        match () {
            () if open_of(number).is_busy || self.has_orders(number) => Err(no::HAS_BUSINESS),
            () if is_sponsor => Err(no::SPONSORS),
            () if self.is_in_settlement(number) => Err(no::IN_SETTLEMENT),
            () if has_money => Err(no::HAS_MONEY),
            () => Ok(()),
        }
    }

    fn set_limits(&mut self, body: &[u8], open_of: &dyn Fn(u32) -> Open) -> Result<(), u16> {
        let number = self.open_member(wire::u32_at(body, 0))?;
        let limits = [4, 8, 12].map(|at| wire::u32_at(body, at));
        let [before, next] =
            [self.member(number).limits[0], limits[0]].map(|most| if most == 0 { u32::MAX } else { most });
        if next < before && open_of(number).paying > next as usize {
            return Err(no::BELOW_USE);
        }
        self.members[number as usize - 1].limits = limits;
        self.tell(event::LIMITS, Happened { participant: number, ..Happened::default() });
        Ok(())
    }

    fn set_terms(&mut self, body: &[u8]) -> Result<(), u16> {
        let number = self.open_member(wire::u32_at(body, 0))?;
        let currency = currency_at(body, 4)?;
        let is_offered = flag(body[7])?;
        let [amount_max, intraday_max, net_debit_cap, sub_limit] =
            [8, 16, 24, 32].map(|at| i128::from(wire::u64_at(body, at)));
        let is_direct = self.member(number).sponsor.is_none();
        let may_have_cap = is_direct && self.is_net[currency];
        if self.member(number).is_technical || net_debit_cap > 0 && !may_have_cap || sub_limit > 0 && is_direct {
            return Err(no::MEANINGLESS);
        }
        let Balance { posted, held } = self.balance((currency, number, account::POSITION));
        let seat = &mut self.seats[number as usize - 1][currency];
        let is_below_use = [
            (seat.net_debit_cap, net_debit_cap, held - posted),
            (seat.sub_limit, sub_limit, seat.used() - seat.received),
            (if_any(seat.intraday_max), if_any(intraday_max), seat.used()),
        ];
        if is_below_use.into_iter().any(|(before, next, used)| next < before && next < used) {
            return Err(no::BELOW_USE);
        }
        *seat = super::Seat { is_offered, amount_max, intraday_max, net_debit_cap, sub_limit, ..*seat };
        let event = Happened { participant: number, currency: letters(currency), ..Happened::default() };
        self.tell(event::TERMS, Happened { amount: net_debit_cap, ..event });
        Ok(())
    }

    fn set_agency(&mut self, body: &[u8]) -> Result<(), u16> {
        let technical = self.open_member(wire::u32_at(body, 0))?;
        let client = self.open_member(wire::u32_at(body, 4))?;
        let is_granted = flag(body[8])?;
        if !self.member(technical).is_technical || self.member(client).is_technical {
            return Err(no::NOT_TECHNICAL);
        }
        if is_granted {
            self.agencies.insert((technical, client));
        } else {
            self.agencies.remove(&(technical, client));
        }
        let event = Happened { participant: technical, other: client, ..Happened::default() };
        self.tell(event::AGENCY, Happened { code: u16::from(is_granted), ..event });
        Ok(())
    }

    fn set_certificate(&mut self, body: &[u8]) -> Result<(), u16> {
        let number = self.open_member(wire::u32_at(body, 0))?;
        let is_valid = flag(body[52])?;
        let from_through_s = (wire::u64_at(body, 36), wire::u64_at(body, 44));
        if from_through_s.1 < from_through_s.0 {
            return Err(no::MEANINGLESS);
        }
        let certificate = Certificate { from_through_s, fingerprint: wire::array(body, 4) };
        if !is_valid && !self.certificates.contains_key(&number) {
            return Err(no::CERTIFICATE_UNKNOWN);
        }
        let certificates = self.certificates.entry(number).or_default();
        let known = certificates.iter().position(|known| known.fingerprint == certificate.fingerprint);
        match (is_valid, known) {
            (true, None) if certificates.len() >= CERTIFICATES_MAX => return Err(no::CERTIFICATES_FULL),
            (true, None) => certificates.push(certificate),
            (true, Some(place)) => certificates[place] = certificate,
            (false, Some(place)) => drop(certificates.remove(place)),
            (false, None) => return Err(no::CERTIFICATE_UNKNOWN),
        }
        let event = Happened { participant: number, code: u16::from(is_valid), ..Happened::default() };
        self.tell(event::CERTIFICATE, event);
        Ok(())
    }

    /// What stands on the settlement account of a direct participant and backs nothing: what an order can take.
    pub(in super::super::super) fn free_of(&self, currency: usize, number: u32) -> i128 {
        self.free_money(currency, number)
    }

    /// What stands in the reserve.
    pub(in super::super::super) fn reserve_of(&self, currency: usize, number: u32) -> i128 {
        self.available((currency, number, account::RESERVE))
    }
}

/// A limit of which 0 says that there is none.
fn if_any(limit: i128) -> i128 {
    if limit == 0 { i128::MAX } else { limit }
}

/// Who gives it has a name, and somebody else approves what moves money or opens doors.
fn check_signature(entry: &Entry<'_>) -> Result<(), u16> {
    let (operator, approver) = entry.annotation[..2 * NAME_BYTES].split_at(NAME_BYTES);
    let takes_one = matches!(entry.kind, kind::LIMITS | kind::CUT_OFF | kind::CALENDAR);
    let is_named = |name: &[u8]| name[0] != 0;
    match () {
        () if !is_named(operator) => Err(no::OPERATOR_MISSING),
        () if operator == approver => Err(no::APPROVER_IS_OPERATOR),
        () if !takes_one && !is_named(approver) => Err(no::APPROVER_MISSING),
        () => Ok(()),
    }
}
