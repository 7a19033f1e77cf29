//! camt.060.001.05, account reporting request: where does this provider stand in a currency? Answered by camt.052.
//!
//! `RptgReq/Id` is the question's id, a version-4 UUID in 32 digits. `Acct/Ccy` says which account: a participant's payments move one in each currency. `AcctOwnr` is the sender.

use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{Hex, NOT_PROVIDED, account, id, named_participant, write_account_id, write_participant};
use super::writer::Writer;
use super::{Addressed, Order, camt052, write_group_header};
use crate::message::{AccountQuery, ParticipantCode};

/// Its name.
pub(super) const NAME: &str = "camt.060.001.05";

/// The questions of a message. All of it is for the switch, so nothing is carried.
pub(super) fn read_orders(document: &Document<'_>, sender: Option<ParticipantCode>) -> Result<Vec<Order>, Refusal> {
    let body = document.body();
    let mut orders: Vec<Order> = Vec::new();
    for asked in body.all("RptgReq") {
        let query = read_query(asked, sender)?;
        let is_of = |order: &Order| matches!(order, Order::AccountQuery(earlier) if earlier.query_id == query.query_id);
        if orders.iter().any(is_of) {
            let text = "two questions of the message have this Id: each has its own";
            return Err(asked.the("Id").refuse(Cause::DuplicateId, text));
        }
        orders.push(Order::AccountQuery(query));
    }
    body.children().for_each(NodeRef::take_all);
    Ok(orders)
}

fn read_query(asked: NodeRef<'_>, sender: Option<ParticipantCode>) -> Result<AccountQuery, Refusal> {
    let query_id = id(asked.the("Id"))?;
    let named = asked.the("Acct");
    let currency = named.the("Ccy");
    let owner = asked.the("AcctOwnr");
    let agent =
        owner.child("Agt").ok_or_else(|| owner.refuse(Cause::Profile, "AcctOwnr must be an institution: Agt"))?;
    let owner = named_participant(agent)?;
    if sender.is_some_and(|sender| sender != owner) {
        return Err(agent.refuse(Cause::NotAllowed, "AcctOwnr must be the sender: nobody learns where another stands"));
    }
    if !["", owner.as_str()].contains(&account(named)) {
        let text = format!("Acct/Id must be {NOT_PROVIDED} or the owner's code: there is one account in a currency");
        return Err(named.the("Id").refuse(Cause::Value, text));
    }
    let letters = currency.take().as_bytes().try_into().expect("Ccy is three capital letters");
    Ok(AccountQuery { query_id: query_id.bytes(), currency: letters })
}

/// Writes a question.
pub(super) fn write_order(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, query: &AccountQuery) {
    writer.open("GrpHdr");
    write_group_header(writer, addressed);
    writer.close();
    writer.open("RptgReq");
    writer.plain("Id", Hex(query.query_id));
    writer.plain("ReqdMsgNmId", camt052::NAME);
    writer.open("Acct");
    write_account_id(writer, NOT_PROVIDED);
    writer.text("Ccy", &String::from_utf8_lossy(&query.currency));
    writer.close();
    writer.within(&["AcctOwnr"], |writer| write_participant(writer, "Agt", addressed.from));
    writer.close();
}
