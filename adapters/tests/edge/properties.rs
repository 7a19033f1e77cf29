//! What must hold for any bytes, any cuts, any losses.

use std::collections::BTreeSet;

use adapters::check::{self, Request};
use adapters::message::{
    Ack, Answer, CaseAnswer, CaseCancel, CaseForward, CaseOpen, CaseStatus, CreditTransfer, Echo, Error, Forward,
    Hello, Lane, Lineage, MessageKind, Note, Part, PaymentId, PaymentPrivate, Return, Returned, Status, StatusRequest,
    Welcome,
};
use adapters::native::frame::{self, Decoded, Head};
use adapters::native::session::{Broken, ClientSession, Event, Resume};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rkyv::rancor::Failure;

use crate::sample::{self, code, framed, id, take_frames, written};
use crate::session::note;

/// The same cases every time.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(20_260_901),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// An array of any length of any bytes.
fn bytes<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    prop::collection::vec(any::<u8>(), N).prop_map(|bytes| bytes.try_into().unwrap())
}

fn up_to(bytes_max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=bytes_max)
}

fn head() -> impl Strategy<Value = Head> {
    (0..4u8, any::<u64>(), 0..4u8, any::<u64>()).prop_map(|(lane, number, acknowledged_lane, acknowledged)| Head {
        lane: Lane::from_number(lane).unwrap(),
        number,
        acknowledged_lane: Lane::from_number(acknowledged_lane).unwrap(),
        acknowledged,
    })
}

/// Writes a part into a frame, reads it back, and expects the same.
macro_rules! comes_back {
    ($kind:ident, $head:expr, $routing:expr, $private:expr) => {{
        let encoded = framed(MessageKind::$kind, $head, &$routing, &$private);
        let Decoded::Frame(frame, length) = frame::decode(&encoded) else { panic!("no frame") };
        prop_assert_eq!((frame.kind, frame.head, length), (MessageKind::$kind, $head, encoded.len()));
        prop_assert_eq!(&read_back::<$kind>(frame.routing), &$routing);
        prop_assert_eq!(frame.private, &$private[..]);
        let mut renumbered = encoded.clone();
        frame::renumber(&mut renumbered, Head { number: 1, acknowledged: 2, ..$head });
        let Decoded::Frame(again, _) = frame::decode(&renumbered) else { panic!("no frame") };
        prop_assert_eq!((again.head.number, again.head.acknowledged), (1, 2));
        prop_assert_eq!((again.routing, again.private), (frame.routing, frame.private));
    }};
}

fn read_back<P>(bytes: &[u8]) -> P
where
    P: Part,
    P::Archived: rkyv::Deserialize<P, rkyv::rancor::Strategy<(), Failure>>,
{
    rkyv::api::low::deserialize::<P, Failure>(P::read(bytes).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn every_message_comes_back_as_it_was_written(
        head in head(),
        (id, lineage) in (bytes::<16>(), bytes::<16>()),
        (payer, payee) in (bytes::<35>(), bytes::<35>()),
        (seen, more) in (any::<[u64; 3]>(), any::<[u64; 3]>()),
        (a, b, c, d) in (any::<u64>(), any::<u32>(), any::<u16>(), any::<u8>()),
        (currency, purpose) in (bytes::<3>(), bytes::<4>()),
        private in up_to(300),
    ) {
        let (time, amount) = (a, a.rotate_left(17));
        comes_back!(Hello, head, Hello { participant: payer, lineage, seen, slot: 1 }, private);
        let welcome = Welcome {
            lineage, resumed_after: seen, enqueued: more, time_ns: time, frame_bytes_max: b, in_flight_max: !b,
        };
        comes_back!(Welcome, head, welcome, private);
        comes_back!(Ack, head, Ack { received: seen }, private);
        let error = Error { code: c, field: d, fatal: !d, retry_after_ms: b, frame_number: a, payment_id: id };
        comes_back!(Error, head, error, private);
        comes_back!(Echo, head, Echo { token: a, reply: d }, private);
        let transfer = CreditTransfer {
            payment_id: id, payer, payee, amount, currency, accepted_at_ns: time, purpose, lane: d, request_id: lineage,
        };
        comes_back!(CreditTransfer, head, transfer, private);
        let forward = Forward {
            payment_id: id, payer, payee, amount, currency, accepted_at_ns: time, purpose, lane: d, request_id: lineage,
            deadline_ns: !time,
        };
        comes_back!(Forward, head, forward, private);
        comes_back!(Answer, head, Answer { payment_id: id, decision: d, reason: purpose }, private);
        let status = Status {
            payment_id: id, outcome: d, reason: purpose, field: !d, decided_at_ns: time, position: amount,
        };
        comes_back!(Status, head, status, private);
        comes_back!(StatusRequest, head, StatusRequest { payment_id: id }, private);
    }

    #[test]
    fn every_message_about_returns_and_cases_comes_back_as_it_was_written(
        head in head(),
        (case_id, original_id, return_id) in (bytes::<16>(), bytes::<16>(), bytes::<16>()),
        (opener, responder) in (bytes::<35>(), bytes::<35>()),
        (amount, time, position) in (any::<u64>(), any::<u64>(), any::<u64>()),
        (kind, form) in (any::<u8>(), any::<u8>()),
        (currency, reason) in (bytes::<3>(), bytes::<4>()),
        private in up_to(300),
    ) {
        let message = Return { return_id, original_id, case_id, amount, currency, reason };
        comes_back!(Return, head, message, private);
        let returned = Returned {
            return_id, original_id, case_id, amount, currency, reason, returned_total: !amount, decided_at_ns: time, position,
        };
        comes_back!(Returned, head, returned, private);
        let opened = CaseOpen {
            case_id, kind, original_id, opener, responder, amount, currency, amount_form: form, reason, expires_at_ns: time,
        };
        comes_back!(CaseOpen, head, opened, private);
        let asked = CaseForward {
            case_id, kind, original_id, opener, responder, amount, currency, amount_form: form, reason, deadline_ns: time,
        };
        comes_back!(CaseForward, head, asked, private);
        comes_back!(CaseAnswer, head, CaseAnswer { case_id, decision: kind, reason }, private);
        comes_back!(CaseCancel, head, CaseCancel { case_id, reason }, private);
        let status = CaseStatus { case_id, kind, state: form, reason, field: !kind, at_ns: time, position };
        comes_back!(CaseStatus, head, status, private);
    }

    #[test]
    fn private_parts_come_back_as_they_were_written(
        fields in prop::collection::vec(up_to(80), 7),
    ) {
        let [payer_name, payer_account, payee_name, payee_account, end_to_end_id, remittance, extension]:
            [Vec<u8>; 7] = fields.try_into().unwrap();
        let note = Note { text: payer_name.clone(), extension: extension.clone() };
        prop_assert_eq!(&read_back::<Note>(&written(&note)), &note);
        let private = PaymentPrivate {
            payer_name, payer_account, payee_name, payee_account, end_to_end_id, remittance, extension,
        };
        prop_assert_eq!(&read_back::<PaymentPrivate>(&written(&private)), &private);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in up_to(600)) {
        survive(&bytes);
        let mut framed = bytes;
        if framed.len() >= frame::HEADER_BYTES {
            // With a length that fits, decoding gets further.
            let length = u32::try_from(framed.len()).unwrap();
            framed[..4].copy_from_slice(&length.to_le_bytes());
            framed[4] = 0;
            framed[26..32].fill(0);
            survive(&framed);
        }
    }

    #[test]
    fn damaged_messages_never_panic(
        which in 0..FRAMES,
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut frame = frames()[which].clone();
        for (place, value) in damages {
            let place = place.index(frame.len());
            frame[place] = value;
        }
        survive(&frame);
        let mut session = ClientSession::new(code("NORTHBANK"), Resume::FROM_THE_START);
        session.connected();
        let welcome = framed(MessageKind::Welcome, Head::PLAIN, &Welcome { resumed_after: [0; 3], ..sample::welcome() }, b"");
        session.receive(&welcome, &mut |_| {}).unwrap();
        let _ = session.receive(&frame, &mut |_| {});
    }
}

/// How many `frames` has.
const FRAMES: usize = 22;

fn bare(kind: MessageKind) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode_raw(&mut bytes, kind, Head::PLAIN, b"", b"");
    bytes
}

/// One frame of each message, with and without a private part.
fn frames() -> [Vec<u8>; FRAMES] {
    let (payment, note) = (written(&sample::payment_private()), written(&sample::note()));
    let from_outbox = Head { lane: Lane::Payments, number: 1, ..Head::PLAIN };
    [
        framed(MessageKind::Hello, Head::PLAIN, &sample::hello(), b""),
        framed(MessageKind::Welcome, Head::PLAIN, &sample::welcome(), b""),
        framed(MessageKind::Ack, Head::PLAIN, &sample::ack(), b""),
        framed(MessageKind::Error, Head::PLAIN, &sample::error(), &note),
        framed(MessageKind::Echo, Head::PLAIN, &sample::echo(), b""),
        framed(MessageKind::CreditTransfer, Head::PLAIN, &sample::transfer(1), &payment),
        framed(MessageKind::CreditTransfer, Head::PLAIN, &sample::transfer(1), b""),
        framed(MessageKind::Forward, from_outbox, &sample::forward(1), &payment),
        framed(MessageKind::Answer, Head::PLAIN, &sample::answer(), &note),
        framed(MessageKind::Answer, Head::PLAIN, &sample::answer(), b""),
        framed(MessageKind::Status, from_outbox, &sample::status(1), &note),
        framed(MessageKind::Status, Head::PLAIN, &sample::status(1), b""),
        framed(MessageKind::StatusRequest, Head::PLAIN, &sample::status_request(), b""),
        framed(MessageKind::Return, Head::PLAIN, &sample::payment_return(1), &note),
        framed(MessageKind::Returned, from_outbox, &sample::returned(1), &note),
        framed(MessageKind::CaseOpen, Head::PLAIN, &sample::case_open(1), &payment),
        framed(MessageKind::CaseForward, from_outbox, &sample::case_forward(&sample::recall(1)), &payment),
        framed(MessageKind::CaseAnswer, Head::PLAIN, &sample::case_answer(1), &note),
        framed(MessageKind::CaseCancel, Head::PLAIN, &sample::case_cancel(1), &note),
        framed(MessageKind::CaseStatus, from_outbox, &sample::case_status(1), &note),
        bare(MessageKind::SignOn),
        bare(MessageKind::SignOff),
    ]
}

/// What the switch does with received bytes.
fn survive(bytes: &[u8]) {
    let mut used = 0;
    while let Decoded::Frame(frame, length) = frame::decode(&bytes[used..]) {
        let mut private_bytes = 0;
        let mut count = |field: &[u8]| private_bytes += field.len();
        match check::request(&frame) {
            Ok(Request::CreditTransfer(order)) => order.each_private_field(&mut count),
            Ok(Request::Return(message)) => message.each_private_field(&mut count),
            Ok(Request::CaseOpen(message)) => message.each_private_field(&mut count),
            _ => {}
        }
        assert!(private_bytes <= frame.private.len());
        used += length;
    }
}

/// What a session says and sends when it is fed `pieces`, up to the first error.
fn feed<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Vec<u8>, Result<(), Broken>) {
    let mut session = ClientSession::new(code("NORTHBANK"), Resume::FROM_THE_START);
    session.connected();
    for number in 1..=20 {
        session.submit(MessageKind::CreditTransfer, &sample::transfer(number), |_| {}).unwrap();
    }
    let mut said = Vec::new();
    let mut result = Ok(());
    for piece in pieces {
        result = session.receive(piece, &mut |event| note(&mut said, &event));
        if result.is_err() {
            break;
        }
    }
    let sent = std::mem::take(session.outgoing());
    (said, sent, result)
}

/// What a switch might send after `Welcome`: by `what`, with the next number where it takes one.
fn switch_frame(what: u8, next_number: &mut u64) -> Vec<u8> {
    let head = Head { lane: Lane::Payments, number: *next_number, ..Head::PLAIN };
    let acknowledged = Head { acknowledged: u64::from(what % 20), ..Head::PLAIN };
    let private = vec![what; usize::from(what) * 40];
    match what % 16 {
        0..6 => {
            *next_number += 1;
            framed(MessageKind::Forward, head, &sample::forward(u64::from(what)), &private)
        }
        6..10 => {
            *next_number += 1;
            framed(MessageKind::Status, head, &sample::status(u64::from(what)), &private)
        }
        10 => framed(MessageKind::Echo, Head::PLAIN, &Echo { token: u64::from(what), reply: 0 }, b""),
        11 => framed(
            MessageKind::Error,
            Head::PLAIN,
            &Error { frame_number: u64::from(what % 20), ..sample::error() },
            b"",
        ),
        12..15 => framed(MessageKind::Ack, acknowledged, &Ack { received: [0; 3] }, b""),
        // Now and then a number is missing.
        _ if what > 250 => {
            framed(MessageKind::Forward, Head { number: *next_number + 1, ..head }, &sample::forward(1), b"")
        }
        _ => framed(MessageKind::Status, Head::PLAIN, &sample::status(u64::from(what)), &private),
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn cuts_change_nothing(
        whats in prop::collection::vec(any::<u8>(), 1..60),
        cuts in prop::collection::vec(1..900usize, 1..40),
        tail in up_to(40),
    ) {
        let welcome = Welcome { resumed_after: [0; 3], ..sample::welcome() };
        let mut stream = framed(MessageKind::Welcome, Head::PLAIN, &welcome, b"");
        let mut next_number = 1;
        for what in whats {
            stream.extend(switch_frame(what, &mut next_number));
        }
        stream.extend(tail);
        let whole = feed(std::iter::once(&stream[..]));
        let mut rest = &stream[..];
        let mut lengths = cuts.iter().cycle();
        let pieces = std::iter::from_fn(|| {
            let (piece, left) = rest.split_at(rest.len().min(*lengths.next()?));
            rest = left;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&feed(pieces), &whole);
        prop_assert_eq!(&feed(stream.chunks(1)), &whole);
    }
}

const LINEAGE: Lineage = [7; 16];

/// The other end, as simple as can be: what it has recorded it never forgets, and it numbers what it has to say.
#[derive(Default)]
struct ModelSwitch {
    received: Vec<u8>,
    /// Of this connection.
    frames: u64,
    greeted: bool,
    /// Of this connection: every frame up to here is recorded or refused.
    dealt_with: u64,
    recorded: BTreeSet<PaymentId>,
    refused: BTreeSet<PaymentId>,
    /// Numbered from 1: a `Forward` for each payment that was recorded.
    outbox: Vec<PaymentId>,
    sent: u64,
}

impl ModelSwitch {
    /// Takes what came; writes errors for every payment that `refuses` picks.
    fn work(&mut self, out: &mut Vec<u8>, refuses: bool) {
        let mut received = std::mem::take(&mut self.received);
        take_frames(&mut received, |frame| match check::request(&frame).unwrap() {
            Request::Hello { lineage, seen, .. } => {
                assert!(!self.greeted && self.frames == 0);
                assert!(lineage == LINEAGE || seen == [0; 3]);
                assert!(seen[0] <= self.outbox.len() as u64, "it has seen what never was");
                self.greeted = true;
                self.sent = seen[0];
                let welcome = Welcome { lineage: LINEAGE, resumed_after: seen, ..sample::welcome() };
                frame::encode(out, MessageKind::Welcome, Head::PLAIN, &welcome, |_| {});
            }
            Request::Ack(_) => assert!(self.greeted),
            Request::CreditTransfer(transfer) => {
                let id = PaymentId::from_bytes(transfer.routing().payment_id).unwrap();
                self.number(frame.head.number);
                if refuses && !self.recorded.contains(&id) {
                    self.refused.insert(id);
                    let error = Error { frame_number: frame.head.number, payment_id: id.bytes(), ..sample::error() };
                    frame::encode(out, MessageKind::Error, Head::PLAIN, &error, |_| {});
                } else if self.recorded.insert(id) {
                    self.outbox.push(id);
                }
            }
            Request::Echo { .. } => self.number(frame.head.number),
            _ => panic!("never sent here: {:?}", frame.kind),
        });
        self.received = received;
        self.dealt_with = self.frames;
    }

    fn number(&mut self, number: u64) {
        assert!(self.greeted, "something was sent before welcome");
        assert_eq!(number, self.frames + 1, "frame numbers follow one another");
        self.frames = number;
    }

    /// Sends some of what the provider has not seen.
    fn speak(&mut self, out: &mut Vec<u8>, count: usize) {
        if !self.greeted {
            return;
        }
        let acknowledging = Head { acknowledged: self.dealt_with, ..Head::PLAIN };
        for _ in 0..count {
            let Some(id) = usize::try_from(self.sent).ok().and_then(|sent| self.outbox.get(sent)) else { break };
            self.sent += 1;
            let head = Head { lane: Lane::Payments, number: self.sent, ..acknowledging };
            let forward = Forward { payment_id: id.bytes(), ..sample::forward(1) };
            frame::encode(out, MessageKind::Forward, head, &forward, |_| {});
        }
        frame::encode(out, MessageKind::Ack, acknowledging, &Ack { received: [0; 3] }, |_| {});
    }

    fn cut(&mut self) {
        self.received.clear();
        (self.frames, self.dealt_with, self.greeted) = (0, 0, false);
    }
}

/// A provider, a switch, and a line between them that loses things.
struct World {
    session: ClientSession,
    switch: ModelSwitch,
    to_switch: Vec<u8>,
    to_provider: Vec<u8>,
    submitted: Vec<PaymentId>,
    forwarded: Vec<PaymentId>,
    refusals: BTreeSet<PaymentId>,
    acknowledged: u64,
}

impl World {
    fn new() -> World {
        World {
            session: ClientSession::new(code("NORTHBANK"), Resume::FROM_THE_START),
            switch: ModelSwitch::default(),
            to_switch: Vec::new(),
            to_provider: Vec::new(),
            submitted: Vec::new(),
            forwarded: Vec::new(),
            refusals: BTreeSet::new(),
            acknowledged: 0,
        }
    }

    fn submit(&mut self) {
        let number = self.submitted.len() as u64 + 1;
        let ticket = self.session.submit(MessageKind::CreditTransfer, &sample::transfer(number), |_| {});
        assert_eq!(ticket, Ok(number));
        self.submitted.push(id(number));
    }

    /// The provider's shell writes; some of the bytes arrive.
    fn carry_to_switch(&mut self, bytes_max: usize) {
        self.to_switch.append(self.session.outgoing());
        let arriving = self.to_switch.len().min(bytes_max);
        self.switch.received.extend(self.to_switch.drain(..arriving));
    }

    fn carry_to_provider(&mut self, bytes_max: usize) {
        let arriving = self.to_provider.len().min(bytes_max);
        let bytes: Vec<u8> = self.to_provider.drain(..arriving).collect();
        let (switch, submitted) = (&self.switch, &self.submitted);
        let (forwarded, refusals, acknowledged) = (&mut self.forwarded, &mut self.refusals, &mut self.acknowledged);
        let received = self.session.receive(&bytes, &mut |event| match event {
            Event::Forward { routing, .. } => forwarded.push(PaymentId::from_bytes(routing.payment_id).unwrap()),
            Event::Refused { error, ticket, .. } => {
                let id = PaymentId::from_bytes(error.payment_id).unwrap();
                assert_eq!(submitted[usize::try_from(ticket).unwrap() - 1], id, "a refusal knows its submission");
                refusals.insert(id);
            }
            Event::Acknowledged { through } => {
                assert!(through > *acknowledged);
                for id in &submitted[usize::try_from(*acknowledged).unwrap()..usize::try_from(through).unwrap()] {
                    assert!(switch.recorded.contains(id) || refusals.contains(id), "acknowledged, but not recorded");
                }
                *acknowledged = through;
            }
            Event::Welcomed(welcomed) => assert!(!welcomed.numbers_restarted),
            Event::Numbered(..) => {}
            _ => panic!("never sent here"),
        });
        assert!(bytes.is_empty() || received.is_ok(), "{received:?}");
    }

    /// The line breaks, and is made anew.
    fn cut(&mut self) {
        self.to_switch.clear();
        self.to_provider.clear();
        self.switch.cut();
        self.session.connected();
    }

    fn step(&mut self, (what, much): (u8, usize)) {
        match what {
            0..30 => self.submit(),
            30..50 => self.carry_to_switch(much),
            50..65 => self.switch.work(&mut self.to_provider, much.is_multiple_of(7)),
            65..80 => self.switch.speak(&mut self.to_provider, much % 5),
            80..95 => self.carry_to_provider(much),
            95..97 => self.session.acknowledge_now(),
            _ => self.cut(),
        }
    }

    /// No more losses: everything must come to its end.
    fn settle(&mut self) {
        self.cut();
        for _ in 0..3 {
            self.carry_to_switch(usize::MAX);
            self.switch.work(&mut self.to_provider, false);
            self.switch.speak(&mut self.to_provider, usize::MAX);
            self.carry_to_provider(usize::MAX);
        }
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn nothing_is_lost_and_nothing_comes_twice(
        steps in prop::collection::vec((0..100u8, 0..2_000usize), 1..400),
    ) {
        let mut world = World::new();
        world.session.connected();
        for step in steps {
            world.step(step);
        }
        world.settle();
        prop_assert_eq!(world.acknowledged, world.submitted.len() as u64);
        prop_assert_eq!(world.session.unacknowledged(), 0);
        for id in &world.submitted {
            prop_assert!(world.switch.recorded.contains(id) || world.refusals.contains(id), "lost: {}", id);
        }
        prop_assert_eq!(&world.forwarded, &world.switch.outbox);
        let distinct: BTreeSet<_> = world.forwarded.iter().collect();
        prop_assert_eq!(distinct.len(), world.forwarded.len());
        prop_assert_eq!(world.session.resume(), Resume { lineage: LINEAGE, seen: [world.switch.outbox.len() as u64, 0, 0] });
    }
}
