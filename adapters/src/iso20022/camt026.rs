//! camt.026.001.07, unable to apply: a provider asks the other about a committed payment.
//!
//! `Justfn/MssngOrIncrrctInf/MssngInf` has the reason (a code of its own set, else `NARR`) and the question. Amount and date of the payment, which ISO 20022 requires there, are not read; where
//! nobody has said them they are written as none (`XXX` 0) and the day of the message.

use super::cases::{read_assignment, read_case, read_original, write_assignment, write_case, write_original};
use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{shown, taken, uetr};
use super::writer::Writer;
use super::{Addressed, Order, carried};
use crate::message::{AmountForm, CaseKind, CaseOpen, ParticipantCode, PaymentId, PaymentPrivate, Reason};
use crate::native::client::{CaseForward, Incoming};
use ledger::Currency;

/// Its name.
pub(super) const NAME: &str = "camt.026.001.07";

/// ISO 4217: no currency.
const NO_CURRENCY: &[u8; 3] = b"XXX";

/// The request of a message.
pub(super) fn read_orders(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    let case = read(document)?;
    let opened = CaseOpen {
        case_id: case.case_id.bytes(),
        kind: CaseKind::Information as u8,
        original_id: case.original_id.map_or([0; 16], PaymentId::bytes),
        opener: *case.opener.bytes(),
        responder: *case.responder.bytes(),
        amount: 0,
        currency: [0; 3],
        amount_form: AmountForm::None as u8,
        reason: case.reason.bytes(),
        expires_at_ns: 0,
    };
    Ok(vec![Order::CaseOpen(opened, case.private)])
}

/// The request that waits for an answer.
pub(super) fn read_told(document: &Document<'_>) -> Result<Vec<Incoming>, Refusal> {
    Ok(vec![Incoming::CaseForward(Box::new(read(document)?))])
}

fn read(document: &Document<'_>) -> Result<CaseForward, Refusal> {
    let body = document.body();
    let (opener, responder) = read_assignment(body)?;
    let case_id = read_case(None, body)?;
    let choice = body.the("Undrlyg");
    let payment = choice.child("IntrBk");
    let payment =
        payment.ok_or_else(|| choice.refuse(Cause::Profile, "Undrlyg must be a payment between providers: IntrBk"))?;
    payment.child("OrgnlGrpInf").into_iter().for_each(NodeRef::take_all);
    if payment.the("OrgnlIntrBkSttlmAmt").currency() == *NO_CURRENCY {
        payment.the("OrgnlIntrBkSttlmAmt").take();
        payment.the("OrgnlIntrBkSttlmDt").take();
    }
    let why = body.the("Justfn");
    let missing = why.find(&["MssngOrIncrrctInf", "MssngInf"]);
    let missing = missing
        .ok_or_else(|| why.refuse(Cause::Profile, "Justfn must say what is missing: MssngOrIncrrctInf/MssngInf"))?;
    let mut private = read_original(payment);
    private.remittance = missing.child("AddtlMssngInf").map(taken).unwrap_or_default();
    let reason = super::values::reason(missing.the("Cd")).unwrap_or(Reason::of(b"NARR"));
    let original_id = Some(uetr(payment.the("OrgnlUETR")));
    private.extension = carried(document, None)?;
    let (kind, amount, form, deadline_ns) = (CaseKind::Information, None, AmountForm::None, 0);
    Ok(CaseForward { case_id, kind, original_id, opener, responder, amount, form, reason, deadline_ns, private })
}

/// Writes a request, as its opener does.
pub(super) fn write_order(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    opened: &CaseOpen,
    private: &PaymentPrivate,
) {
    let code = |code| ParticipantCode::from_bytes(code).map_or_else(String::new, |code| code.to_string());
    let reason = Reason::from_bytes(opened.reason).unwrap_or_default();
    write(
        writer,
        addressed,
        (opened.case_id, opened.original_id),
        (&code(opened.opener), &code(opened.responder)),
        reason,
        private,
    );
}

/// Writes a request that waits for an answer.
pub(super) fn write_forward(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, case: &CaseForward) {
    let ids = (case.case_id.bytes(), case.original_id.map_or([0; 16], PaymentId::bytes));
    write(writer, addressed, ids, (case.opener.as_str(), case.responder.as_str()), case.reason, &case.private);
}

/// The codes of `UnableToApplyMissingInformation3Code`, MS01 to MS17.
fn is_code_of_message(reason: &str) -> bool {
    reason
        .strip_prefix("MS")
        .and_then(|number| number.parse::<u8>().ok())
        .is_some_and(|number| (1..=17).contains(&number))
}

fn write(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    (case_id, original_id): ([u8; 16], [u8; 16]),
    (opener, responder): (&str, &str),
    reason: Reason,
    private: &PaymentPrivate,
) {
    write_assignment(writer, addressed, opener, responder);
    write_case(writer, case_id, opener);
    writer.open("Undrlyg");
    writer.open("IntrBk");
    writer.text("OrgnlEndToEndId", &shown(&private.end_to_end_id));
    writer.plain("OrgnlUETR", uuid::Uuid::from_bytes(original_id));
    if !writer.rest_has("OrgnlIntrBkSttlmAmt") {
        writer.amount("OrgnlIntrBkSttlmAmt", Currency::parse(NO_CURRENCY).expect("three capital letters"), 0);
    }
    writer.text_or_rest("OrgnlIntrBkSttlmDt", &super::time::Utc(addressed.created_at_ns).date().to_string());
    write_original(writer, private, |_| ());
    writer.close();
    writer.close();
    writer.within(&["Justfn", "MssngOrIncrrctInf", "MssngInf"], |writer| {
        writer.plain("Cd", if is_code_of_message(reason.as_str()) { reason.as_str() } else { "NARR" });
        writer.text("AddtlMssngInf", &shown(&private.remittance));
    });
}
