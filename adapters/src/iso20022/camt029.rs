//! camt.029.001.09, resolution of investigation: the no to a recall or to a request for information, and where such a case stands.
//!
//! | `Sts` | canonical |
//! |---|---|
//! | `Conf` RJCR, from a provider | `CaseAnswer` reject; the reason in `CxlDtls/TxInfAndSts/CxlStsRsnInf` |
//! | `Conf` PDCR, from the switch | `CaseStatus` open |
//! | `Conf` CNCL, INFO | settled, of a recall and of a request for information |
//! | `Conf` RJCR | refused; expired with `NOAS`; rejected by the rules of the scheme where `Orgtr` is there |
//! | `AssgnmtCxlConf` true | cancelled by the opener |
//! | `Conf` UWFW | unknown, with `NOOR`, or duplicate, with `AM05` |
//!
//! The yes to a recall is a pacs.004, the yes to a request for information a camt.028.

use super::cases::{read_assignment, write_assignment};
use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{read_reason, read_required_reason, shown, time_ns};
use super::writer::Writer;
use super::{Addressed, Order, carried};
use crate::message::{CaseAnswer, CaseKind, CaseState, Field, Note, PaymentId, Reason};
use crate::native::client::{CaseStatus, Incoming};

/// Its name.
pub(super) const NAME: &str = "camt.029.001.09";

/// The answer of a message.
pub(super) fn read_orders(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    let body = document.body();
    let _ = read_assignment(body)?;
    let status = body.the("Sts");
    if status.child("Conf").map(NodeRef::take) != Some("RJCR") {
        let text =
            "a provider's Sts is Conf RJCR: the yes to a recall is a pacs.004, to a request for information a camt.028";
        return Err(status.refuse(Cause::Profile, text));
    }
    let details = transaction_of(body);
    let details = details.ok_or_else(|| body.refuse(Cause::Profile, "CxlDtls/TxInfAndSts is missing: it says why"))?;
    let case_id = case_of(body, details)?;
    details.child("TxCxlSts").into_iter().for_each(NodeRef::take_all);
    let (why, text) = read_required_reason(details, "CxlStsRsnInf")?;
    let note = Note { text, extension: carried(document, None)? };
    Ok(vec![Order::CaseAnswer(CaseAnswer::refuse(case_id, why), note)])
}

fn transaction_of(body: NodeRef<'_>) -> Option<NodeRef<'_>> {
    let details = body.child("CxlDtls")?;
    details.child("OrgnlGrpInfAndSts").into_iter().for_each(NodeRef::take_all);
    details.child("TxInfAndSts")
}

/// `RslvdCase`, of the transaction or of the message.
fn case_of(body: NodeRef<'_>, transaction: NodeRef<'_>) -> Result<PaymentId, Refusal> {
    let (of_transaction, of_message) = (transaction.child("RslvdCase"), body.child("RslvdCase"));
    let case = of_transaction.or(of_message);
    let case = case.ok_or_else(|| body.refuse(Cause::Profile, "RslvdCase is missing: its Id is the id of the case"))?;
    let read = super::values::id(case.the("Id"));
    of_message.into_iter().chain(of_transaction).for_each(NodeRef::take_all);
    read
}

/// Where a case stands.
pub(super) fn read_told(document: &Document<'_>) -> Result<Vec<Incoming>, Refusal> {
    let body = document.body();
    let at_ns = time_ns(body.the("Assgnmt").the("CreDtTm"))?;
    let _ = read_assignment(body)?;
    let status = body.the("Sts");
    let confirmed = status.child("Conf").map(NodeRef::take);
    let details = transaction_of(body).unwrap_or(body);
    let case_id = case_of(body, details)?;
    let (reason, text) =
        if details.is(body) { (Reason::NONE, Vec::new()) } else { read_reason(details, "CxlStsRsnInf") };
    let by_scheme = details.find(&["CxlStsRsnInf", "Orgtr"]).inspect(|node| node.take_all()).is_some();
    details.child("TxCxlSts").into_iter().for_each(NodeRef::take_all);
    status.take_all();
    let state = match (confirmed, reason.as_str()) {
        (None, _) => CaseState::Cancelled,
        (Some("PDCR"), _) => CaseState::Open,
        (Some("CNCL" | "INFO"), _) => CaseState::Settled,
        (Some("RJCR"), _) if by_scheme => CaseState::Rejected,
        (Some("RJCR"), "NOAS") => CaseState::Expired,
        (Some("RJCR"), _) => CaseState::Refused,
        (Some("UWFW"), "AM05") => CaseState::Duplicate,
        (Some("UWFW"), _) => CaseState::Unknown,
        (Some(_), _) => {
            return Err(status.refuse(Cause::Profile, "the switch's Conf is one of PDCR CNCL INFO RJCR UWFW"));
        }
    };
    let is_told = !matches!(state, CaseState::Unknown | CaseState::Duplicate);
    let reason = if is_told { reason } else { Reason::NONE };
    let kind = match confirmed {
        _ if !is_told => None,
        Some("INFO") => Some(CaseKind::Information),
        _ => Some(CaseKind::Recall),
    };
    let note = Note { text, extension: carried(document, None)? };
    let (field, position) = (Field::None, 0);
    let case = CaseStatus { case_id, kind, state, reason, field, at_ns, position, numbered: is_told, note };
    Ok(vec![Incoming::CaseStatus(Box::new(case))])
}

/// Writes a provider's no.
pub(super) fn write_refusal(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, answer: &CaseAnswer, note: &Note) {
    let why = Reason::from_bytes(answer.reason).unwrap_or_default();
    write(writer, addressed, answer.case_id, Some("RJCR"), why, note, false);
}

/// Writes where a case stands.
pub(super) fn write_status(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, case: &CaseStatus) {
    let is_information = case.kind == Some(CaseKind::Information);
    let (said, why) = match case.state {
        CaseState::Open | CaseState::Accepted | CaseState::Paying => (Some("PDCR"), Reason::NONE),
        CaseState::Settled if is_information => (Some("INFO"), Reason::NONE),
        CaseState::Settled => (Some("CNCL"), Reason::NONE),
        CaseState::Refused | CaseState::Expired | CaseState::Rejected => (Some("RJCR"), case.reason),
        CaseState::Cancelled => (None, case.reason),
        CaseState::Unknown => (Some("UWFW"), Reason::of(b"NOOR")),
        CaseState::Duplicate => (Some("UWFW"), Reason::of(b"AM05")),
    };
    write(writer, addressed, case.case_id.bytes(), said, why, &case.note, case.state == CaseState::Rejected);
}

fn write(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    case_id: [u8; 16],
    said: Option<&str>,
    why: Reason,
    note: &Note,
    by_scheme: bool,
) {
    write_assignment(writer, addressed, addressed.from, addressed.to);
    writer.within(&["Sts"], |writer| match said {
        Some(said) => writer.plain("Conf", said),
        None => writer.plain("AssgnmtCxlConf", true),
    });
    writer.open("CxlDtls");
    writer.open("TxInfAndSts");
    writer.open("RslvdCase");
    writer.plain("Id", super::values::Hex(case_id));
    writer.within(&["Cretr"], |writer| super::values::write_participant(writer, "Agt", addressed.to));
    writer.close();
    writer.open("CxlStsRsnInf");
    if by_scheme {
        writer.within(&["Orgtr"], |writer| writer.text("Nm", addressed.from));
    }
    if why != Reason::NONE {
        writer.within(&["Rsn"], |writer| writer.plain("Cd", why.as_str()));
    }
    super::values::write_long_text(writer, "AddtlInf", &shown(&note.text), 105);
    writer.close();
    writer.close();
    writer.close();
}
