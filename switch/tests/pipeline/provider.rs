//! A provider of a test: the real client session, and a record of everything that it was told.

use adapters::message::{Answer, CreditTransfer, Lane, MessageKind, Outcome, Part, ParticipantCode, PaymentId};
use adapters::message::{Reason, StatusRequest};
use adapters::native::frame::{self, Decoded};
use adapters::native::session::{ClientSession, Event, Resume, Welcomed};
use switch::session::SessionKey;

use crate::hub::{Hub, Stopped};
use crate::orders::{code, private};

/// One thing that a provider was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Welcomed { resumed_after: u64, restarted: bool, resent: usize },
    Forward { id: PaymentId, private: Vec<u8> },
    Status { id: PaymentId, said: Said, note: Vec<u8>, numbered: bool },
    Refused { code: u16, ticket: u64, fatal: bool },
    Acknowledged { through: u64 },
    Echo,
}

/// A status without its payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    pub(crate) reason: Reason,
    pub(crate) decided_at_ns: u64,
    pub(crate) position: u64,
}

pub(crate) struct Provider {
    pub(crate) code: ParticipantCode,
    pub(crate) session: ClientSession,
    pub(crate) key: Option<SessionKey>,
    /// What it takes from its line in one turn.
    pub(crate) takes_bytes: usize,
    pub(crate) heard: Vec<Heard>,
    /// Received bytes that end in the middle of a frame, to look at numbers with other eyes than the session's.
    partial: Vec<u8>,
    /// Number of the last frame of the payments lane on this connection.
    last_number: Option<u64>,
}

impl Provider {
    pub(crate) fn new(name: &str) -> Provider {
        Provider {
            code: code(name),
            session: ClientSession::new(code(name), Resume::FROM_THE_START),
            key: None,
            takes_bytes: usize::MAX,
            heard: Vec::new(),
            partial: Vec::new(),
            last_number: None,
        }
    }

    /// A provider that is connected and welcomed.
    pub(crate) fn connected(name: &str, hub: &mut Hub) -> Provider {
        let mut provider = Provider::new(name);
        provider.connect(hub);
        exchange(hub, [&mut provider]).unwrap();
        assert!(provider.session.is_open());
        provider
    }

    /// A new connection; an older one is gone.
    pub(crate) fn connect(&mut self, hub: &mut Hub) {
        self.disconnect(hub);
        self.key = Some(hub.attach(self.code));
        self.session.connected();
    }

    /// The connection is cut.
    pub(crate) fn disconnect(&mut self, hub: &mut Hub) {
        if let Some(key) = self.key.take() {
            hub.detach(key);
        }
        self.cut();
    }

    /// The connection is gone, and so is the switch that knew it.
    pub(crate) fn cut(&mut self) {
        self.key = None;
        self.session.disconnected();
        self.partial.clear();
        self.last_number = None;
    }

    /// Orders a payment, with a private part that names it; gives the ticket.
    pub(crate) fn pay(&mut self, order: &CreditTransfer, number: u64) -> u64 {
        self.pay_in(order, number, false)
    }

    /// As `pay`; in other bytes it is the same payment all the same.
    pub(crate) fn pay_in(&mut self, order: &CreditTransfer, number: u64, in_other_bytes: bool) -> u64 {
        let mut routing = Vec::new();
        order.write(&mut routing);
        // An archive is read from its end: what stands before it is nobody's.
        let mut archive = if in_other_bytes { vec![0xaa; 16] } else { Vec::new() };
        archive.extend_from_slice(&private(number));
        self.session.submit_raw(MessageKind::CreditTransfer, &routing, &archive).unwrap()
    }

    pub(crate) fn answer(&mut self, answer: &Answer, note: &[u8]) {
        let taken = self.session.submit(MessageKind::Answer, answer, |out| out.extend_from_slice(note));
        taken.unwrap();
    }

    pub(crate) fn ask(&mut self, id: PaymentId) {
        let request = StatusRequest { payment_id: id.bytes() };
        self.session.submit(MessageKind::StatusRequest, &request, |_| {}).unwrap();
    }

    /// What it has to send goes to the switch.
    pub(crate) fn send(&mut self, hub: &mut Hub) {
        let Some(key) = self.key else { return };
        hub.deliver(key, self.session.outgoing());
        self.session.outgoing().clear();
    }

    /// Takes what waits for it. Where the switch has ended the connection, it is gone after that.
    pub(crate) fn receive(&mut self, hub: &mut Hub) {
        let Some(key) = self.key else { return };
        let (bytes, is_last) = hub.take(key, self.takes_bytes);
        self.check_numbers(&bytes);
        let heard = &mut self.heard;
        let received = self.session.receive(&bytes, &mut |event| heard.extend(owned(event)));
        received.unwrap_or_else(|broken| panic!("{}: {broken}", self.code));
        if is_last {
            self.disconnect(hub);
        }
    }

    /// On one connection every number follows the one before it: no gap, no repetition.
    fn check_numbers(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        let mut used = 0;
        while let Decoded::Frame(frame, length) = frame::decode(&self.partial[used..]) {
            used += length;
            if frame.kind == MessageKind::Welcome {
                let resumed_after = frame.routing[16..24].try_into().unwrap();
                self.last_number = Some(u64::from_le_bytes(resumed_after));
            }
            if frame.head.lane == Lane::Payments {
                let last = self.last_number.as_mut().unwrap();
                assert_eq!(frame.head.number, *last + 1, "{}: a gap or a repetition", self.code);
                *last += 1;
            }
        }
        self.partial.drain(..used);
    }

    /// What it heard since it was last asked.
    pub(crate) fn news(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    /// The payments that it was asked to take, in order.
    pub(crate) fn forwards(&self) -> Vec<PaymentId> {
        let forward = |heard: &Heard| match heard {
            Heard::Forward { id, .. } => Some(*id),
            _ => None,
        };
        self.heard.iter().filter_map(forward).collect()
    }

    /// Numbered statuses, in order.
    pub(crate) fn statuses(&self) -> Vec<(PaymentId, Outcome)> {
        let status = |heard: &Heard| match heard {
            Heard::Status { id, said, numbered: true, .. } => Some((*id, said.outcome)),
            _ => None,
        };
        self.heard.iter().filter_map(status).collect()
    }
}

/// None of a number, which the frame had.
fn owned(event: Event<'_>) -> Option<Heard> {
    let payment = |bytes| PaymentId::from_bytes(bytes).unwrap();
    Some(match event {
        Event::Welcomed(Welcomed { numbers_restarted, resumed_after, resent, .. }) => {
            Heard::Welcomed { resumed_after: resumed_after[0], restarted: numbers_restarted, resent }
        }
        Event::Forward { routing, private } => {
            Heard::Forward { id: payment(routing.payment_id), private: private.to_vec() }
        }
        Event::Status { routing, private, numbered } => {
            let said = Said {
                outcome: Outcome::from_number(routing.outcome).unwrap(),
                reason: Reason::from_bytes(routing.reason).unwrap(),
                decided_at_ns: routing.decided_at_ns.to_native(),
                position: routing.position.to_native(),
            };
            Heard::Status { id: payment(routing.payment_id), said, note: private.to_vec(), numbered }
        }
        Event::Refused { error, ticket, .. } => {
            Heard::Refused { code: error.code.to_native(), ticket, fatal: error.fatal == 1 }
        }
        Event::Returned { .. } | Event::CaseForward { .. } | Event::CaseStatus { .. } => {
            panic!("nobody here returns or asks anything")
        }
        Event::AliasResult { .. }
        | Event::AliasFound { .. }
        | Event::AccountReport { .. }
        | Event::DirectoryAnswer { .. } => {
            panic!("nobody here has to do with aliases")
        }
        Event::Acknowledged { through } => Heard::Acknowledged { through },
        Event::Numbered(..) => return None,
        Event::Echo { .. } => Heard::Echo,
    })
}

/// Everyone sends, the switch turns once, everyone receives.
pub(crate) fn exchange<'a>(
    hub: &mut Hub,
    providers: impl IntoIterator<Item = &'a mut Provider>,
) -> Result<(), Stopped> {
    let mut providers: Vec<&mut Provider> = providers.into_iter().collect();
    providers.iter_mut().for_each(|provider| provider.send(hub));
    hub.turn()?;
    providers.iter_mut().for_each(|provider| provider.receive(hub));
    Ok(())
}
