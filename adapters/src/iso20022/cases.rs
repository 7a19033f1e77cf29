//! What the messages about cases have in common: who assigns what to whom, and what is told about the original payment.

use super::document::NodeRef;
use super::refusal::{Cause, Refusal};
use super::values::{
    Hex, NOT_PROVIDED, account, id, named_participant, shown, taken, write_account, write_participant,
};
use super::writer::Writer;
use super::{Addressed, camt026, camt056, pain013};
use crate::message::{CaseKind, ParticipantCode, PaymentId, PaymentPrivate};

/// Which message opens a case of this kind; none of a posting, which the switch opens.
pub(super) fn opening_of(kind: CaseKind) -> Option<&'static str> {
    match kind {
        CaseKind::Recall => Some(camt056::NAME),
        CaseKind::Information => Some(camt026::NAME),
        CaseKind::PaymentRequest => Some(pain013::NAME),
        CaseKind::Posting => None,
    }
}

/// Which kind of case a message of this name opens.
pub(super) fn kind_of(message: &str) -> Option<CaseKind> {
    CaseKind::ALL.into_iter().find(|&kind| opening_of(kind) == Some(message))
}

/// From whom to whom a case is given: `Assgnmt`.
pub(super) fn read_assignment(body: NodeRef<'_>) -> Result<(ParticipantCode, ParticipantCode), Refusal> {
    let assignment = body.the("Assgnmt");
    let agent = |name| {
        let party = assignment.the(name);
        let agent = party.child("Agt");
        named_participant(
            agent.ok_or_else(|| party.refuse(Cause::Profile, format!("{name} must be an institution: Agt")))?,
        )
    };
    let parties = (agent("Assgnr")?, agent("Assgne")?);
    assignment.take_all();
    Ok(parties)
}

/// Writes `Assgnmt`.
pub(super) fn write_assignment(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, from: &str, to: &str) {
    writer.open("Assgnmt");
    writer.text("Id", addressed.message_id);
    for (name, code) in [("Assgnr", from), ("Assgne", to)] {
        writer.within(&[name], |writer| write_participant(writer, "Agt", code));
    }
    writer.plain("CreDtTm", super::time::Utc(addressed.created_at_ns));
    writer.close();
}

/// The id of a case: of a transaction, else of the message.
pub(super) fn read_case(transaction: Option<NodeRef<'_>>, body: NodeRef<'_>) -> Result<PaymentId, Refusal> {
    let of_message = body.child("Case");
    let of_transaction = transaction.and_then(|transaction| transaction.child("Case"));
    let case = of_transaction.or(of_message);
    let case = case.ok_or_else(|| body.refuse(Cause::Profile, "Case is missing: its Id is the id of the case"))?;
    let read = id(case.the("Id"));
    of_message.into_iter().chain(of_transaction).for_each(NodeRef::take_all);
    read
}

/// Writes `Case`.
pub(super) fn write_case(writer: &mut Writer<'_, '_>, case_id: [u8; 16], creator: &str) {
    writer.open("Case");
    writer.plain("Id", Hex(case_id));
    writer.within(&["Cretr"], |writer| write_participant(writer, "Agt", creator));
    writer.close();
}

/// What is told about the original payment: `OrgnlEndToEndId` and `OrgnlTxRef`. The text comes from elsewhere.
pub(super) fn read_original(transaction: NodeRef<'_>) -> PaymentPrivate {
    let text = |path: &[&'static str]| transaction.find(path).map(taken).unwrap_or_default();
    let account = |name| {
        transaction.find(&["OrgnlTxRef", name]).map(|node| account(node).as_bytes().to_vec()).unwrap_or_default()
    };
    PaymentPrivate {
        payer_name: text(&["OrgnlTxRef", "Dbtr", "Pty", "Nm"]),
        payer_account: account("DbtrAcct"),
        payee_name: text(&["OrgnlTxRef", "Cdtr", "Pty", "Nm"]),
        payee_account: account("CdtrAcct"),
        end_to_end_id: text(&["OrgnlEndToEndId"]),
        ..PaymentPrivate::default()
    }
}

/// Writes `OrgnlTxRef` as `read_original` reads it, with what comes before it there.
pub(super) fn write_original(
    writer: &mut Writer<'_, '_>,
    private: &PaymentPrivate,
    first: impl FnOnce(&mut Writer<'_, '_>),
) {
    writer.open("OrgnlTxRef");
    first(writer);
    writer.within(&["Dbtr", "Pty"], |writer| writer.text("Nm", &shown(&private.payer_name)));
    write_account(writer, "DbtrAcct", &shown(&private.payer_account));
    writer.within(&["Cdtr", "Pty"], |writer| writer.text("Nm", &shown(&private.payee_name)));
    write_account(writer, "CdtrAcct", &shown(&private.payee_account));
    writer.close();
}

/// Writes the group that a case's message belongs to, where that is required: nobody here knows its id.
pub(super) fn write_unknown_group(writer: &mut Writer<'_, '_>, message: &str) {
    writer.plain("OrgnlMsgId", NOT_PROVIDED);
    writer.plain("OrgnlMsgNmId", message);
}
