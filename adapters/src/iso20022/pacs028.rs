//! pacs.028.001.03, FI to FI payment status request: what became of this payment, return or case? Answered by pacs.002, camt.029 or pain.014.

use super::document::{Document, NodeRef};
use super::refusal::Refusal;
use super::values::uetr;
use super::writer::Writer;
use super::{Addressed, Order, write_group_header};
use crate::message::PaymentId;

/// Its name.
pub(super) const NAME: &str = "pacs.028.001.03";

/// The questions of a message. All of it is for the switch, so nothing is carried.
pub(super) fn read_orders(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    let asked =
        document.body().all("TxInf").map(|transaction| Order::StatusRequest(uetr(transaction.the("OrgnlUETR"))));
    let asked = asked.collect();
    document.body().children().for_each(NodeRef::take_all);
    Ok(asked)
}

/// Writes a question.
pub(super) fn write_order(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, id: PaymentId) {
    writer.open("GrpHdr");
    write_group_header(writer, addressed);
    writer.close();
    writer.within(&["TxInf"], |writer| writer.plain("OrgnlUETR", id));
}
