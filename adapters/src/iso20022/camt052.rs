//! camt.052.001.08, bank to customer account report: where a provider stands in a currency, at a journal position. The answer to a camt.060.
//!
//! | canonical | camt.052 |
//! |---|---|
//! | `query_id`; `position`; `at_ns` | `Rpt/Id`, 32 digits; `ElctrncSeqNb`; `CreDtTm` |
//! | `settlement` | `Acct/Tp/Prtry`: `SETTLEMENT` or `POSITION` |
//! | `credits_posted` less `debits_posted` | `Bal` of type `ITBD` |
//! | `available`, `cap` | `Bal` of type `ITAV`, with the cap as a credit line that is included |
//! | `debits_pending`, `credits_pending` | `Bal` of type `HELD`, `DBIT` and `CRDT` |
//! | `credits_posted`, `debits_posted` | `TxsSummry`: sums since the account was opened |
//! | another standing | no balance; `AddtlRptInf` says which |
//!
//! Sums of more than 18 digits have no place in ISO 20022, and are left out.

use ledger::{Amount, Currency};

use super::document::{Document, NodeRef};
use super::profile::Profile;
use super::refusal::{Cause, Refusal};
use super::values::{Decimal, Hex, id, sum, time_ns, write_account_id, write_long_account, write_participant};
use super::writer::Writer;
use super::{Addressed, write_group_header};
use crate::message::{AccountStanding, Settlement};
use crate::native::client::{AccountReport, Incoming};

/// Its name.
pub(super) const NAME: &str = "camt.052.001.08";

/// What `Acct/Tp/Prtry` says of how payments settle.
const SETTLEMENTS: [(Settlement, &str); 2] = [(Settlement::Gross, "SETTLEMENT"), (Settlement::Net, "POSITION")];

/// What `AddtlRptInf` says where there is nothing to show.
const STANDINGS: [(AccountStanding, &str); 2] = [
    (
        AccountStanding::Sponsored,
        "SPONSORED: payments move the account of the participant that this one settles through",
    ),
    (AccountStanding::None, "NO ACCOUNT: the scheme does not have this currency, or not for this participant"),
];

const BOOKED: &str = "ITBD";
const AVAILABLE: &str = "ITAV";
const HELD: &str = "HELD";

/// The reports of a message.
pub(super) fn read_told(document: &Document<'_>) -> Result<Vec<Incoming>, Refusal> {
    let (body, profile) = (document.body(), document.profile());
    let reports = body.all("Rpt");
    reports.map(|report| read_report(report, profile).map(|told| Incoming::AccountReport(Box::new(told)))).collect()
}

fn read_report(report: NodeRef<'_>, profile: &Profile) -> Result<AccountReport, Refusal> {
    let account = report.the("Acct");
    let currency = Currency::parse(account.the("Ccy").take().as_bytes()).expect("Ccy is three capital letters");
    let digits = profile.minor_digits(currency).unwrap_or(0);
    let named = account.find(&["Tp", "Prtry"]).map(NodeRef::take);
    let said = report.child("AddtlRptInf").map(NodeRef::take);
    let total = |name| report.find(&["TxsSummry", name, "Sum"]).and_then(|node| sum(node, digits)).unwrap_or(0);
    let mut told = AccountReport {
        query_id: id(report.the("Id"))?,
        currency,
        standing: STANDINGS.iter().find(|row| Some(row.1) == said).map_or(AccountStanding::Own, |row| row.0),
        settlement: SETTLEMENTS.iter().find(|row| Some(row.1) == named).map(|row| row.0),
        at_ns: time_ns(report.the("CreDtTm"))?,
        position: report.the("ElctrncSeqNb").take().parse().unwrap_or(0),
        debits_pending: 0,
        debits_posted: total("TtlDbtNtries"),
        credits_pending: 0,
        credits_posted: total("TtlCdtNtries"),
        cap: 0,
        available: 0,
    };
    for balance in report.all("Bal") {
        let kind = balance.the("Tp").the("CdOrPrtry").children().next().map(NodeRef::take);
        let is_debit = balance.the("CdtDbtInd").take() == "DBIT";
        let amount = sum(balance.the("Amt"), digits).unwrap_or(0);
        match kind {
            Some(BOOKED) => {}
            Some(AVAILABLE) => {
                told.available = amount;
                let cap = balance.find(&["CdtLine", "Amt"]).and_then(|node| sum(node, digits));
                told.cap = cap.and_then(|cap| u64::try_from(cap).ok()).unwrap_or(0);
            }
            Some(HELD) if is_debit => told.debits_pending = amount,
            Some(HELD) => told.credits_pending = amount,
            _ => return Err(balance.the("Tp").refuse(Cause::Profile, "a balance is one of ITBD ITAV HELD")),
        }
    }
    Ok(told)
}

/// Writes a report.
pub(super) fn write_report(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, told: &AccountReport) {
    writer.open("GrpHdr");
    write_group_header(writer, addressed);
    writer.close();
    writer.open("Rpt");
    writer.plain("Id", Hex(told.query_id.bytes()));
    writer.plain("ElctrncSeqNb", told.position);
    writer.plain("CreDtTm", super::time::Utc(told.at_ns));
    writer.open("Acct");
    write_account_id(writer, addressed.to);
    if let Some((_, name)) = SETTLEMENTS.iter().find(|row| Some(row.0) == told.settlement) {
        writer.within(&["Tp"], |writer| writer.plain("Prtry", name));
    }
    writer.plain("Ccy", told.currency);
    write_long_account(writer, addressed.to);
    write_participant(writer, "Svcr", addressed.from);
    writer.close();
    match STANDINGS.iter().find(|row| row.0 == told.standing) {
        Some((_, text)) => writer.text("AddtlRptInf", text),
        None => write_balances(writer, addressed.profile, told),
    }
    writer.close();
}

fn write_balances(writer: &mut Writer<'_, '_>, profile: &Profile, told: &AccountReport) {
    let balance = Balance { currency: told.currency, at_ns: told.at_ns, profile };
    let AccountReport { credits_posted, debits_posted, .. } = *told;
    balance.write(writer, ("Cd", BOOKED), (credits_posted.abs_diff(debits_posted), credits_posted < debits_posted), 0);
    balance.write(writer, ("Cd", AVAILABLE), (told.available, false), told.cap);
    balance.write(writer, ("Prtry", HELD), (told.debits_pending, true), 0);
    balance.write(writer, ("Prtry", HELD), (told.credits_pending, false), 0);
    writer.open("TxsSummry");
    for (name, total) in [("TtlCdtNtries", credits_posted), ("TtlDbtNtries", debits_posted)] {
        if let Some(total) = balance.decimal(total) {
            writer.within(&[name], |writer| writer.plain("Sum", total));
        }
    }
    writer.close();
}

/// What all balances of an account have.
struct Balance<'a> {
    currency: Currency,
    at_ns: u64,
    profile: &'a Profile,
}

impl Balance<'_> {
    fn write(
        &self,
        writer: &mut Writer<'_, '_>,
        (form, kind): (&str, &str),
        (amount, is_debit): (u128, bool),
        cap: u64,
    ) {
        let Some(amount) = self.decimal(amount) else { return };
        writer.open("Bal");
        writer.within(&["Tp", "CdOrPrtry"], |writer| writer.plain(form, kind));
        if let Some(cap) = self.decimal(cap.into()).filter(|cap| cap.minor_units > 0) {
            writer.open("CdtLine");
            writer.plain("Incl", true);
            writer.amount("Amt", self.currency, cap);
            writer.close();
        }
        writer.amount("Amt", self.currency, amount);
        writer.plain("CdtDbtInd", if is_debit { "DBIT" } else { "CRDT" });
        writer.within(&["Dt"], |writer| writer.plain("DtTm", super::time::Utc(self.at_ns)));
        writer.close();
    }

    /// None of what has too many digits.
    fn decimal(&self, minor_units: u128) -> Option<Decimal> {
        let digits = self.profile.minor_digits(self.currency).unwrap_or(0);
        let minor_units = u64::try_from(minor_units).ok().filter(|&sum| sum <= Amount::MAX.minor_units())?;
        Some(Decimal { minor_units, digits })
    }
}
