//! camt.056.001.08, FI to FI payment cancellation request: a recall of a committed payment, or a case that its opener takes back.
//!
//! `Case/Id` is the case's id, a version-4 UUID in 32 digits; of several transactions each has a `Case` of its own. Without `OrgnlMsgNmId`, or with that of a payment, it is a
//! recall; with `pain.013.001.07`, `camt.056.001.08` or `camt.026.001.07` the case of that kind with the id of `Case` is taken back.

use super::cases::{
    kind_of, read_assignment, read_case, read_original, write_assignment, write_case, write_original,
    write_unknown_group,
};
use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{amount, read_required_reason, shown, uetr, write_amount, write_reason};
use super::writer::Writer;
use super::{Addressed, Order, carried};
use crate::message::{
    AmountForm, CaseCancel, CaseKind, CaseOpen, Note, ParticipantCode, PaymentId, PaymentPrivate, Reason,
};
use crate::native::client::{CaseForward, Incoming};
use ledger::{Amount, Currency};

/// Its name.
pub(super) const NAME: &str = "camt.056.001.08";

/// Recalls and cancellations of a message.
pub(super) fn read_orders(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    let mut orders = Vec::new();
    each(document, |recall| {
        orders.push(match recall.cancelled {
            Some(_) => {
                let note = Note { text: recall.text, extension: recall.private.extension };
                Order::CaseCancel(CaseCancel { case_id: recall.case_id.bytes(), reason: recall.reason.bytes() }, note)
            }
            None => {
                let (amount, currency) =
                    recall.amount.map_or((0, [0; 3]), |(amount, currency)| (amount.minor_units(), currency.bytes()));
                let opened = CaseOpen {
                    case_id: recall.case_id.bytes(),
                    kind: CaseKind::Recall as u8,
                    original_id: recall.original_id.bytes(),
                    opener: *recall.opener.bytes(),
                    responder: *recall.responder.bytes(),
                    amount,
                    currency,
                    amount_form: if amount == 0 { AmountForm::None } else { AmountForm::Fixed } as u8,
                    reason: recall.reason.bytes(),
                    expires_at_ns: 0,
                };
                Order::CaseOpen(opened, PaymentPrivate { remittance: recall.text, ..recall.private })
            }
        });
        Ok(())
    })?;
    Ok(orders)
}

/// Recalls that wait for an answer.
pub(super) fn read_told(document: &Document<'_>) -> Result<Vec<Incoming>, Refusal> {
    let mut told = Vec::new();
    each(document, |recall| {
        told.push(Incoming::CaseForward(Box::new(CaseForward {
            case_id: recall.case_id,
            kind: CaseKind::Recall,
            original_id: Some(recall.original_id),
            opener: recall.opener,
            responder: recall.responder,
            amount: recall.amount,
            form: if recall.amount.is_some() { AmountForm::Fixed } else { AmountForm::None },
            reason: recall.reason,
            // The scheme says how long a recall may be answered; the message has no place for it.
            deadline_ns: 0,
            private: PaymentPrivate { remittance: recall.text, ..recall.private },
        })));
        Ok(())
    })?;
    Ok(told)
}

/// What a transaction says.
struct Recall {
    case_id: PaymentId,
    original_id: PaymentId,
    opener: ParticipantCode,
    responder: ParticipantCode,
    amount: Option<(Amount, Currency)>,
    reason: Reason,
    text: Vec<u8>,
    private: PaymentPrivate,
    /// It is no recall: a case of this kind is taken back.
    cancelled: Option<CaseKind>,
}

fn each(document: &Document<'_>, mut take: impl FnMut(Recall) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let body = document.body();
    let (opener, responder) = read_assignment(body)?;
    body.child("CtrlData").into_iter().for_each(NodeRef::take_all);
    let mut cases: Vec<PaymentId> = Vec::new();
    for underlying in body.all("Undrlyg") {
        let of_group = underlying.child("OrgnlGrpInfAndCxl");
        if underlying.child("TxInf").is_none() {
            return Err(
                underlying.refuse(Cause::Profile, "TxInf is missing in Undrlyg: payments are recalled one by one")
            );
        }
        for transaction in underlying.all("TxInf") {
            let case_id = read_case(Some(transaction), body)?;
            if cases.contains(&case_id) {
                let text = "two transactions of the message are of one case: give each a Case of its own";
                return Err(transaction.refuse(Cause::DuplicateId, text));
            }
            cases.push(case_id);
            let group = transaction.child("OrgnlGrpInf").or(of_group);
            let cancelled = group.and_then(|group| kind_of(group.the("OrgnlMsgNmId").text()));
            group.into_iter().chain(of_group).for_each(NodeRef::take_all);
            let (reason, text) = read_required_reason(transaction, "CxlRsnInf")?;
            let partial = transaction.find(&["OrgnlTxRef", "Amt", "InstdAmt"]);
            let mut recall = Recall {
                case_id,
                original_id: uetr(transaction.the("OrgnlUETR")),
                opener,
                responder,
                amount: partial.map(|node| amount(document.profile(), node)).transpose()?,
                reason,
                text,
                private: read_original(transaction),
                cancelled,
            };
            recall.private.extension = carried(document, Some(transaction))?;
            take(recall)?;
        }
    }
    Ok(())
}

/// Writes a recall, as its opener does.
pub(super) fn write_order(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    opened: &CaseOpen,
    private: &PaymentPrivate,
) {
    let code = |code| ParticipantCode::from_bytes(code).map_or_else(String::new, |code| code.to_string());
    let amount = Amount::new(opened.amount).zip(Currency::parse(&opened.currency));
    let reason = Reason::from_bytes(opened.reason).unwrap_or_default();
    write(
        writer,
        addressed,
        (opened.case_id, opened.original_id),
        (&code(opened.opener), &code(opened.responder)),
        amount,
        reason,
        private,
    );
}

/// Writes a recall that waits for an answer.
pub(super) fn write_forward(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, case: &CaseForward) {
    let ids = (case.case_id.bytes(), case.original_id.map_or([0; 16], PaymentId::bytes));
    write(
        writer,
        addressed,
        ids,
        (case.opener.as_str(), case.responder.as_str()),
        case.amount,
        case.reason,
        &case.private,
    );
}

fn write(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    (case_id, original_id): ([u8; 16], [u8; 16]),
    (opener, responder): (&str, &str),
    amount: Option<(Amount, Currency)>,
    reason: Reason,
    private: &PaymentPrivate,
) {
    write_assignment(writer, addressed, opener, responder);
    write_case(writer, case_id, opener);
    writer.open("Undrlyg");
    writer.open("TxInf");
    writer.text("OrgnlEndToEndId", &shown(&private.end_to_end_id));
    writer.plain("OrgnlUETR", uuid::Uuid::from_bytes(original_id));
    write_reason(writer, "CxlRsnInf", reason, &private.remittance);
    write_original(writer, private, |writer| {
        if let Some((amount, currency)) = amount {
            writer.within(&["Amt"], |writer| write_amount(writer, addressed.profile, "InstdAmt", amount, currency));
        }
    });
    writer.close();
    writer.close();
}

/// Writes that a case of a kind is taken back, as its opener does.
pub(super) fn write_cancel(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    kind: &'static str,
    cancel: &CaseCancel,
    note: &Note,
) {
    write_assignment(writer, addressed, addressed.from, addressed.to);
    write_case(writer, cancel.case_id, addressed.from);
    writer.open("Undrlyg");
    writer.within(&["OrgnlGrpInfAndCxl"], |writer| write_unknown_group(writer, kind));
    writer.open("TxInf");
    writer.plain("OrgnlUETR", uuid::Uuid::from_bytes(cancel.case_id));
    write_reason(writer, "CxlRsnInf", Reason::from_bytes(cancel.reason).unwrap_or_default(), &note.text);
    writer.close();
    writer.close();
}
