//! The provider's session, driven by hand.

use adapters::limits::{ECHO_AFTER_MS, HELLO_TIMEOUT_MS, SILENCE_MAX_MS};
use adapters::message::{
    Answer, CONDUCT, Echo, Error, Hello, Lane, Lineage, MessageKind, Numbered, Part, PaymentId, SEEN_FROM_THE_END,
    StatusRequest, Welcome,
};
use adapters::native::frame::{self, Head};
use adapters::native::session::{Broken, ClientSession, Event, Full, Idle, Resume, UnacknowledgedMax};

use crate::sample::{self, code, framed, id, take_frames};

const LINEAGE: Lineage = [7; 16];

/// A session, and everything that it said.
struct Bench {
    session: ClientSession,
    events: Vec<String>,
}

impl Bench {
    fn new(resume: Resume) -> Bench {
        Bench { session: ClientSession::new(code("NORTHBANK"), resume), events: Vec::new() }
    }

    /// Connected and welcomed, with nothing seen.
    fn open() -> Bench {
        let mut bench = Bench::new(Resume::FROM_THE_START);
        bench.session.connected();
        bench.sent();
        bench.welcome(LINEAGE, [0; 3]).unwrap();
        bench.events.clear();
        bench
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let events = &mut self.events;
        self.session.receive(bytes, &mut |event| note(events, &event))
    }

    fn welcome(&mut self, lineage: Lineage, resumed_after: [u64; 3]) -> Result<(), Broken> {
        let welcome = Welcome { lineage, resumed_after, ..sample::welcome() };
        self.receive(&framed(MessageKind::Welcome, Head::PLAIN, &welcome, b""))
    }

    fn submit(&mut self, number: u64) -> u64 {
        self.session.submit(MessageKind::CreditTransfer, &sample::transfer(number), |_| {}).unwrap()
    }

    fn acknowledge(&mut self, through: u64) -> Result<(), Broken> {
        let head = Head { acknowledged: through, ..Head::PLAIN };
        self.receive(&framed(MessageKind::Ack, head, &adapters::message::Ack { received: [0; 3] }, b""))
    }

    fn refuse(&mut self, frame_number: u64, code: u16) {
        let error = Error { code, frame_number, ..sample::error() };
        self.receive(&framed(MessageKind::Error, Head::PLAIN, &error, b"")).unwrap();
    }

    fn forward(&mut self, lane: Lane, number: u64) -> Result<(), Broken> {
        let head = Head { lane, number, ..Head::PLAIN };
        self.receive(&framed(MessageKind::Forward, head, &sample::forward(number), b""))
    }

    /// What the session sent, one line a frame.
    fn sent(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        take_frames(self.session.outgoing(), |frame| {
            let Head { lane, number, acknowledged_lane, acknowledged } = frame.head;
            assert_eq!(lane, Lane::Session);
            let what =
                frame.routing.first_chunk::<8>().map_or(0, |start| u64::from_le_bytes(*start) & 0xffff_ffff_ffff);
            let what = if frame.kind == MessageKind::CreditTransfer { format!(" T{what}") } else { String::new() };
            let lane = acknowledged_lane as u8;
            lines.push(format!(
                "{}{what} number {number} acknowledges {lane}:{acknowledged}",
                frame.kind.conduct().name
            ));
        });
        lines
    }

    fn events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }
}

/// Notes an event in words. Numbers were in the frames.
pub(crate) fn note(events: &mut Vec<String>, event: &Event<'_>) {
    if !matches!(event, Event::Numbered(..)) {
        events.push(describe(event));
    }
}

/// An event in words.
fn describe(event: &Event<'_>) -> String {
    let payment = |id: [u8; 16]| {
        let mut number = [0; 8];
        number[..6].copy_from_slice(&id[..6]);
        PaymentId::from_bytes(id).map_or("?".into(), |_| format!("T{}", u64::from_le_bytes(number)))
    };
    match event {
        Event::Welcomed(welcomed) => {
            let restarted = if welcomed.numbers_restarted { " restarted" } else { "" };
            format!("welcomed after {:?} resent {}{restarted}", welcomed.resumed_after, welcomed.resent)
        }
        Event::Forward { routing, private } => format!("forward {} +{}", payment(routing.payment_id), private.len()),
        Event::Status { routing, private, numbered } => {
            format!("status {} +{} numbered {numbered}", payment(routing.payment_id), private.len())
        }
        Event::Returned { routing, private } => {
            format!("returned {} of {} +{}", payment(routing.return_id), payment(routing.original_id), private.len())
        }
        Event::CaseForward { routing, private } => {
            format!("case forward {} +{}", payment(routing.case_id), private.len())
        }
        Event::CaseStatus { routing, private, numbered } => {
            format!("case status {} +{} numbered {numbered}", payment(routing.case_id), private.len())
        }
        Event::AliasResult { routing, private } => {
            format!("alias result {} +{}", payment(routing.command_id), private.len())
        }
        Event::AliasFound { routing, private } => {
            format!("alias found {} +{}", payment(routing.lookup_id), private.len())
        }
        Event::DirectoryAnswer { routing, private } => {
            format!("directory answer {} +{}", payment(routing.query_id), private.len())
        }
        Event::AccountReport { routing } => format!("account report {}", payment(routing.query_id)),
        Event::Refused { error, busy, ticket, .. } => {
            format!("refused ticket {ticket} {} busy {busy}", payment(error.payment_id))
        }
        Event::Acknowledged { through } => format!("acknowledged {through}"),
        Event::Numbered(lane, number) => format!("numbered {lane:?} {number}"),
        Event::Echo { token } => format!("echo {token}"),
    }
}

#[test]
fn nothing_is_sent_before_welcome() {
    let mut bench = Bench::new(Resume { lineage: LINEAGE, seen: [4, 5, 6] });
    bench.session.connected();
    assert_eq!(bench.submit(1), 1);
    bench.session.acknowledge_now();
    let mut hello = Vec::new();
    take_frames(bench.session.outgoing(), |frame| {
        assert_eq!(frame.kind, MessageKind::Hello);
        hello.push(Hello::read(frame.routing).map(|hello| (hello.lineage, hello.seen.map(|n| n.to_native()))));
    });
    assert_eq!(hello, [Some((LINEAGE, [4, 5, 6]))]);
    bench.welcome(LINEAGE, [4, 5, 6]).unwrap();
    assert_eq!(bench.events(), ["welcomed after [4, 5, 6] resent 1"]);
    assert_eq!(bench.sent(), ["CreditTransfer T1 number 1 acknowledges 1:4"]);
}

#[test]
fn what_was_not_acknowledged_is_sent_again_first_under_new_numbers() {
    let mut bench = Bench::open();
    for number in 1..=4 {
        bench.submit(number);
    }
    bench.sent();
    bench.acknowledge(2).unwrap();
    assert_eq!(bench.events(), ["acknowledged 2"]);
    bench.session.disconnected();
    bench.submit(5);
    bench.session.connected();
    assert_eq!(bench.sent(), ["Hello number 0 acknowledges 0:0"]);
    bench.submit(6);
    bench.welcome(LINEAGE, [0; 3]).unwrap();
    bench.submit(7);
    let expected = [3, 4, 5, 6, 7].map(|n| format!("CreditTransfer T{n} number {} acknowledges 1:0", n - 2));
    assert_eq!(bench.sent(), expected);
    bench.events();
    bench.acknowledge(5).unwrap();
    assert_eq!(bench.events(), ["acknowledged 7"]);
    assert_eq!(bench.session.unacknowledged(), 0);
}

#[test]
fn a_refused_message_leaves_the_queue_and_is_not_sent_again() {
    let mut bench = Bench::open();
    for number in 1..=3 {
        bench.submit(number);
    }
    bench.refuse(2, 7);
    assert_eq!(bench.events(), ["refused ticket 2 T5 busy true"]);
    bench.session.connected();
    bench.welcome(LINEAGE, [0; 3]).unwrap();
    let sent = bench.sent();
    assert_eq!(
        sent[1..],
        [
            "CreditTransfer T1 number 1 acknowledges 1:0".to_string(),
            "CreditTransfer T3 number 2 acknowledges 1:0".to_string(),
        ]
    );
    bench.events();
    bench.refuse(2, 6);
    bench.acknowledge(1).unwrap();
    assert_eq!(bench.events(), ["refused ticket 3 T5 busy false", "acknowledged 3"]);
}

#[test]
fn a_refusal_of_the_oldest_frees_it_at_once() {
    let mut bench = Bench::open();
    bench.submit(1);
    bench.submit(2);
    bench.refuse(1, 8);
    assert_eq!(bench.events(), ["refused ticket 1 T5 busy true", "acknowledged 1"]);
    assert_eq!(bench.session.unacknowledged(), 1);
}

/// An `Error` before `Welcome` must not touch what waits to be sent: those frames have no number on this connection.
#[test]
fn a_refusal_before_welcome_keeps_the_queue() {
    let mut bench = Bench::new(Resume::FROM_THE_START);
    bench.session.connected();
    bench.submit(1);
    bench.refuse(0, 10);
    bench.refuse(1, 10);
    assert_eq!(bench.events(), ["refused ticket 0 T5 busy false", "refused ticket 0 T5 busy false"]);
    assert_eq!(bench.session.unacknowledged(), 1);
}

#[test]
fn repetitions_are_dropped_and_gaps_break_the_connection() {
    let mut bench = Bench::open();
    bench.forward(Lane::Payments, 1).unwrap();
    bench.forward(Lane::Payments, 1).unwrap();
    bench.forward(Lane::Payments, 2).unwrap();
    bench.forward(Lane::Bulk, 1).unwrap();
    assert_eq!(bench.events(), ["forward T1 +0", "forward T2 +0", "forward T1 +0"]);
    assert_eq!(bench.session.resume(), Resume { lineage: LINEAGE, seen: [2, 1, 0] });
    let gap = Broken::Gap { lane: Lane::Payments, expected: 3, received: 4 };
    assert_eq!(bench.forward(Lane::Payments, 4), Err(gap));
    assert_eq!(bench.forward(Lane::Payments, 3), Err(Broken::Closed));
    assert_eq!(bench.session.resume().seen, [2, 1, 0]);
}

#[test]
fn what_came_is_acknowledged_in_headers_one_lane_a_frame_and_by_ack_all_at_once() {
    let mut bench = Bench::open();
    bench.forward(Lane::Payments, 1).unwrap();
    bench.forward(Lane::Directory, 1).unwrap();
    bench.submit(1);
    bench.submit(2);
    assert_eq!(
        bench.sent(),
        ["CreditTransfer T1 number 1 acknowledges 1:1", "CreditTransfer T2 number 2 acknowledges 3:1",]
    );
    bench.session.acknowledge_now();
    assert!(bench.sent().is_empty(), "nothing new arrived");
    bench.forward(Lane::Payments, 2).unwrap();
    bench.session.acknowledge_now();
    bench.session.acknowledge_now();
    assert_eq!(bench.sent(), ["Ack number 0 acknowledges 0:0"]);
}

#[test]
fn another_lineage_or_numbers_that_went_back_restart_the_cursors() {
    let mut bench = Bench::new(Resume { lineage: [1; 16], seen: [9, 9, 9] });
    bench.session.connected();
    bench.welcome(LINEAGE, [0; 3]).unwrap();
    assert_eq!(bench.events(), ["welcomed after [0, 0, 0] resent 0 restarted"]);
    bench.forward(Lane::Payments, 1).unwrap();
    bench.session.connected();
    bench.welcome(LINEAGE, [0; 3]).unwrap();
    assert_eq!(bench.events(), ["forward T1 +0", "welcomed after [0, 0, 0] resent 0 restarted"]);
}

#[test]
fn a_switch_that_would_skip_numbers_is_not_followed() {
    let mut bench = Bench::new(Resume { lineage: LINEAGE, seen: [4, 0, 0] });
    bench.session.connected();
    let gap = Broken::Gap { lane: Lane::Payments, expected: 5, received: 7 };
    assert_eq!(bench.welcome(LINEAGE, [6, 0, 0]), Err(gap));
}

#[test]
fn who_wants_nothing_old_goes_on_from_where_the_switch_says() {
    let mut bench = Bench::new(Resume::FROM_THE_END);
    assert_eq!(bench.session.resume().seen, SEEN_FROM_THE_END);
    bench.session.connected();
    bench.welcome(LINEAGE, [50, 60, 70]).unwrap();
    bench.forward(Lane::Payments, 51).unwrap();
    assert_eq!(bench.events(), ["welcomed after [50, 60, 70] resent 0", "forward T51 +0"]);
}

#[test]
fn echoes_are_answered_and_sent_when_idle_and_silence_is_noticed() {
    let mut bench = Bench::open();
    bench.receive(&framed(MessageKind::Echo, Head::PLAIN, &Echo { token: 5, reply: 0 }, b"")).unwrap();
    assert_eq!(bench.sent(), ["Echo number 1 acknowledges 1:0"]);
    bench.session.tick(Idle { sent_ms: ECHO_AFTER_MS - 1, received_ms: 0 }).unwrap();
    assert!(bench.sent().is_empty());
    bench.session.tick(Idle { sent_ms: ECHO_AFTER_MS, received_ms: ECHO_AFTER_MS }).unwrap();
    assert_eq!(bench.sent(), ["Echo number 2 acknowledges 1:0"]);
    bench.receive(&framed(MessageKind::Echo, Head::PLAIN, &Echo { token: 1, reply: 1 }, b"")).unwrap();
    assert_eq!(bench.events(), ["echo 1"]);
    // Echoes take numbers, but are not acknowledged to the provider, nor sent again.
    bench.submit(1);
    bench.acknowledge(3).unwrap();
    assert_eq!(bench.events(), ["acknowledged 1"]);
    assert_eq!(bench.session.tick(Idle { sent_ms: 0, received_ms: SILENCE_MAX_MS }), Err(Broken::Silent));
    assert_eq!(bench.session.tick(Idle { sent_ms: 0, received_ms: 0 }), Err(Broken::Closed));
}

#[test]
fn a_switch_that_does_not_say_welcome_is_left() {
    let mut bench = Bench::new(Resume::FROM_THE_START);
    bench.session.connected();
    bench.session.tick(Idle { sent_ms: 0, received_ms: HELLO_TIMEOUT_MS - 1 }).unwrap();
    assert_eq!(bench.session.tick(Idle { sent_ms: 0, received_ms: HELLO_TIMEOUT_MS }), Err(Broken::Silent));
}

#[test]
fn what_the_switch_may_not_send_breaks_the_connection() {
    let status_request = || StatusRequest { payment_id: id(1).bytes() };
    let mut bench = Bench::open();
    let frame = framed(MessageKind::StatusRequest, Head::PLAIN, &status_request(), b"");
    assert_eq!(bench.receive(&frame), Err(Broken::Unexpected(MessageKind::StatusRequest)));
    let mut bench = Bench::open();
    assert_eq!(bench.welcome(LINEAGE, [0; 3]), Err(Broken::Unexpected(MessageKind::Welcome)));
    let mut bench = Bench::open();
    assert_eq!(bench.forward(Lane::Session, 0), Err(Broken::Unexpected(MessageKind::Forward)));
    let mut bench = Bench::open();
    assert_eq!(bench.acknowledge(1), Err(Broken::Acknowledgement(1)));
    let mut bench = Bench::new(Resume::FROM_THE_START);
    bench.session.connected();
    assert_eq!(bench.forward(Lane::Payments, 1), Err(Broken::Unexpected(MessageKind::Forward)));
    let mut bench = Bench::open();
    assert!(matches!(bench.receive(&[1, 0, 0, 0]), Err(Broken::Frame(_))));
}

#[test]
fn the_queue_has_a_limit_that_the_caller_feels() {
    let max = UnacknowledgedMax { frames: 3, ..UnacknowledgedMax::default() };
    let mut session = ClientSession::new(code("NORTHBANK"), Resume::FROM_THE_START).with_unacknowledged_max(max);
    let answer = Answer::accept(id(1));
    for ticket in 1..=3 {
        assert_eq!(session.submit(MessageKind::Answer, &answer, |_| {}), Ok(ticket));
    }
    assert_eq!(session.submit(MessageKind::Answer, &answer, |_| {}), Err(Full));
    let max = UnacknowledgedMax { bytes: 12_288 + 53, ..UnacknowledgedMax::default() };
    let mut session = ClientSession::new(code("NORTHBANK"), Resume::FROM_THE_START).with_unacknowledged_max(max);
    for ticket in 1..=2 {
        assert_eq!(session.submit(MessageKind::Answer, &answer, |_| {}), Ok(ticket));
    }
    assert!(!session.has_room());
}

/// In steady state no buffer grows: what is acknowledged gives its place back.
#[test]
fn buffers_do_not_grow_with_the_number_of_messages() {
    let mut bench = Bench::open();
    let mut largest = 0;
    for round in 0..2_000 {
        for number in 0..100 {
            bench.submit(number);
        }
        largest = largest.max(bench.session.outgoing().len());
        bench.session.outgoing().clear();
        // The last ten stay unacknowledged, so that the queue never becomes empty.
        bench.acknowledge(round * 100 + 90).unwrap();
    }
    assert_eq!(bench.session.unacknowledged(), 10);
    assert!(bench.session.outgoing().capacity() <= 4 * largest);
    bench.session.connected();
    bench.welcome(LINEAGE, [0; 3]).unwrap();
    let frame_bytes = |kind: MessageKind| frame::HEADER_BYTES + kind.conduct().routing_bytes;
    let expected = 10 * frame_bytes(MessageKind::CreditTransfer) + frame_bytes(MessageKind::Hello);
    assert_eq!(bench.session.outgoing().len(), expected);
}

/// A frame of each message that is numbered, from this lane.
fn from_outbox(kind: MessageKind, head: Head) -> Vec<u8> {
    let number = head.number;
    match kind {
        MessageKind::Forward => framed(kind, head, &sample::forward(number), b""),
        MessageKind::Status => framed(kind, head, &sample::status(number), b""),
        MessageKind::Returned => framed(kind, head, &sample::returned(number), b""),
        MessageKind::CaseForward => framed(kind, head, &sample::case_forward(&sample::recall(number)), b""),
        MessageKind::CaseStatus => framed(kind, head, &sample::case_status(number), b""),
        _ => panic!("{kind:?} is not numbered"),
    }
}

const NUMBERED: [MessageKind; 5] = [
    MessageKind::Forward,
    MessageKind::Status,
    MessageKind::Returned,
    MessageKind::CaseForward,
    MessageKind::CaseStatus,
];

#[test]
fn all_that_is_numbered_comes_in_order_and_once_whatever_it_is() {
    for row in CONDUCT {
        assert_eq!(NUMBERED.contains(&row.kind), row.numbered != Numbered::Never, "{}", row.name);
    }
    for (lane_index, lane) in [(0, Lane::Payments), (1, Lane::Bulk)] {
        let mut bench = Bench::open();
        for (number, kind) in (1..).zip(NUMBERED) {
            let frame = from_outbox(kind, Head { lane, number, ..Head::PLAIN });
            bench.receive(&frame).unwrap();
            assert_eq!(bench.events().len(), 1, "{kind:?}");
            bench.receive(&frame).unwrap();
            assert_eq!(bench.events(), [""; 0], "{kind:?} came twice");
            assert_eq!(bench.session.resume().seen[lane_index], number);
        }
        bench.session.acknowledge_now();
        let acks = bench.sent();
        assert_eq!(acks, ["Ack number 0 acknowledges 0:0"]);
        for kind in NUMBERED {
            let mut bench = Bench::open();
            let gap = bench.receive(&from_outbox(kind, Head { lane, number: 2, ..Head::PLAIN }));
            assert_eq!(gap, Err(Broken::Gap { lane, expected: 1, received: 2 }), "{kind:?}");
        }
    }
}

#[test]
fn only_a_status_may_be_a_reply() {
    for kind in NUMBERED {
        let mut bench = Bench::open();
        let received = bench.receive(&from_outbox(kind, Head::PLAIN));
        if kind.conduct().numbered == Numbered::UnlessReply {
            assert_eq!(received, Ok(()));
            assert!(bench.events()[0].ends_with("numbered false"), "{kind:?}");
        } else {
            assert_eq!(received, Err(Broken::Unexpected(kind)));
        }
    }
}

#[test]
fn whatever_a_provider_submits_is_sent_again_until_it_is_acknowledged() {
    let mut bench = Bench::open();
    let kinds: Vec<MessageKind> = CONDUCT.iter().map(|row| row.kind).filter(|kind| kind.is_resent()).collect();
    let expected = ["CreditTransfer", "Answer", "StatusRequest", "Return", "CaseOpen", "CaseAnswer", "CaseCancel"];
    let directory = ["AliasCommand", "AliasLookup", "AliasTransfer", "DirectoryQuery", "AccountQuery"];
    let names: Vec<&str> = kinds.iter().map(|kind| kind.conduct().name).collect();
    assert_eq!(names, [&expected[..], &["SignOn", "SignOff"], &directory].concat());
    for (ticket, kind) in (1..).zip(&kinds) {
        let routing = vec![7; kind.conduct().routing_bytes];
        assert_eq!(bench.session.submit_raw(*kind, &routing, b""), Ok(ticket));
    }
    let sent = bench.sent();
    assert_eq!(sent.len(), kinds.len());
    bench.acknowledge(2).unwrap();
    bench.session.connected();
    bench.sent();
    bench.welcome(LINEAGE, [0; 3]).unwrap();
    let again: Vec<String> = bench.sent().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(again, names[2..]);
}
