//! pacs.004.001.10, payment return: money of a committed payment goes back.
//!
//! `RtrId` is the return's own id, a version-4 UUID in 32 digits; `OrgnlUETR` the payment's; `OrgnlTxRef`... is carried. A return that answers a recall names its case in
//! `OrgnlGrpInf`: `OrgnlMsgNmId` camt.056.001.08, `OrgnlMsgId` the case's id.

use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{Hex, amount, id, read_required_reason, time_ns, uetr, write_amount, write_reason};
use super::writer::Writer;
use super::{Addressed, Order, camt056, carried, check_totals, write_group_header};
use crate::message::{NO_ID, Note, PaymentId, Return};
use crate::native::client::{Incoming, Returned};
use ledger::{Amount, Currency};

/// Its name.
pub(super) const NAME: &str = "pacs.004.001.10";

/// What a transaction of it says.
struct Read {
    return_id: PaymentId,
    original_id: PaymentId,
    case_id: Option<PaymentId>,
    amount: Amount,
    currency: Currency,
}

/// The returns of a message.
pub(super) fn read_orders(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    let mut orders = Vec::new();
    each(document, |transaction, read| {
        let (reason, text) = read_required_reason(transaction, "RtrRsnInf")?;
        let message = Return {
            return_id: read.return_id.bytes(),
            original_id: read.original_id.bytes(),
            case_id: read.case_id.map_or(NO_ID, PaymentId::bytes),
            amount: read.amount.minor_units(),
            currency: read.currency.bytes(),
            reason: reason.bytes(),
        };
        orders.push(Order::Return(message, Note { text, extension: carried(document, Some(transaction))? }));
        Ok(())
    })?;
    Ok(orders)
}

/// Money that has come back.
pub(super) fn read_told(document: &Document<'_>) -> Result<Vec<Incoming>, Refusal> {
    let mut told = Vec::new();
    each(document, |transaction, read| {
        let (reason, text) = read_required_reason(transaction, "RtrRsnInf")?;
        let decided_at_ns = time_ns(document.body().the("GrpHdr").the("CreDtTm"))?;
        let Read { return_id, original_id, case_id, amount, currency } = read;
        let position = transaction.child("ClrSysRef").and_then(|node| node.take().parse().ok()).unwrap_or(0);
        let note = Note { text, extension: carried(document, Some(transaction))? };
        // What has come back in all is not part of the message: its receiver adds up.
        let returned_total = amount.minor_units();
        told.push(Incoming::Returned(Box::new(Returned {
            return_id,
            original_id,
            case_id,
            amount,
            currency,
            reason,
            returned_total,
            decided_at_ns,
            position,
            note,
        })));
        Ok(())
    })?;
    Ok(told)
}

fn each(
    document: &Document<'_>,
    mut take: impl FnMut(NodeRef<'_>, Read) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let header = document.body().the("GrpHdr");
    header.child("InstgAgt").into_iter().chain(header.child("InstdAgt")).for_each(NodeRef::take_all);
    for name in ["MsgId", "CreDtTm"] {
        header.the(name).take();
    }
    header.the("SttlmInf").the("SttlmMtd").take();
    let of_group = document.body().child("OrgnlGrpInf");
    let mut amounts = Vec::new();
    let mut ids: Vec<PaymentId> = Vec::new();
    let mut reads = Vec::new();
    for transaction in document.body().all("TxInf") {
        let own = transaction.the("RtrId");
        let read = Read {
            return_id: id(own)?,
            original_id: uetr(transaction.the("OrgnlUETR")),
            case_id: case_of(transaction.child("OrgnlGrpInf").or(of_group))?,
            amount: amount(document.profile(), transaction.the("RtrdIntrBkSttlmAmt"))?.0,
            currency: amount(document.profile(), transaction.the("RtrdIntrBkSttlmAmt"))?.1,
        };
        if ids.contains(&read.return_id) {
            return Err(own.refuse(
                Cause::DuplicateId,
                "two transactions of the message have this RtrId: each return has its own",
            ));
        }
        transaction.child("InstgAgt").into_iter().chain(transaction.child("InstdAgt")).for_each(NodeRef::take_all);
        ids.push(read.return_id);
        amounts.push((read.amount, read.currency));
        reads.push((transaction, read));
    }
    of_group.into_iter().for_each(NodeRef::take_all);
    check_totals(document.profile(), header, "TtlRtrdIntrBkSttlmAmt", &amounts)?;
    reads.into_iter().try_for_each(|(transaction, read)| take(transaction, read))
}

/// The recall that a return answers.
fn case_of(group: Option<NodeRef<'_>>) -> Result<Option<PaymentId>, Refusal> {
    let Some(group) = group else { return Ok(None) };
    match group.the("OrgnlMsgNmId").text() {
        camt056::NAME => id(group.the("OrgnlMsgId")).map(Some).inspect(|_| group.take_all()),
        // The message that the payment came in is nobody's business but that hop's.
        _ => {
            group.take_all();
            Ok(None)
        }
    }
}

/// Writes a return, as its sender does.
pub(super) fn write_order(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, message: &Return, note: &Note) {
    let (Some(amount), Some(currency)) = (Amount::new(message.amount), Currency::parse(&message.currency)) else {
        return;
    };
    let ids = (message.return_id, message.original_id, message.case_id);
    let reason = crate::message::Reason::from_bytes(message.reason).unwrap_or_default();
    write(writer, addressed, ids, (amount, currency), 0, |writer| {
        write_reason(writer, "RtrRsnInf", reason, &note.text);
    });
}

/// Writes money that has come back.
pub(super) fn write_returned(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, returned: &Returned) {
    let case_id = returned.case_id.map_or(NO_ID, PaymentId::bytes);
    let ids = (returned.return_id.bytes(), returned.original_id.bytes(), case_id);
    write(writer, addressed, ids, (returned.amount, returned.currency), returned.position, |writer| {
        write_reason(writer, "RtrRsnInf", returned.reason, &returned.note.text);
    });
}

fn write(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    (return_id, original_id, case_id): ([u8; 16], [u8; 16], [u8; 16]),
    (amount, currency): (Amount, Currency),
    position: u64,
    write_reason: impl FnOnce(&mut Writer<'_, '_>),
) {
    writer.open("GrpHdr");
    write_group_header(writer, addressed);
    writer.plain("NbOfTxs", 1);
    writer.within(&["SttlmInf"], |writer| writer.plain("SttlmMtd", "CLRG"));
    writer.close();
    writer.open("TxInf");
    writer.plain("RtrId", Hex(return_id));
    if case_id != NO_ID {
        writer.open("OrgnlGrpInf");
        writer.plain("OrgnlMsgId", Hex(case_id));
        writer.plain("OrgnlMsgNmId", camt056::NAME);
        writer.close();
    }
    writer.plain("OrgnlUETR", uuid::Uuid::from_bytes(original_id));
    write_amount(writer, addressed.profile, "RtrdIntrBkSttlmAmt", amount, currency);
    if position > 0 {
        writer.plain("ClrSysRef", position);
    }
    write_reason(writer);
    writer.close();
}
