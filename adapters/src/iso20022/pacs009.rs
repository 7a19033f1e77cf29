//! pacs.009.001.08, financial institution credit transfer: a payment between two providers for themselves.
//!
//! To the switch it is a payment like any other; that it came in this message is carried, so that it reaches a provider that speaks ISO 20022 as one, too.

use super::document::{Document, NodeRef};
use super::refusal::Refusal;
use super::transfer::{Transfer, clearing_channel, deadline_of};
use super::values::{
    NOT_PROVIDED, account, amount, named_participant, or_not_provided, reason, shown, taken, time_ns, uetr,
    write_account, write_amount, write_participant,
};
use super::writer::Writer;
use super::{Addressed, write_group_header};
use crate::message::{Lane, PaymentPrivate, Reason};
use crate::native::client::Forward;

/// Its name.
pub(super) const NAME: &str = "pacs.009.001.08";

/// The payments of a message.
pub(super) fn read(document: &Document<'_>) -> Result<Vec<Transfer>, Refusal> {
    let header = document.body().the("GrpHdr");
    header.the("MsgId").take();
    header.the("SttlmInf").the("SttlmMtd").take();
    header.child("InstgAgt").into_iter().chain(header.child("InstdAgt")).for_each(NodeRef::take_all);
    let created_at_ns = time_ns(header.the("CreDtTm"))?;
    let transactions = document.body().all("CdtTrfTxInf");
    let payments = transactions
        .map(|transaction| read_transaction(document, transaction, created_at_ns))
        .collect::<Result<_, _>>()?;
    let mut payments = Transfer::finish(document, payments)?;
    for payment in &mut payments {
        if payment.forward.private.extension.is_empty() {
            let root = document.body().name();
            payment.forward.private.extension =
                format!("<{root} xmlns=\"{}{NAME}\"/>", super::schema::NAMESPACE).into_bytes();
        }
    }
    Ok(payments)
}

fn read_transaction(
    document: &Document<'_>,
    transaction: NodeRef<'_>,
    created_at_ns: u64,
) -> Result<Transfer, Refusal> {
    let ids = transaction.the("PmtId");
    let (amount, currency) = amount(document.profile(), transaction.the("IntrBkSttlmAmt"))?;
    transaction.child("InstgAgt").into_iter().chain(transaction.child("InstdAgt")).for_each(NodeRef::take_all);
    let account = |name| transaction.child(name).map(|node| account(node).as_bytes().to_vec()).unwrap_or_default();
    let end_to_end_id =
        Some(taken(ids.the("EndToEndId"))).filter(|id| id != NOT_PROVIDED.as_bytes()).unwrap_or_default();
    let private = PaymentPrivate {
        payer_account: account("DbtrAcct"),
        payee_account: account("CdtrAcct"),
        end_to_end_id,
        remittance: transaction.find(&["RmtInf", "Ustrd"]).map(taken).unwrap_or_default(),
        ..PaymentPrivate::default()
    };
    let forward = Forward {
        payment_id: uetr(ids.the("UETR")),
        payer: named_participant(transaction.the("Dbtr"))?,
        payee: named_participant(transaction.the("Cdtr"))?,
        amount,
        currency,
        accepted_at_ns: created_at_ns,
        purpose: transaction.find(&["Purp", "Cd"]).and_then(reason).unwrap_or(Reason::NONE),
        lane: clearing_channel(transaction),
        request_id: None,
        deadline_ns: deadline_of(transaction, created_at_ns)?,
        private,
    };
    Ok(Transfer { forward, alias: None, end_user: Vec::new(), transaction: transaction.index() })
}

/// Writes a payment: an order of the payer provider, or, with a deadline, what the payee provider is asked.
pub(super) fn write(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, payment: &Forward) {
    // The message has no other place for when the payment was accepted.
    let addressed = Addressed { created_at_ns: payment.accepted_at_ns, ..*addressed };
    writer.open("GrpHdr");
    write_group_header(writer, &addressed);
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
    write_amount(writer, addressed.profile, "IntrBkSttlmAmt", payment.amount, payment.currency);
    if payment.deadline_ns > 0 {
        writer.within(&["SttlmTmReq"], |writer| writer.plain("RjctTm", super::time::Utc(payment.deadline_ns).time()));
    }
    write_participant(writer, "Dbtr", payment.payer.as_str());
    write_account(writer, "DbtrAcct", &shown(&payment.private.payer_account));
    write_participant(writer, "Cdtr", payment.payee.as_str());
    write_account(writer, "CdtrAcct", &shown(&payment.private.payee_account));
    if payment.purpose != Reason::NONE {
        writer.within(&["Purp"], |writer| writer.plain("Cd", payment.purpose.as_str()));
    }
    writer.within(&["RmtInf"], |writer| writer.text("Ustrd", &shown(&payment.private.remittance)));
    writer.close();
}
