//! Administration: admi.002 (a message is refused), admi.004 (a provider signs on or off), admi.007 (a message was taken) and admi.011 (so was an event).
//!
//! Of admi.004 `EvtCd` says what happens: `SGON` signs on, `SGOF` signs off, `PING` asks whether the switch is there.

use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{Hex, or_not_provided};
use super::writer::Writer;
use super::{Addressed, Order, Orders};

/// A message is refused.
pub(super) const REJECTION: &str = "admi.002.001.01";
/// Something happens with a provider.
pub(super) const EVENT: &str = "admi.004.001.02";
/// A message was taken.
pub(super) const RECEIPT: &str = "admi.007.001.01";
/// An event was taken.
pub(super) const EVENT_RECEIPT: &str = "admi.011.001.01";

/// What a provider says about itself.
pub(super) fn read_event(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    let event = document.body().the("EvtInf");
    let code = event.the("EvtCd");
    let order = match code.text() {
        "SGON" => Order::SignOn,
        "SGOF" => Order::SignOff,
        "PING" => Order::Echo,
        _ => return Err(code.refuse(Cause::Profile, "EvtCd is one of SGON SGOF PING")),
    };
    document.body().children().for_each(NodeRef::take_all);
    Ok(vec![order])
}

/// Writes what a provider says about itself.
pub(super) fn write_event(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, code: &str) {
    writer.open("EvtInf");
    writer.plain("EvtCd", code);
    writer.plain("EvtTm", super::time::Utc(addressed.created_at_ns));
    writer.close();
}

/// Writes why a message is refused.
pub(super) fn write_rejection(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, refusal: &Refusal) {
    let cut = |text: &str| text.chars().take(350).collect::<String>();
    let place = match (refusal.path.as_str(), refusal.line) {
        ("", 0) => String::new(),
        (path, 0) => path.to_owned(),
        (path, line) => format!("line {line} {path}"),
    };
    writer.within(&["RltdRef"], |writer| writer.text("Ref", or_not_provided(&refusal.reference)));
    writer.open("Rsn");
    writer.plain("RjctgPtyRsn", refusal.cause.code());
    writer.plain("RjctnDtTm", super::time::Utc(addressed.created_at_ns));
    writer.text("ErrLctn", cut(&place).trim_end());
    writer.text("RsnDesc", &cut(&refusal.text));
    writer.close();
}

/// Writes that a message was taken; of one with several transactions what became of each.
pub(super) fn write_receipt(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    orders: &Orders,
    fates: &[Option<Refusal>],
) {
    writer.open("MsgId");
    writer.text("MsgId", addressed.message_id);
    writer.plain("CreDtTm", super::time::Utc(addressed.created_at_ns));
    writer.close();
    let is_one = orders.orders.len() == 1;
    for (order, fate) in orders.orders.iter().zip(fates) {
        writer.open("Rpt");
        writer.open("RltdRef");
        match order.id() {
            Some(id) if !is_one => writer.plain("Ref", Hex(id.bytes())),
            _ => writer.text("Ref", or_not_provided(&orders.reference)),
        }
        writer.plain("MsgNm", orders.message);
        writer.close();
        writer.open("ReqHdlg");
        writer.plain("StsCd", if fate.is_some() { "RJCT" } else { "ACPT" });
        if let Some(refusal) = fate {
            writer.text("Desc", &refusal.to_string().chars().take(140).collect::<String>());
        }
        writer.close();
        writer.close();
    }
}

/// Writes that an event was taken.
pub(super) fn write_event_receipt(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, reference: &str, code: &str) {
    writer.text("MsgId", addressed.message_id);
    writer.text("OrgtrRef", reference);
    writer.open("AckDtls");
    writer.plain("EvtCd", code);
    writer.plain("EvtTm", super::time::Utc(addressed.created_at_ns));
    writer.close();
}
