//! One of each message, and ways to make and to read them.

use adapters::message::{
    AccountQuery, AccountReport, Ack, AliasCommand, AliasCommandPrivate, AliasFound, AliasLookup, AliasLookupPrivate,
    AliasResult, AliasTransfer, AliasTransferPrivate, AmountForm, Answer, CaseAnswer, CaseCancel, CaseForward,
    CaseKind, CaseOpen, CaseState, CaseStatus, CreditTransfer, DirectoryAnswer, DirectoryItems, DirectoryQuery, Echo,
    Error, Forward, Hello, MessageKind, Note, Part, ParticipantCode, PaymentId, PaymentPrivate, Reason, Return,
    Returned, Status, StatusRequest, Welcome,
};
use adapters::native::frame::{self, Decoded, Frame, Head};
use ledger::{Amount, Currency};

/// A participant's code.
pub(crate) fn code(text: &str) -> ParticipantCode {
    ParticipantCode::parse(text).unwrap()
}

/// A payment id that carries a number.
pub(crate) fn id(number: u64) -> PaymentId {
    let mut bytes = [0x11; 16];
    bytes[..6].copy_from_slice(&number.to_le_bytes()[..6]);
    bytes[6] = 0x4a;
    bytes[8] = 0x9b;
    PaymentId::from_bytes(bytes).unwrap()
}

pub(crate) fn amount(minor_units: u64) -> Amount {
    Amount::new(minor_units).unwrap()
}

pub(crate) fn currency(text: &str) -> Currency {
    Currency::parse(text.as_bytes()).unwrap()
}

/// A moment in 2026.
pub(crate) const TIME_NS: u64 = 1_790_000_000_123_456_789;

pub(crate) fn transfer(number: u64) -> CreditTransfer {
    let order = CreditTransfer::new(
        id(number),
        code("NORTHBANK"),
        code("SOUTH-COOP_2"),
        amount(123_456),
        currency("KES"),
        TIME_NS,
    );
    CreditTransfer { purpose: *b"SALA", request_id: id(6).bytes(), ..order }
}

pub(crate) fn forward(number: u64) -> Forward {
    let order = transfer(number);
    Forward {
        payment_id: order.payment_id,
        payer: order.payer,
        payee: order.payee,
        amount: order.amount,
        currency: order.currency,
        accepted_at_ns: order.accepted_at_ns,
        purpose: order.purpose,
        lane: order.lane,
        request_id: order.request_id,
        deadline_ns: TIME_NS + 10_000_000_000,
    }
}

pub(crate) fn status(number: u64) -> Status {
    Status {
        payment_id: id(number).bytes(),
        outcome: 2,
        reason: *b"AC01",
        field: 3,
        decided_at_ns: TIME_NS + 1,
        position: 77,
    }
}

pub(crate) fn payment_return(number: u64) -> Return {
    Return {
        return_id: id(number).bytes(),
        original_id: id(7).bytes(),
        case_id: id(8).bytes(),
        amount: 3_456,
        currency: *b"KES",
        reason: *b"FOCR",
    }
}

pub(crate) fn returned(number: u64) -> Returned {
    let Return { return_id, original_id, case_id, amount, currency, reason } = payment_return(number);
    let (returned_total, decided_at_ns, position) = (23_456, TIME_NS + 2, 78);
    Returned { return_id, original_id, case_id, amount, currency, reason, returned_total, decided_at_ns, position }
}

/// A request to pay.
pub(crate) fn case_open(number: u64) -> CaseOpen {
    CaseOpen {
        case_id: id(number).bytes(),
        kind: CaseKind::PaymentRequest as u8,
        original_id: [0; 16],
        opener: *code("NORTHBANK").bytes(),
        responder: *code("SOUTH-COOP_2").bytes(),
        amount: 123_456,
        currency: *b"KES",
        amount_form: AmountForm::UpTo as u8,
        reason: [0; 4],
        expires_at_ns: TIME_NS + 3_600_000_000_000,
    }
}

/// A recall of a whole payment.
pub(crate) fn recall(number: u64) -> CaseOpen {
    CaseOpen {
        kind: CaseKind::Recall as u8,
        original_id: id(7).bytes(),
        amount: 0,
        currency: [0; 3],
        amount_form: AmountForm::None as u8,
        reason: *b"DUPL",
        expires_at_ns: 0,
        ..case_open(number)
    }
}

/// As the switch tells of a case that was opened.
pub(crate) fn case_forward(opened: &CaseOpen) -> CaseForward {
    let &CaseOpen { case_id, kind, original_id, opener, responder, amount, currency, amount_form, reason, .. } = opened;
    let deadline_ns = TIME_NS + 3_600_000_000_000;
    CaseForward { case_id, kind, original_id, opener, responder, amount, currency, amount_form, reason, deadline_ns }
}

pub(crate) fn case_answer(number: u64) -> CaseAnswer {
    CaseAnswer::refuse(id(number), Reason::of(b"CUST"))
}

pub(crate) fn case_cancel(number: u64) -> CaseCancel {
    CaseCancel { case_id: id(number).bytes(), reason: *b"DUPL" }
}

pub(crate) fn case_status(number: u64) -> CaseStatus {
    CaseStatus {
        case_id: id(number).bytes(),
        kind: CaseKind::Recall as u8,
        state: CaseState::Rejected as u8,
        reason: *b"TM01",
        field: 16,
        at_ns: TIME_NS + 3,
        position: 79,
    }
}

pub(crate) fn payment_private() -> PaymentPrivate {
    PaymentPrivate {
        payer_name: "Wanjikũ Mwangi".into(),
        payer_account: b"KE-001-55".to_vec(),
        payee_name: "Otieno & Söhne".into(),
        payee_account: b"0712-88".to_vec(),
        end_to_end_id: b"INV-2026-09".to_vec(),
        remittance: "rent for October".into(),
        extension: vec![0, 1, 2, 0xff],
    }
}

pub(crate) fn note() -> Note {
    Note { text: "no such account".into(), extension: vec![9, 8, 7] }
}

pub(crate) fn hello() -> Hello {
    Hello { participant: *code("NORTHBANK").bytes(), lineage: [7; 16], seen: [10, 20, u64::MAX], slot: 1 }
}

pub(crate) fn welcome() -> Welcome {
    Welcome {
        lineage: [7; 16],
        resumed_after: [10, 20, 30],
        enqueued: [11, 22, 33],
        time_ns: TIME_NS,
        frame_bytes_max: 12_288,
        in_flight_max: 4_096,
    }
}

pub(crate) fn error() -> Error {
    Error { code: 7, field: 4, fatal: 0, retry_after_ms: 250, frame_number: 42, payment_id: id(5).bytes() }
}

pub(crate) fn ack() -> Ack {
    Ack { received: [1, 2, 3] }
}

pub(crate) fn echo() -> Echo {
    Echo { token: 0x0102_0304_0506_0708, reply: 1 }
}

pub(crate) fn answer() -> Answer {
    Answer::reject(id(5), Reason::of(b"AC06"))
}

pub(crate) fn status_request() -> StatusRequest {
    StatusRequest { payment_id: id(5).bytes() }
}

/// A frame with the given parts.
pub(crate) fn framed<P: Part>(kind: MessageKind, head: Head, routing: &P, private: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::encode(&mut out, kind, head, routing, |out| out.extend_from_slice(private));
    out
}

/// A part's bytes.
pub(crate) fn written<P: Part>(part: &P) -> Vec<u8> {
    let mut out = Vec::new();
    part.write(&mut out);
    out
}

/// Takes the whole frames off the front of `bytes`.
pub(crate) fn take_frames(bytes: &mut Vec<u8>, mut on: impl FnMut(Frame<'_>)) {
    let mut used = 0;
    loop {
        match frame::decode(&bytes[used..]) {
            Decoded::Incomplete => break,
            Decoded::Frame(frame, length) => {
                used += length;
                on(frame);
            }
            other => panic!("{other:?}"),
        }
    }
    bytes.drain(..used);
}

pub(crate) fn alias_command(number: u64) -> AliasCommand {
    AliasCommand {
        command_id: id(number).bytes(),
        operation: 1,
        alias_type: 1,
        defaults: 1,
        consent_purpose: 0b101,
        consent_until_ns: TIME_NS + 1,
    }
}

pub(crate) fn alias_command_private() -> AliasCommandPrivate {
    AliasCommandPrivate {
        alias: b"+254712345678".to_vec(),
        identity: b"f3A9-kQ0_zzT81bbR7x".to_vec(),
        account: b"KE12 0001".to_vec(),
        name: "Wanjik\u{169} Mwangi".into(),
        attestation: b"e30.e30.AA".to_vec(),
    }
}

pub(crate) fn alias_result(number: u64) -> AliasResult {
    AliasResult { command_id: id(number).bytes(), result: 31, claim: 1, at_ns: TIME_NS, position: 77 }
}

pub(crate) fn alias_lookup(number: u64) -> AliasLookup {
    AliasLookup { lookup_id: id(number).bytes(), form: 1, purpose: 1, alias_type: 1, participant: [0; 35] }
}

pub(crate) fn alias_lookup_private() -> AliasLookupPrivate {
    AliasLookupPrivate {
        alias: b"+254712345678".to_vec(),
        end_user: b"end-user-0001".to_vec(),
        account: Vec::new(),
        name: Vec::new(),
    }
}

pub(crate) fn alias_found(number: u64) -> AliasFound {
    AliasFound {
        lookup_id: id(number).bytes(),
        result: 1,
        name_match: 0,
        participant: *code("SOUTH-COOP_2").bytes(),
        owned_since_ns: TIME_NS,
        counters: [1, 2, 3, 4, 5, 6, 0, 1, 2],
        retry_after_ms: 0,
        position: 78,
    }
}

pub(crate) fn alias_transfer(number: u64) -> AliasTransfer {
    let CreditTransfer { payment_id, payer, amount, currency, accepted_at_ns, purpose, lane, request_id, .. } =
        transfer(number);
    AliasTransfer { payment_id, payer, amount, currency, accepted_at_ns, purpose, lane, request_id, alias_type: 2 }
}

pub(crate) fn alias_transfer_private() -> AliasTransferPrivate {
    AliasTransferPrivate {
        payer_name: b"Amina Diallo".to_vec(),
        payer_account: b"SN08 0001".to_vec(),
        payee_name: Vec::new(),
        end_to_end_id: b"E2E-1".to_vec(),
        remittance: b"rent".to_vec(),
        extension: vec![0, 1, 2],
        alias: b"a@example.org".to_vec(),
        end_user: b"end-user-0001".to_vec(),
    }
}

pub(crate) fn account_query(number: u64) -> AccountQuery {
    AccountQuery { query_id: id(number).bytes(), currency: *b"KES" }
}

pub(crate) fn account_report(number: u64) -> AccountReport {
    AccountReport {
        query_id: id(number).bytes(),
        currency: *b"KES",
        standing: 1,
        settlement: 2,
        at_ns: TIME_NS,
        position: 79,
        debits_pending: 5,
        debits_posted: 600,
        credits_pending: 7,
        credits_posted: 1 << 70,
        cap: 90_000,
        available: (1 << 70) + 89_395,
    }
}

pub(crate) fn directory_query(number: u64) -> DirectoryQuery {
    DirectoryQuery { query_id: id(number).bytes(), form: 2, after: 9 }
}

pub(crate) fn directory_answer(number: u64) -> DirectoryAnswer {
    DirectoryAnswer { query_id: id(number).bytes(), form: 2, has_more: 1, after: 10 }
}

pub(crate) fn directory_items() -> DirectoryItems {
    DirectoryItems { items: vec![1, 2, 3] }
}
