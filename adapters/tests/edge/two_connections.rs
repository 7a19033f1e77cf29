//! The client with two connections, over real TLS sockets, against a switch that does what the test says.

use adapters::check::Request;
use adapters::limits::ARRIVALS_AHEAD_BYTES_MAX;
use adapters::message::{MessageKind, PaymentId, PaymentPrivate};
use adapters::native::client::{Client, ClientOptions, Connected, DisconnectReason, Disconnected, Events, Incoming};
use adapters::native::session::{Broken, Resume};
use tokio::net::TcpListener;

use crate::sample::{self, id, transfer};
use crate::scripted::{LINEAGE, Peer, ScriptedSwitch, next_event, numbered_forward, soon};

/// A client with two connections, both welcomed; the peers by slot.
async fn two_welcomed(switch: &ScriptedSwitch) -> (Client, Events, [Peer; 2]) {
    let (client, mut events) = Client::start(ClientOptions { connections: 2, ..switch.options() });
    let (mut first, resume, slot) = switch.accept_slot().await;
    assert_eq!(resume, Resume::FROM_THE_START);
    first.welcome([0; 3]).await;
    let (mut second, resume, other) = switch.accept_slot().await;
    assert_eq!((resume.lineage, other), (LINEAGE, 1 - slot), "the second knows what the first was told");
    second.welcome([0; 3]).await;
    let connected = |incoming: &Incoming| match incoming {
        Incoming::Connected(Connected { slot, connections, .. }) => Some((*slot, *connections)),
        _ => None,
    };
    let mut rest = Vec::new();
    assert_eq!(next_event(&mut events, &mut rest, connected).await, (slot, 1));
    assert_eq!(next_event(&mut events, &mut rest, connected).await, (other, 2));
    assert_eq!(client.connections(), 2);
    let peers = if slot == 0 { [first, second] } else { [second, first] };
    (client, events, peers)
}

async fn next_forward(events: &mut Events, rest: &mut Vec<Incoming>) -> PaymentId {
    let forward = |incoming: &Incoming| match incoming {
        Incoming::Forward(forward) => Some(forward.payment_id),
        _ => None,
    };
    next_event(events, rest, forward).await
}

async fn next_loss(events: &mut Events, rest: &mut Vec<Incoming>) -> Disconnected {
    let lost = |incoming: &Incoming| match incoming {
        Incoming::Disconnected(disconnected) => Some(disconnected.clone()),
        _ => None,
    };
    next_event(events, rest, lost).await
}

async fn next_acknowledged(events: &mut Events, rest: &mut Vec<Incoming>) -> PaymentId {
    let acknowledged = |incoming: &Incoming| match incoming {
        Incoming::Acknowledged { payment_id, .. } => *payment_id,
        _ => None,
    };
    next_event(events, rest, acknowledged).await
}

#[tokio::test]
async fn numbers_that_interleave_and_come_again_are_handed_out_once_and_in_order() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events, [mut one, mut two]) = two_welcomed(&switch).await;
    let mut rest = Vec::new();
    two.send_forward(2).await;
    two.send_forward(3).await;
    // They are there, and wait for the first.
    two.fence(|_| false).await;
    assert_eq!(client.cursors().seen, [0; 3]);
    one.send_forward(1).await;
    for number in 1..=3 {
        assert_eq!(next_forward(&mut events, &mut rest).await, id(number));
    }
    let received = one.expect(|request| if let Request::Ack(received) = request { Some(received) } else { None }).await;
    assert_eq!(received, [3, 0, 0], "what came over both is acknowledged on either");
    drop(one);
    let lost = next_loss(&mut events, &mut rest).await;
    assert_eq!((lost.slot, lost.connections, client.connections()), (0, 1, 1));
    // A switch that did not hear the acknowledgement sends again what the lost connection had.
    two.send_forward(1).await;
    two.send_forward(5).await;
    two.send_forward(4).await;
    for number in 4..=5 {
        assert_eq!(next_forward(&mut events, &mut rest).await, id(number));
    }
    let (_one, resume, slot) = switch.accept_slot().await;
    assert_eq!((slot, resume), (0, Resume { lineage: LINEAGE, seen: [5, 0, 0] }));
    drop((client, two));
}

/// Where both are gone, the first that comes back says that it is alone. The second does not, nor does one that is made again beside another.
#[tokio::test]
async fn a_connection_says_whether_it_is_alone() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events, peers) = two_welcomed(&switch).await;
    drop(peers);
    let mut rest = Vec::new();
    for _ in 0..2 {
        next_loss(&mut events, &mut rest).await;
    }
    let (mut first, _, slot, is_alone) = switch.accept_hello().await;
    assert!(is_alone);
    first.welcome([0; 3]).await;
    for _ in 0..2 {
        let (mut second, _, other, is_alone) = switch.accept_hello().await;
        assert_eq!((other, is_alone), (1 - slot, false));
        second.welcome([0; 3]).await;
        second.fence(|_| false).await;
    }
    drop((client, first));
}

#[tokio::test]
async fn what_was_on_its_way_on_a_lost_connection_goes_over_the_other() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events, [mut one, mut two]) = two_welcomed(&switch).await;
    for number in 1..=4 {
        client.submit(&transfer(number), &PaymentPrivate::default()).await.unwrap();
    }
    let (first, second) = (one.expect_transfer().await, one.expect_transfer().await);
    assert_eq!((first, second), ((1, id(1)), (2, id(3))), "each has as much to wait for");
    assert_eq!((two.expect_transfer().await, two.expect_transfer().await), ((1, id(2)), (2, id(4))));
    let mut rest = Vec::new();
    one.acknowledge(1).await;
    assert_eq!(next_acknowledged(&mut events, &mut rest).await, id(1));
    drop(one);
    assert_eq!(two.expect_transfer().await, (3, id(3)));
    client.submit(&transfer(5), &PaymentPrivate::default()).await.unwrap();
    assert_eq!(two.expect_transfer().await, (4, id(5)));
    two.acknowledge(4).await;
    for number in [2, 4, 3, 5] {
        assert_eq!(next_acknowledged(&mut events, &mut rest).await, id(number));
    }
    // With none left it waits for whichever comes first.
    drop(two);
    client.submit(&transfer(6), &PaymentPrivate::default()).await.unwrap();
    let mut peer = switch.accept_and_welcome().await;
    assert_eq!(peer.expect_transfer().await, (1, id(6)));
    peer.acknowledge(1).await;
    assert_eq!(next_acknowledged(&mut events, &mut rest).await, id(6));
}

#[tokio::test]
async fn a_sign_waits_for_the_one_before_it() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events, [mut one, mut two]) = two_welcomed(&switch).await;
    client.sign_off().await.unwrap();
    client.sign_on().await.unwrap();
    let sign = |request: Request<'_>| match request {
        Request::SignOn => Some(MessageKind::SignOn),
        Request::SignOff => Some(MessageKind::SignOff),
        _ => None,
    };
    assert_eq!(one.expect(sign).await, MessageKind::SignOff);
    // Two connections keep no order: over the other it could come first.
    two.fence(|request| matches!(request, Request::SignOn)).await;
    one.fence(|request| matches!(request, Request::SignOn)).await;
    one.acknowledge(1).await;
    let acknowledged = |incoming: &Incoming| match incoming {
        Incoming::Acknowledged { kind, .. } => Some(*kind),
        _ => None,
    };
    let mut rest = Vec::new();
    assert_eq!(next_event(&mut events, &mut rest, acknowledged).await, MessageKind::SignOff);
    assert_eq!(one.expect(sign).await, MessageKind::SignOn);
    // Its fate is not known, so it is sent again, and is still the last.
    drop(one);
    assert_eq!(two.expect(sign).await, MessageKind::SignOn);
    // Frame 1 was the answer to the fence.
    two.acknowledge(2).await;
    assert_eq!(next_event(&mut events, &mut rest, acknowledged).await, MessageKind::SignOn);
}

#[tokio::test]
async fn a_provider_whose_first_line_is_down_from_the_start_is_served_by_the_second() {
    let switch = ScriptedSwitch::new().await;
    let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut options = switch.options().with_second(switch.address().to_string());
    options.remote().addresses = vec![nobody.local_addr().unwrap().to_string()];
    drop(nobody);
    let (client, mut events) = Client::start(options);
    let (mut peer, resume, slot) = switch.accept_slot().await;
    assert_eq!((resume, slot), (Resume::FROM_THE_START, 1));
    peer.welcome([0; 3]).await;
    peer.send_forward(1).await;
    let mut rest = Vec::new();
    assert_eq!(next_forward(&mut events, &mut rest).await, id(1));
    let lost = next_loss(&mut events, &mut rest).await;
    assert!(lost.slot == 0 && matches!(lost.why, DisconnectReason::Unreachable(_)), "{lost:?}");
    assert_eq!(client.connections(), 1);
}

#[tokio::test]
async fn where_too_much_is_ahead_of_a_gap_both_connections_are_made_anew() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events, [mut one, mut two]) = two_welcomed(&switch).await;
    let mut rest = Vec::new();
    let frame = |number| numbered_forward(number, &sample::forward(number));
    let count = ARRIVALS_AHEAD_BYTES_MAX / frame(2).len() + 1;
    let ahead: Vec<u8> = (2..).take(count).flat_map(frame).collect();
    one.send_forward(1).await;
    assert_eq!(next_forward(&mut events, &mut rest).await, id(1));
    // Number 2 never comes.
    two.send_bytes(&ahead[frame(2).len()..]).await;
    two.send_bytes(&frame(count as u64 + 2)).await;
    two.send_bytes(&frame(count as u64 + 3)).await;
    for slot in [0, 1] {
        let lost = next_loss(&mut events, &mut rest).await;
        let expected = Broken::TooFarAhead { lane: adapters::message::Lane::Payments, expected: 2 };
        assert_eq!((lost.slot, lost.connections), (slot, 1 - slot));
        assert_eq!(lost.why, DisconnectReason::Broken(expected));
    }
    let (_, resume, _) = switch.accept_slot().await;
    assert_eq!(resume.seen, [1, 0, 0], "all that was held comes again");
    drop(client);
}

/// The switch heard a `Hello` of an earlier life of the provider late, beside a connection of the present one, and took what that had seen for acknowledged. It will not
/// send that again while any connection is left.
#[tokio::test]
async fn where_welcome_skips_what_was_not_seen_both_connections_are_made_anew() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events, [one, two]) = two_welcomed(&switch).await;
    let mut rest = Vec::new();
    drop(two);
    assert_eq!(next_loss(&mut events, &mut rest).await.slot, 1);
    let (mut again, resume, slot, is_alone) = switch.accept_hello().await;
    assert_eq!((resume.seen, slot, is_alone), ([0; 3], 1, false));
    again.welcome([5, 0, 0]).await;
    for slot in [0, 1] {
        let lost = next_loss(&mut events, &mut rest).await;
        let expected = Broken::Gap { lane: adapters::message::Lane::Payments, expected: 1, received: 6 };
        assert_eq!((lost.slot, lost.why), (slot, DisconnectReason::Broken(expected)));
    }
    let (_, resume, _, is_alone) = switch.accept_hello().await;
    assert_eq!((resume.seen, is_alone), ([0; 3], true));
    drop((client, one));
}

#[tokio::test]
async fn shutdown_says_goodbye_on_both() {
    let switch = ScriptedSwitch::new().await;
    let (client, mut events, [one, two]) = two_welcomed(&switch).await;
    let peers = tokio::spawn(async move { tokio::join!(one.expect_close(), two.expect_close()) });
    assert_eq!(soon(client.shutdown()).await, 0);
    assert_eq!(soon(peers).await.unwrap(), (true, true));
    let goodbye = |slot, connections| {
        let why = DisconnectReason::Shutdown;
        Incoming::Disconnected(Disconnected { slot, connections, why, retry_after_ms: None })
    };
    assert_eq!(soon(events.next()).await, Some(vec![goodbye(0, 1), goodbye(1, 0)]));
    assert_eq!(soon(events.next()).await, None);
}
