//! A provider's connection, byte by byte: what a `Client` would never send can be sent here, and every number can be seen.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::SystemTime;

use adapters::message::{
    Ack, Answer, CaseForward, CaseState, CaseStatus, CreditTransfer, Cursors, Echo, Error, ErrorCode, Field, Forward,
    Hello, Lane, MessageKind, Note, Outcome, Part, ParticipantCode, PaymentId, PaymentPrivate, Reason, Returned,
    Status, StatusRequest, Welcome,
};
use adapters::native::frame::{self, Decoded, Head};
use adapters::native::session::Resume;
use ledger::{Amount, Currency};
use rkyv::rancor::{Failure, Strategy};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::harness::{CURRENCY, Data, PATIENCE, code};

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since_1970.as_nanos()).unwrap()
}

/// A payment order between two participants, accepted now, with a new id.
pub(crate) fn order(payer: usize, payee: usize, minor_units: u64) -> CreditTransfer {
    let (amount, currency) = (Amount::new(minor_units).unwrap(), Currency::parse(CURRENCY.as_bytes()).unwrap());
    CreditTransfer::new(PaymentId::random(), code(payer), code(payee), amount, currency, now_ns())
}

/// The id of an order.
pub(crate) fn id_of(order: &CreditTransfer) -> PaymentId {
    PaymentId::from_bytes(order.payment_id).unwrap()
}

/// A part's bytes.
pub(crate) fn written<P: Part>(part: &P) -> Vec<u8> {
    let mut out = Vec::new();
    part.write(&mut out);
    out
}

/// What the switch said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Welcome(Welcome),
    Ack,
    Echo(Echo),
    Error(Error, String),
    /// The private part as it came.
    Forward(Forward, Vec<u8>),
    Status(Status, Note),
    Returned(Returned, Note),
    /// The private part as it came.
    CaseForward(CaseForward, Vec<u8>),
    CaseStatus(CaseStatus, Note),
}

/// A message with its place in the outbox; lane 0 and number 0 where it has none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) lane: Lane,
    pub(crate) number: u64,
    pub(crate) said: Said,
}

/// A `Status`, for people.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
    pub(crate) field: Field,
    pub(crate) note: String,
    /// Place in the outbox; 0 for the answer to a question.
    pub(crate) number: u64,
    /// When and where in the journal it was decided.
    pub(crate) decided: (u64, u64),
}

impl Told {
    /// Outcome, reason and field.
    pub(crate) fn verdict(&self) -> (Outcome, &str, Field) {
        (self.outcome, &self.reason, self.field)
    }

    fn new(number: u64, status: &Status, note: &Note) -> Told {
        Told {
            outcome: Outcome::from_number(status.outcome).unwrap(),
            reason: Reason::from_bytes(status.reason).unwrap().as_str().to_owned(),
            field: Field::from_number(status.field).unwrap(),
            note: String::from_utf8(note.text.clone()).unwrap(),
            number,
            decided: (status.decided_at_ns, status.position),
        }
    }
}

/// A `CaseStatus`, for people.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CaseTold {
    pub(crate) state: CaseState,
    pub(crate) reason: String,
    pub(crate) field: Field,
    pub(crate) note: String,
    /// Place in the outbox; lane 0 and number 0 for a reply.
    pub(crate) place: (Lane, u64),
    /// Deadline or time of the last change, and where in the journal that was.
    pub(crate) at: (u64, u64),
}

impl CaseTold {
    /// State, reason and field.
    pub(crate) fn verdict(&self) -> (CaseState, &str, Field) {
        (self.state, &self.reason, self.field)
    }

    fn new(place: (Lane, u64), status: &CaseStatus, note: &Note) -> CaseTold {
        CaseTold {
            state: CaseState::from_number(status.state).unwrap(),
            reason: Reason::from_bytes(status.reason).unwrap().as_str().to_owned(),
            field: Field::from_number(status.field).unwrap(),
            note: String::from_utf8(note.text.clone()).unwrap(),
            place,
            at: (status.at_ns, status.position),
        }
    }
}

/// An `Error`, for people.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) field: Field,
    pub(crate) fatal: bool,
    pub(crate) retry_after_ms: u32,
    pub(crate) frame_number: u64,
    pub(crate) payment_id: [u8; 16],
    pub(crate) text: String,
}

/// One connection.
pub(crate) struct Wire {
    tls: StreamOwned<ClientConnection, TcpStream>,
    /// Number of the last frame that was sent.
    pub(crate) number: u64,
    /// How far the switch says that it has decided what was sent.
    pub(crate) acknowledged: u64,
    inbound: Vec<u8>,
    /// What came and nobody has asked for yet. Acknowledgements are only counted.
    heard: VecDeque<Heard>,
}

impl Wire {
    /// A TLS connection on which nothing was said.
    pub(crate) fn connect(address: SocketAddr, tls: Arc<ClientConfig>) -> Wire {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let connection = ClientConnection::new(tls, "localhost".try_into().unwrap()).unwrap();
        let tls = StreamOwned::new(connection, socket);
        Wire { tls, number: 0, acknowledged: 0, inbound: Vec::new(), heard: VecDeque::new() }
    }

    /// A participant's connection, open; nothing old is wanted.
    pub(crate) fn open(data: &Data, participant: usize) -> Wire {
        Wire::resume(data, participant, Resume::FROM_THE_END).0
    }

    /// A participant's connection, open, from where `resume` says.
    pub(crate) fn resume(data: &Data, participant: usize, resume: Resume) -> (Wire, Welcome) {
        let mut wire = Wire::connect(data.address(), data.tls(code(participant).as_str()));
        wire.hello(code(participant), resume);
        let welcome = wire.welcome();
        (wire, welcome)
    }

    /// Says who it is.
    pub(crate) fn hello(&mut self, participant: ParticipantCode, resume: Resume) {
        let hello = Hello { participant: *participant.bytes(), lineage: resume.lineage, seen: resume.seen, slot: 0 };
        self.send_unnumbered(MessageKind::Hello, &hello);
    }

    /// Says what has arrived.
    pub(crate) fn acknowledge(&mut self, received: Cursors) {
        self.send_unnumbered(MessageKind::Ack, &Ack { received });
    }

    fn send_unnumbered<P: Part>(&mut self, kind: MessageKind, part: &P) {
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, kind, Head::PLAIN, part, |_| {});
        self.send_bytes(&bytes);
    }

    /// Sends a numbered frame; gives its number.
    pub(crate) fn send(&mut self, kind: MessageKind, routing: &[u8], private: &[u8]) -> u64 {
        let bytes = self.framed(kind, routing, private);
        self.send_bytes(&bytes);
        self.number
    }

    /// The next numbered frame, not sent.
    pub(crate) fn framed(&mut self, kind: MessageKind, routing: &[u8], private: &[u8]) -> Vec<u8> {
        self.number += 1;
        let mut bytes = Vec::new();
        frame::encode_raw(&mut bytes, kind, Head { number: self.number, ..Head::PLAIN }, routing, private);
        bytes
    }

    /// Sends anything. An error means that the switch has closed, which whoever reads next will see.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.tls.write_all(bytes).and_then(|()| self.tls.flush());
    }

    /// Orders a payment.
    pub(crate) fn pay(&mut self, order: &CreditTransfer) -> PaymentId {
        self.pay_with(order, &[])
    }

    /// Orders a payment with a private part.
    pub(crate) fn pay_with(&mut self, order: &CreditTransfer, private: &[u8]) -> PaymentId {
        self.send(MessageKind::CreditTransfer, &written(order), private);
        id_of(order)
    }

    /// Accepts a payment.
    pub(crate) fn accept(&mut self, id: PaymentId) {
        self.send(MessageKind::Answer, &written(&Answer::accept(id)), &[]);
    }

    /// Refuses a payment.
    pub(crate) fn reject(&mut self, id: PaymentId, reason: &[u8; 4], text: &str) {
        let note = Note { text: text.as_bytes().to_vec(), extension: Vec::new() };
        self.send(MessageKind::Answer, &written(&Answer::reject(id, Reason::of(reason))), &written(&note));
    }

    /// Asks what became of a payment, and waits for the answer.
    pub(crate) fn ask(&mut self, id: PaymentId) -> Told {
        self.send(MessageKind::StatusRequest, &written(&StatusRequest { payment_id: id.bytes() }), &[]);
        self.expect(|heard| match &heard.said {
            Said::Status(status, note) if heard.number == 0 && status.payment_id == id.bytes() => {
                Some(Told::new(0, status, note))
            }
            _ => None,
        })
    }

    /// Waits until everything that was sent before is decided and answered: a question is answered after the batch that it came with.
    pub(crate) fn fence(&mut self) {
        assert_eq!(self.ask(PaymentId::random()).outcome, Outcome::Unknown);
    }

    /// What became of a payment, as the switch says without being asked, or to whom it has just refused something.
    pub(crate) fn status_of(&mut self, id: PaymentId) -> Told {
        self.expect(|heard| match &heard.said {
            Said::Status(status, note) if status.payment_id == id.bytes() => {
                Some(Told::new(heard.number, status, note))
            }
            _ => None,
        })
    }

    /// The order that waits for an answer.
    pub(crate) fn forward_of(&mut self, id: PaymentId) -> (Forward, Vec<u8>) {
        self.expect(|heard| match &heard.said {
            Said::Forward(forward, private) if forward.payment_id == id.bytes() => {
                Some((forward.clone(), private.clone()))
            }
            _ => None,
        })
    }

    /// Where a case stands, as the switch says without being asked, or in reply.
    pub(crate) fn case_of(&mut self, id: PaymentId) -> CaseTold {
        self.expect(|heard| match &heard.said {
            Said::CaseStatus(status, note) if status.case_id == id.bytes() => {
                Some(CaseTold::new((heard.lane, heard.number), status, note))
            }
            _ => None,
        })
    }

    /// Asks where a case stands, and waits for the answer.
    pub(crate) fn ask_case(&mut self, id: PaymentId) -> CaseTold {
        self.send(MessageKind::StatusRequest, &written(&StatusRequest { payment_id: id.bytes() }), &[]);
        self.expect(|heard| match &heard.said {
            Said::CaseStatus(status, note) if heard.number == 0 && status.case_id == id.bytes() => {
                Some(CaseTold::new((heard.lane, heard.number), status, note))
            }
            _ => None,
        })
    }

    /// Money that came back.
    pub(crate) fn returned_by(&mut self, return_id: PaymentId) -> (Returned, String) {
        self.expect(|heard| match &heard.said {
            Said::Returned(returned, note) if returned.return_id == return_id.bytes() => {
                Some((returned.clone(), String::from_utf8(note.text.clone()).unwrap()))
            }
            _ => None,
        })
    }

    /// The case that waits for an answer.
    pub(crate) fn asked_in(&mut self, case_id: PaymentId) -> (CaseForward, Vec<u8>) {
        self.expect(|heard| match &heard.said {
            Said::CaseForward(asked, private) if asked.case_id == case_id.bytes() => {
                Some((asked.clone(), private.clone()))
            }
            _ => None,
        })
    }

    /// The next refusal.
    pub(crate) fn refused(&mut self) -> Refused {
        self.expect(|heard| match &heard.said {
            Said::Error(error, text) => Some(Refused {
                code: ErrorCode::from_number(error.code).unwrap(),
                field: Field::from_number(error.field).unwrap(),
                fatal: error.fatal == 1,
                retry_after_ms: error.retry_after_ms,
                frame_number: error.frame_number,
                payment_id: error.payment_id,
                text: text.clone(),
            }),
            _ => None,
        })
    }

    /// The switch's answer to `Hello`.
    pub(crate) fn welcome(&mut self) -> Welcome {
        self.expect(|heard| match &heard.said {
            Said::Welcome(welcome) => Some(welcome.clone()),
            _ => None,
        })
    }

    /// Waits for the first message of which `pick` wants something; keeps the others for later.
    pub(crate) fn expect<T>(&mut self, mut pick: impl FnMut(&Heard) -> Option<T>) -> T {
        for index in 0..self.heard.len() {
            if let Some(picked) = pick(&self.heard[index]) {
                self.heard.remove(index);
                return picked;
            }
        }
        loop {
            let heard = self.hear().unwrap_or_else(|| panic!("the switch closed; before that: {:?}", self.heard));
            match pick(&heard) {
                Some(picked) => return picked,
                None => self.heard.push_back(heard),
            }
        }
    }

    /// The next message in the order in which they came; none at the end.
    pub(crate) fn next(&mut self) -> Option<Heard> {
        self.heard.pop_front().or_else(|| self.hear())
    }

    /// Waits until the switch has acknowledged this frame; false where the connection ends before.
    pub(crate) fn is_acknowledged(&mut self, number: u64) -> bool {
        while self.acknowledged < number {
            match self.receive() {
                Some(Heard { said: Said::Ack, .. }) => {}
                Some(heard) => self.heard.push_back(heard),
                None => return false,
            }
        }
        true
    }

    /// What came and nobody has asked for.
    pub(crate) fn unasked(&self) -> Vec<Heard> {
        self.heard.iter().cloned().collect()
    }

    /// Drops what came and nobody has asked for.
    pub(crate) fn forget(&mut self) {
        self.heard.clear();
    }

    /// Waits for the end of the connection; gives what came before it and nobody has asked for.
    pub(crate) fn ended(mut self) -> Vec<Heard> {
        while let Some(heard) = self.hear() {
            self.heard.push_back(heard);
        }
        self.heard.into()
    }

    /// Reads until the switch has said something but `Ack`. If it asks whether anyone is there, as it does after ten seconds of silence, it is
    /// answered.
    fn hear(&mut self) -> Option<Heard> {
        loop {
            match self.receive()? {
                Heard { said: Said::Ack, .. } => {}
                Heard { said: Said::Echo(Echo { token, reply: 0 }), .. } => {
                    self.send(MessageKind::Echo, &written(&Echo { token, reply: 1 }), &[]);
                }
                heard => return Some(heard),
            }
        }
    }

    /// Reads until a message has come; none at the end of the connection, whatever ended it.
    fn receive(&mut self) -> Option<Heard> {
        loop {
            if let Some((acknowledged, heard)) = take_frame(&mut self.inbound) {
                self.acknowledged = self.acknowledged.max(acknowledged);
                return Some(heard);
            }
            self.read_some()?;
        }
    }

    fn read_some(&mut self) -> Option<()> {
        let mut bytes = [0; 16 * 1024];
        match self.tls.read(&mut bytes) {
            Ok(0) => None,
            Ok(count) => {
                self.inbound.extend_from_slice(&bytes[..count]);
                Some(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came for {PATIENCE:?}; before that: {:?}", self.heard)
            }
            Err(_) => None,
        }
    }
}

impl Heard {
    /// Of which payment it is a Forward, if it is one.
    pub(crate) fn forwarded(&self) -> Option<PaymentId> {
        match &self.said {
            Said::Forward(forward, _) => PaymentId::from_bytes(forward.payment_id),
            _ => None,
        }
    }
}

/// Takes one whole frame off the front: what it acknowledges, and what it says.
fn take_frame(inbound: &mut Vec<u8>) -> Option<(u64, Heard)> {
    let (taken, length) = match frame::decode(inbound) {
        Decoded::Incomplete => return None,
        Decoded::Frame(frame, length) => {
            let said = match frame.kind {
                MessageKind::Welcome => Said::Welcome(owned(frame.routing)),
                MessageKind::Ack => Said::Ack,
                MessageKind::Echo => Said::Echo(owned(frame.routing)),
                MessageKind::Error => Said::Error(owned(frame.routing), text_of(frame.private)),
                MessageKind::Forward => Said::Forward(owned(frame.routing), frame.private.to_vec()),
                MessageKind::Status => Said::Status(owned(frame.routing), note_of(frame.private)),
                MessageKind::Returned => Said::Returned(owned(frame.routing), note_of(frame.private)),
                MessageKind::CaseForward => Said::CaseForward(owned(frame.routing), frame.private.to_vec()),
                MessageKind::CaseStatus => Said::CaseStatus(owned(frame.routing), note_of(frame.private)),
                kind => panic!("the switch sent {kind:?}"),
            };
            let Head { lane, number, acknowledged, .. } = frame.head;
            ((acknowledged, Heard { lane, number, said }), length)
        }
        other => panic!("the switch sent what is no frame: {other:?}"),
    };
    inbound.drain(..length);
    Some(taken)
}

fn owned<P: Part>(bytes: &[u8]) -> P
where
    P::Archived: rkyv::Deserialize<P, Strategy<(), Failure>>,
{
    rkyv::api::low::deserialize::<P, Failure>(P::read(bytes).unwrap()).unwrap()
}

fn note_of(private: &[u8]) -> Note {
    if private.is_empty() { Note::default() } else { owned(private) }
}

fn text_of(private: &[u8]) -> String {
    String::from_utf8(note_of(private).text).unwrap()
}

/// The private part of a `Forward`.
pub(crate) fn private_of(bytes: &[u8]) -> PaymentPrivate {
    if bytes.is_empty() { PaymentPrivate::default() } else { owned(bytes) }
}
