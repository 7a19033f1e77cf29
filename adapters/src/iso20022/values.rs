//! Values that many messages have: ids, amounts, times, institutions, accounts. Each is read from its element and written to it in one place.

use std::fmt;

use ledger::{Amount, Currency};

use super::checks::{is_bic, is_iban};
use super::document::NodeRef;
use super::profile::Profile;
use super::refusal::{Cause, Refusal};
use super::time::DateTime;
use super::writer::Writer;
use crate::directory::AliasType;
use crate::message::{ParticipantCode, PaymentId, Reason};

/// What an element says that must be there and has nothing to say (as in the rulebooks of the European Payments Council).
pub(super) const NOT_PROVIDED: &str = "NOTPROVIDED";

/// The longest account that `Othr/Id` can say: Max34Text.
const OTHER_ACCOUNT_CHARACTERS_MAX: usize = 34;

/// A UETR. Its form was checked.
pub(super) fn uetr(node: NodeRef<'_>) -> PaymentId {
    PaymentId::parse(node.take()).expect("UUIDv4Identifier is a version-4 UUID")
}

/// An id where there is room for 35 characters: a version-4 UUID in its 32 digits.
pub(super) fn id(node: NodeRef<'_>) -> Result<PaymentId, Refusal> {
    PaymentId::parse(node.take()).ok_or_else(|| {
        let text = format!("{} must be a version-4 UUID in 32 hexadecimal digits, without hyphens", node.name());
        node.refuse(Cause::Value, text)
    })
}

/// An id in 32 digits.
pub(super) struct Hex(pub(super) [u8; 16]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// An amount in a currency that the scheme has, with no more decimals than that has.
pub(super) fn amount(profile: &Profile, node: NodeRef<'_>) -> Result<(Amount, Currency), Refusal> {
    let currency = Currency::parse(&node.currency()).expect("Ccy is three capital letters");
    let Some(digits) = profile.minor_digits(currency) else {
        return Err(node.refuse(Cause::Currency, format!("the scheme has no currency {currency}")));
    };
    let wrong = |text: String| Err(node.refuse(Cause::Amount, text));
    let (whole, fraction) = split(super::form::trim(node.take()));
    if fraction.len() > usize::from(digits) {
        return wrong(format!("an amount in {currency} has at most {digits} decimals"));
    }
    match minor_units(whole, fraction, digits).and_then(Amount::new) {
        Some(amount) => Ok((amount, currency)),
        None => {
            wrong(format!("an amount is more than zero and has at most 18 digits in the smallest unit of {currency}"))
        }
    }
}

/// A sum in a currency's smallest unit; none where it has more decimals or digits than fit.
pub(super) fn sum(node: NodeRef<'_>, digits: u8) -> Option<u128> {
    let (whole, fraction) = split(super::form::trim(node.take()));
    let fraction = fraction.trim_end_matches('0');
    (fraction.len() <= usize::from(digits)).then(|| minor_units(whole, fraction, digits).map(u128::from)).flatten()
}

fn split(number: &str) -> (&str, &str) {
    let number = number.strip_prefix('+').unwrap_or(number);
    number.split_once('.').unwrap_or((number, ""))
}

fn minor_units(whole: &str, fraction: &str, digits: u8) -> Option<u64> {
    let zeros = std::iter::repeat_n(b'0', usize::from(digits).checked_sub(fraction.len())?);
    whole.bytes().chain(fraction.bytes()).chain(zeros).try_fold(0_u64, |sum, digit| {
        let digit = char::from(digit).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Minor units as a number with decimals.
pub(super) struct Decimal {
    /// Whole minor units.
    pub(super) minor_units: u64,
    /// So many of its digits are decimals.
    pub(super) digits: u8,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.pow(u32::from(self.digits));
        match self.digits {
            0 => self.minor_units.fmt(f),
            digits => write!(
                f,
                "{}.{:0digits$}",
                self.minor_units / unit,
                self.minor_units % unit,
                digits = usize::from(digits)
            ),
        }
    }
}

/// Writes an amount.
pub(super) fn write_amount(
    writer: &mut Writer<'_, '_>,
    profile: &Profile,
    name: &str,
    amount: Amount,
    currency: Currency,
) {
    // What a scheme has and its profile does not know is said in whole units of the smallest; `Profile` should know it.
    let digits = profile.minor_digits(currency).unwrap_or(0);
    writer.amount(name, currency, Decimal { minor_units: amount.minor_units(), digits });
}

/// A point in time, in nanoseconds since 1970.
pub(super) fn time_ns(node: NodeRef<'_>) -> Result<u64, Refusal> {
    let time = DateTime::parse(super::form::trim(node.take())).and_then(DateTime::since_1970_ns);
    time.filter(|&ns| ns > 0)
        .ok_or_else(|| node.refuse(Cause::Value, format!("{} must be a time from 1970 to 2262", node.name())))
}

/// The participant that an institution is: `ClrSysMmbId/MmbId`, else `BICFI`, else `Othr/Id`. None where that says `NOTPROVIDED`.
pub(super) fn participant(institution: NodeRef<'_>) -> Result<Option<ParticipantCode>, Refusal> {
    let id = institution.the("FinInstnId");
    // Another scheme's kind of name means nothing without the name, which is written as this scheme's.
    let other = || id.child("Othr").inspect(|other| other.take_all()).map(|other| other.the("Id"));
    let said = id.find(&["ClrSysMmbId", "MmbId"]).or_else(|| id.child("BICFI")).or_else(other);
    let Some(said) = said else {
        return Err(id.refuse(Cause::Value, "FinInstnId must name a participant: ClrSysMmbId/MmbId, BICFI or Othr/Id"));
    };
    match said.take() {
        NOT_PROVIDED => Ok(None),
        code => ParticipantCode::parse(code)
            .map(Some)
            .ok_or_else(|| said.refuse(Cause::Value, "a participant's code has 1 to 35 of A-Z 0-9 - _")),
    }
}

/// An institution that must be a participant.
pub(super) fn named_participant(institution: NodeRef<'_>) -> Result<ParticipantCode, Refusal> {
    participant(institution)?
        .ok_or_else(|| institution.refuse(Cause::Value, format!("{} must name a participant", institution.name())))
}

/// Writes the institution that a participant is.
pub(super) fn write_participant(writer: &mut Writer<'_, '_>, name: &str, code: &str) {
    writer.open(name);
    writer.open("FinInstnId");
    // As the sender named it, where it did: a BIC is a name for software, too. A code of eight letters may look like one, beside the real one.
    if is_bic(code) && !writer.rest_has("ClrSysMmbId") && !writer.rest_has("BICFI") {
        writer.plain("BICFI", code);
    } else {
        writer.within(&["ClrSysMmbId"], |writer| writer.text("MmbId", code));
    }
    writer.close();
    writer.close();
}

/// The account that an element names: an IBAN, or any other. Empty where that says `NOTPROVIDED` and its proxy, without a type, says what is too long to stand there.
pub(super) fn account<'d>(account: NodeRef<'d>) -> &'d str {
    match (account_id(account.the("Id")), account.child("Prxy")) {
        (NOT_PROVIDED, Some(proxy)) if proxy.child("Tp").is_none() => proxy.the("Id").take(),
        (NOT_PROVIDED, _) => "",
        (account, _) => account,
    }
}

/// The account that an `Id` names.
pub(super) fn account_id<'d>(id: NodeRef<'d>) -> &'d str {
    id.child("IBAN").unwrap_or_else(|| id.the("Othr").the("Id")).take()
}

/// Writes an account; nothing where there is none.
pub(super) fn write_account(writer: &mut Writer<'_, '_>, name: &str, account: &str) {
    if account.is_empty() {
        return;
    }
    writer.open(name);
    write_account_id(writer, account);
    write_long_account(writer, account);
    writer.close();
}

/// Writes an account that is too long for its `Id` as a proxy without a type; nothing of others.
pub(super) fn write_long_account(writer: &mut Writer<'_, '_>, account: &str) {
    if account.chars().count() > OTHER_ACCOUNT_CHARACTERS_MAX {
        writer.within(&["Prxy"], |writer| writer.text("Id", account));
    }
}

/// Writes the `Id` of an account; nothing where there is none.
pub(super) fn write_account_id(writer: &mut Writer<'_, '_>, account: &str) {
    if account.is_empty() {
        return;
    }
    writer.open("Id");
    if is_iban(account) && !writer.rest_has("Othr") {
        writer.plain("IBAN", account);
    } else {
        let is_long = account.chars().count() > OTHER_ACCOUNT_CHARACTERS_MAX;
        writer.within(&["Othr"], |writer| writer.text("Id", if is_long { NOT_PROVIDED } else { account }));
    }
    writer.close();
}

/// Which kind of alias a proxy is.
pub(super) fn alias_type(proxy: NodeRef<'_>) -> Result<AliasType, Refusal> {
    let kind = proxy.find(&["Tp", "Cd"]).or_else(|| proxy.find(&["Tp", "Prtry"]));
    let kind = kind.ok_or_else(|| proxy.refuse(Cause::Value, "Prxy/Tp must say which kind of alias it is"))?;
    let said = kind.take();
    let known = AliasType::ALL.iter().find(|alias| alias.name() == said);
    known.copied().ok_or_else(|| {
        let kinds = AliasType::ALL.iter().map(|alias| alias.name()).collect::<Vec<_>>().join(" ");
        kind.refuse(Cause::Value, format!("the kind of an alias is one of {kinds}"))
    })
}

/// Writes which kind of alias a proxy is: by the code set `ExternalProxyAccountType1Code`, where that has it.
pub(super) fn write_alias_type(writer: &mut Writer<'_, '_>, kind: AliasType) {
    let is_ours = matches!(kind, AliasType::Merchant | AliasType::Random);
    writer.within(&["Tp"], |writer| writer.plain(if is_ours { "Prtry" } else { "Cd" }, kind.name()));
}

/// What an element says that must be there.
pub(super) fn or_not_provided(text: &str) -> &str {
    if text.is_empty() { NOT_PROVIDED } else { text }
}

/// A code of four characters; none where it is shorter.
pub(super) fn reason(node: NodeRef<'_>) -> Option<Reason> {
    let reason = Reason::from_bytes(node.text().as_bytes().try_into().ok()?)?;
    node.take();
    Some(reason)
}

/// Text of a private part. What is no UTF-8, or has characters that XML has not, is shown as U+FFFD.
pub(super) fn shown(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    let is_foreign = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    match text.contains(is_foreign) {
        true => text.replace(is_foreign, "\u{FFFD}").into(),
        false => text,
    }
}

/// Reason and first text of an element such as `StsRsnInf`: four messages have one of the same form.
pub(super) fn read_reason(parent: NodeRef<'_>, name: &'static str) -> (Reason, Vec<u8>) {
    let Some(information) = parent.child(name) else { return (Reason::NONE, Vec::new()) };
    let why = information.find(&["Rsn", "Cd"]).and_then(reason).unwrap_or(Reason::NONE);
    (why, information.child("AddtlInf").map(taken).unwrap_or_default())
}

/// As `read_reason`, of what must have a reason.
pub(super) fn read_required_reason(parent: NodeRef<'_>, name: &'static str) -> Result<(Reason, Vec<u8>), Refusal> {
    match read_reason(parent, name) {
        (Reason::NONE, _) => {
            Err(parent.refuse(Cause::Value, format!("{} must say why: {name}/Rsn/Cd, four characters", parent.name())))
        }
        found => Ok(found),
    }
}

/// Writes what `read_reason` reads.
pub(super) fn write_reason(writer: &mut Writer<'_, '_>, name: &str, reason: Reason, text: &[u8]) {
    writer.open(name);
    if reason != Reason::NONE {
        writer.within(&["Rsn"], |writer| writer.plain("Cd", reason.as_str()));
    }
    write_long_text(writer, "AddtlInf", &shown(text), ADDITIONAL_CHARACTERS_MAX);
    writer.close();
}

/// The longest `AddtlInf`: Max105Text.
const ADDITIONAL_CHARACTERS_MAX: usize = 105;

/// The bytes of an element's text.
pub(super) fn taken(node: NodeRef<'_>) -> Vec<u8> {
    node.take().as_bytes().to_vec()
}

/// A point in time where a day would do, too.
pub(super) fn choice_time_ns(choice: NodeRef<'_>) -> Result<u64, Refusal> {
    match choice.child("DtTm") {
        Some(node) => time_ns(node),
        None => Err(choice.refuse(Cause::Profile, format!("{} must be a point in time: DtTm", choice.name()))),
    }
}

/// Writes a text as several elements where one may not be so long.
pub(super) fn write_long_text(writer: &mut Writer<'_, '_>, name: &str, text: &str, characters_max: usize) {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.char_indices().nth(characters_max).map_or(rest.len(), |(at, _)| at);
        writer.text(name, &rest[..end]);
        rest = &rest[end..];
    }
}
