//! acmt.023.001.03, identification verification request: whose account is this alias, and does this name belong to this account?
//!
//! `Vrfctn/Id` is the look-up's id, a version-4 UUID in 32 digits. `PtyAndAcctId/Acct/Prxy` names an alias, `Acct/Id` and `Agt` an account; with `Pty/Nm` it is a verification of that name.
//! `Assgnmt/Cretr/Pty` has the token of the end user who asks. `Acct/Tp/Prtry` may say another purpose than to pay: `GOVERNMENT PAYMENT` or `FRAUD INVESTIGATION`.

use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{
    Hex, alias_type, id, named_participant, shown, taken, write_account_id, write_alias_type, write_long_account,
    write_participant,
};
use super::writer::Writer;
use super::{Addressed, Order, write_group_header};
use crate::directory::{AliasType, LookupForm, LookupPurpose};
use crate::limits::PARTICIPANT_CODE_BYTES;
use crate::message::{AliasLookup, AliasLookupPrivate, ParticipantCode};

/// Its name.
pub(super) const NAME: &str = "acmt.023.001.03";

/// What `Acct/Tp/Prtry` says of a purpose.
const PURPOSES: [(LookupPurpose, &str); 2] = [
    (LookupPurpose::GovernmentPayment, "GOVERNMENT PAYMENT"),
    (LookupPurpose::FraudInvestigation, "FRAUD INVESTIGATION"),
];

/// The look-ups of a message. All of it is for the switch, so nothing is carried.
pub(super) fn read_orders(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    let body = document.body();
    let end_user = end_user_of(body.the("Assgnmt"))?;
    let mut orders: Vec<Order> = Vec::new();
    for asked in body.all("Vrfctn") {
        let lookup_id = id(asked.the("Id"))?;
        let is_of =
            |order: &Order| matches!(order, Order::AliasLookup(earlier, _) if earlier.lookup_id == lookup_id.bytes());
        if orders.iter().any(is_of) {
            return Err(asked
                .the("Id")
                .refuse(Cause::DuplicateId, "two look-ups of the message have this Id: each has its own"));
        }
        let (lookup, private) = read_lookup(asked, lookup_id.bytes(), &end_user)?;
        orders.push(Order::AliasLookup(lookup, private));
    }
    body.children().for_each(NodeRef::take_all);
    Ok(orders)
}

fn read_lookup(
    asked: NodeRef<'_>,
    lookup_id: [u8; 16],
    end_user: &[u8],
) -> Result<(AliasLookup, AliasLookupPrivate), Refusal> {
    let what = asked.the("PtyAndAcctId");
    let name = what.find(&["Pty", "Nm"]).map(taken).unwrap_or_default();
    let form = if name.is_empty() { LookupForm::Lookup } else { LookupForm::Verification };
    let account = what
        .child("Acct")
        .ok_or_else(|| what.refuse(Cause::Profile, "Acct is missing: it names an alias or an account"))?;
    let purpose = match account.find(&["Tp", "Prtry"]) {
        Some(node) => {
            let said = node.take();
            let known = PURPOSES.iter().find(|&&(_, name)| name == said).map(|&(purpose, _)| purpose);
            known.ok_or_else(|| {
                node.refuse(Cause::Profile, "Tp/Prtry is GOVERNMENT PAYMENT or FRAUD INVESTIGATION, or not there")
            })?
        }
        None if form == LookupForm::Verification => LookupPurpose::PayeeVerification,
        None => LookupPurpose::Payment,
    };
    let mut lookup = AliasLookup {
        lookup_id,
        form: form as u8,
        purpose: purpose as u8,
        alias_type: 0,
        participant: [0; PARTICIPANT_CODE_BYTES],
    };
    let mut private = AliasLookupPrivate { name, end_user: end_user.to_vec(), ..AliasLookupPrivate::default() };
    match account.child("Prxy") {
        // Without a type it is no alias: an account that is too long for its place.
        Some(proxy) if account.child("Id").is_none() || proxy.child("Tp").is_some() => {
            lookup.alias_type = alias_type(proxy)? as u8;
            private.alias = taken(proxy.the("Id"));
        }
        _ => {
            if account.child("Id").is_none() {
                return Err(account.refuse(Cause::Profile, "Acct must have an Id or a Prxy"));
            }
            private.account = super::values::account(account).as_bytes().to_vec();
            let agent = what
                .child("Agt")
                .ok_or_else(|| what.refuse(Cause::Profile, "Agt is missing: it says whose account it is"))?;
            lookup.participant = *named_participant(agent)?.bytes();
        }
    }
    Ok((lookup, private))
}

/// The token of who asks.
fn end_user_of(assignment: NodeRef<'_>) -> Result<Vec<u8>, Refusal> {
    let person = assignment.find(&["Cretr", "Pty", "Id", "PrvtId", "Othr", "Id"]);
    let token = person.or_else(|| assignment.find(&["Cretr", "Pty", "Id", "OrgId", "Othr", "Id"]));
    let text = "Cretr/Pty/Id/PrvtId/Othr/Id is missing: the token of the end user who asks";
    token.map(taken).ok_or_else(|| assignment.refuse(Cause::Profile, text))
}

/// Writes a look-up.
pub(super) fn write_order(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    lookup: &AliasLookup,
    private: &AliasLookupPrivate,
) {
    writer.open("Assgnmt");
    write_group_header(writer, addressed);
    writer.within(&["Cretr", "Pty", "Id", "PrvtId", "Othr"], |writer| writer.text("Id", &shown(&private.end_user)));
    for (name, code) in [("Assgnr", addressed.from), ("Assgne", addressed.to)] {
        writer.within(&[name], |writer| write_participant(writer, "Agt", code));
    }
    writer.close();
    writer.open("Vrfctn");
    writer.plain("Id", Hex(lookup.lookup_id));
    writer.open("PtyAndAcctId");
    writer.within(&["Pty"], |writer| writer.text("Nm", &shown(&private.name)));
    writer.open("Acct");
    write_account_id(writer, &shown(&private.account));
    if let Some(&(_, name)) = PURPOSES.iter().find(|&&(purpose, _)| purpose as u8 == lookup.purpose) {
        writer.within(&["Tp"], |writer| writer.plain("Prtry", name));
    }
    match AliasType::from_number(lookup.alias_type) {
        Some(kind) => {
            writer.open("Prxy");
            write_alias_type(writer, kind);
            writer.text("Id", &shown(&private.alias));
            writer.close();
        }
        None => write_long_account(writer, &shown(&private.account)),
    }
    writer.close();
    if let Some(code) = ParticipantCode::from_bytes(lookup.participant) {
        write_participant(writer, "Agt", code.as_str());
    }
    writer.close();
    writer.close();
}
