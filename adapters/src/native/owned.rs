//! Messages of the switch as owned values: what a `Client` gives to the provider. None where a field is not what it can be.

use ledger::Currency;

use crate::directory::{AliasOutcome, Claim, LookupResult, NameMatch, QueryForm};
use crate::message::{
    AccountStanding, AliasFoundPrivate, AliasResultPrivate, AmountForm, ArchivedAccountReport, ArchivedAliasFound,
    ArchivedAliasResult, ArchivedCaseForward, ArchivedCaseStatus, ArchivedDirectoryAnswer, ArchivedForward,
    ArchivedReturned, ArchivedStatus, CaseKind, CaseState, DirectoryItems, Field, Lane, NO_ID, Note, Outcome,
    ParticipantCode, PaymentId, PaymentPrivate, Reason, Settlement, owned_part,
};
use crate::native::client::{
    AccountReport, AliasFound, AliasResult, CaseForward, CaseStatus, DirectoryAnswer, Forward, Incoming, Returned,
    Status,
};

/// An id where there may be none.
fn id_or_none(bytes: [u8; 16]) -> Option<Option<PaymentId>> {
    if bytes == NO_ID { Some(None) } else { PaymentId::from_bytes(bytes).map(Some) }
}

pub(super) fn forward(routing: &ArchivedForward, private: &[u8]) -> Option<Incoming> {
    Some(Incoming::Forward(Box::new(Forward {
        payment_id: PaymentId::from_bytes(routing.payment_id)?,
        payer: ParticipantCode::from_bytes(routing.payer)?,
        payee: ParticipantCode::from_bytes(routing.payee)?,
        amount: ledger::Amount::new(routing.amount.to_native())?,
        currency: ledger::Currency::parse(&routing.currency)?,
        accepted_at_ns: routing.accepted_at_ns.to_native(),
        purpose: Reason::from_bytes(routing.purpose)?,
        lane: Lane::from_number(routing.lane)?,
        request_id: id_or_none(routing.request_id)?,
        deadline_ns: routing.deadline_ns.to_native(),
        private: owned_part::<PaymentPrivate>(private)?,
    })))
}

pub(super) fn status(routing: &ArchivedStatus, private: &[u8], numbered: bool) -> Option<Incoming> {
    Some(Incoming::Status(Box::new(Status {
        payment_id: PaymentId::from_bytes(routing.payment_id)?,
        outcome: Outcome::from_number(routing.outcome)?,
        reason: Reason::from_bytes(routing.reason)?,
        field: Field::from_number(routing.field)?,
        decided_at_ns: routing.decided_at_ns.to_native(),
        position: routing.position.to_native(),
        numbered,
        note: owned_part::<Note>(private)?,
    })))
}

pub(super) fn returned(routing: &ArchivedReturned, private: &[u8]) -> Option<Incoming> {
    Some(Incoming::Returned(Box::new(Returned {
        return_id: PaymentId::from_bytes(routing.return_id)?,
        original_id: PaymentId::from_bytes(routing.original_id)?,
        case_id: id_or_none(routing.case_id)?,
        amount: ledger::Amount::new(routing.amount.to_native())?,
        currency: ledger::Currency::parse(&routing.currency)?,
        reason: Reason::from_bytes(routing.reason)?,
        returned_total: routing.returned_total.to_native(),
        decided_at_ns: routing.decided_at_ns.to_native(),
        position: routing.position.to_native(),
        note: owned_part::<Note>(private)?,
    })))
}

pub(super) fn case_forward(routing: &ArchivedCaseForward, private: &[u8]) -> Option<Incoming> {
    let form = AmountForm::from_number(routing.amount_form)?;
    let amount = match form {
        AmountForm::None => None,
        AmountForm::Fixed | AmountForm::UpTo => {
            let currency = ledger::Currency::parse(&routing.currency)?;
            Some((ledger::Amount::new(routing.amount.to_native())?, currency))
        }
    };
    Some(Incoming::CaseForward(Box::new(CaseForward {
        case_id: PaymentId::from_bytes(routing.case_id)?,
        kind: CaseKind::from_number(routing.kind)?,
        original_id: id_or_none(routing.original_id)?,
        opener: ParticipantCode::from_bytes(routing.opener)?,
        responder: ParticipantCode::from_bytes(routing.responder)?,
        amount,
        form,
        reason: Reason::from_bytes(routing.reason)?,
        deadline_ns: routing.deadline_ns.to_native(),
        private: owned_part::<PaymentPrivate>(private)?,
    })))
}

pub(super) fn case_status(routing: &ArchivedCaseStatus, private: &[u8], numbered: bool) -> Option<Incoming> {
    let state = CaseState::from_number(routing.state)?;
    let is_told = !matches!(state, CaseState::Unknown | CaseState::Duplicate);
    let kind = CaseKind::from_number(routing.kind);
    if kind.is_some() != is_told || (kind.is_none() && routing.kind != 0) {
        return None;
    }
    Some(Incoming::CaseStatus(Box::new(CaseStatus {
        case_id: PaymentId::from_bytes(routing.case_id)?,
        kind,
        state,
        reason: Reason::from_bytes(routing.reason)?,
        field: Field::from_number(routing.field)?,
        at_ns: routing.at_ns.to_native(),
        position: routing.position.to_native(),
        numbered,
        note: owned_part::<Note>(private)?,
    })))
}

pub(super) fn alias_result(routing: &ArchivedAliasResult, private: &[u8]) -> Option<Incoming> {
    Some(Incoming::AliasResult(Box::new(AliasResult {
        command_id: PaymentId::from_bytes(routing.command_id)?,
        outcome: AliasOutcome::from_number(routing.result)?,
        claim: Claim::from_number(routing.claim)?,
        at_ns: routing.at_ns.to_native(),
        position: routing.position.to_native(),
        alias: owned_part::<AliasResultPrivate>(private)?.alias,
    })))
}

pub(super) fn alias_found(routing: &ArchivedAliasFound, private: &[u8]) -> Option<Incoming> {
    let AliasFoundPrivate { account, name } = owned_part::<AliasFoundPrivate>(private)?;
    let participant = ParticipantCode::from_bytes(routing.participant);
    let result = LookupResult::from_number(routing.result)?;
    if participant.is_some() != (result == LookupResult::Found) {
        return None;
    }
    let name_match = match routing.name_match {
        0 => None,
        number => Some(NameMatch::from_number(number)?),
    };
    Some(Incoming::AliasFound(Box::new(AliasFound {
        lookup_id: PaymentId::from_bytes(routing.lookup_id)?,
        result,
        name_match,
        participant,
        owned_since_ns: routing.owned_since_ns.to_native(),
        counters: routing.counters,
        retry_after_ms: routing.retry_after_ms.to_native(),
        position: routing.position.to_native(),
        account,
        name,
    })))
}

pub(super) fn account_report(routing: &ArchivedAccountReport) -> Option<Incoming> {
    Some(Incoming::AccountReport(Box::new(AccountReport {
        query_id: PaymentId::from_bytes(routing.query_id)?,
        currency: Currency::parse(&routing.currency)?,
        standing: AccountStanding::from_number(routing.standing)?,
        settlement: match routing.settlement {
            0 => None,
            number => Some(Settlement::from_number(number)?),
        },
        at_ns: routing.at_ns.to_native(),
        position: routing.position.to_native(),
        debits_pending: routing.debits_pending.to_native(),
        debits_posted: routing.debits_posted.to_native(),
        credits_pending: routing.credits_pending.to_native(),
        credits_posted: routing.credits_posted.to_native(),
        cap: routing.cap.to_native(),
        available: routing.available.to_native(),
    })))
}

pub(super) fn directory_answer(routing: &ArchivedDirectoryAnswer, private: &[u8]) -> Option<Incoming> {
    Some(Incoming::DirectoryAnswer(Box::new(DirectoryAnswer {
        query_id: PaymentId::from_bytes(routing.query_id)?,
        form: QueryForm::from_number(routing.form)?,
        has_more: routing.has_more == 1,
        after: routing.after.to_native(),
        items: owned_part::<DirectoryItems>(private)?.items,
    })))
}
