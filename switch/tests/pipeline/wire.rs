//! A connection by hand: frames that a well-behaved provider would never send, and everything that comes back, as text.

use adapters::message::{
    CaseForward, CaseKind, CaseState, CaseStatus, CreditTransfer, Cursors, Echo, Error, ErrorCode, Forward, Hello,
    Lane, Lineage, MessageKind, Outcome, Part, PaymentId, Returned, Status, Welcome,
};
use adapters::native::frame::{self, Decoded, Frame, Head};
use switch::session::SessionKey;

use crate::hub::Hub;
use crate::orders::{code, number_of};

/// One connection.
pub(crate) struct Line {
    pub(crate) key: SessionKey,
    /// Number of the last frame that was sent.
    pub(crate) number: u64,
    /// What waits to be sent, in one read of the switch.
    pub(crate) outgoing: Vec<u8>,
}

impl Line {
    /// A connection on which nothing was said.
    pub(crate) fn silent(hub: &mut Hub, name: &str) -> Line {
        Line { key: hub.attach(code(name)), number: 0, outgoing: Vec::new() }
    }

    /// A connection that has said `Hello`.
    pub(crate) fn welcomed(hub: &mut Hub, name: &str) -> Line {
        let mut line = Line::silent(hub, name);
        line.hello(name, [0; 16], [0; 3]);
        assert_eq!(line.exchange(hub), ["welcome after 0"]);
        line
    }

    /// A connection that has said `Hello` in this lineage; what was told before comes again.
    pub(crate) fn welcomed_after(hub: &mut Hub, name: &str) -> Line {
        let mut line = Line::silent(hub, name);
        line.hello(name, [0x42; 16], [0; 3]);
        assert_eq!(line.exchange(hub), ["welcome after 0"]);
        line
    }

    pub(crate) fn hello(&mut self, name: &str, lineage: Lineage, seen: Cursors) {
        self.hello_in(0, name, lineage, seen);
    }

    /// As `hello`, in one of the participant's slots.
    pub(crate) fn hello_in(&mut self, slot: u8, name: &str, lineage: Lineage, seen: Cursors) {
        let hello = Hello { participant: *code(name).bytes(), lineage, seen, slot };
        frame::encode(&mut self.outgoing, MessageKind::Hello, Head::PLAIN, &hello, |_| {});
    }

    /// Adds a frame under the next number.
    pub(crate) fn say<P: Part>(&mut self, kind: MessageKind, part: &P) {
        self.number += 1;
        self.say_under(kind, Head { number: self.number, ..Head::PLAIN }, part);
    }

    /// Adds a frame that says nothing but what it is.
    pub(crate) fn say_empty(&mut self, kind: MessageKind) {
        self.number += 1;
        frame::encode_raw(&mut self.outgoing, kind, Head { number: self.number, ..Head::PLAIN }, &[], &[]);
    }

    pub(crate) fn say_under<P: Part>(&mut self, kind: MessageKind, head: Head, part: &P) {
        frame::encode(&mut self.outgoing, kind, head, part, |_| {});
    }

    /// Adds a frame without a routing part under the next number.
    pub(crate) fn say_bare(&mut self, kind: MessageKind) {
        self.number += 1;
        frame::encode_raw(&mut self.outgoing, kind, Head { number: self.number, ..Head::PLAIN }, &[], &[]);
    }

    pub(crate) fn pay(&mut self, order: &CreditTransfer) {
        self.say(MessageKind::CreditTransfer, order);
    }

    pub(crate) fn echo(&mut self, token: u64) {
        self.say(MessageKind::Echo, &Echo { token, reply: 0 });
    }

    /// Sends what waits in one read, lets the switch turn, and says what came back; `end` last where the switch ended the connection.
    pub(crate) fn exchange(&mut self, hub: &mut Hub) -> Vec<String> {
        hub.deliver(self.key, &self.outgoing);
        self.outgoing.clear();
        hub.turn().unwrap();
        self.heard(hub)
    }

    /// What has come.
    pub(crate) fn heard(&self, hub: &mut Hub) -> Vec<String> {
        let (bytes, is_last) = hub.take(self.key, usize::MAX);
        let mut texts = texts(&bytes);
        if is_last {
            texts.push("end".to_owned());
        }
        texts
    }
}

fn texts(bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut used = 0;
    while let Decoded::Frame(frame, length) = frame::decode(&bytes[used..]) {
        used += length;
        texts.push(text(&frame));
    }
    assert_eq!(used, bytes.len(), "whole frames only");
    texts
}

fn text(frame: &Frame<'_>) -> String {
    let payment = |bytes| number_of(PaymentId::from_bytes(bytes).unwrap());
    let number = |head: Head| match head.lane {
        Lane::Session => "reply".to_owned(),
        _ => format!("number {}", head.number),
    };
    let mut text = match frame.kind {
        MessageKind::Welcome => {
            let welcome = Welcome::read(frame.routing).unwrap();
            format!("welcome after {}", welcome.resumed_after[0].to_native())
        }
        MessageKind::Error => {
            let error = Error::read(frame.routing).unwrap();
            let name = ErrorCode::from_number(error.code.to_native()).unwrap().name();
            let fatal = if error.fatal == 1 { " fatal" } else { "" };
            format!("error {name} frame {}{fatal}", error.frame_number.to_native())
        }
        MessageKind::Echo => {
            let echo = Echo::read(frame.routing).unwrap();
            let verb = if echo.reply == 1 { "answers" } else { "asks" };
            // The switch's own token is the time.
            let token = if echo.reply == 1 { format!(" {}", echo.token.to_native()) } else { String::new() };
            format!("echo {verb}{token}")
        }
        MessageKind::Forward => {
            let forward = Forward::read(frame.routing).unwrap();
            format!("forward T{} {}", payment(forward.payment_id), number(frame.head))
        }
        MessageKind::Status => {
            let status = Status::read(frame.routing).unwrap();
            let outcome = Outcome::from_number(status.outcome).unwrap().name();
            format!("status {outcome} T{} {}", payment(status.payment_id), number(frame.head))
        }
        MessageKind::Returned => {
            let returned = Returned::read(frame.routing).unwrap();
            let total = returned.returned_total.to_native();
            format!("returned T{} {total} in all {}", payment(returned.original_id), number(frame.head))
        }
        MessageKind::CaseForward => {
            let asked = CaseForward::read(frame.routing).unwrap();
            let kind = CaseKind::from_number(asked.kind).unwrap().name();
            format!("asked {kind} T{} {}", payment(asked.case_id), number(frame.head))
        }
        MessageKind::CaseStatus => {
            let status = CaseStatus::read(frame.routing).unwrap();
            let kind = CaseKind::from_number(status.kind).map_or("case", CaseKind::name);
            let state = CaseState::from_number(status.state).unwrap().name();
            format!("{kind} {state} T{} {}", payment(status.case_id), number(frame.head))
        }
        MessageKind::Ack => "ack".to_owned(),
        other => panic!("a provider is never sent {other:?}"),
    };
    assert_eq!(frame.head.acknowledged_lane, Lane::Session);
    if frame.head.acknowledged > 0 {
        text += &format!(", {} decided", frame.head.acknowledged);
    }
    text
}
