//! pacs.002.001.10, FI to FI payment status report: the payee provider's answer, and what became of a payment or a return.
//!
//! | canonical | `TxSts` | reason |
//! |---|---|---|
//! | `Answer` accept | `ACCP`, `ACTC` or `ACSP`; `ACCP` is written | |
//! | `Answer` accept without posting | `ACWP` | |
//! | `Answer` reject | `RJCT` | required |
//! | `CaseAnswer` accept, of a posting | `ACCC`: the money is on the payee's account | |
//! | `Status` committed | `ACSC` | |
//! | `Status` rejected, expired | `RJCT` | the switch's or the payee provider's; `AB05` of an expired one |
//! | `Status` in flight | `PDNG` | |
//! | `Status` unknown | none | `NOOR` |
//! | `Status` duplicate | none | `AM05` |
//! | `CaseStatus` of a posting | `ACWP` open, `ACCC` settled, `BLCK` otherwise | as the case has it |
//!
//! Unknown and duplicate say nothing about a payment that has the id, so they have no `TxSts`: a `RJCT` would be taken for the end of that.

use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{read_reason, time_ns, uetr, write_reason};
use super::writer::Writer;
use super::{Addressed, Order, carried, write_group_header};
use crate::message::{Answer, CaseAnswer, CaseKind, CaseState, Decision, Field, Note, Outcome, PaymentId, Reason};
use crate::native::client::{CaseStatus, Incoming, Status};

/// Its name.
pub(super) const NAME: &str = "pacs.002.001.10";

/// The answers of a payee provider.
pub(super) fn read_orders(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    take_header(document);
    let mut answered: Vec<PaymentId> = Vec::new();
    let mut orders = Vec::new();
    for transaction in document.body().all("TxInfAndSts") {
        let Some(status) = transaction.child("TxSts") else {
            let text = "TxSts is missing in TxInfAndSts: an answer says ACCP, ACWP, ACCC or RJCT";
            return Err(transaction.refuse(Cause::Profile, text));
        };
        let said = status.take();
        let id = transaction.the("OrgnlUETR");
        let payment_id = uetr(id);
        if answered.contains(&payment_id) {
            let text = "two transactions of the message have this OrgnlUETR: answer each payment once";
            return Err(id.refuse(Cause::DuplicateId, text));
        }
        answered.push(payment_id);
        let (reason, text) = match said {
            "RJCT" => super::values::read_required_reason(transaction, "StsRsnInf")?,
            _ => (Reason::NONE, read_reason(transaction, "StsRsnInf").1),
        };
        let note = Note { text, extension: carried(document, Some(transaction))? };
        orders.push(match said {
            "ACCP" | "ACTC" | "ACSP" => Order::Answer(Answer::accept(payment_id), note),
            "ACWP" => Order::Answer(Answer::accept_without_posting(payment_id), note),
            "ACCC" => Order::CaseAnswer(CaseAnswer::accept(payment_id), note),
            "RJCT" => Order::Answer(Answer::reject(payment_id, reason), note),
            _ => {
                let text = "a provider's TxSts is one of ACCP ACTC ACSP ACWP ACCC RJCT";
                return Err(status.refuse(Cause::Profile, text));
            }
        });
    }
    Ok(orders)
}

/// What became of payments, returns and postings.
pub(super) fn read_told(document: &Document<'_>) -> Result<Vec<Incoming>, Refusal> {
    take_header(document);
    document.body().all("TxInfAndSts").map(|transaction| read_status(document, transaction)).collect()
}

fn read_status(document: &Document<'_>, transaction: NodeRef<'_>) -> Result<Incoming, Refusal> {
    let (reason, text) = read_reason(transaction, "StsRsnInf");
    let said = transaction.child("TxSts").map(NodeRef::take);
    let position = transaction.child("ClrSysRef").and_then(|node| node.take().parse().ok()).unwrap_or(0);
    let at_ns = transaction.child("AccptncDtTm").map_or(Ok(0), time_ns)?;
    let payment_id = uetr(transaction.the("OrgnlUETR"));
    let note = Note { text, extension: carried(document, Some(transaction))? };
    let outcome = match (said, reason.as_str()) {
        (Some("ACSC"), _) => Outcome::Committed,
        (Some("RJCT"), "AB05") => Outcome::Expired,
        (Some("RJCT"), _) => Outcome::Rejected,
        (Some("PDNG"), _) => Outcome::InFlight,
        (None, "NOOR") => Outcome::Unknown,
        (None, "AM05") => Outcome::Duplicate,
        (Some(said @ ("ACWP" | "ACCC" | "BLCK")), _) => {
            let state = match said {
                "ACWP" => CaseState::Open,
                "ACCC" => CaseState::Settled,
                _ => CaseState::Expired,
            };
            let kind = Some(CaseKind::Posting);
            let case = CaseStatus {
                case_id: payment_id,
                kind,
                state,
                reason,
                field: Field::None,
                at_ns,
                position,
                numbered: true,
                note,
            };
            return Ok(Incoming::CaseStatus(Box::new(case)));
        }
        _ => {
            let text = "the switch's TxSts is one of ACSC RJCT PDNG ACWP ACCC BLCK, or none with NOOR or AM05";
            return Err(transaction.refuse(Cause::Profile, text));
        }
    };
    let is_told = !matches!(outcome, Outcome::Unknown | Outcome::Duplicate);
    let reason = if is_told { reason } else { Reason::NONE };
    let (field, decided_at_ns) = (Field::None, at_ns);
    let status = Status { payment_id, outcome, reason, field, decided_at_ns, position, numbered: is_told, note };
    Ok(Incoming::Status(Box::new(status)))
}

/// The header names this message, which is nobody's business but the two sides' of this hop.
fn take_header(document: &Document<'_>) {
    document.body().the("GrpHdr").take_all();
    document.body().all("OrgnlGrpInfAndSts").for_each(NodeRef::take_all);
    for transaction in document.body().all("TxInfAndSts") {
        transaction.child("OrgnlGrpInf").into_iter().for_each(NodeRef::take_all);
    }
}

/// Writes a payee provider's answer.
pub(super) fn write_answer(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, answer: &Answer, note: &Note) {
    let status = match Decision::from_number(answer.decision) {
        Some(Decision::Accept) | None => "ACCP",
        Some(Decision::AcceptWithoutPosting) => "ACWP",
        Some(Decision::Reject) => "RJCT",
    };
    let reason = Reason::from_bytes(answer.reason).unwrap_or_default();
    write(writer, addressed, answer.payment_id, Some(status), reason, note, (0, 0));
}

/// Writes word that a payment was posted.
pub(super) fn write_posted(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, case_id: [u8; 16], note: &Note) {
    write(writer, addressed, case_id, Some("ACCC"), Reason::NONE, note, (0, 0));
}

/// Writes what became of a payment or a return.
pub(super) fn write_status(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, status: &Status) {
    let (said, reason) = match status.outcome {
        Outcome::Committed => (Some("ACSC"), Reason::NONE),
        Outcome::Rejected | Outcome::Expired => (Some("RJCT"), status.reason),
        Outcome::InFlight => (Some("PDNG"), Reason::NONE),
        Outcome::Unknown => (None, Reason::of(b"NOOR")),
        Outcome::Duplicate => (None, Reason::of(b"AM05")),
    };
    write(
        writer,
        addressed,
        status.payment_id.bytes(),
        said,
        reason,
        &status.note,
        (status.decided_at_ns, status.position),
    );
}

/// Writes where a posting stands.
pub(super) fn write_posting(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, case: &CaseStatus) {
    let said = match case.state {
        CaseState::Settled => "ACCC",
        state if state.is_open() => "ACWP",
        _ => "BLCK",
    };
    // Of an open case the time is its deadline, which is no time of acceptance.
    let at_ns = if case.state.is_open() { 0 } else { case.at_ns };
    write(writer, addressed, case.case_id.bytes(), Some(said), case.reason, &case.note, (at_ns, case.position));
}

fn write(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    id: [u8; 16],
    said: Option<&str>,
    reason: Reason,
    note: &Note,
    (at_ns, position): (u64, u64),
) {
    writer.open("GrpHdr");
    write_group_header(writer, addressed);
    writer.close();
    writer.open("TxInfAndSts");
    writer.plain("OrgnlUETR", uuid::Uuid::from_bytes(id));
    if let Some(said) = said {
        writer.plain("TxSts", said);
    }
    write_reason(writer, "StsRsnInf", reason, &note.text);
    if at_ns > 0 {
        writer.plain("AccptncDtTm", super::time::Utc(at_ns));
    }
    if position > 0 {
        writer.plain("ClrSysRef", position);
    }
    writer.close();
}
