//! Bad frames over a good connection: each is refused with the code and the field to blame, and where framing is intact the session goes on.

use adapters::limits::{FRAME_BYTES_MAX, NAME_BYTES_MAX};
use adapters::message::{
    Ack, Answer, CONDUCT, CreditTransfer, Echo, ErrorCode, Field, Forward, Hello, Lane, MessageKind, Note, Outcome,
    Part, PaymentId, PaymentPrivate, Reason, Status, Welcome,
};
use adapters::native::frame::{self, HEADER_BYTES, Head};
use adapters::native::session::Resume;

use crate::harness::{Data, code};
use crate::wire::{Said, Wire, now_ns, order, written};

/// A payer whose frames are bad, and the payee who shows that a good one still goes through.
struct Pair {
    payer: Wire,
    payee: Wire,
}

impl Pair {
    fn connect(data: &Data) -> Pair {
        Pair { payer: Wire::open(data, 1), payee: Wire::open(data, 2) }
    }

    /// The very next frame on the same connection commits.
    fn goes_on(&mut self) {
        let id = self.payer.pay(&order(1, 2, 7));
        self.payee.forward_of(id);
        self.payee.accept(id);
        assert_eq!(self.payer.status_of(id).outcome, Outcome::Committed);
    }
}

/// What is expected of a bad frame: its error.
type Blame = (ErrorCode, Field);

/// A bad payment order: what is wrong, the routing part, the private part, and who is to blame.
type BadOrder = (&'static str, Vec<u8>, Vec<u8>, Blame);

/// A bad numbered frame of another kind: what is wrong, the kind, both parts, and who is to blame.
type BadFrame = (&'static str, MessageKind, Vec<u8>, Vec<u8>, Blame);

/// Makes a good frame bad.
type Change = fn(&mut Vec<u8>);

fn altered(change: impl FnOnce(&mut CreditTransfer)) -> Vec<u8> {
    let mut order = order(1, 2, 7);
    change(&mut order);
    written(&order)
}

fn bad_orders() -> Vec<BadOrder> {
    use ErrorCode::{BadField, BadMessage};
    let good = || altered(|_| {});
    let private = |change: fn(&mut PaymentPrivate)| {
        let mut private = PaymentPrivate { payer_name: b"Amina Diallo".to_vec(), ..PaymentPrivate::default() };
        change(&mut private);
        written(&private)
    };
    let routing = |what, change: fn(&mut CreditTransfer), field| (what, altered(change), vec![], (BadField, field));
    let within = |what, change: fn(&mut PaymentPrivate), field| (what, good(), private(change), (BadField, field));
    let layout = |what, bytes: Vec<u8>| (what, good(), bytes, (BadMessage, Field::None));
    vec![
        routing("amount of zero", |order| order.amount = 0, Field::Amount),
        routing("amount of nineteen digits", |order| order.amount = 1_000_000_000_000_000_000, Field::Amount),
        routing("greatest number as amount", |order| order.amount = u64::MAX, Field::Amount),
        routing("currency in lower case", |order| order.currency = *b"xts", Field::Currency),
        routing("currency with a digit", |order| order.currency = *b"XT5", Field::Currency),
        routing("id that is no UUID", |order| order.payment_id = [0; 16], Field::PaymentId),
        routing("id of version 1", |order| order.payment_id[6] = 0x1a, Field::PaymentId),
        routing("id of another variant", |order| order.payment_id[8] = 0xca, Field::PaymentId),
        routing("payer code in lower case", |order| order.payer[0] = b'p', Field::Payer),
        routing("payee code that is empty", |order| order.payee = [0; 35], Field::Payee),
        routing("payee code with a hole", |order| order.payee[3] = 0, Field::Payee),
        routing("acceptance time of zero", |order| order.accepted_at_ns = 0, Field::AcceptedAt),
        routing("acceptance time beyond 2^63", |order| order.accepted_at_ns = 1 << 63, Field::AcceptedAt),
        routing("purpose in lower case", |order| order.purpose = *b"sala", Field::Purpose),
        within("name too long", |private| private.payer_name = vec![b'n'; NAME_BYTES_MAX + 1], Field::PayerName),
        within("account too long", |private| private.payer_account = vec![b'1'; 65], Field::PayerAccount),
        within("control character", |private| private.payee_name = b"Ben\x07".to_vec(), Field::PayeeName),
        within("line feed", |private| private.payee_account = b"1\n2".to_vec(), Field::PayeeAccount),
        within("reference too long", |private| private.end_to_end_id = vec![b'r'; 141], Field::EndToEndId),
        within("C1 control", |private| private.remittance = "a\u{85}b".into(), Field::Remittance),
        within("not UTF-8", |private| private.remittance = vec![0xff, 0xfe], Field::Remittance),
        within("extension too long", |private| private.extension = vec![0; 8_193], Field::Extension),
        layout("private part shorter than its root", vec![0; 55]),
        layout("offset that leaves the part", {
            let mut bytes = private(|_| {});
            let root = bytes.len() - 56;
            bytes[root..root + 4].copy_from_slice(&i32::MIN.to_le_bytes());
            bytes
        }),
        layout("length that leaves the part", {
            let mut bytes = private(|_| {});
            let root = bytes.len() - 56;
            bytes[root + 4..root + 8].copy_from_slice(&u32::MAX.to_le_bytes());
            bytes
        }),
    ]
}

#[test]
fn a_bad_payment_order_is_refused_by_field_and_the_session_goes_on() {
    let data = Data::new();
    let switch = data.serve();
    let mut pair = Pair::connect(&data);
    for (what, routing, private, blame) in bad_orders() {
        let number = pair.payer.send(MessageKind::CreditTransfer, &routing, &private);
        let refused = pair.payer.refused();
        assert_eq!((refused.code, refused.field), blame, "{what}: {refused:?}");
        assert_eq!((refused.fatal, refused.frame_number, refused.retry_after_ms), (false, number, 0), "{what}");
        assert_eq!(refused.payment_id, routing[..16], "{what}");
        assert!(!refused.text.is_empty() && !refused.text.contains("Amina"), "{what}: {}", refused.text);
        pair.goes_on();
    }
    let good = u64::try_from(bad_orders().len()).unwrap();
    switch.stop();
    let verdict = data.verified();
    let counts = &verdict["payments"];
    assert_eq!(
        (counts["committed"].as_u64(), counts["rejected"].as_u64()),
        (Some(good), Some(0)),
        "bad ones left no trace"
    );
}

fn bad_others() -> Vec<BadFrame> {
    use ErrorCode::{BadField, BadMessage, NotAllowed};
    let id = PaymentId::random();
    let answer = |change: fn(&mut Answer)| {
        let mut answer = Answer::reject(id, Reason::of(b"AC04"));
        change(&mut answer);
        written(&answer)
    };
    let reserved = Answer { decision: 4, ..Answer::accept(id) };
    let note = |text: &[u8]| written(&Note { text: text.to_vec(), extension: Vec::new() });
    let CreditTransfer { payment_id, payer, payee, amount, currency, accepted_at_ns, purpose, lane, request_id } =
        order(1, 2, 7);
    let deadline_ns = accepted_at_ns + 1;
    let forward =
        Forward { payment_id, payer, payee, amount, currency, accepted_at_ns, purpose, lane, request_id, deadline_ns };
    let status = Status { payment_id, outcome: 1, reason: [0; 4], field: 0, decided_at_ns: now_ns(), position: 9 };
    let welcome = Welcome {
        lineage: [1; 16],
        resumed_after: [0; 3],
        enqueued: [0; 3],
        time_ns: 1,
        frame_bytes_max: 1,
        in_flight_max: 1,
    };
    let error = adapters::message::Error {
        code: 1,
        field: 0,
        fatal: 1,
        retry_after_ms: 0,
        frame_number: 0,
        payment_id: [0; 16],
    };
    let nothing = Vec::new;
    let none = Field::None;
    use MessageKind as K;
    vec![
        ("decision that is kept for later", K::Answer, written(&reserved), nothing(), (BadField, Field::Decision)),
        ("decision of zero", K::Answer, answer(|a| a.decision = 0), nothing(), (BadField, Field::Decision)),
        ("reject without reason", K::Answer, answer(|a| a.reason = [0; 4]), nothing(), (BadField, Field::Reason)),
        ("accept with reason", K::Answer, answer(|a| a.decision = 1), nothing(), (BadField, Field::Reason)),
        ("reason in lower case", K::Answer, answer(|a| a.reason = *b"ac04"), nothing(), (BadField, Field::Reason)),
        ("answer to no UUID", K::Answer, answer(|a| a.payment_id = [1; 16]), nothing(), (BadField, Field::PaymentId)),
        ("control character in a note", K::Answer, answer(|_| {}), note(b"a\0b"), (BadField, Field::Text)),
        ("note too long", K::Answer, answer(|_| {}), note(&[b't'; 561]), (BadField, Field::Text)),
        ("note of no layout", K::Answer, answer(|_| {}), vec![1; 15], (BadMessage, none)),
        ("question about no UUID", K::StatusRequest, vec![0; 16], nothing(), (BadField, Field::PaymentId)),
        ("question with a private part", K::StatusRequest, id.bytes().to_vec(), vec![0], (BadMessage, none)),
        ("echo that is neither", K::Echo, written(&Echo { token: 1, reply: 2 }), nothing(), (BadField, Field::Reply)),
        ("Forward from a provider", K::Forward, written(&forward), nothing(), (NotAllowed, none)),
        ("Status from a provider", K::Status, written(&status), nothing(), (NotAllowed, none)),
        ("Welcome from a provider", K::Welcome, written(&welcome), nothing(), (NotAllowed, none)),
        ("Error from a provider", K::Error, written(&error), nothing(), (NotAllowed, none)),
    ]
}

#[test]
fn other_bad_messages_are_refused_and_the_session_goes_on() {
    let data = Data::new();
    let switch = data.serve();
    let mut pair = Pair::connect(&data);
    for (what, kind, routing, private, blame) in bad_others() {
        let number = pair.payer.send(kind, &routing, &private);
        let refused = pair.payer.refused();
        assert_eq!((refused.code, refused.field), blame, "{what}: {refused:?}");
        assert_eq!((refused.fatal, refused.frame_number), (false, number), "{what}");
        pair.goes_on();
    }
    switch.stop();
}

#[test]
fn a_header_that_this_version_does_not_know_is_refused_and_the_session_goes_on() {
    let data = Data::new();
    let switch = data.serve();
    let mut pair = Pair::connect(&data);
    let cases: [(&str, Change, ErrorCode); 10] = [
        ("lane that does not exist", |frame| frame[6] = 4, ErrorCode::BadMessage),
        ("lane that is the switch's", |frame| frame[6] = Lane::Payments as u8, ErrorCode::BadMessage),
        ("flags that do not exist", |frame| frame[26] = 1, ErrorCode::BadMessage),
        ("routing part longer than the frame", |frame| frame[25] = 0xff, ErrorCode::BadMessage),
        ("version 1", |frame| frame[4] = 1, ErrorCode::BadVersion),
        ("kind 0", |frame| frame[5] = 0, ErrorCode::UnknownKind),
        (
            "a kind that there is not",
            |frame| frame[5] = u8::try_from(CONDUCT.len() + 1).unwrap(),
            ErrorCode::UnknownKind,
        ),
        ("routing part one too short", |frame| frame[24] -= 1, ErrorCode::BadMessage),
        ("no routing part", |frame| frame[24] = 0, ErrorCode::BadMessage),
        (
            "routing part one too long",
            |frame| {
                frame.push(0);
                frame[0] += 1;
                frame[24] += 1;
            },
            ErrorCode::BadMessage,
        ),
    ];
    for (what, change, code) in cases {
        let mut frame = pair.payer.framed(MessageKind::CreditTransfer, &altered(|_| {}), &[]);
        change(&mut frame);
        pair.payer.send_bytes(&frame);
        let refused = pair.payer.refused();
        assert_eq!((refused.code, refused.fatal), (code, false), "{what}: {refused:?}");
        assert_eq!(refused.frame_number, pair.payer.number, "{what}");
        pair.goes_on();
    }
    switch.stop();
}

/// A frame without number that is refused: the number 0 that it carries is no wrong number. A provider of a later version must hear
/// `bad_version`, which it can act on, and not `bad_number`, after which it would come back at once and for ever.
#[test]
fn an_unnumbered_frame_that_cannot_be_read_is_refused_for_what_is_wrong_with_it() {
    let data = Data::new();
    let switch = data.serve();
    let mut pair = Pair::connect(&data);
    let mut ack = unnumbered(MessageKind::Ack, &Ack { received: [0; 3] });
    ack[24] -= 1;
    pair.payer.send_bytes(&ack);
    let refused = pair.payer.refused();
    assert_eq!((refused.code, refused.fatal, refused.frame_number), (ErrorCode::BadMessage, false, 0), "{refused:?}");
    pair.goes_on();

    let mut later = Wire::connect(data.address(), data.tls(code(3).as_str()));
    let hello = Hello { participant: *code(3).bytes(), lineage: [0; 16], seen: [0; 3], slot: 0 };
    let mut frame = unnumbered(MessageKind::Hello, &hello);
    frame[4] = 1;
    later.send_bytes(&frame);
    let refused = later.refused();
    assert_eq!((refused.code, refused.fatal), (ErrorCode::BadVersion, false), "{refused:?}");
    later.hello(code(3), Resume::FROM_THE_START);
    later.welcome();
    switch.stop();
}

fn unnumbered<P: Part>(kind: MessageKind, part: &P) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(&mut bytes, kind, Head::PLAIN, part, |_| {});
    bytes
}

#[test]
fn where_framing_or_counting_is_lost_the_connection_ends_and_a_new_one_is_good() {
    let data = Data::new();
    let switch = data.serve();
    let frame_too_large = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_le_bytes();
    let frame_too_small = u32::try_from(HEADER_BYTES - 1).unwrap().to_le_bytes();
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cases: [(&str, Change<'_>, ErrorCode); 6] = [
        (
            "not a frame at all",
            &|frame| *frame = b"GET / HTTP/1.1\r\nHost: switch\r\n\r\n".to_vec(),
            ErrorCode::FrameTooLarge,
        ),
        ("above the limit", &|frame| frame[..4].copy_from_slice(&frame_too_large), ErrorCode::FrameTooLarge),
        ("shorter than its header", &|frame| frame[..4].copy_from_slice(&frame_too_small), ErrorCode::BadFrame),
        ("number left out", &|frame| frame[8] += 1, ErrorCode::BadNumber),
        ("number again", &|frame| frame[8] -= 1, ErrorCode::BadNumber),
        (
            "acknowledges what was never sent",
            &|frame| {
                frame[7] = Lane::Payments as u8;
                frame[16] = 99;
            },
            ErrorCode::BadNumber,
        ),
    ];
    for (what, change, code) in cases {
        let mut pair = Pair::connect(&data);
        pair.goes_on();
        let mut frame = pair.payer.framed(MessageKind::CreditTransfer, &altered(|_| {}), &[]);
        change(&mut frame);
        pair.payer.send_bytes(&frame);
        let refused = pair.payer.refused();
        assert_eq!((refused.code, refused.fatal), (code, true), "{what}: {refused:?}");
        let Pair { payer, payee } = pair;
        assert_eq!(payer.unasked(), [], "{what}: one error");
        assert_eq!(payer.ended(), [], "{what}: and then the connection ends");
        let mut pair = Pair { payer: Wire::open(&data, 1), payee };
        pair.goes_on();
    }
    switch.stop();
}

#[test]
fn an_echo_comes_back_unchanged() {
    let data = Data::new();
    let switch = data.serve();
    let mut wire = Wire::open(&data, 1);
    let echo = Echo { token: 0x0102_0304_0506_0708, reply: 0 };
    wire.send(MessageKind::Echo, &written(&echo), &[]);
    let said = wire.next().unwrap().said;
    assert_eq!(said, Said::Echo(Echo { reply: 1, ..echo }));
    // One that answers nothing is no harm.
    wire.send(MessageKind::Echo, &written(&Echo { reply: 1, ..echo }), &[]);
    wire.fence();
    assert_eq!(wire.unasked(), []);
    switch.stop();
}
