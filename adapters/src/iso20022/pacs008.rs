//! pacs.008.001.08, FI to FI customer credit transfer: a payment order from the payer provider, and the same payment to the payee provider.
//!
//! Up to ten transactions come in one message, each a payment of its own. One goes out in a message.

use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::transfer::{Transfer, clearing_channel, deadline_of};
use super::values::{
    Hex, NOT_PROVIDED, account, account_id, alias_type, amount, id, named_participant, or_not_provided, participant,
    reason, shown, taken, time_ns, uetr, write_account, write_alias_type, write_amount, write_participant,
};
use super::writer::Writer;
use super::{Addressed, write_group_header};
use crate::directory::AliasType;
use crate::message::{Lane, PaymentId, PaymentPrivate, Reason};
use crate::native::client::Forward;
use ledger::{Amount, Currency};

/// Its name.
pub(super) const NAME: &str = "pacs.008.001.08";

/// What marks a referred document as the request to pay that a payment pays.
const REQUEST_TO_PAY: &str = "REQUEST TO PAY";

/// What marks an identification of the debtor as its token for look-ups.
const END_USER: &str = "END USER TOKEN";

/// The payments of a message.
pub(super) fn read(document: &Document<'_>) -> Result<Vec<Transfer>, Refusal> {
    let header = document.body().the("GrpHdr");
    let payer = header.child("InstgAgt").map(named_participant).transpose()?;
    header.child("InstdAgt").into_iter().for_each(NodeRef::take_all);
    header.the("MsgId").take();
    header.the("SttlmInf").the("SttlmMtd").take();
    let created_at_ns = time_ns(header.the("CreDtTm"))?;
    let mut payments: Vec<Transfer> = Vec::new();
    for transaction in document.body().all("CdtTrfTxInf") {
        let payment = read_transaction(document, transaction, created_at_ns)?;
        if payer.is_some_and(|payer| payer != payment.forward.payer) {
            let text = "DbtrAgt is another participant than GrpHdr/InstgAgt";
            return Err(transaction.the("DbtrAgt").refuse(Cause::Disagreement, text));
        }
        payments.push(payment);
    }
    Transfer::finish(document, payments)
}

fn read_transaction(
    document: &Document<'_>,
    transaction: NodeRef<'_>,
    created_at_ns: u64,
) -> Result<Transfer, Refusal> {
    let ids = transaction.the("PmtId");
    let amount_node = transaction.the("IntrBkSttlmAmt");
    let (amount_of, currency) = amount(document.profile(), amount_node)?;
    check_instructed(document, transaction, amount_of, currency)?;
    let payer = named_participant(transaction.the("DbtrAgt"))?;
    if let Some(node) = transaction.child("InstgAgt")
        && named_participant(node)? != payer
    {
        return Err(node.refuse(Cause::Disagreement, "InstgAgt is another participant than DbtrAgt"));
    }
    transaction.child("InstdAgt").into_iter().for_each(NodeRef::take_all);
    for name in ["ChrgBr", "Dbtr", "Cdtr"] {
        transaction.the(name).take();
    }
    let accepted_at_ns = transaction.child("AccptncDtTm").map_or(Ok(created_at_ns), time_ns)?;
    let payee_account = transaction.the("CdtrAcct");
    let (payee, alias) = match participant(transaction.the("CdtrAgt"))? {
        Some(payee) => (Some(payee), None),
        None => (None, Some(alias_of(payee_account)?)),
    };
    let text = |path: &[&'static str]| transaction.find(path).map(taken).unwrap_or_default();
    let end_to_end_id = Some(ids.the("EndToEndId").take()).filter(|&id| id != NOT_PROVIDED).unwrap_or_default();
    let private = PaymentPrivate {
        payer_name: text(&["Dbtr", "Nm"]),
        payer_account: transaction.child("DbtrAcct").map(|node| account(node).as_bytes().to_vec()).unwrap_or_default(),
        payee_name: text(&["Cdtr", "Nm"]),
        payee_account: if alias.is_none() { account(payee_account).as_bytes().to_vec() } else { Vec::new() },
        end_to_end_id: end_to_end_id.as_bytes().to_vec(),
        remittance: text(&["RmtInf", "Ustrd"]),
        extension: Vec::new(),
    };
    let forward = Forward {
        payment_id: uetr(ids.the("UETR")),
        payer,
        // Where an alias names the payee, nobody reads this.
        payee: payee.unwrap_or(payer),
        amount: amount_of,
        currency,
        accepted_at_ns,
        purpose: transaction.find(&["Purp", "Cd"]).and_then(reason).unwrap_or(Reason::NONE),
        lane: clearing_channel(transaction),
        request_id: request_of(transaction)?,
        deadline_ns: deadline_of(transaction, accepted_at_ns)?,
        private,
    };
    Ok(Transfer { forward, alias, end_user: end_user_of(transaction), transaction: transaction.index() })
}

/// What the payer ordered is what is settled: nobody deducts anything.
fn check_instructed(
    document: &Document<'_>,
    transaction: NodeRef<'_>,
    settled: Amount,
    currency: Currency,
) -> Result<(), Refusal> {
    match transaction.child("InstdAmt") {
        Some(node) if amount(document.profile(), node)? != (settled, currency) => Err(node.refuse(
            Cause::Disagreement,
            "InstdAmt is not IntrBkSttlmAmt: there are no charges and no exchange of currencies",
        )),
        _ => Ok(()),
    }
}

/// The alias that stands for an account.
fn alias_of(account: NodeRef<'_>) -> Result<(AliasType, Vec<u8>), Refusal> {
    let proxy = account.child("Prxy").ok_or_else(|| {
        account.refuse(Cause::Value, "where CdtrAgt is NOTPROVIDED, CdtrAcct/Prxy must name the payee by an alias")
    })?;
    account_id(account.the("Id"));
    Ok((alias_type(proxy)?, taken(proxy.the("Id"))))
}

/// The request to pay that a payment pays.
fn request_of(transaction: NodeRef<'_>) -> Result<Option<PaymentId>, Refusal> {
    let document = transaction.find(&["RmtInf", "Strd", "RfrdDocInf"]);
    let kind = document.and_then(|document| document.find(&["Tp", "CdOrPrtry", "Prtry"]));
    match (document, kind) {
        (Some(document), Some(kind)) if kind.text() == REQUEST_TO_PAY => {
            kind.take();
            let number = document
                .child("Nb")
                .ok_or_else(|| document.refuse(Cause::Value, "Nb must be the id of the request to pay"))?;
            id(number).map(Some)
        }
        _ => Ok(None),
    }
}

/// The payer's token, for what look-ups of aliases cost.
fn end_user_of(transaction: NodeRef<'_>) -> Vec<u8> {
    let person = transaction.find(&["Dbtr", "Id", "PrvtId", "Othr"]);
    let business = || transaction.find(&["Dbtr", "Id", "OrgId", "Othr"]);
    let is_token = |other: &NodeRef<'_>| other.find(&["SchmeNm", "Prtry"]).is_some_and(|kind| kind.text() == END_USER);
    match person.or_else(business).filter(is_token) {
        Some(other) => {
            other.the("SchmeNm").take_all();
            other.the("Id").take().as_bytes().to_vec()
        }
        None => Vec::new(),
    }
}

/// Writes a payment: an order of the payer provider, or, with a deadline, what the payee provider is asked.
pub(super) fn write(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    payment: &Forward,
    alias: Option<&(AliasType, Vec<u8>)>,
    end_user: &[u8],
) {
    let profile = addressed.profile;
    writer.open("GrpHdr");
    write_group_header(writer, addressed);
    writer.plain("NbOfTxs", 1);
    writer.within(&["SttlmInf"], |writer| writer.plain("SttlmMtd", "CLRG"));
    writer.close();
    writer.open("CdtTrfTxInf");
    writer.open("PmtId");
    writer.text("EndToEndId", or_not_provided(&shown(&payment.private.end_to_end_id)));
    writer.plain("UETR", payment.payment_id);
    writer.close();
    if payment.lane == Lane::Bulk {
        writer.within(&["PmtTpInf"], |writer| writer.plain("ClrChanl", "MPNS"));
    }
    write_amount(writer, profile, "IntrBkSttlmAmt", payment.amount, payment.currency);
    if payment.deadline_ns > 0 {
        writer.within(&["SttlmTmReq"], |writer| writer.plain("RjctTm", super::time::Utc(payment.deadline_ns).time()));
    }
    writer.plain("AccptncDtTm", super::time::Utc(payment.accepted_at_ns));
    writer.plain("ChrgBr", "SLEV");
    writer.open_kept("Dbtr");
    writer.text("Nm", &shown(&payment.private.payer_name));
    if !end_user.is_empty() {
        writer.within(&["Id", "PrvtId", "Othr"], |writer| {
            writer.text("Id", &shown(end_user));
            writer.within(&["SchmeNm"], |writer| writer.plain("Prtry", END_USER));
        });
    }
    writer.close();
    write_account(writer, "DbtrAcct", &shown(&payment.private.payer_account));
    write_participant(writer, "DbtrAgt", payment.payer.as_str());
    match alias {
        None => write_participant(writer, "CdtrAgt", payment.payee.as_str()),
        Some(_) => writer.within(&["CdtrAgt", "FinInstnId", "Othr"], |writer| writer.plain("Id", NOT_PROVIDED)),
    }
    writer.open_kept("Cdtr");
    writer.text("Nm", &shown(&payment.private.payee_name));
    writer.close();
    match alias {
        // The scheme needs the element, and a native provider may leave the account empty.
        None => write_account(writer, "CdtrAcct", or_not_provided(&shown(&payment.private.payee_account))),
        Some((kind, alias)) => write_alias(writer, *kind, alias),
    }
    if payment.purpose != Reason::NONE {
        writer.within(&["Purp"], |writer| writer.plain("Cd", payment.purpose.as_str()));
    }
    write_remittance(writer, payment);
    writer.close();
}

fn write_alias(writer: &mut Writer<'_, '_>, kind: AliasType, alias: &[u8]) {
    writer.open("CdtrAcct");
    writer.within(&["Id", "Othr"], |writer| writer.plain("Id", NOT_PROVIDED));
    writer.open("Prxy");
    write_alias_type(writer, kind);
    writer.text("Id", &shown(alias));
    writer.close();
    writer.close();
}

fn write_remittance(writer: &mut Writer<'_, '_>, payment: &Forward) {
    writer.open("RmtInf");
    writer.text("Ustrd", &shown(&payment.private.remittance));
    if let Some(request) = payment.request_id {
        writer.within(&["Strd", "RfrdDocInf"], |writer| {
            writer.within(&["Tp", "CdOrPrtry"], |writer| writer.plain("Prtry", REQUEST_TO_PAY));
            writer.plain("Nb", Hex(request.bytes()));
        });
    }
    writer.close();
}
