//! What is written reads the same, what is read and written says the same, and both are valid for others.

use adapters::directory::{AliasType, LookupForm, LookupPurpose, LookupResult, NameMatch};
use adapters::iso20022::document::Decoder;
use adapters::iso20022::profile::Profile;
use adapters::iso20022::refusal::Cause;
use adapters::iso20022::{Addressed, Encoder, Order, read_orders, read_told};
use adapters::message::{
    AliasLookup, AliasLookupPrivate, AliasTransfer, AliasTransferPrivate, AmountForm, Answer, CaseAnswer, CaseCancel,
    CaseKind, CaseOpen, CaseState, CreditTransfer, Field, Lane, NO_ID, Note, Outcome, ParticipantCode, PaymentId,
    PaymentPrivate, Reason, Return,
};
use adapters::native::client::{AliasFound, CaseForward, CaseStatus, Forward, Incoming, Returned, Status};
use ledger::{Amount, Currency};

use crate::validity;

const NOW_NS: u64 = 1_795_422_600_000_000_000;

fn north() -> ParticipantCode {
    ParticipantCode::parse("NORTHBANK").expect("a code")
}

fn south() -> ParticipantCode {
    ParticipantCode::parse("SOUTDEFFXXX").expect("a code")
}

fn id(number: u8) -> PaymentId {
    let mut bytes = [number; 16];
    (bytes[6], bytes[8]) = (0x4a, 0x8b);
    PaymentId::from_bytes(bytes).expect("a version-4 UUID")
}

fn addressed(from: &'static str, to: &'static str) -> Addressed<'static> {
    Addressed { profile: Profile::clearspan(), message_id: "CS0123456789ABCDEF-1-1", created_at_ns: NOW_NS, from, to }
}

fn private() -> PaymentPrivate {
    PaymentPrivate {
        payer_name: "Amina Okafor & <Söhne>".into(),
        payer_account: b"GB82WEST12345698765432".to_vec(),
        payee_name: "José \"J\" Martínez".into(),
        payee_account: b"1001".to_vec(),
        end_to_end_id: b"INVOICE 4711".to_vec(),
        remittance: "Invoice 4711 > 4710; grüße".into(),
        extension: Vec::new(),
    }
}

fn note() -> Note {
    Note { text: "as agreed".into(), extension: Vec::new() }
}

fn transfer() -> CreditTransfer {
    let (amount, currency) = (Amount::new(12_550).expect("an amount"), Currency::parse(b"EUR").expect("a currency"));
    CreditTransfer { purpose: *b"GDDS", ..CreditTransfer::new(id(1), north(), south(), amount, currency, NOW_NS) }
}

/// Written by a provider, an order reads the same.
#[track_caller]
fn check_order(order: Order) {
    let (mut encoder, mut out) = (Encoder::new(Profile::clearspan()), String::new());
    assert!(encoder.write_order(&addressed("NORTHBANK", "CLEARSPAN"), &order, &mut out), "{order:?}");
    check_read(&out, &order);
}

#[track_caller]
fn check_read(message: &str, order: &Order) {
    validity::check(message);
    let mut decoder = Decoder::new(Profile::clearspan());
    match read_orders(&mut decoder, message.as_bytes(), Some(north())) {
        Ok(read) => assert_eq!(read.orders, std::slice::from_ref(order), "{message}"),
        Err(refusal) => panic!("{refusal}\n{message}"),
    }
}

/// Written by the switch, it reads the same.
#[track_caller]
fn check_told(told: Incoming) {
    let (mut encoder, mut out) = (Encoder::new(Profile::clearspan()), String::new());
    assert!(encoder.write_told(&addressed("CLEARSPAN", "NORTHBANK"), &told, &mut out), "{told:?}");
    validity::check(&out);
    let mut decoder = Decoder::new(Profile::clearspan());
    match read_told(&mut decoder, out.as_bytes()) {
        Ok(read) => assert_eq!(read, [told], "{out}"),
        Err(refusal) => panic!("{refusal}\n{out}"),
    }
}

#[test]
fn payment_orders() {
    check_order(Order::CreditTransfer(transfer(), private()));
    check_order(Order::CreditTransfer(
        transfer(),
        PaymentPrivate { payee_account: b"1".to_vec(), ..PaymentPrivate::default() },
    ));
    let bulk = CreditTransfer { lane: Lane::Bulk as u8, request_id: id(7).bytes(), purpose: [0; 4], ..transfer() };
    check_order(Order::CreditTransfer(bulk, private()));
    let yen = CreditTransfer { currency: *b"JPY", amount: 1, ..transfer() };
    check_order(Order::CreditTransfer(yen, private()));
    let dinars = CreditTransfer { currency: *b"KWD", amount: 999_999_999_999_999_999, ..transfer() };
    check_order(Order::CreditTransfer(dinars, private()));
    let long =
        PaymentPrivate { payee_account: "a long account of a wallet with more than 34 characters".into(), ..private() };
    check_order(Order::CreditTransfer(transfer(), long));
}

#[test]
fn payment_orders_by_alias() {
    for kind in AliasType::ALL {
        let CreditTransfer { payment_id, payer, amount, currency, accepted_at_ns, purpose, lane, request_id, .. } =
            transfer();
        let order = AliasTransfer {
            payment_id,
            payer,
            amount,
            currency,
            accepted_at_ns,
            purpose,
            lane,
            request_id,
            alias_type: *kind as u8,
        };
        let PaymentPrivate { payer_name, payer_account, payee_name, end_to_end_id, remittance, extension, .. } =
            private();
        let (alias, end_user) = (b"+447700900123".to_vec(), b"T0KEN-4711".to_vec());
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
        check_order(Order::AliasTransfer(order, private));
    }
}

#[test]
fn answers_and_questions() {
    check_order(Order::Answer(Answer::accept(id(1)), Note::default()));
    check_order(Order::Answer(Answer::accept(id(1)), note()));
    check_order(Order::Answer(Answer::accept_without_posting(id(1)), note()));
    check_order(Order::Answer(Answer::reject(id(1), Reason::of(b"AC01")), note()));
    check_order(Order::StatusRequest(id(1)));
    check_order(Order::SignOn);
    check_order(Order::SignOff);
    check_order(Order::Echo);
}

#[test]
fn returns() {
    for case_id in [NO_ID, id(3).bytes()] {
        let (return_id, original_id) = (id(2).bytes(), id(1).bytes());
        let message = Return { return_id, original_id, case_id, amount: 100, currency: *b"EUR", reason: *b"AC04" };
        check_order(Order::Return(message, note()));
    }
}

fn case(kind: CaseKind) -> CaseOpen {
    CaseOpen {
        case_id: id(4).bytes(),
        kind: kind as u8,
        original_id: id(1).bytes(),
        opener: *north().bytes(),
        responder: *south().bytes(),
        amount: 0,
        currency: [0; 3],
        amount_form: AmountForm::None as u8,
        reason: *b"DUPL",
        expires_at_ns: 0,
    }
}

#[test]
fn cases() {
    check_order(Order::CaseOpen(case(CaseKind::Recall), private()));
    let partial =
        CaseOpen { amount: 500, currency: *b"EUR", amount_form: AmountForm::Fixed as u8, ..case(CaseKind::Recall) };
    check_order(Order::CaseOpen(partial, private()));
    check_order(Order::CaseOpen(CaseOpen { reason: *b"MS03", ..case(CaseKind::Information) }, private()));
    for amount_form in [AmountForm::Fixed, AmountForm::UpTo] {
        let request = CaseOpen {
            original_id: NO_ID,
            reason: [0; 4],
            amount: 500,
            currency: *b"EUR",
            amount_form: amount_form as u8,
            expires_at_ns: NOW_NS + 1,
            ..case(CaseKind::PaymentRequest)
        };
        check_order(Order::CaseOpen(request, private()));
    }
}

#[test]
fn answers_to_cases() {
    let (mut encoder, own) = (Encoder::new(Profile::clearspan()), addressed("NORTHBANK", "CLEARSPAN"));
    let (yes, no) = (CaseAnswer::accept(id(4)), CaseAnswer::refuse(id(4), Reason::of(b"AM04")));
    let can_say = [
        (CaseKind::Recall, vec![&no]),
        (CaseKind::Information, vec![&yes, &no]),
        (CaseKind::PaymentRequest, vec![&yes, &no]),
        (CaseKind::Posting, vec![&yes]),
    ];
    for (kind, answers) in can_say {
        for answer in answers {
            let mut out = String::new();
            encoder.write_case_answer(&own, kind, answer, &note(), &mut out);
            check_read(&out, &Order::CaseAnswer(answer.clone(), note()));
        }
        let (mut out, cancel) = (String::new(), CaseCancel { case_id: id(4).bytes(), reason: *b"CUST" });
        assert_eq!(encoder.write_case_cancel(&own, kind, &cancel, &note(), &mut out), kind != CaseKind::Posting);
        if kind != CaseKind::Posting {
            check_read(&out, &Order::CaseCancel(cancel, note()));
        }
    }
}

#[test]
fn look_ups() {
    let by_alias = AliasLookup {
        lookup_id: id(5).bytes(),
        form: LookupForm::Lookup as u8,
        purpose: LookupPurpose::Payment as u8,
        alias_type: AliasType::Mobile as u8,
        participant: [0; 35],
    };
    let private = AliasLookupPrivate {
        alias: b"+447700900123".to_vec(),
        end_user: b"T0KEN".to_vec(),
        ..AliasLookupPrivate::default()
    };
    check_order(Order::AliasLookup(by_alias.clone(), private.clone()));
    for purpose in [LookupPurpose::GovernmentPayment, LookupPurpose::FraudInvestigation] {
        check_order(Order::AliasLookup(AliasLookup { purpose: purpose as u8, ..by_alias.clone() }, private.clone()));
    }
    let (form, purpose) = (LookupForm::Verification as u8, LookupPurpose::PayeeVerification as u8);
    let named = AliasLookupPrivate { name: "Amina Okafor".into(), ..private.clone() };
    check_order(Order::AliasLookup(AliasLookup { form, purpose, ..by_alias.clone() }, named));
    let by_account = AliasLookup { form, purpose, alias_type: 0, participant: *south().bytes(), ..by_alias };
    let named =
        AliasLookupPrivate { alias: Vec::new(), account: b"1001".to_vec(), name: "Amina Okafor".into(), ..private };
    check_order(Order::AliasLookup(by_account, named));
}

fn forward() -> Forward {
    Forward {
        payment_id: id(1),
        payer: south(),
        payee: north(),
        amount: Amount::new(12_550).expect("an amount"),
        currency: Currency::parse(b"EUR").expect("a currency"),
        accepted_at_ns: NOW_NS - 5,
        purpose: Reason::of(b"GDDS"),
        lane: Lane::Payments,
        request_id: None,
        deadline_ns: NOW_NS + 8_000_000_001,
        private: private(),
    }
}

#[test]
fn payments_that_wait_for_an_answer() {
    check_told(Incoming::Forward(Box::new(forward())));
    check_told(Incoming::Forward(Box::new(Forward {
        lane: Lane::Bulk,
        request_id: Some(id(7)),
        purpose: Reason::NONE,
        ..forward()
    })));
    // At midnight a time of day begins anew.
    let accepted_at_ns = 1_795_478_399_000_000_000;
    check_told(Incoming::Forward(Box::new(Forward {
        accepted_at_ns,
        deadline_ns: accepted_at_ns + 8_000_000_000,
        ..forward()
    })));
}

/// A native order may leave the payee's account empty. Its message had no `CdtrAcct` then, which the scheme's own profile asks for: found by fuzzing.
#[test]
fn a_payment_without_an_account_of_the_payee() {
    let nameless = PaymentPrivate { payee_account: Vec::new(), ..private() };
    check_order(Order::CreditTransfer(transfer(), nameless.clone()));
    check_told(Incoming::Forward(Box::new(Forward { private: nameless, ..forward() })));
    check_told(Incoming::Forward(Box::new(Forward { private: PaymentPrivate::default(), ..forward() })));
}

/// The switch finds the provider that an alias leads to. An order by alias, read as if the switch had sent it, named the payer as payee: found by fuzzing.
#[test]
fn the_switch_does_not_tell_of_aliases() {
    let message = include_str!("../../../docs/examples/iso20022/pacs.008-alias.xml");
    let refusal = read_told(&mut Decoder::new(Profile::clearspan()), message.as_bytes()).expect_err("it is an order");
    assert_eq!((refusal.cause, refusal.line), (Cause::Profile, 32), "{refusal}");
}

#[test]
fn what_became_of_payments() {
    let status = |outcome, reason| Status {
        payment_id: id(1),
        outcome,
        reason,
        field: Field::None,
        decided_at_ns: NOW_NS,
        position: 4_711,
        numbered: true,
        note: note(),
    };
    check_told(Incoming::Status(Box::new(status(Outcome::Committed, Reason::NONE))));
    check_told(Incoming::Status(Box::new(status(Outcome::Rejected, Reason::of(b"AM04")))));
    check_told(Incoming::Status(Box::new(status(Outcome::Expired, Reason::of(b"AB05")))));
    check_told(Incoming::Status(Box::new(Status {
        decided_at_ns: 0,
        position: 0,
        ..status(Outcome::InFlight, Reason::NONE)
    })));
    for outcome in [Outcome::Unknown, Outcome::Duplicate] {
        let unknown = Status { decided_at_ns: 0, position: 0, numbered: false, ..status(outcome, Reason::NONE) };
        check_told(Incoming::Status(Box::new(unknown)));
    }
    check_told(Incoming::Returned(Box::new(Returned {
        return_id: id(2),
        original_id: id(1),
        case_id: Some(id(3)),
        amount: Amount::new(100).expect("an amount"),
        currency: Currency::parse(b"EUR").expect("a currency"),
        reason: Reason::of(b"AC04"),
        returned_total: 100,
        decided_at_ns: NOW_NS,
        position: 9,
        note: note(),
    })));
}

#[test]
fn cases_that_wait_for_an_answer() {
    let amount = Some((Amount::new(500).expect("an amount"), Currency::parse(b"EUR").expect("a currency")));
    let case = |kind, original_id, amount, form, reason, deadline_ns| {
        let (opener, responder) = (south(), north());
        let case = CaseForward {
            case_id: id(4),
            kind,
            original_id,
            opener,
            responder,
            amount,
            form,
            reason,
            deadline_ns,
            private: private(),
        };
        Incoming::CaseForward(Box::new(case))
    };
    let (dupl, ms03) = (Reason::of(b"DUPL"), Reason::of(b"MS03"));
    check_told(case(CaseKind::Recall, Some(id(1)), None, AmountForm::None, dupl, 0));
    check_told(case(CaseKind::Recall, Some(id(1)), amount, AmountForm::Fixed, dupl, 0));
    check_told(case(CaseKind::Information, Some(id(1)), None, AmountForm::None, ms03, 0));
    check_told(case(CaseKind::PaymentRequest, None, amount, AmountForm::Fixed, Reason::NONE, NOW_NS + 1));
    check_told(case(CaseKind::PaymentRequest, None, amount, AmountForm::UpTo, Reason::NONE, NOW_NS + 1));
}

#[test]
fn where_cases_stand() {
    use CaseState as S;
    let check = |kind, state, reason: Reason, at_ns, position| {
        let (kind, numbered) = (
            Some(kind).filter(|_| !matches!(state, S::Unknown | S::Duplicate)),
            !matches!(state, S::Unknown | S::Duplicate),
        );
        let (case_id, field, note) = (id(4), Field::None, note());
        let case = CaseStatus { case_id, kind, state, reason, field, at_ns, position, numbered, note };
        check_told(Incoming::CaseStatus(Box::new(case)));
    };
    let no = Reason::of(b"AM04");
    check(CaseKind::Recall, S::Open, Reason::NONE, NOW_NS, 0);
    check(CaseKind::Recall, S::Settled, Reason::NONE, NOW_NS, 0);
    check(CaseKind::Recall, S::Refused, no, NOW_NS, 0);
    check(CaseKind::Recall, S::Rejected, no, NOW_NS, 0);
    check(CaseKind::Recall, S::Expired, Reason::of(b"NOAS"), NOW_NS, 0);
    check(CaseKind::Recall, S::Cancelled, no, NOW_NS, 0);
    check(CaseKind::Information, S::Settled, Reason::NONE, NOW_NS, 0);
    check(CaseKind::PaymentRequest, S::Open, Reason::NONE, 0, 7);
    check(CaseKind::PaymentRequest, S::Accepted, Reason::NONE, NOW_NS, 7);
    check(CaseKind::PaymentRequest, S::Paying, Reason::NONE, NOW_NS, 7);
    check(CaseKind::PaymentRequest, S::Settled, Reason::NONE, NOW_NS, 7);
    check(CaseKind::PaymentRequest, S::Refused, no, NOW_NS, 7);
    check(CaseKind::PaymentRequest, S::Rejected, no, NOW_NS, 7);
    check(CaseKind::PaymentRequest, S::Expired, Reason::of(b"AEXR"), NOW_NS, 7);
    check(CaseKind::PaymentRequest, S::Cancelled, no, NOW_NS, 7);
    check(CaseKind::Posting, S::Open, Reason::NONE, 0, 7);
    check(CaseKind::Posting, S::Settled, Reason::NONE, NOW_NS, 7);
    check(CaseKind::Posting, S::Expired, no, NOW_NS, 7);
    // The code that says so in the message is no reason of the case: it was read as one, found by random values.
    check(CaseKind::Recall, S::Unknown, Reason::NONE, NOW_NS, 0);
    check(CaseKind::Recall, S::Duplicate, Reason::NONE, NOW_NS, 0);
}

#[test]
fn answers_to_look_ups() {
    let found = AliasFound {
        lookup_id: id(5),
        result: LookupResult::Found,
        name_match: None,
        participant: Some(south()),
        owned_since_ns: NOW_NS,
        counters: [0, 1, 2, 3, 4, 5, 6, 0, 1],
        retry_after_ms: 0,
        position: 12,
        account: b"GB82WEST12345698765432".to_vec(),
        name: "A*** O***".into(),
    };
    check_told(Incoming::AliasFound(Box::new(found.clone())));
    for name_match in NameMatch::ALL {
        check_told(Incoming::AliasFound(Box::new(AliasFound { name_match: Some(*name_match), ..found.clone() })));
    }
    let nothing = AliasFound {
        participant: None,
        owned_since_ns: 0,
        counters: [0; 9],
        position: 0,
        account: Vec::new(),
        name: Vec::new(),
        ..found
    };
    check_told(Incoming::AliasFound(Box::new(AliasFound { result: LookupResult::NotFound, ..nothing.clone() })));
    check_told(Incoming::AliasFound(Box::new(AliasFound {
        result: LookupResult::Limited,
        retry_after_ms: 1_500,
        ..nothing
    })));
}

/// An account may be longer than `Othr/Id`. That of an entry came as NOTPROVIDED, and a look-up of one made an invalid message: found by random values.
#[test]
fn look_ups_of_long_accounts() {
    let account = b"a long account of a wallet with more than 34 characters".to_vec();
    let by_account = AliasLookup {
        lookup_id: id(5).bytes(),
        form: LookupForm::Verification as u8,
        purpose: LookupPurpose::GovernmentPayment as u8,
        alias_type: 0,
        participant: *south().bytes(),
    };
    let (name, end_user) = (b"Amina Okafor".to_vec(), b"T0KEN".to_vec());
    let private = AliasLookupPrivate { alias: Vec::new(), end_user, account: account.clone(), name };
    check_order(Order::AliasLookup(by_account, private));
    check_told(Incoming::AliasFound(Box::new(AliasFound {
        lookup_id: id(5),
        result: LookupResult::Found,
        name_match: None,
        participant: Some(south()),
        owned_since_ns: NOW_NS,
        counters: [0; 9],
        retry_after_ms: 0,
        position: 12,
        account,
        name: "A*** O***".into(),
    })));
}

/// What a provider says beyond what the switch uses reaches the other provider as it was.
#[test]
fn nothing_is_dropped() {
    let message = include_str!("files/pacs008.xml");
    let (mut decoder, mut encoder) = (Decoder::new(Profile::clearspan()), Encoder::new(Profile::clearspan()));
    let orders = read_orders(&mut decoder, message.as_bytes(), Some(north())).expect("it is a good message").orders;
    let [Order::CreditTransfer(order, private)] = &orders[..] else { panic!("one payment order: {orders:?}") };
    let forward = Forward { payer: north(), private: private.clone(), ..forward() };
    assert_eq!(order.amount, 12_550);
    let mut out = String::new();
    assert!(encoder.write_told(&addressed("CLEARSPAN", "SOUTHBANK"), &Incoming::Forward(Box::new(forward)), &mut out));
    validity::check(&out);
    for element in [
        "<InstrId>INSTR-1</InstrId><EndToEndId>INVOICE 4711</EndToEndId><TxId>TX-1</TxId>",
        "<PmtTpInf><SvcLvl><Cd>INST</Cd></SvcLvl></PmtTpInf>",
        "<UltmtDbtr><Nm>Amina &amp; Sons</Nm></UltmtDbtr>",
        "<Dbtr><Nm>Amina Okafor</Nm><PstlAdr><StrtNm>Harbour Road</StrtNm><BldgNb>7</BldgNb>",
        "<Othr><Id>1001</Id><SchmeNm><Prtry>LOCAL</Prtry></SchmeNm></Othr>",
        "<Ustrd>Invoice 4711, thank you</Ustrd><Ustrd>and &lt;more&gt;</Ustrd><Strd><CdtrRefInf>",
    ] {
        assert!(out.contains(element), "{element} in {out}");
    }
    let told = read_told(&mut decoder, out.as_bytes()).expect("it is a good message");
    let [Incoming::Forward(told)] = &told[..] else { panic!("one payment: {told:?}") };
    assert_eq!(told.private, *private);
}

/// A message of a payer with more in it, and the same as the payee provider gets it.
#[track_caller]
fn forwarded(from: &str, to: &str) -> String {
    let message = include_str!("files/pacs008.xml");
    assert!(message.contains(from), "{from}");
    let message = message.replacen(from, to, 1);
    validity::check(&message);
    let (mut decoder, mut encoder) = (Decoder::new(Profile::clearspan()), Encoder::new(Profile::clearspan()));
    let orders = read_orders(&mut decoder, message.as_bytes(), Some(north())).expect("it is a good message").orders;
    let [Order::CreditTransfer(order, private)] = &orders[..] else { panic!("one payment order: {orders:?}") };
    let payee = ParticipantCode::from_bytes(order.payee).expect("a code");
    let forward = Forward { payer: north(), payee, private: private.clone(), ..forward() };
    let mut out = String::new();
    assert!(encoder.write_told(&addressed("CLEARSPAN", "SOUTHBANK"), &Incoming::Forward(Box::new(forward)), &mut out));
    validity::check(&out);
    assert!(out.contains("<Ref>RF18539007547034</Ref>"), "what is carried is there: {out}");
    out
}

/// An element that ISO 20022 requires may be empty. Left out of what is carried, it made that invalid, and all of it was left out: found by fuzzing.
#[test]
fn empty_elements_are_carried() {
    let elsewhere =
        "<RltdRmtInf><RmtLctnDtls><Mtd>POST</Mtd><PstlAdr><Nm>Amina</Nm><Adr/></PstlAdr></RmtLctnDtls></RltdRmtInf>";
    let out = forwarded("<RmtInf>", &format!("{elsewhere}<RmtInf>"));
    assert!(out.contains("<Nm>Amina</Nm><Adr></Adr>"), "{out}");
}

/// A provider may be named by a scheme of names of its own. That scheme was carried without the name, which made what was carried invalid: found by fuzzing.
#[test]
fn other_names_of_providers() {
    let other = "<Othr><Id>SOUTHBANK</Id><SchmeNm><Prtry>LOCAL</Prtry></SchmeNm></Othr>";
    let out = forwarded(
        "<ClrSysMmbId><MmbId>SOUTHBANK</MmbId></ClrSysMmbId></FinInstnId></CdtrAgt>",
        &format!("{other}</FinInstnId></CdtrAgt>"),
    );
    assert!(out.contains("<MmbId>SOUTHBANK</MmbId>"), "{out}");
}

/// EASTBANK has the form of a BIC of Bosnia. As one it took the place of the real BIC beside it: found by fuzzing.
#[test]
fn a_code_that_looks_like_a_bic() {
    let out = forwarded(
        "<FinInstnId><ClrSysMmbId><MmbId>SOUTHBANK</MmbId></ClrSysMmbId></FinInstnId></CdtrAgt>",
        "<FinInstnId><BICFI>DEUTDEFF</BICFI><ClrSysMmbId><MmbId>EASTBANK</MmbId></ClrSysMmbId></FinInstnId></CdtrAgt>",
    );
    assert!(out.contains("<BICFI>DEUTDEFF</BICFI><ClrSysMmbId><MmbId>EASTBANK</MmbId></ClrSysMmbId>"), "{out}");
}

/// Conditions of a request to pay that the switch does not use were carried without the one that it does, which made all that was carried invalid: found by fuzzing.
#[test]
fn conditions_of_a_request_are_carried() {
    let conditions = "<PmtCond><AmtModAllwd>false</AmtModAllwd><EarlyPmtAllwd>false</EarlyPmtAllwd><GrntedPmtReqd>true</GrntedPmtReqd></PmtCond>";
    let message = include_str!("../../../docs/examples/iso20022/pain.013-request-to-pay.xml");
    for before in ["<Dbtr>", "<Amt>"] {
        let message = message.replacen(before, &format!("{conditions}{before}"), 1);
        validity::check(&message);
        let (mut decoder, mut out) = (Decoder::new(Profile::clearspan()), String::new());
        let read = read_orders(&mut decoder, message.as_bytes(), None).expect("a good message").orders;
        assert!(Encoder::new(Profile::clearspan()).write_order(
            &addressed("SOUTHBANK", "CLEARSPAN"),
            &read[0],
            &mut out
        ));
        validity::check(&out);
        assert!(out.contains(&format!("{conditions}{before}")), "{out}");
    }
}

/// Ids of original messages are of one hop. Those of the group were carried where a transaction had some of its own: found by fuzzing.
#[test]
fn ids_of_original_messages_are_not_carried() {
    let message = include_str!("../../../docs/examples/iso20022/pacs.004-yes-to-a-recall.xml");
    let group =
        "<OrgnlGrpInf><OrgnlMsgId>ONE HOP</OrgnlMsgId><OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId></OrgnlGrpInf>";
    let message = message.replacen("<TxInf>", &format!("{group}<TxInf>"), 1);
    validity::check(&message);
    let read = read_orders(&mut Decoder::new(Profile::clearspan()), message.as_bytes(), None).expect("a good message");
    let [Order::Return(_, note)] = &read.orders[..] else { panic!("one return: {read:?}") };
    assert_eq!(note.extension, b"");
}

/// Several transactions of a message go different ways: none takes with it what another one says.
#[test]
fn each_transaction_carries_its_own() {
    let mut message = String::new();
    let recall = Order::CaseOpen(case(CaseKind::Recall), private());
    assert!(Encoder::new(Profile::clearspan()).write_order(
        &addressed("NORTHBANK", "CLEARSPAN"),
        &recall,
        &mut message
    ));
    let start = message.find("<Undrlyg>").expect("it is there");
    let end = message.find("</Undrlyg>").expect("it is there") + "</Undrlyg>".len();
    let cases = [id(4), id(5)];
    let of_case = |case: PaymentId, reference: &str| {
        let case = case.to_string().replace('-', "");
        let creator =
            "<Cretr><Agt><FinInstnId><ClrSysMmbId><MmbId>NORTHBANK</MmbId></ClrSysMmbId></FinInstnId></Agt></Cretr>";
        let inner = format!("<TxInf><CxlId>{reference}</CxlId><Case><Id>{case}</Id>{creator}</Case>");
        message[start..end].replace("<TxInf>", &inner)
    };
    let both = of_case(cases[0], "FIRST") + &of_case(cases[1], "SECOND");
    let message = format!("{}{both}{}", &message[..start], &message[end..]);
    validity::check(&message);
    let read = read_orders(&mut Decoder::new(Profile::clearspan()), message.as_bytes(), Some(north()))
        .expect("a good message");
    let carried: Vec<_> = read
        .orders
        .iter()
        .map(|order| match order {
            Order::CaseOpen(opened, private) => {
                (opened.case_id, String::from_utf8_lossy(&private.extension).into_owned())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(carried.len(), 2);
    for ((case_id, extension), (case, own, other)) in
        carried.iter().zip([(cases[0], "FIRST", "SECOND"), (cases[1], "SECOND", "FIRST")])
    {
        assert_eq!(*case_id, case.bytes());
        assert!(extension.contains(own) && !extension.contains(other), "{extension}");
    }
}

/// What is no rest of such a message cannot make a message invalid, whoever wrote it.
#[test]
fn a_strange_extension_stays_out() {
    let mut encoder = Encoder::new(Profile::clearspan());
    let mut plain = String::new();
    assert!(encoder.write_told(
        &addressed("CLEARSPAN", "NORTHBANK"),
        &Incoming::Forward(Box::new(forward())),
        &mut plain
    ));
    let xml = |inner: &str| {
        format!(
            "<FIToFICstmrCdtTrf xmlns=\"urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08\">{inner}</FIToFICstmrCdtTrf>"
        )
        .into_bytes()
    };
    for extension in [
        b"\x00\x01\x02".to_vec(),
        b"<html/>".to_vec(),
        xml("<CdtTrfTxInf><Unknown>1</Unknown></CdtTrfTxInf>"),
        xml("<CdtTrfTxInf><ChrgBr>SLEV</ChrgBr></CdtTrfTxInf></FIToFICstmrCdtTrf><x>"),
        xml("<CdtTrfTxInf><DbtrAcct><Id><Othr><Id>other</Id></Othr></Id></DbtrAcct></CdtTrfTxInf><CdtTrfTxInf/>"),
        xml("<GrpHdr><NbOfTxs>7</NbOfTxs></GrpHdr><CdtTrfTxInf/><CdtTrfTxInf><ChrgBr>DEBT</ChrgBr></CdtTrfTxInf>"),
    ] {
        let mut out = String::new();
        let forward = Forward { private: PaymentPrivate { extension: extension.clone(), ..private() }, ..forward() };
        assert!(encoder.write_told(
            &addressed("CLEARSPAN", "NORTHBANK"),
            &Incoming::Forward(Box::new(forward)),
            &mut out
        ));
        validity::check(&out);
        let told = read_told(&mut Decoder::new(Profile::clearspan()), out.as_bytes());
        let Ok([Incoming::Forward(told)]) = told.as_deref() else { panic!("{told:?}: {out}") };
        assert_eq!(
            (told.amount, told.private.payee_account.as_slice()),
            (Amount::new(12_550).expect("an amount"), &b"1001"[..])
        );
    }
}
