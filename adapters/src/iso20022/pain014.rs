//! pain.014.001.07, creditor payment activation request status report: the answer to a request to pay, and where one stands.
//!
//! | `TxSts` | canonical |
//! |---|---|
//! | ACCP, ACTC, ACSP, from a provider | `CaseAnswer` accept |
//! | RJCT, from a provider | `CaseAnswer` reject, with its reason |
//! | RCVD, from the switch | `CaseStatus` open |
//! | ACTC, ACSP, ACSC | accepted, paying, settled |
//! | RJCT | refused; expired with `AEXR`; rejected by the rules of the scheme where `Orgtr` is there |
//! | CANC | cancelled by the opener |
//! | none | unknown, with `NOOR`, or duplicate, with `AM05` |

use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{read_reason, read_required_reason, shown, time_ns, uetr};
use super::writer::Writer;
use super::{Addressed, Order, carried, pain013, write_group_header};
use crate::message::{CaseAnswer, CaseKind, CaseState, Decision, Field, Note, Reason};
use crate::native::client::{CaseStatus, Incoming};

/// Its name.
pub(super) const NAME: &str = "pain.014.001.07";

/// The answers of a message.
pub(super) fn read_orders(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    let mut orders: Vec<Order> = Vec::new();
    each(document, |instruction, transaction| {
        let Some(status) = transaction.child("TxSts") else {
            return Err(
                transaction.refuse(Cause::Profile, "TxSts is missing in TxInfAndSts: an answer says ACCP or RJCT")
            );
        };
        let case_id = uetr(transaction.the("OrgnlUETR"));
        let (answer, text) = match status.take() {
            "ACCP" | "ACTC" | "ACSP" => (CaseAnswer::accept(case_id), read_reason(transaction, "StsRsnInf").1),
            "RJCT" => {
                let (reason, text) = read_required_reason(transaction, "StsRsnInf")?;
                (CaseAnswer::refuse(case_id, reason), text)
            }
            _ => return Err(status.refuse(Cause::Profile, "a provider's TxSts is one of ACCP ACTC ACSP RJCT")),
        };
        let is_of = |order: &Order| matches!(order, Order::CaseAnswer(earlier, _) if earlier.case_id == answer.case_id);
        if orders.iter().any(is_of) {
            let text = "two transactions of the message have this OrgnlUETR: answer each request once";
            return Err(transaction.the("OrgnlUETR").refuse(Cause::DuplicateId, text));
        }
        orders.push(Order::CaseAnswer(answer, Note { text, extension: carried(document, Some(instruction))? }));
        Ok(())
    })?;
    Ok(orders)
}

/// Where requests stand.
pub(super) fn read_told(document: &Document<'_>) -> Result<Vec<Incoming>, Refusal> {
    let mut told = Vec::new();
    each(document, |instruction, transaction| {
        let by_scheme = transaction.find(&["StsRsnInf", "Orgtr"]).inspect(|node| node.take_all()).is_some();
        let (reason, text) = read_reason(transaction, "StsRsnInf");
        let status = transaction.child("TxSts");
        let state = match (status.map(NodeRef::take), reason.as_str()) {
            (Some("RCVD"), _) => CaseState::Open,
            (Some("ACTC"), _) => CaseState::Accepted,
            (Some("ACSP"), _) => CaseState::Paying,
            (Some("ACSC"), _) => CaseState::Settled,
            (Some("RJCT"), _) if by_scheme => CaseState::Rejected,
            (Some("RJCT"), "AEXR") => CaseState::Expired,
            (Some("RJCT"), _) => CaseState::Refused,
            (Some("CANC"), _) => CaseState::Cancelled,
            (None, "AM05") => CaseState::Duplicate,
            (None, _) => CaseState::Unknown,
            (Some(_), _) => {
                return Err(transaction
                    .refuse(Cause::Profile, "the switch's TxSts is one of RCVD ACTC ACSP ACSC RJCT CANC, or none"));
            }
        };
        let is_told = !matches!(state, CaseState::Unknown | CaseState::Duplicate);
        let reason = if is_told { reason } else { Reason::NONE };
        let position = transaction.child("ClrSysRef").and_then(|node| node.take().parse().ok()).unwrap_or(0);
        let at_ns = transaction.child("AccptncDtTm").map_or(Ok(0), time_ns)?;
        let case_id = uetr(transaction.the("OrgnlUETR"));
        let note = Note { text, extension: carried(document, Some(instruction))? };
        let (kind, field) = (is_told.then_some(CaseKind::PaymentRequest), Field::None);
        told.push(Incoming::CaseStatus(Box::new(CaseStatus {
            case_id,
            kind,
            state,
            reason,
            field,
            at_ns,
            position,
            numbered: is_told,
            note,
        })));
        Ok(())
    })?;
    Ok(told)
}

fn each(
    document: &Document<'_>,
    mut take: impl FnMut(NodeRef<'_>, NodeRef<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    document.body().the("GrpHdr").take_all();
    document.body().the("OrgnlGrpInfAndSts").take_all();
    for instruction in document.body().all("OrgnlPmtInfAndSts") {
        instruction.the("OrgnlPmtInfId").take();
        let mut transactions = instruction.all("TxInfAndSts");
        let transaction = transactions.next();
        let transaction = transaction.ok_or_else(|| {
            instruction.refuse(Cause::Profile, "TxInfAndSts is missing: say the status of each request")
        })?;
        if transactions.next().is_some() {
            return Err(instruction.refuse(Cause::Profile, "an OrgnlPmtInfAndSts has one TxInfAndSts in this scheme"));
        }
        take(instruction, transaction)?;
    }
    Ok(())
}

/// Writes a provider's answer.
pub(super) fn write_order(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, answer: &CaseAnswer, note: &Note) {
    let is_reject = answer.decision == Decision::Reject as u8;
    let reason = Reason::from_bytes(answer.reason).unwrap_or_default();
    let said = Some(if is_reject { "RJCT" } else { "ACCP" });
    write(writer, addressed, answer.case_id, said, (reason, false), note, (0, 0));
}

/// Writes where a request stands.
pub(super) fn write_status(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, case: &CaseStatus) {
    let (said, reason) = match case.state {
        CaseState::Open => (Some("RCVD"), Reason::NONE),
        CaseState::Accepted => (Some("ACTC"), Reason::NONE),
        CaseState::Paying => (Some("ACSP"), Reason::NONE),
        CaseState::Settled => (Some("ACSC"), Reason::NONE),
        CaseState::Refused | CaseState::Expired | CaseState::Rejected => (Some("RJCT"), case.reason),
        CaseState::Cancelled => (Some("CANC"), case.reason),
        CaseState::Unknown => (None, Reason::of(b"NOOR")),
        CaseState::Duplicate => (None, Reason::of(b"AM05")),
    };
    // Of an open case the time is its deadline, which is no time of acceptance.
    let at_ns = if case.state == CaseState::Open { 0 } else { case.at_ns };
    let by_scheme = case.state == CaseState::Rejected;
    write(writer, addressed, case.case_id.bytes(), said, (reason, by_scheme), &case.note, (at_ns, case.position));
}

fn write(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    case_id: [u8; 16],
    said: Option<&str>,
    (reason, by_scheme): (Reason, bool),
    note: &Note,
    (at_ns, position): (u64, u64),
) {
    writer.open("GrpHdr");
    write_group_header(writer, addressed);
    writer.within(&["InitgPty", "Id", "OrgId", "Othr"], |writer| writer.text("Id", addressed.from));
    writer.close();
    writer.within(&["OrgnlGrpInfAndSts"], |writer| super::cases::write_unknown_group(writer, pain013::NAME));
    writer.open("OrgnlPmtInfAndSts");
    writer.plain("OrgnlPmtInfId", super::values::Hex(case_id));
    writer.open("TxInfAndSts");
    writer.plain("OrgnlUETR", uuid::Uuid::from_bytes(case_id));
    if let Some(said) = said {
        writer.plain("TxSts", said);
    }
    writer.open("StsRsnInf");
    if by_scheme {
        writer.within(&["Orgtr"], |writer| writer.text("Nm", addressed.from));
    }
    if reason != Reason::NONE {
        writer.within(&["Rsn"], |writer| writer.plain("Cd", reason.as_str()));
    }
    super::values::write_long_text(writer, "AddtlInf", &shown(&note.text), 105);
    writer.close();
    if at_ns > 0 {
        writer.plain("AccptncDtTm", super::time::Utc(at_ns));
    }
    if position > 0 {
        writer.plain("ClrSysRef", position);
    }
    writer.close();
    writer.close();
}
