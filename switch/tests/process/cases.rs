//! Returns, recalls, questions, requests to pay and payments that are posted later: how each ends, what is refused with which code, and that a
//! switch that was killed in between says the same as before.

use adapters::message::{
    AmountForm, Answer, CaseAnswer, CaseCancel, CaseKind, CaseOpen, CaseState, CreditTransfer, ErrorCode, Field, Lane,
    MessageKind, NO_ID, Note, Outcome, PaymentId, PaymentPrivate, Reason, Return,
};
use adapters::native::session::Resume;

use crate::harness::{Data, FUNDS, Switch, code};
use crate::wire::{Heard, Wire, now_ns, order, private_of, written};

const DAY_NS: u64 = 86_400_000_000_000;

fn note(text: &str) -> Vec<u8> {
    written(&Note { text: text.as_bytes().to_vec(), extension: Vec::new() })
}

/// A return of a payment that names no recall.
fn return_of(original: PaymentId, minor_units: u64) -> Return {
    Return {
        return_id: PaymentId::random().bytes(),
        original_id: original.bytes(),
        case_id: NO_ID,
        amount: minor_units,
        currency: *b"XTS",
        reason: *b"FOCR",
    }
}

/// A case about a payment, without an amount, that stays open as long as the scheme allows.
fn about(original: PaymentId, kind: CaseKind, [opener, responder]: [usize; 2]) -> CaseOpen {
    CaseOpen {
        case_id: PaymentId::random().bytes(),
        kind: kind as u8,
        original_id: original.bytes(),
        opener: *code(opener).bytes(),
        responder: *code(responder).bytes(),
        amount: 0,
        currency: [0; 3],
        amount_form: AmountForm::None as u8,
        reason: if kind == CaseKind::Recall { *b"DUPL" } else { *b"NARR" },
        expires_at_ns: 0,
    }
}

/// A request to pay exactly this.
fn request([opener, responder]: [usize; 2], minor_units: u64) -> CaseOpen {
    CaseOpen {
        original_id: NO_ID,
        amount: minor_units,
        currency: *b"XTS",
        amount_form: AmountForm::Fixed as u8,
        reason: [0; 4],
        ..about(PaymentId::random(), CaseKind::PaymentRequest, [opener, responder])
    }
}

impl Wire {
    /// Sends a return; gives its id.
    fn give_back(&mut self, message: &Return, text: &str) -> PaymentId {
        self.send(MessageKind::Return, &written(message), &note(text));
        PaymentId::from_bytes(message.return_id).unwrap()
    }

    /// Opens a case; gives its id.
    fn open_case(&mut self, opened: &CaseOpen, private: &[u8]) -> PaymentId {
        self.send(MessageKind::CaseOpen, &written(opened), private);
        PaymentId::from_bytes(opened.case_id).unwrap()
    }

    fn answer_case(&mut self, answer: &CaseAnswer, text: &str) {
        let private = if text.is_empty() { Vec::new() } else { note(text) };
        self.send(MessageKind::CaseAnswer, &written(answer), &private);
    }

    /// A payment of this provider to another one, committed.
    fn paid(&mut self, payee: &mut Wire, order: &CreditTransfer) -> PaymentId {
        let id = self.pay(order);
        payee.forward_of(id);
        payee.accept(id);
        assert_eq!(self.status_of(id).outcome, Outcome::Committed);
        assert_eq!(payee.status_of(id).outcome, Outcome::Committed);
        id
    }
}

/// All that stands in a participant's outbox, by lane and number.
fn outbox(data: &Data, participant: usize) -> Vec<Heard> {
    let (mut wire, welcome) = Wire::resume(data, participant, Resume::FROM_THE_START);
    let count: u64 = welcome.enqueued.iter().sum();
    let mut heard: Vec<Heard> = (0..count).map(|_| wire.next().unwrap()).collect();
    heard.sort_by_key(|heard| (heard.lane as u8, heard.number));
    heard
}

/// Kills the switch, and starts another over what it has left: both providers have heard the same, byte for byte.
fn killed(data: &Data, switch: Switch) -> Switch {
    let before = [outbox(data, 1), outbox(data, 2)];
    switch.kill();
    let switch = data.serve();
    assert_eq!([outbox(data, 1), outbox(data, 2)], before);
    switch
}

fn both(data: &Data) -> (Wire, Wire) {
    (Wire::open(data, 1), Wire::open(data, 2))
}

#[test]
fn a_payment_is_returned_in_parts_and_never_above_what_was_paid() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = both(&data);
    let paid = payer.paid(&mut payee, &order(1, 2, 1_000));
    let first = return_of(paid, 400);
    let first_id = payee.give_back(&first, "one of two was out of stock");
    let told = payee.status_of(first_id);
    assert_eq!(told.verdict(), (Outcome::Committed, "", Field::None));
    let (returned, text) = payer.returned_by(first_id);
    assert_eq!((returned.original_id, returned.amount, returned.returned_total), (paid.bytes(), 400, 400));
    assert_eq!((returned.reason, returned.case_id, text.as_str()), (*b"FOCR", NO_ID, "one of two was out of stock"));
    assert_eq!((returned.decided_at_ns, returned.position), told.decided);

    let switch = killed(&data, switch);
    let (mut payer, mut payee) = both(&data);
    payee.give_back(&first, "one of two was out of stock");
    assert_eq!(payee.status_of(first_id), crate::wire::Told { number: 0, ..told }, "sent again, it is the same");
    payee.give_back(&Return { amount: 401, ..first }, "");
    assert_eq!(payee.status_of(first_id).verdict(), (Outcome::Duplicate, "AM05", Field::PaymentId));
    let second = payee.give_back(&return_of(paid, 600), "");
    assert_eq!(payee.status_of(second).outcome, Outcome::Committed);
    assert_eq!(payer.returned_by(second).0.returned_total, 1_000);

    let refused = |wire: &mut Wire, message: Return, reason, field| {
        let id = wire.give_back(&message, "");
        assert_eq!(wire.status_of(id).verdict(), (Outcome::Rejected, reason, field), "{message:?}");
    };
    refused(&mut payee, return_of(paid, 1), "RCON", Field::Amount);
    refused(&mut payer, return_of(paid, 1), "AG09", Field::OriginalId);
    refused(&mut payee, return_of(PaymentId::random(), 1), "AG09", Field::OriginalId);
    refused(&mut payer, return_of(second, 1), "AG13", Field::OriginalId);
    refused(&mut payee, Return { currency: *b"EUR", ..return_of(paid, 1) }, "CURR", Field::Currency);
    let no_recall = Return { case_id: PaymentId::random().bytes(), ..return_of(paid, 1) };
    refused(&mut payee, no_recall, "FF13", Field::CaseId);
    payer.fence();
    assert_eq!(payer.unasked(), [], "of what was refused the payer hears nothing");
    let malformed = Return { reason: [0; 4], ..return_of(paid, 1) };
    payee.give_back(&malformed, "");
    let error = payee.refused();
    assert_eq!((error.code, error.field, error.payment_id), (ErrorCode::BadField, Field::Reason, malformed.return_id));
    killed(&data, switch).stop();
    assert_eq!((data.available(1), data.available(2)), (u128::from(FUNDS), u128::from(FUNDS)));
}

#[test]
fn a_recall_is_refused_or_answered_by_a_return() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = both(&data);
    let paid = payer.paid(&mut payee, &order(1, 2, 1_000));
    let opened = about(paid, CaseKind::Recall, [1, 2]);
    let recall = payer.open_case(&opened, &[]);
    let open = payer.case_of(recall);
    assert_eq!(open.verdict(), (CaseState::Open, "DUPL", Field::None));
    assert_eq!(open.place, (Lane::Bulk, 1));
    let (asked, private) = payee.asked_in(recall);
    assert_eq!((asked.original_id, asked.deadline_ns, private), (paid.bytes(), open.at.0, Vec::new()));
    // Yes to a recall is a return; a word alone changes nothing.
    payee.answer_case(&CaseAnswer::accept(recall), "");
    let unchanged = payee.case_of(recall);
    assert_eq!((unchanged.verdict(), unchanged.place), (open.verdict(), (Lane::Session, 0)));
    let again = payer.open_case(&about(paid, CaseKind::Recall, [1, 2]), &[]);
    assert_eq!(payer.case_of(again).verdict(), (CaseState::Rejected, "RCON", Field::OriginalId));

    let switch = killed(&data, switch);
    let (mut payer, mut payee) = both(&data);
    let mut stranger = Wire::open(&data, 3);
    let no = CaseAnswer::refuse(recall, Reason::of(b"CUST"));
    for wire in [&mut stranger, &mut payer] {
        wire.answer_case(&no, "");
        assert_eq!(wire.case_of(recall).verdict(), (CaseState::Unknown, "", Field::None), "not the one who is asked");
    }
    assert_eq!(stranger.ask(recall).outcome, Outcome::Unknown);
    payee.answer_case(&no, "the customer has spent it");
    let (to_payer, to_payee) = (payer.case_of(recall), payee.case_of(recall));
    assert_eq!(to_payer.verdict(), (CaseState::Refused, "CUST", Field::None));
    assert_eq!((to_payer.note.as_str(), to_payee.note.as_str()), ("the customer has spent it", ""));
    assert_eq!((to_payee.verdict(), to_payee.at), (to_payer.verdict(), to_payer.at));
    payer.open_case(&opened, &[]);
    assert_eq!(payer.case_of(recall).verdict(), (to_payer.verdict()), "opened again, it is the same case");

    let part = CaseOpen {
        amount: 300,
        currency: *b"XTS",
        amount_form: AmountForm::Fixed as u8,
        ..about(paid, CaseKind::Recall, [1, 2])
    };
    let second = payer.open_case(&part, &[]);
    assert_eq!(payer.case_of(second).state, CaseState::Open);
    payee.asked_in(second);
    let answer = Return { case_id: second.bytes(), ..return_of(paid, 300) };
    let returned = payee.give_back(&answer, "");
    assert_eq!(payee.status_of(returned).outcome, Outcome::Committed);
    assert_eq!(payer.returned_by(returned).0.case_id, second.bytes());
    for wire in [&mut payer, &mut payee] {
        assert_eq!(wire.case_of(second).verdict(), (CaseState::Settled, "", Field::None));
    }
    let switch = killed(&data, switch);
    let (mut payer, mut payee) = both(&data);
    for wire in [&mut payer, &mut payee] {
        assert_eq!(wire.ask_case(recall).verdict(), to_payer.verdict());
        assert_eq!(wire.ask_case(second).state, CaseState::Settled);
    }
    let late = CaseAnswer::refuse(second, Reason::of(b"CUST"));
    payee.answer_case(&late, "");
    assert_eq!(payee.case_of(second).state, CaseState::Settled, "what is closed stays closed");
    switch.stop();
    assert_eq!(data.available(2), u128::from(FUNDS) + 700);
}

#[test]
fn what_a_rule_refuses_says_why_and_nobody_is_asked() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = both(&data);
    let paid = payer.paid(&mut payee, &order(1, 2, 1_000));
    payer.forget();
    payee.forget();
    let recall = || about(paid, CaseKind::Recall, [1, 2]);
    let fixed = |minor_units| CaseOpen {
        amount: minor_units,
        currency: *b"XTS",
        amount_form: AmountForm::Fixed as u8,
        ..recall()
    };
    let asked = || request([1, 2], 500);
    let refusals = [
        (CaseOpen { opener: *code(3).bytes(), ..recall() }, "AGNT", Field::Opener),
        (CaseOpen { original_id: PaymentId::random().bytes(), ..recall() }, "AG09", Field::OriginalId),
        (CaseOpen { responder: *code(3).bytes(), ..recall() }, "AGNT", Field::Responder),
        (fixed(1_001), "RCON", Field::Amount),
        (CaseOpen { currency: *b"EUR", ..fixed(1) }, "CURR", Field::Currency),
        (CaseOpen { expires_at_ns: now_ns() - 1, ..recall() }, "EDTR", Field::ExpiresAt),
        (CaseOpen { expires_at_ns: now_ns() + 400 * DAY_NS, ..recall() }, "EDTL", Field::ExpiresAt),
        (CaseOpen { responder: *code(9).bytes(), ..asked() }, "DNOR", Field::Responder),
        (CaseOpen { responder: *code(1).bytes(), ..asked() }, "AG12", Field::Responder),
        (CaseOpen { currency: *b"EUR", ..asked() }, "AM03", Field::Currency),
        (CaseOpen { expires_at_ns: 1, ..asked() }, "EDTR", Field::ExpiresAt),
    ];
    for (opened, reason, field) in &refusals {
        let id = payer.open_case(opened, &[]);
        let told = payer.case_of(id);
        assert_eq!(told.verdict(), (CaseState::Rejected, *reason, *field), "{opened:?}");
        assert!(told.place.1 > 0, "it is final, and stands in the outbox");
        assert_eq!(payer.ask_case(id).verdict(), told.verdict());
    }
    // Only who has paid recalls.
    let id = payee.open_case(&about(paid, CaseKind::Recall, [2, 1]), &[]);
    assert_eq!(payee.case_of(id).verdict(), (CaseState::Rejected, "AG09", Field::OriginalId));
    // An id of a payment is none for a case.
    let taken = CaseOpen { case_id: paid.bytes(), ..asked() };
    payer.open_case(&taken, &[]);
    assert_eq!(payer.case_of(paid).verdict(), (CaseState::Duplicate, "AM05", Field::CaseId));
    payer.open_case(&CaseOpen { kind: CaseKind::Posting as u8, ..recall() }, &[]);
    let error = payer.refused();
    assert_eq!((error.code, error.field), (ErrorCode::BadField, Field::CaseKind));
    payee.fence();
    assert_eq!(payee.unasked(), []);
    killed(&data, switch).stop();
    data.verified();
}

#[test]
fn a_question_is_answered_with_a_text_and_a_case_is_taken_back_with_one() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = both(&data);
    let paid = payer.paid(&mut payee, &order(1, 2, 1_000));
    // Either provider may ask the other.
    let question = payee.open_case(&about(paid, CaseKind::Information, [2, 1]), &[]);
    assert_eq!(payee.case_of(question).verdict(), (CaseState::Open, "NARR", Field::None));
    payer.asked_in(question);
    let switch = killed(&data, switch);
    let (mut payer, mut payee) = both(&data);
    payer.answer_case(&CaseAnswer::accept(question), "invoice 17, ordered by telephone");
    let (to_payee, to_payer) = (payee.case_of(question), payer.case_of(question));
    assert_eq!(to_payee.verdict(), (CaseState::Settled, "", Field::None));
    assert_eq!((to_payee.note.as_str(), to_payer.note.as_str()), ("invoice 17, ordered by telephone", ""));
    assert_eq!((to_payee.place.0, to_payer.place.0), (Lane::Bulk, Lane::Bulk));

    let other = payer.open_case(&about(paid, CaseKind::Information, [1, 2]), &[]);
    payer.case_of(other);
    payee.asked_in(other);
    let cancel = CaseCancel { case_id: other.bytes(), reason: *b"NARR" };
    payee.send(MessageKind::CaseCancel, &written(&cancel), &[]);
    assert_eq!(payee.case_of(other).state, CaseState::Unknown, "only who has opened it takes it back");
    payer.send(MessageKind::CaseCancel, &written(&cancel), &note("found it"));
    let (to_payer, to_payee) = (payer.case_of(other), payee.case_of(other));
    assert_eq!(to_payee.verdict(), (CaseState::Cancelled, "NARR", Field::None));
    assert_eq!((to_payee.note.as_str(), to_payer.note.as_str()), ("found it", ""));
    killed(&data, switch).stop();
    data.verified();
}

#[test]
fn a_request_is_accepted_paid_and_not_paid_twice() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = both(&data);
    let private = PaymentPrivate { remittance: b"invoice 17".to_vec(), ..PaymentPrivate::default() };
    let asked = payee.open_case(&request([2, 1], 500), &written(&private));
    assert_eq!(payee.case_of(asked).verdict(), (CaseState::Open, "", Field::None));
    let (forwarded, its_private) = payer.asked_in(asked);
    assert_eq!((forwarded.amount, forwarded.opener), (500, *code(2).bytes()));
    assert_eq!(private_of(&its_private), private);
    payer.answer_case(&CaseAnswer::accept(asked), "");
    for wire in [&mut payee, &mut payer] {
        let told = wire.case_of(asked);
        assert_eq!((told.state, told.place.0), (CaseState::Accepted, Lane::Payments));
    }
    let switch = killed(&data, switch);
    let (mut payer, mut payee) = both(&data);
    let paying = |order: CreditTransfer| CreditTransfer { request_id: asked.bytes(), ..order };
    let refused = |wire: &mut Wire, order: CreditTransfer, reason, field| {
        let id = wire.pay(&order);
        assert_eq!(wire.status_of(id).verdict(), (Outcome::Rejected, reason, field), "{order:?}");
    };
    refused(&mut payer, paying(order(1, 2, 499)), "AM09", Field::Amount);
    refused(&mut payer, paying(order(1, 3, 500)), "AGNT", Field::Payee);
    refused(&mut payee, paying(order(2, 1, 500)), "IRNR", Field::RequestId);
    let nothing = CreditTransfer { request_id: PaymentId::random().bytes(), ..order(1, 2, 500) };
    refused(&mut payer, nothing, "IRNR", Field::RequestId);

    let paid = payer.pay(&paying(order(1, 2, 500)));
    let (forward, _) = payee.forward_of(paid);
    assert_eq!(forward.request_id, asked.bytes());
    assert_eq!(payee.ask_case(asked).state, CaseState::Paying);
    refused(&mut payer, paying(order(1, 2, 500)), "ALAC", Field::RequestId);
    let switch = killed(&data, switch);
    let (mut payer, mut payee) = both(&data);
    payee.accept(paid);
    assert_eq!(payer.status_of(paid).outcome, Outcome::Committed);
    for wire in [&mut payee, &mut payer] {
        assert_eq!(wire.case_of(asked).verdict(), (CaseState::Settled, "", Field::None));
    }
    refused(&mut payer, paying(order(1, 2, 500)), "APAR", Field::RequestId);

    let declined = payee.open_case(&request([2, 1], 700), &[]);
    payee.case_of(declined);
    payer.answer_case(&CaseAnswer::refuse(declined, Reason::of(b"CUST")), "not mine");
    let told = payee.case_of(declined);
    assert_eq!((told.verdict(), told.note.as_str()), ((CaseState::Refused, "CUST", Field::None), "not mine"));
    let late = CreditTransfer { request_id: declined.bytes(), ..order(1, 2, 700) };
    refused(&mut payer, late, "ARFR", Field::RequestId);
    killed(&data, switch).stop();
    assert_eq!(data.available(2), u128::from(FUNDS) + 500);
}

#[test]
fn what_is_accepted_without_posting_is_posted_or_returned() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = both(&data);
    let (posted, sent_back) = (payer.pay(&order(1, 2, 300)), payer.pay(&order(1, 2, 200)));
    for id in [posted, sent_back] {
        payee.forward_of(id);
        payee.send(MessageKind::Answer, &written(&Answer::accept_without_posting(id)), &[]);
        for wire in [&mut payer, &mut payee] {
            assert_eq!(wire.status_of(id).verdict(), (Outcome::Committed, "", Field::None));
            let told = wire.case_of(id);
            assert_eq!(told.verdict(), (CaseState::Open, "", Field::None));
            assert!(told.place.1 > 0 && told.at.0 > now_ns());
        }
    }
    let switch = killed(&data, switch);
    let (mut payer, mut payee) = both(&data);
    // Who does not post returns: this case is not refused.
    payee.answer_case(&CaseAnswer::refuse(posted, Reason::of(b"AC04")), "");
    assert_eq!(payee.case_of(posted).state, CaseState::Open);
    payee.answer_case(&CaseAnswer::accept(posted), "");
    let part = payee.give_back(&return_of(sent_back, 150), "");
    assert_eq!(payer.returned_by(part).0.returned_total, 150);
    assert_eq!(payee.ask_case(sent_back).state, CaseState::Open, "50 are neither posted nor returned");
    let rest = payee.give_back(&return_of(sent_back, 50), "");
    assert_eq!(payer.returned_by(rest).0.returned_total, 200);
    for wire in [&mut payer, &mut payee] {
        for id in [posted, sent_back] {
            assert_eq!(wire.case_of(id).verdict(), (CaseState::Settled, "", Field::None));
            assert_eq!(wire.ask(id).outcome, Outcome::Committed);
        }
    }
    killed(&data, switch).stop();
    assert_eq!(data.available(2), u128::from(FUNDS) + 300);
}
