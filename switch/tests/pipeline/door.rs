//! Who may connect, for whom, and how much it may send: as the operator has set it, from the batch on that did (`docs/scheme-rules.md`, Participants).

use adapters::limits::HELLO_TIMEOUT_MS;
use adapters::message::{Answer, Echo, MessageKind, StatusRequest};
use adapters::native::frame::{self, Head};
use ledger::journal::JournalReader;
use switch::engine::scheme::members::Standing;
use switch::entry::{self, Body, ParticipantId, Sender};
use switch::limits::{CONNECTIONS_PER_CLIENT_MAX, CONNECTIONS_PER_PARTICIPANT_MAX};
use switch::operator::{Action, Command, Request};
use switch::pipeline::PipelineLimits;
use switch::pipeline::fairness::Rate;
use switch::session::PeerCertificate;

use crate::hub::{Hub, patient};
use crate::orders::{NS_PER_S, START_NS, code, id, order, private};
use crate::wire::Line;

const START_S: u64 = START_NS / NS_PER_S;
const NOT_ACCEPTED: [&str; 2] = ["error certificate_refused frame 0 fatal", "end"];
const NOT_ITS_AGENT: [&str; 2] = ["error wrong_participant frame 0 fatal", "end"];
const NOT_IN_SCHEME: [&str; 2] = ["error participant_closed frame 0 fatal", "end"];

/// Two people give a command. The number of the engine's reject; 0 where it is carried out.
fn give(hub: &mut Hub, action: Action) -> u16 {
    let request = Request {
        operator: "j.doe".to_owned(),
        approver: Some("m.roe".to_owned()),
        reason: "a test".to_owned(),
        action,
    };
    hub.pipeline.operate(Command::from_request(request).unwrap(), hub.now_ns).unwrap();
    hub.turn().unwrap();
    let (_, operated) = hub.pipeline.take_operated().unwrap();
    operated.unwrap().refused.map_or(0, |refused| refused.number)
}

fn done(hub: &mut Hub, action: Action) {
    assert_eq!(give(hub, action), 0);
}

/// A certificate with this number in each byte of its fingerprint, good from and through these seconds of the test.
fn certificate(participant: &str, number: u8, (from_s, through_s): (u64, u64), is_valid: bool) -> Action {
    Action::SetCertificate {
        participant: participant.to_owned(),
        fingerprint: format!("{number:02x}").repeat(32),
        not_before_s: START_S + from_s,
        not_after_s: START_S + through_s,
        is_valid,
    }
}

fn register(hub: &mut Hub, participant: &str, number: u8) {
    done(hub, certificate(participant, number, (0, 1_000), true));
}

fn revoke(hub: &mut Hub, participant: &str, number: u8) {
    done(hub, certificate(participant, number, (0, 1_000), false));
}

fn agency(is_granted: bool) -> Action {
    Action::SetAgency { technical: "TECH".to_owned(), participant: "ALPHA".to_owned(), is_granted }
}

/// A connection with this certificate of this holder.
fn line_of(hub: &mut Hub, holder: &str, number: u8) -> Line {
    let certificate = PeerCertificate { holder: code(holder), fingerprint: [number; 32] };
    Line { key: hub.attach_with(certificate), number: 0, outgoing: Vec::new() }
}

/// The same, which has said `Hello` for a participant in a slot: the connection, and what came back.
fn hello(hub: &mut Hub, (holder, number): (&str, u8), slot: u8, name: &str) -> (Line, Vec<String>) {
    let mut line = line_of(hub, holder, number);
    line.hello_in(slot, name, [0x42; 16], [0; 3]);
    let heard = line.exchange(hub);
    (line, heard)
}

#[track_caller]
fn welcomed(hub: &mut Hub, shown: (&str, u8), slot: u8, name: &str) -> Line {
    let (line, heard) = hello(hub, shown, slot, name);
    assert_eq!(heard[0], "welcome after 0", "of {heard:?}");
    line
}

/// A scheme with a technical provider that connects for ALPHA.
fn with_agent() -> Hub {
    let mut hub = Hub::steady();
    let participant = "TECH".to_owned();
    let opened = Action::OpenParticipant { participant, is_active: true, class: 0, sponsor: None, is_technical: true };
    done(&mut hub, opened);
    done(&mut hub, agency(true));
    hub
}

#[test]
fn once_a_certificate_is_registered_only_registered_ones_are_let_in() {
    let mut hub = Hub::steady();
    let any = welcomed(&mut hub, ("ALPHA", 9), 0, "ALPHA");
    let other = welcomed(&mut hub, ("BRAVO", 9), 0, "BRAVO");
    register(&mut hub, "ALPHA", 1);
    assert_eq!(any.heard(&mut hub), NOT_ACCEPTED, "its connection is cut in the same turn");
    assert!(other.heard(&mut hub).is_empty(), "the others notice nothing");
    assert_eq!(hello(&mut hub, ("ALPHA", 9), 0, "ALPHA").1, NOT_ACCEPTED);
    welcomed(&mut hub, ("ALPHA", 1), 0, "ALPHA");
}

/// Once nothing but the list counted: when its last certificate was revoked, a participant's every certificate was good again, the stolen one too.
#[test]
fn who_has_none_left_that_are_registered_waits_outside() {
    let mut hub = Hub::steady();
    register(&mut hub, "ALPHA", 1);
    let line = welcomed(&mut hub, ("ALPHA", 1), 0, "ALPHA");
    revoke(&mut hub, "ALPHA", 1);
    assert_eq!(line.heard(&mut hub), NOT_ACCEPTED);
    for number in [1, 9] {
        assert_eq!(hello(&mut hub, ("ALPHA", number), 0, "ALPHA").1, NOT_ACCEPTED);
    }
    let mut hub = hub.restarted(|_| {});
    assert_eq!(hello(&mut hub, ("ALPHA", 9), 0, "ALPHA").1, NOT_ACCEPTED, "nor after a restart");
    register(&mut hub, "ALPHA", 2);
    welcomed(&mut hub, ("ALPHA", 2), 0, "ALPHA");
}

#[test]
fn of_two_certificates_that_overlap_one_is_revoked_and_the_other_takes_over() {
    let mut hub = Hub::steady();
    register(&mut hub, "BRAVO", 1);
    register(&mut hub, "BRAVO", 2);
    let (old, new) = (welcomed(&mut hub, ("BRAVO", 1), 0, "BRAVO"), welcomed(&mut hub, ("BRAVO", 2), 1, "BRAVO"));
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    payer.pay(&order(1, "ALPHA", "BRAVO", 60, START_NS));
    payer.exchange(&mut hub);
    let (on_old, on_new) = (old.heard(&mut hub), new.heard(&mut hub));
    assert_eq!([on_old.len(), on_new.len()].iter().sum::<usize>(), 1, "on one of them");
    revoke(&mut hub, "BRAVO", 1);
    assert_eq!(old.heard(&mut hub), NOT_ACCEPTED);
    hub.turn().unwrap();
    let again = if on_old.is_empty() { vec![] } else { vec!["forward T1 number 1".to_owned()] };
    assert_eq!(new.heard(&mut hub), again, "what the cut connection was given comes on the other");
}

#[test]
fn what_came_before_the_revocation_counts_and_nothing_after_it() {
    let mut hub = Hub::steady();
    register(&mut hub, "ALPHA", 1);
    let mut line = welcomed(&mut hub, ("ALPHA", 1), 0, "ALPHA");
    line.pay(&order(1, "ALPHA", "BRAVO", 60, START_NS));
    hub.deliver(line.key, &std::mem::take(&mut line.outgoing));
    revoke(&mut hub, "ALPHA", 1);
    assert_eq!(hub.pipeline.engine().counts().in_flight, 1, "it was in the batch");
    assert_eq!(line.heard(&mut hub), NOT_ACCEPTED, "and what became of it is told to the next connection");
    line.pay(&order(2, "ALPHA", "BRAVO", 60, START_NS));
    assert_eq!(line.exchange(&mut hub), ["end"]);
    assert_eq!(hub.pipeline.engine().counts().in_flight, 1);
}

#[test]
fn a_certificate_is_good_within_its_validity() {
    let mut hub = Hub::steady();
    done(&mut hub, certificate("ALPHA", 1, (10, 20), true));
    assert_eq!(hello(&mut hub, ("ALPHA", 1), 0, "ALPHA").1, NOT_ACCEPTED, "not yet");
    hub.now_ns = START_NS + 10 * NS_PER_S;
    let line = welcomed(&mut hub, ("ALPHA", 1), 0, "ALPHA");
    for (second, expected) in [(20, vec![]), (21, NOT_ACCEPTED.to_vec())] {
        hub.now_ns = START_NS + second * NS_PER_S;
        hub.pipeline.check_sessions(hub.now_ns);
        hub.turn().unwrap();
        assert_eq!(line.heard(&mut hub), expected, "at second {second}");
    }
    assert_eq!(hello(&mut hub, ("ALPHA", 1), 0, "ALPHA").1, NOT_ACCEPTED, "no more");
}

#[test]
fn who_is_closed_is_cut_off_and_who_is_suspended_is_not() {
    let mut hub = Hub::steady();
    let participant = || "ECHO".to_owned();
    let opened = Action::OpenParticipant {
        participant: participant(),
        is_active: true,
        class: 0,
        sponsor: None,
        is_technical: false,
    };
    done(&mut hub, opened);
    let line = welcomed(&mut hub, ("ECHO", 0), 0, "ECHO");
    done(&mut hub, Action::SetStanding { participant: participant(), standing: Standing::Suspended });
    assert!(line.heard(&mut hub).is_empty());
    done(&mut hub, Action::SetStanding { participant: participant(), standing: Standing::Closed });
    assert_eq!(line.heard(&mut hub), NOT_IN_SCHEME);
    assert_eq!(hello(&mut hub, ("ECHO", 0), 0, "ECHO").1, NOT_IN_SCHEME);
}

#[test]
fn a_technical_provider_connects_for_those_that_it_may() {
    let mut hub = with_agent();
    assert_eq!(hello(&mut hub, ("TECH", 0), 0, "BRAVO").1, NOT_ITS_AGENT);
    assert_eq!(hello(&mut hub, ("TECH", 0), 0, "NOBODY").1, NOT_ITS_AGENT, "and does not learn who there is");
    assert_eq!(hello(&mut hub, ("BRAVO", 0), 0, "ALPHA").1, NOT_ITS_AGENT);
    let own = welcomed(&mut hub, ("ALPHA", 0), 0, "ALPHA");
    let lent = welcomed(&mut hub, ("TECH", 0), 1, "ALPHA");
    assert_eq!(hub.pipeline.code_of(lent.key), Some(code("ALPHA")));
    assert_eq!([hub.pipeline.agent_of(own.key), hub.pipeline.agent_of(lent.key)], [None, Some(code("TECH"))]);
    done(&mut hub, agency(false));
    assert!(own.heard(&mut hub).is_empty());
    assert_eq!(lent.heard(&mut hub), NOT_ITS_AGENT, "withdrawn: cut in the same turn");
    assert_eq!(hello(&mut hub, ("TECH", 0), 1, "ALPHA").1, NOT_ITS_AGENT);
}

#[test]
fn a_technical_provider_shows_its_own_certificates() {
    let mut hub = with_agent();
    register(&mut hub, "ALPHA", 1);
    welcomed(&mut hub, ("ALPHA", 1), 0, "ALPHA");
    let line = welcomed(&mut hub, ("TECH", 9), 1, "ALPHA");
    register(&mut hub, "TECH", 2);
    assert_eq!(line.heard(&mut hub), NOT_ACCEPTED);
    welcomed(&mut hub, ("TECH", 2), 1, "ALPHA");
}

#[test]
fn what_a_technical_provider_sends_is_sealed_under_the_key_of_whom_it_speaks_for() {
    let mut hub = with_agent();
    let mut line = line_of(&mut hub, "TECH", 0);
    line.hello("ALPHA", [0; 16], [0; 3]);
    assert!(line.exchange(&mut hub).is_empty(), "the key is not there");
    assert_eq!([hub.pipeline.take_key_wanted(), hub.pipeline.take_key_wanted()], [Some(code("ALPHA")), None], "once");
    line.say(MessageKind::StatusRequest, &StatusRequest { payment_id: id(1).bytes() });
    assert_eq!(line.exchange(&mut hub), ["error not_allowed frame 1", "ack, 1 decided"], "before it is welcomed");
    hub.pass_ms(1);
    hub.pipeline.rekey(code("ALPHA"), hub.data_key(code("ALPHA")));
    hub.turn().unwrap();
    assert_eq!(line.heard(&mut hub), ["welcome after 0, 1 decided"]);
    let mut payee = Line::welcomed(&mut hub, "BRAVO");
    line.number += 1;
    let (head, order) = (Head { number: line.number, ..Head::PLAIN }, order(1, "ALPHA", "BRAVO", 60, START_NS));
    let part = private(1);
    frame::encode(&mut line.outgoing, MessageKind::CreditTransfer, head, &order, |out| out.extend_from_slice(&part));
    line.exchange(&mut hub);
    payee.say(MessageKind::Answer, &Answer::accept(id(1)));
    assert_eq!(payee.exchange(&mut hub), ["forward T1 number 1", "status committed T1 number 2, 1 decided"]);
    assert_eq!(line.heard(&mut hub), ["status committed T1 number 1, 2 decided"]);
    let alpha = Sender::Participant(ParticipantId(1));
    assert_eq!(sealed_orders(&hub), [(alpha, hub.data_key(code("ALPHA")).id())]);
}

/// Of each order in the journal: whose it is, and under which key it is sealed.
fn sealed_orders(hub: &Hub) -> Vec<(Sender, u64)> {
    let mut orders = Vec::new();
    let mut journal = JournalReader::open(hub.disks[0].clone()).unwrap();
    let mut sequence = 1;
    while let Ok(batch) = journal.read(sequence) {
        sequence = batch.last_sequence() + 1;
        let mut rest = batch.payload;
        while !rest.is_empty() {
            let (entry, length) = entry::read(rest).unwrap();
            rest = &rest[length..];
            if let Body::CreditTransfer(..) = entry.body {
                orders.push((entry.sender, entry.seal_key));
            }
        }
    }
    orders
}

#[test]
fn a_key_that_comes_too_late_lets_nobody_in() {
    let mut hub = with_agent();
    let mut line = line_of(&mut hub, "TECH", 0);
    line.hello("ALPHA", [0; 16], [0; 3]);
    assert!(line.exchange(&mut hub).is_empty());
    let mut gone = line_of(&mut hub, "TECH", 0);
    gone.hello("ALPHA", [0; 16], [0; 3]);
    assert!(gone.exchange(&mut hub).is_empty());
    assert_eq!([hub.pipeline.take_key_wanted(), hub.pipeline.take_key_wanted()], [Some(code("ALPHA")), None], "once");
    hub.detach(gone.key);
    done(&mut hub, agency(false));
    hub.pipeline.rekey(code("ALPHA"), hub.data_key(code("ALPHA")));
    hub.turn().unwrap();
    assert_eq!(line.heard(&mut hub), NOT_ITS_AGENT);
}

/// A connection that was ended while its `Hello` waited for a key was let in when the key came: it took the participant's place and never left it, and the next `Hello` stopped
/// the switch.
#[test]
fn who_was_ended_while_it_waited_for_a_key_takes_no_place() {
    let mut hub = with_agent();
    let mut line = line_of(&mut hub, "TECH", 0);
    line.hello("ALPHA", [0; 16], [0; 3]);
    line.say_under(MessageKind::Echo, Head { number: 7, ..Head::PLAIN }, &Echo { token: 1, reply: 0 });
    assert_eq!(line.exchange(&mut hub), ["error bad_number frame 7 fatal", "end"]);
    let own = welcomed(&mut hub, ("ALPHA", 0), 0, "ALPHA");
    hub.pipeline.rekey(code("ALPHA"), hub.data_key(code("ALPHA")));
    hub.turn().unwrap();
    assert!(own.heard(&mut hub).is_empty(), "nobody takes its place");
    hub.detach(line.key);
    for slot in [0, 1, 0] {
        welcomed(&mut hub, ("TECH", 0), slot, "ALPHA");
    }
}

/// A key that does not come is waited for as long as a `Hello`.
#[test]
fn who_waits_for_a_key_waits_for_a_while() {
    let mut hub = with_agent();
    let mut line = line_of(&mut hub, "TECH", 0);
    line.hello("ALPHA", [0; 16], [0; 3]);
    assert!(line.exchange(&mut hub).is_empty());
    hub.pass_ms(HELLO_TIMEOUT_MS + 1);
    hub.pipeline.check_sessions(hub.now_ns);
    hub.pipeline.rekey(code("ALPHA"), hub.data_key(code("ALPHA")));
    hub.turn().unwrap();
    assert_eq!(line.heard(&mut hub), ["error too_slow frame 0 fatal", "end"]);
    welcomed(&mut hub, ("ALPHA", 0), 0, "ALPHA");
}

#[test]
fn a_technical_provider_has_room_for_each_of_its_clients() {
    let mut hub = with_agent();
    let mut open = 0;
    let mut fill = |hub: &mut Hub| {
        while hub.pipeline.has_room_for(&code("TECH")) {
            line_of(hub, "TECH", 0);
            open += 1;
        }
        open
    };
    assert_eq!(fill(&mut hub), CONNECTIONS_PER_PARTICIPANT_MAX);
    for participant in ["BRAVO", "CHARLIE", "DELTA"] {
        let participant = participant.to_owned();
        done(&mut hub, Action::SetAgency { technical: "TECH".to_owned(), participant, is_granted: true });
    }
    assert_eq!(fill(&mut hub), 4 * CONNECTIONS_PER_CLIENT_MAX);
    assert!(hub.pipeline.has_room_for(&code("ALPHA")), "theirs are not its clients'");
}

fn limits(in_flight_max: u32, orders_per_second: u32, orders_burst: u32) -> Action {
    Action::SetLimits { participant: "ALPHA".to_owned(), in_flight_max, orders_per_second, orders_burst }
}

/// What is heard of a frame that is refused for this, once all before it are decided.
fn refused(why: &str, frame: u64) -> [String; 2] {
    [format!("error {why} frame {frame}, {} decided", frame - 1), format!("ack, {frame} decided")]
}

/// ALPHA pays this: what it hears.
fn pay(hub: &mut Hub, line: &mut Line, number: u64) -> Vec<String> {
    hub.pass_ms(1);
    line.pay(&order(number, "ALPHA", "BRAVO", 1, START_NS));
    line.exchange(hub)
}

#[test]
fn a_participants_payments_in_flight_are_limited_from_the_batch_on() {
    let limits_of_all = PipelineLimits { in_flight_per_participant_max: 3, ..patient() };
    let mut hub = Hub::limited(limits_of_all);
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    let busy = |frame| refused("busy", frame);
    done(&mut hub, limits(2, 0, 0));
    let heard: Vec<_> = (1..=3).map(|number| pay(&mut hub, &mut line, number)).collect();
    assert_eq!(heard, [vec!["ack, 1 decided".to_owned()], vec!["ack, 2 decided".to_owned()], busy(3).to_vec()]);
    assert_eq!(give(&mut hub, limits(1, 0, 0)), 20, "two are in flight");
    done(&mut hub, limits(4, 0, 0));
    assert_eq!(pay(&mut hub, &mut line, 4), ["ack, 4 decided"]);
    assert_eq!(pay(&mut hub, &mut line, 5), ["ack, 5 decided"], "more than the configuration has for all");
    done(&mut hub, limits(0, 0, 0));
    assert_eq!(pay(&mut hub, &mut line, 6), busy(6), "the configuration's holds again");
    done(&mut hub, limits(5, 0, 0));
    let mut hub = hub.restarted(|_| {});
    let mut line = Line::welcomed_after(&mut hub, "ALPHA");
    assert_eq!(pay(&mut hub, &mut line, 7), ["ack, 1 decided"], "the fifth");
    assert_eq!(pay(&mut hub, &mut line, 8), busy(2), "after a restart");
}

#[test]
fn a_participants_rate_is_its_own_from_the_batch_on() {
    let mut hub = Hub::limited(PipelineLimits { rate: Rate { per_second: 1_000, burst: 100 }, ..patient() });
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    let limited = |frame| refused("rate_limited", frame);
    done(&mut hub, limits(0, 1, 2));
    let heard: Vec<_> = (1..=3).map(|number| pay(&mut hub, &mut line, number)).collect();
    assert_eq!(heard, [vec!["ack, 1 decided".to_owned()], vec!["ack, 2 decided".to_owned()], limited(3).to_vec()]);
    let mut other = Line::welcomed(&mut hub, "CHARLIE");
    for number in 11..=20 {
        other.pay(&order(number, "CHARLIE", "DELTA", 1, START_NS));
    }
    assert_eq!(other.exchange(&mut hub), ["ack, 10 decided"], "the others have theirs");
    line.heard(&mut hub);
    done(&mut hub, limits(0, 1_000, 0));
    hub.pass_ms(1);
    assert_eq!(pay(&mut hub, &mut line, 4), limited(4), "what it owed is a burst, and no more");
    assert_eq!(pay(&mut hub, &mut line, 5), ["ack, 5 decided"]);
    hub.pass_ms(200);
    done(&mut hub, limits(0, 1, 1));
    assert_eq!(pay(&mut hub, &mut line, 6), ["ack, 6 decided"]);
    assert_eq!(pay(&mut hub, &mut line, 7), limited(7));
    done(&mut hub, limits(0, 0, 0));
    hub.pass_ms(1);
    let heard: Vec<_> = (8..=9).map(|number| pay(&mut hub, &mut line, number)).collect();
    assert_eq!(heard, [limited(8).to_vec(), vec!["ack, 9 decided".to_owned()]], "the configuration's holds again");
}

/// Who has a rate without a burst of its own, where the configuration limits nobody, was once refused everything: its bucket held nothing.
#[test]
fn a_rate_without_a_burst_lets_one_at_a_time_through() {
    let mut hub = Hub::limited(PipelineLimits { rate: Rate::UNLIMITED, ..patient() });
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    done(&mut hub, limits(0, 1, 0));
    assert_eq!(pay(&mut hub, &mut line, 1), ["ack, 1 decided"]);
    assert_eq!(pay(&mut hub, &mut line, 2), refused("rate_limited", 2));
    hub.pass_ms(1_000);
    assert_eq!(pay(&mut hub, &mut line, 3), ["ack, 3 decided"]);
}
