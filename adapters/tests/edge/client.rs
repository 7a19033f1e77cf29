//! The client over real TLS sockets, against a switch that does what the test says.

use std::time::Duration;

use adapters::check::Request;
use adapters::message::{
    AmountForm, Answer, CaseKind, CaseState, CaseStatus, Error, ErrorCode, Field, Lane, MessageKind, Note, Outcome,
    PaymentId, PaymentPrivate, Reason, Return, SEEN_FROM_THE_END,
};
use adapters::native::client::{
    self, Client, DisconnectReason, Disconnected, Events, Incoming, Message, Refused, SubmitError,
};
use adapters::native::frame::Head;
use adapters::native::session::{Broken, Resume, UnacknowledgedMax};
use adapters::native::tls;
use tokio::net::TcpListener;

use crate::sample::{self, id, payment_private, transfer};
use crate::scripted::{LINEAGE, Peer, Pki, ScriptedSwitch, next_event, numbered_forward, soon};

fn disconnected(incoming: &Incoming) -> Option<Disconnected> {
    match incoming {
        Incoming::Disconnected(disconnected) => Some(disconnected.clone()),
        _ => None,
    }
}

fn refused(incoming: &Incoming) -> Option<Refused> {
    match incoming {
        Incoming::Refused(refused) => Some((**refused).clone()),
        _ => None,
    }
}

/// What a spawned task may hold.
fn assert_send<T: Send>(_: &T) {}

#[tokio::test]
async fn a_payment_goes_out_and_its_status_comes_back() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events) = switch.client();
    assert_send(&client);
    assert_send(&events);
    let mut peer = switch.accept_and_welcome().await;
    client.submit(&transfer(1), &payment_private()).await.unwrap();
    assert_eq!(peer.expect_transfer().await, (1, id(1)));
    peer.acknowledge(1).await;
    peer.send_status(1, id(1), 1).await;
    let mut seen = Vec::new();
    next_event(&mut events, &mut Vec::new(), |incoming| {
        seen.push(match incoming {
            Incoming::Connected(connected) => format!("connected {:?}", connected.welcomed.resumed_after),
            Incoming::Acknowledged { kind, payment_id } => format!("acknowledged {kind:?} {}", payment_id.unwrap()),
            Incoming::Status(status) => format!("status {} {}", status.payment_id, status.outcome.name()),
            other => format!("{other:?}"),
        });
        matches!(incoming, Incoming::Status(_)).then_some(())
    })
    .await;
    let id = id(1);
    assert_eq!(
        seen,
        [
            "connected [0, 0, 0]".to_string(),
            format!("acknowledged CreditTransfer {id}"),
            format!("status {id} committed"),
        ]
    );
    assert_eq!(client.cursors(), Resume { lineage: LINEAGE, seen: [1, 0, 0] });
    // The switch hears what has arrived without asking.
    let received =
        peer.expect(|request| if let Request::Ack(received) = request { Some(received) } else { None }).await;
    assert_eq!(received, [1, 0, 0]);
}

#[tokio::test]
async fn a_payment_comes_in_and_its_answer_goes_out() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events) = switch.client();
    let mut peer = switch.accept_and_welcome().await;
    peer.send_forward(1).await;
    let forward = next_event(&mut events, &mut Vec::new(), |incoming| match incoming {
        Incoming::Forward(forward) => Some(forward.clone()),
        _ => None,
    })
    .await;
    assert_eq!(forward.private, payment_private());
    assert_eq!((forward.amount.minor_units(), forward.currency.as_str()), (123_456, "KES"));
    client.answer(&Answer::accept(forward.payment_id), &Note::default()).await.unwrap();
    let answered = peer
        .expect(|request| match request {
            Request::Answer(answer) => Some((answer.routing().payment_id, answer.routing().decision)),
            _ => None,
        })
        .await;
    assert_eq!(answered, (id(1).bytes(), 1));
    client.request_status(id(1)).await.unwrap();
    let asked = peer.expect(|request| if let Request::StatusRequest(id) = request { Some(id) } else { None }).await;
    assert_eq!(asked, id(1));
}

#[tokio::test]
async fn after_a_cut_nothing_is_lost_and_nothing_comes_twice() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events) = switch.client();
    let mut peer = switch.accept_and_welcome().await;
    for number in 1..=3 {
        client.submit(&transfer(number), &PaymentPrivate::default()).await.unwrap();
        assert_eq!(peer.expect_transfer().await, (number, id(number)));
    }
    peer.acknowledge(1).await;
    peer.send_status(1, id(1), 1).await;
    let mut rest = Vec::new();
    let is_status = |incoming: &Incoming| match incoming {
        Incoming::Status(status) => Some((status.payment_id, status.outcome)),
        _ => None,
    };
    assert_eq!(next_event(&mut events, &mut rest, is_status).await, (id(1), Outcome::Committed));
    drop(peer);
    let Disconnected { why, retry_after_ms, .. } = next_event(&mut events, &mut rest, disconnected).await;
    assert!(matches!(why, DisconnectReason::Ended(_)), "{why}");
    assert!(retry_after_ms.unwrap() <= 100, "the first pause is short");
    // Taken while there is no connection.
    client.submit(&transfer(4), &PaymentPrivate::default()).await.unwrap();

    let (mut peer, resume) = switch.accept().await;
    assert_eq!(resume, Resume { lineage: LINEAGE, seen: [1, 0, 0] });
    let welcome = adapters::message::Welcome { lineage: LINEAGE, resumed_after: [1, 0, 0], ..sample::welcome() };
    peer.send(MessageKind::Welcome, Head::PLAIN, &welcome, b"").await;
    for (number, payment) in [(1, 2), (2, 3), (3, 4)] {
        assert_eq!(peer.expect_transfer().await, (number, id(payment)));
    }
    // A switch that repeats itself is heard once.
    peer.send_status(1, id(1), 1).await;
    peer.send_status(2, id(2), 2).await;
    assert_eq!(next_event(&mut events, &mut rest, is_status).await, (id(2), Outcome::Rejected));
}

#[tokio::test]
async fn a_busy_switch_is_plainly_visible() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events) = switch.client();
    let mut peer = switch.accept_and_welcome().await;
    client.submit(&transfer(5), &PaymentPrivate::default()).await.unwrap();
    let (frame_number, payment_id) = peer.expect_transfer().await;
    let error = Error { frame_number, payment_id: payment_id.bytes(), ..sample::error() };
    peer.send_error(&error, "too many payments").await;
    let refused = next_event(&mut events, &mut Vec::new(), refused).await;
    let expected = Refused {
        busy: true,
        code: Some(ErrorCode::Busy),
        field: Field::Amount,
        retry_after_ms: 250,
        kind: Some(MessageKind::CreditTransfer),
        payment_id: Some(id(5)),
        text: "too many payments".into(),
    };
    assert_eq!(refused, expected);
    // The same order again is a new frame.
    client.submit(&transfer(5), &PaymentPrivate::default()).await.unwrap();
    assert_eq!(peer.expect_transfer().await, (2, id(5)));
    drop(client);
}

#[tokio::test]
async fn a_refusal_for_good_says_why_and_is_tried_again_slowly() {
    let switch = ScriptedSwitch::new().await;
    let (_client, mut events) = switch.client();
    let (mut peer, _) = switch.accept().await;
    let error = Error { code: ErrorCode::WrongParticipant as u16, fatal: 1, frame_number: 0, ..sample::error() };
    peer.send_error(&error, "the certificate says EASTBANK").await;
    let Disconnected { why, retry_after_ms, .. } = next_event(&mut events, &mut Vec::new(), disconnected).await;
    assert!(why.needs_attention());
    assert_eq!(why.to_string(), "the switch closed the connection: wrong_participant: the certificate says EASTBANK");
    assert!(retry_after_ms.unwrap() >= 15_000);
}

#[tokio::test]
async fn a_certificate_of_another_scheme_is_refused_in_clear_words() {
    let switch = ScriptedSwitch::new().await;
    let other = Pki::new();
    let mut options = switch.options();
    options.remote().tls = other.client(switch.pki.path("ca.pem"));
    let (_client, mut events) = Client::start(options);
    assert!(switch.accept_maybe().await.is_none());
    let Disconnected { why, .. } = next_event(&mut events, &mut Vec::new(), disconnected).await;
    assert!(matches!(why, DisconnectReason::CertificateRefused(_)), "{why}");
    assert!(why.needs_attention());
}

#[tokio::test]
async fn a_switch_of_another_scheme_is_not_trusted() {
    let switch = ScriptedSwitch::new().await;
    let other = Pki::new();
    let mut options = switch.options();
    options.remote().tls = switch.pki.client(other.path("ca.pem"));
    let (_client, mut events) = Client::start(options);
    assert!(switch.accept_maybe().await.is_none());
    let Disconnected { why, .. } = next_event(&mut events, &mut Vec::new(), disconnected).await;
    assert!(matches!(why, DisconnectReason::SwitchNotTrusted(_)), "{why}");
}

#[tokio::test]
async fn addresses_are_tried_in_turn() {
    let switch = ScriptedSwitch::new().await;
    let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut options = switch.options();
    options.remote().addresses.insert(0, nobody.local_addr().unwrap().to_string());
    drop(nobody);
    let (_client, mut events) = Client::start(options);
    let mut rest = Vec::new();
    let _peer = switch.accept_and_welcome().await;
    let Disconnected { why, .. } = next_event(&mut events, &mut rest, disconnected).await;
    assert!(matches!(why, DisconnectReason::Unreachable(_)), "{why}");
    let connected = |incoming: &Incoming| matches!(incoming, Incoming::Connected(_)).then_some(());
    next_event(&mut events, &mut rest, connected).await;
}

#[tokio::test]
async fn who_is_too_fast_waits() {
    let switch = ScriptedSwitch::new().await;
    let mut options = switch.options();
    options.unacknowledged_max = UnacknowledgedMax { frames: 4, ..UnacknowledgedMax::default() };
    let (client, mut events) = Client::start(options);
    let mut peer = switch.accept_and_welcome().await;
    next_event(&mut events, &mut Vec::new(), |_| Some(())).await;
    let mut submitted = 0;
    while client.try_submit(&transfer(submitted + 1), &PaymentPrivate::default()).is_ok() {
        submitted += 1;
        if submitted % 64 == 0 {
            tokio::task::yield_now().await;
        }
        assert!(submitted < 100_000, "no limit is felt");
    }
    // Four on the wire, and none more before one is acknowledged.
    for number in 1..=4 {
        assert_eq!(peer.expect_transfer().await.0, number);
    }
    let mut through = 4;
    peer.acknowledge(through).await;
    while through < submitted {
        let (number, payment_id) = peer.expect_transfer().await;
        assert_eq!((number, payment_id), (through + 1, id(through + 1)));
        through += 1;
        peer.acknowledge(through).await;
    }
}

#[tokio::test]
async fn events_that_nobody_reads_hold_the_switch_back_and_are_all_there_later() {
    const FORWARDS: u64 = 60_000;
    let switch = ScriptedSwitch::new().await;
    let (_client, mut events) = switch.client();
    let mut peer = switch.accept_and_welcome().await;
    let mut sending = tokio::spawn(async move {
        for first in (1..=FORWARDS).step_by(100) {
            let bytes: Vec<u8> = (first..first + 100).flat_map(|n| numbered_forward(n, &sample::forward(n))).collect();
            peer.send_bytes(&bytes).await;
        }
        peer
    });
    let held_back = tokio::time::timeout(Duration::from_millis(300), &mut sending).await;
    assert!(held_back.is_err(), "24 MB fit into no bounded buffer");
    let mut expected = 1;
    while expected <= FORWARDS {
        for incoming in soon(events.next()).await.unwrap() {
            if let Incoming::Forward(forward) = incoming {
                assert_eq!(forward.payment_id, id(expected));
                expected += 1;
            }
        }
    }
    soon(sending).await.unwrap();
}

#[tokio::test]
async fn a_silent_switch_is_asked_and_then_left() {
    let switch = ScriptedSwitch::new().await;
    let (_client, mut events) = switch.client();
    let mut peer = switch.accept_and_welcome().await;
    let mut rest = Vec::new();
    next_event(&mut events, &mut rest, |_| Some(())).await;
    // From here time passes as fast as nothing happens.
    tokio::time::pause();
    let token =
        peer.expect(|request| if let Request::Echo { token, reply: false } = request { Some(token) } else { None });
    assert_eq!(token.await, 1);
    let why = loop {
        if let Some(incoming) = events.next().await.unwrap().iter().find_map(disconnected) {
            break incoming.why;
        }
    };
    assert_eq!(why, DisconnectReason::Broken(Broken::Silent));
}

#[tokio::test]
async fn shutdown_sends_what_waits_and_says_goodbye() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events) = switch.client();
    let mut peer = switch.accept_and_welcome().await;
    next_event(&mut events, &mut Vec::new(), |_| Some(())).await;
    client.try_submit(&transfer(1), &PaymentPrivate::default()).unwrap();
    client.try_submit(&transfer(2), &PaymentPrivate::default()).unwrap();
    let peer = tokio::spawn(async move {
        peer.expect_transfer().await;
        peer.expect_transfer().await;
        // The second is never acknowledged: its fate is not known.
        peer.acknowledge(1).await;
        peer.expect_close().await
    });
    assert_eq!(soon(client.shutdown()).await, 1);
    assert!(soon(peer).await.unwrap(), "close_notify came");
    let last = collect(&mut events).await.pop().unwrap();
    let goodbye = Disconnected { slot: 0, connections: 0, why: DisconnectReason::Shutdown, retry_after_ms: None };
    assert_eq!(last, Incoming::Disconnected(goodbye));
    let closed = client.submit(&transfer(3), &PaymentPrivate::default()).await;
    assert_eq!(closed, Err(SubmitError::Closed));
    assert_eq!(soon(client.shutdown()).await, 1);
}

async fn collect(events: &mut Events) -> Vec<Incoming> {
    let mut all = Vec::new();
    while let Some(batch) = soon(events.next()).await {
        all.extend(batch);
    }
    all
}

#[tokio::test]
async fn a_client_that_nobody_uses_any_more_ends() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events) = switch.client();
    let peer = switch.accept_and_welcome().await;
    drop(client);
    let (ended, closed) = tokio::join!(collect(&mut events), peer.expect_close());
    assert!(closed && !ended.is_empty());

    let (client, events) = switch.client();
    let peer = switch.accept_and_welcome().await;
    drop(events);
    assert!(peer.expect_close().await);
    assert_eq!(soon(client.shutdown()).await, 0);
}

/// Nobody listens at the address, so the driver is in the middle of a pause when it is told to stop.
#[tokio::test]
async fn shutdown_does_not_wait_for_a_connection() {
    let switch = ScriptedSwitch::new().await;
    let options = switch.options();
    drop(switch);
    let (client, mut events) = Client::start(options);
    next_event(&mut events, &mut Vec::new(), disconnected).await;
    client.submit(&transfer(1), &PaymentPrivate::default()).await.unwrap();
    assert_eq!(soon(client.shutdown()).await, 1);
}

#[tokio::test]
async fn a_message_with_a_bad_field_does_not_leave() {
    let switch = ScriptedSwitch::new().await;
    let mut options = switch.options();
    options.resume.seen = SEEN_FROM_THE_END;
    let (client, _events) = Client::start(options);
    let check = |result: Result<(), SubmitError>, expected: &str| {
        assert_eq!(result.unwrap_err().to_string(), expected);
    };
    let mut order = transfer(1);
    order.amount = 0;
    let submitted = client.submit(&order, &PaymentPrivate::default()).await;
    check(submitted, "the message is not valid: bad_field, field amount");
    let private = PaymentPrivate { payer_name: vec![b'x'; 20_000], ..PaymentPrivate::default() };
    check(client.try_submit(&transfer(1), &private), "the message is not valid: bad_field, field payer_name");
    let note = Note { text: b"line\nbreak".to_vec(), extension: Vec::new() };
    check(client.try_answer(&Answer::accept(id(1)), &note), "the message is not valid: bad_field, field text");
    let (_, resume) = switch.accept().await;
    assert_eq!(resume.seen, SEEN_FROM_THE_END);
}

#[test]
fn errors_about_files_name_the_file_and_say_what_to_do() {
    let pki = Pki::new();
    let (ca, certificate, key) = (pki.path("ca.pem"), pki.path("NORTHBANK.pem"), pki.path("NORTHBANK.key"));
    let missing = pki.path("missing.pem");
    let check = |result: Result<std::sync::Arc<rustls::ClientConfig>, tls::TlsFileError>, parts: [&str; 2]| {
        let text = result.unwrap_err().to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    check(
        tls::client_config(&missing, &certificate, &key),
        ["missing.pem", "give a PEM file that this process may read"],
    );
    check(tls::client_config(&ca, &key, &key), ["NORTHBANK.key holds no certificate", "BEGIN CERTIFICATE"]);
    check(tls::client_config(&ca, &certificate, &certificate), ["private key from", "BEGIN PRIVATE KEY"]);
    let other = pki.path("switch.test.key");
    check(tls::client_config(&ca, &certificate, &other), ["NORTHBANK.pem", "give the key that the certificate"]);
    std::fs::write(&missing, "no PEM").unwrap();
    check(tls::client_config(&missing, &certificate, &key), ["missing.pem holds no certificate", "at least one"]);
}

/// `sample::returned(1)` with `sample::note()`, as a provider gets it.
fn owned_returned() -> client::Returned {
    client::Returned {
        return_id: id(1),
        original_id: id(7),
        case_id: Some(id(8)),
        amount: sample::amount(3_456),
        currency: sample::currency("KES"),
        reason: Reason::of(b"FOCR"),
        returned_total: 23_456,
        decided_at_ns: sample::TIME_NS + 2,
        position: 78,
        note: sample::note(),
    }
}

/// `sample::recall(2)` without a private part, as the provider that is asked gets it.
fn owned_recall() -> client::CaseForward {
    client::CaseForward {
        case_id: id(2),
        kind: CaseKind::Recall,
        original_id: Some(id(7)),
        opener: sample::code("NORTHBANK"),
        responder: sample::code("SOUTH-COOP_2"),
        amount: None,
        form: AmountForm::None,
        reason: Reason::of(b"DUPL"),
        deadline_ns: sample::TIME_NS + 3_600_000_000_000,
        private: PaymentPrivate::default(),
    }
}

/// `sample::case_status(4)` with `sample::note()`, as a provider gets it.
fn owned_case_status() -> client::CaseStatus {
    client::CaseStatus {
        case_id: id(4),
        kind: Some(CaseKind::Recall),
        state: CaseState::Rejected,
        reason: Reason::of(b"TM01"),
        field: Field::OriginalId,
        at_ns: sample::TIME_NS + 3,
        position: 79,
        numbered: true,
        note: sample::note(),
    }
}

#[tokio::test]
async fn what_is_returned_and_asked_comes_in_with_all_its_fields() {
    let switch = ScriptedSwitch::new().await;
    let (_client, mut events) = switch.client();
    let mut peer = switch.accept_and_welcome().await;
    let note = sample::written(&sample::note());
    let numbered = |lane, number| Head { lane, number, ..Head::PLAIN };
    peer.send(MessageKind::Returned, numbered(Lane::Payments, 1), &sample::returned(1), &note).await;
    let recall = sample::case_forward(&sample::recall(2));
    peer.send(MessageKind::CaseForward, numbered(Lane::Bulk, 1), &recall, b"").await;
    let request = sample::case_forward(&sample::case_open(3));
    let private = sample::written(&payment_private());
    peer.send(MessageKind::CaseForward, numbered(Lane::Payments, 2), &request, &private).await;
    peer.send(MessageKind::CaseStatus, numbered(Lane::Bulk, 2), &sample::case_status(4), &note).await;
    let unknown =
        CaseStatus { kind: 0, state: CaseState::Unknown as u8, reason: [0; 4], field: 0, ..sample::case_status(5) };
    peer.send(MessageKind::CaseStatus, Head::PLAIN, &unknown, b"").await;
    let request = client::CaseForward {
        case_id: id(3),
        kind: CaseKind::PaymentRequest,
        original_id: None,
        amount: Some((sample::amount(123_456), sample::currency("KES"))),
        form: AmountForm::UpTo,
        reason: Reason::NONE,
        private: payment_private(),
        ..owned_recall()
    };
    let unknown = client::CaseStatus {
        case_id: id(5),
        kind: None,
        state: CaseState::Unknown,
        reason: Reason::NONE,
        field: Field::None,
        numbered: false,
        note: Note::default(),
        ..owned_case_status()
    };
    let expected = [
        Incoming::Returned(Box::new(owned_returned())),
        Incoming::CaseForward(Box::new(owned_recall())),
        Incoming::CaseForward(Box::new(request)),
        Incoming::CaseStatus(Box::new(owned_case_status())),
        Incoming::CaseStatus(Box::new(unknown)),
    ];
    let mut rest = Vec::new();
    for expected in expected {
        let is_message = |incoming: &Incoming| (!matches!(incoming, Incoming::Connected(_))).then(|| incoming.clone());
        assert_eq!(next_event(&mut events, &mut rest, is_message).await, expected);
    }
    // All of both lanes is acknowledged.
    peer.expect(|request| matches!(request, Request::Ack([2, 2, 0])).then_some(())).await;
}

#[tokio::test]
async fn what_a_provider_returns_asks_and_answers_goes_out_until_it_is_acknowledged() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events) = switch.client();
    let mut peer = switch.accept_and_welcome().await;
    let note = sample::note();
    let (payment_return, opened) = (sample::payment_return(1), sample::case_open(2));
    let (answer, cancel, private) = (sample::case_answer(3), sample::case_cancel(4), payment_private());
    let messages = [
        Message::SignOff,
        Message::Return(&payment_return, &note),
        Message::CaseOpen(&opened, &private),
        Message::CaseAnswer(&answer, &note),
        Message::CaseCancel(&cancel, &Note::default()),
        Message::SignOn,
    ];
    for message in messages {
        client.send(message).await.unwrap();
    }
    let expected = [
        "sign off".to_owned(),
        format!("return {} +{}", id(1), sample::written(&note).len()),
        format!("open {} +{}", id(2), sample::written(&private).len()),
        format!("answer {} +{}", id(3), sample::written(&note).len()),
        format!("cancel {} +0", id(4)),
        "sign on".to_owned(),
    ];
    assert_eq!(heard(&mut peer, 6).await, expected);
    peer.acknowledge(2).await;
    drop(peer);
    let mut peer = switch.accept_and_welcome().await;
    assert_eq!(heard(&mut peer, 4).await, expected[2..]);
    peer.acknowledge(4).await;
    let mut acknowledged = Vec::new();
    let mut rest = Vec::new();
    while acknowledged.len() < 6 {
        let pick = |incoming: &Incoming| match incoming {
            Incoming::Acknowledged { kind, payment_id } => Some((*kind, *payment_id)),
            _ => None,
        };
        acknowledged.push(next_event(&mut events, &mut rest, pick).await);
    }
    let expected = [
        (MessageKind::SignOff, None),
        (MessageKind::Return, Some(id(1))),
        (MessageKind::CaseOpen, Some(id(2))),
        (MessageKind::CaseAnswer, Some(id(3))),
        (MessageKind::CaseCancel, Some(id(4))),
        (MessageKind::SignOn, None),
    ];
    assert_eq!(acknowledged, expected);
    // What the switch would refuse does not go out.
    let refused = client.try_send(Message::Return(&Return { reason: [0; 4], ..payment_return }, &note));
    let Err(SubmitError::Invalid(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!((refusal.code, refusal.field), (ErrorCode::BadField, Field::Reason));
}

/// The next messages of a provider about returns, cases and itself, in words.
async fn heard(peer: &mut Peer, count: usize) -> Vec<String> {
    let mut said = Vec::new();
    while said.len() < count {
        let text = |id: [u8; 16]| PaymentId::from_bytes(id).unwrap();
        let message = peer
            .expect(|request| {
                Some(match request {
                    Request::SignOn => "sign on".to_owned(),
                    Request::SignOff => "sign off".to_owned(),
                    Request::Return(message) => {
                        format!("return {} +{}", text(message.routing().return_id), message.private_bytes().len())
                    }
                    Request::CaseOpen(message) => {
                        format!("open {} +{}", text(message.routing().case_id), message.private_bytes().len())
                    }
                    Request::CaseAnswer(message) => {
                        format!("answer {} +{}", text(message.routing().case_id), message.private_bytes().len())
                    }
                    Request::CaseCancel(message) => {
                        format!("cancel {} +{}", text(message.routing().case_id), message.private_bytes().len())
                    }
                    _ => return None,
                })
            })
            .await;
        said.push(message);
    }
    said
}
