//! Payment orders, whichever message brings them.

use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::{Order, carried, check_totals};
use crate::directory::AliasType;
use crate::message::{
    AliasTransfer, AliasTransferPrivate, CreditTransfer, Lane, NO_ID, ParticipantCode, PaymentId, PaymentPrivate,
    Reason,
};
use crate::native::client::Forward;
use ledger::{Amount, Currency};

/// A payment order, or a payment that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transfer {
    /// The payment. Of an order the deadline is 0, and its payee provider means nothing where there is an alias.
    pub(super) forward: Forward,
    /// Who is paid, where an alias says it.
    pub(super) alias: Option<(AliasType, Vec<u8>)>,
    /// The payer's token, for what look-ups cost; empty where there is none.
    pub(super) end_user: Vec<u8>,
    /// The transaction's place in the tree.
    pub(super) transaction: u16,
}

impl Transfer {
    /// The payments of a message, each with an id of its own, which add up to what its header says; and what nobody took, in each.
    pub(super) fn finish(document: &Document<'_>, mut payments: Vec<Transfer>) -> Result<Vec<Transfer>, Refusal> {
        for (count, payment) in payments.iter().enumerate() {
            if payments[..count].iter().any(|earlier| earlier.forward.payment_id == payment.forward.payment_id) {
                let id = document.node(payment.transaction).the("PmtId").the("UETR");
                let text = "two transactions of the message have this UETR: each payment has its own";
                return Err(id.refuse(Cause::DuplicateId, text));
            }
        }
        let amounts: Vec<_> =
            payments.iter().map(|payment| (payment.forward.amount, payment.forward.currency)).collect();
        check_totals(document.profile(), document.body().the("GrpHdr"), "TtlIntrBkSttlmAmt", &amounts)?;
        for payment in &mut payments {
            payment.forward.private.extension = carried(document, Some(document.node(payment.transaction)))?;
        }
        Ok(payments)
    }

    /// As the switch takes it.
    pub(super) fn into_order(self) -> Order {
        let Transfer { forward, alias, end_user, .. } = self;
        let request_id = forward.request_id.map_or(NO_ID, PaymentId::bytes);
        let Some((kind, alias)) = alias else {
            let order = CreditTransfer {
                purpose: forward.purpose.bytes(),
                lane: forward.lane as u8,
                request_id,
                ..CreditTransfer::new(
                    forward.payment_id,
                    forward.payer,
                    forward.payee,
                    forward.amount,
                    forward.currency,
                    forward.accepted_at_ns,
                )
            };
            return Order::CreditTransfer(order, forward.private);
        };
        let order = AliasTransfer {
            payment_id: forward.payment_id.bytes(),
            payer: *forward.payer.bytes(),
            amount: forward.amount.minor_units(),
            currency: forward.currency.bytes(),
            accepted_at_ns: forward.accepted_at_ns,
            purpose: forward.purpose.bytes(),
            lane: forward.lane as u8,
            request_id,
            alias_type: kind as u8,
        };
        let PaymentPrivate { payer_name, payer_account, payee_name, end_to_end_id, remittance, extension, .. } =
            forward.private;
        let private = AliasTransferPrivate {
            payer_name,
            payer_account,
            payee_name,
            end_to_end_id,
            remittance,
            extension,
            alias,
            end_user,
        };
        Order::AliasTransfer(order, private)
    }

    /// An order as a message says it; none where it is not one that the switch would take.
    pub(super) fn of_credit(order: &CreditTransfer, private: &PaymentPrivate) -> Option<Transfer> {
        let forward = Forward {
            payment_id: PaymentId::from_bytes(order.payment_id)?,
            payer: ParticipantCode::from_bytes(order.payer)?,
            payee: ParticipantCode::from_bytes(order.payee)?,
            amount: Amount::new(order.amount)?,
            currency: Currency::parse(&order.currency)?,
            accepted_at_ns: order.accepted_at_ns,
            purpose: Reason::from_bytes(order.purpose)?,
            lane: Lane::from_number(order.lane)?,
            request_id: PaymentId::from_bytes(order.request_id),
            deadline_ns: 0,
            private: private.clone(),
        };
        Some(Transfer { forward, alias: None, end_user: Vec::new(), transaction: 0 })
    }

    /// As `of_credit`, of an order by alias.
    pub(super) fn of_alias(order: &AliasTransfer, private: &AliasTransferPrivate) -> Option<Transfer> {
        let AliasTransferPrivate {
            payer_name,
            payer_account,
            payee_name,
            end_to_end_id,
            remittance,
            extension,
            alias,
            end_user,
        } = private.clone();
        let as_credit = CreditTransfer {
            payment_id: order.payment_id,
            payer: order.payer,
            payee: order.payer,
            amount: order.amount,
            currency: order.currency,
            accepted_at_ns: order.accepted_at_ns,
            purpose: order.purpose,
            lane: order.lane,
            request_id: order.request_id,
        };
        let private = PaymentPrivate {
            payer_name,
            payer_account,
            payee_name,
            end_to_end_id,
            remittance,
            extension,
            ..PaymentPrivate::default()
        };
        let kind = AliasType::from_number(order.alias_type)?;
        Some(Transfer { alias: Some((kind, alias)), end_user, ..Transfer::of_credit(&as_credit, &private)? })
    }
}

/// Which lane a transaction goes in.
pub(super) fn clearing_channel(transaction: NodeRef<'_>) -> Lane {
    match transaction.find(&["PmtTpInf", "ClrChanl"]).map(NodeRef::take) {
        Some("MPNS") => Lane::Bulk,
        _ => Lane::Payments,
    }
}

/// Until when an answer counts, where the switch says it: a time of day, after the payment was accepted. Else 0.
pub(super) fn deadline_of(transaction: NodeRef<'_>, accepted_at_ns: u64) -> Result<u64, Refusal> {
    let Some(node) = transaction.find(&["SttlmTmReq", "RjctTm"]) else { return Ok(0) };
    let deadline_ns = super::time::next(super::form::trim(node.take()), accepted_at_ns);
    deadline_ns.ok_or_else(|| node.refuse(Cause::TimeZone, "RjctTm must be in UTC, as 09:30:10.000Z"))
}
