//! camt.028.001.09, additional payment information: the answer to a request about a payment.
//!
//! The text of the answer stands in `Inf/RmtInf/Ustrd`.

use super::cases::{read_assignment, read_case, write_assignment, write_case};
use super::document::Document;
use super::refusal::Refusal;
use super::values::{shown, taken, time_ns};
use super::writer::Writer;
use super::{Addressed, Order, carried};
use crate::message::{CaseAnswer, CaseKind, CaseState, Field, Note, PaymentId, Reason};
use crate::native::client::{CaseStatus, Incoming};
use ledger::Currency;

/// Its name.
pub(super) const NAME: &str = "camt.028.001.09";

/// The answer of a message.
pub(super) fn read_orders(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    let (case_id, note) = read(document)?;
    Ok(vec![Order::CaseAnswer(CaseAnswer::accept(case_id), note)])
}

fn read(document: &Document<'_>) -> Result<(PaymentId, Note), Refusal> {
    let body = document.body();
    let _ = read_assignment(body)?;
    let case_id = read_case(None, body)?;
    body.the("Undrlyg").take_all();
    body.the("Inf").take();
    let text = body.find(&["Inf", "RmtInf", "Ustrd"]).map(taken).unwrap_or_default();
    Ok((case_id, Note { text, extension: carried(document, None)? }))
}

/// The answer to a request, as it comes to its opener.
pub(super) fn read_told(document: &Document<'_>) -> Result<Vec<Incoming>, Refusal> {
    let at_ns = time_ns(document.body().the("Assgnmt").the("CreDtTm"))?;
    let (case_id, note) = read(document)?;
    let (kind, state, reason, field) = (Some(CaseKind::Information), CaseState::Settled, Reason::NONE, Field::None);
    let case = CaseStatus { case_id, kind, state, reason, field, at_ns, position: 0, numbered: true, note };
    Ok(vec![Incoming::CaseStatus(Box::new(case))])
}

/// Writes an answer: of the responder, or as it goes to the opener.
pub(super) fn write(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, case_id: [u8; 16], note: &Note) {
    write_assignment(writer, addressed, addressed.from, addressed.to);
    write_case(writer, case_id, addressed.to);
    writer.open("Undrlyg");
    writer.open("IntrBk");
    writer.amount("OrgnlIntrBkSttlmAmt", Currency::parse(b"XXX").expect("three capital letters"), 0);
    writer.plain("OrgnlIntrBkSttlmDt", super::time::Utc(addressed.created_at_ns).date());
    writer.close();
    writer.close();
    writer.open_kept("Inf");
    writer.open("RmtInf");
    super::values::write_long_text(writer, "Ustrd", &shown(&note.text), 140);
    writer.close();
    writer.close();
}
