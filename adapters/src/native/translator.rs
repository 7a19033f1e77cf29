//! Turns the sessions' events, which borrow and speak of tickets, into the client's, which own and speak of payments.

use std::collections::VecDeque;

use crate::limits::CONNECTION_SLOTS;
use crate::message::{ArchivedError, ErrorCode, Field, MessageKind, Note, PaymentId, owned_part};
use crate::native::client::{Connected, DisconnectReason, Disconnected, Incoming, Refused};
use crate::native::owned::{
    account_report, alias_found, alias_result, case_forward, case_status, directory_answer, forward, returned, status,
};
use crate::native::pair::PairTicket;
use crate::native::session::Event;

/// A message that a session holds until it is acknowledged.
struct Submitted {
    kind: MessageKind,
    payment_id: Option<PaymentId>,
    refused: bool,
}

/// What one session holds.
#[derive(Default)]
struct Held {
    /// In the order of tickets, from the first that has not left. All that the session's own queue has; refused ones may leave later.
    submitted: VecDeque<Submitted>,
    /// The last ticket that has left.
    left: u64,
    /// Is its connection welcomed?
    stands: bool,
}

impl Held {
    fn leave(&mut self) -> Option<Submitted> {
        let first = self.submitted.pop_front()?;
        self.left += 1;
        Some(first)
    }
}

/// Owns what the provider is told next.
#[derive(Default)]
pub(super) struct Translator {
    pub(super) fresh: Vec<Incoming>,
    /// Is it told which number a message has?
    with_numbers: bool,
    held: [Held; CONNECTION_SLOTS],
    /// `SignOn` and `SignOff` whose fate is not known.
    signs_open: usize,
    /// Why the connection that was heard last cannot go on.
    pub(super) fatal: Option<DisconnectReason>,
}

impl Translator {
    /// For a provider that is, or is not, told which number a message has.
    pub(super) fn new(with_numbers: bool) -> Translator {
        Translator { with_numbers, ..Translator::default() }
    }

    /// A session holds this message now.
    pub(super) fn submitted(&mut self, at: PairTicket, kind: MessageKind, payment_id: Option<PaymentId>) {
        self.signs_open += usize::from(is_sign(kind));
        self.held[at.slot].submitted.push_back(Submitted { kind, payment_id, refused: false });
    }

    /// The oldest message of a session that was not refused has moved to another.
    pub(super) fn moved(&mut self, from: usize, to: PairTicket) {
        while let Some(submitted) = self.held[from].leave() {
            if !submitted.refused {
                self.held[to.slot].submitted.push_back(submitted);
                return;
            }
        }
    }

    /// Would this message overtake one whose order counts, if it went to another connection? The last `SignOn` or `SignOff` counts.
    pub(super) fn must_wait(&self, kind: MessageKind) -> bool {
        is_sign(kind) && self.signs_open > 0
    }

    /// How many connections are welcomed.
    pub(super) fn connections(&self) -> usize {
        self.held.iter().filter(|held| held.stands).count()
    }

    /// The connection of a slot is gone, or was not made.
    pub(super) fn disconnected(&mut self, slot: usize, why: DisconnectReason, retry_after_ms: Option<u64>) {
        self.held[slot].stands = false;
        let connections = self.connections();
        self.fresh.push(Incoming::Disconnected(Disconnected { slot, connections, why, retry_after_ms }));
    }

    pub(super) fn translate(&mut self, slot: usize, event: Event<'_>) {
        match event {
            Event::Welcomed(welcomed) => {
                self.held[slot].stands = true;
                let connections = self.connections();
                self.fresh.push(Incoming::Connected(Connected { slot, connections, welcomed }));
            }
            Event::Numbered(lane, number) if self.with_numbers => self.fresh.push(Incoming::Numbered(lane, number)),
            Event::Numbered(..) => {}
            Event::Forward { routing, private } => self.came(MessageKind::Forward, forward(routing, private)),
            Event::Status { routing, private, numbered } => {
                self.came(MessageKind::Status, status(routing, private, numbered));
            }
            Event::Returned { routing, private } => self.came(MessageKind::Returned, returned(routing, private)),
            Event::CaseForward { routing, private } => {
                self.came(MessageKind::CaseForward, case_forward(routing, private));
            }
            Event::CaseStatus { routing, private, numbered } => {
                self.came(MessageKind::CaseStatus, case_status(routing, private, numbered));
            }
            Event::AliasResult { routing, private } => {
                self.came(MessageKind::AliasResult, alias_result(routing, private));
            }
            Event::AliasFound { routing, private } => self.came(MessageKind::AliasFound, alias_found(routing, private)),
            Event::DirectoryAnswer { routing, private } => {
                self.came(MessageKind::DirectoryAnswer, directory_answer(routing, private));
            }
            Event::AccountReport { routing } => self.came(MessageKind::AccountReport, account_report(routing)),
            Event::Refused { error, busy, ticket, private } => {
                self.refused(PairTicket { slot, ticket }, error, busy, private);
            }
            Event::Acknowledged { through } => self.acknowledged(slot, through),
            Event::Echo { .. } => {}
        }
    }

    /// A message as the provider gets it; none where it has a field that cannot be.
    fn came(&mut self, kind: MessageKind, incoming: Option<Incoming>) {
        match incoming {
            Some(incoming) => self.fresh.push(incoming),
            None => self.fatal = Some(DisconnectReason::BadMessage(kind)),
        }
    }

    fn refused(&mut self, at: PairTicket, error: &ArchivedError, busy: bool, private: &[u8]) {
        let code = ErrorCode::from_number(error.code.to_native());
        let text =
            owned_part::<Note>(private).map_or(String::new(), |note| String::from_utf8_lossy(&note.text).into_owned());
        let held = &mut self.held[at.slot];
        let index = at.ticket.checked_sub(held.left + 1).and_then(|index| usize::try_from(index).ok());
        let submitted = index.and_then(|index| held.submitted.get_mut(index));
        let kind = submitted.map(|submitted| {
            let is_first = !std::mem::replace(&mut submitted.refused, true);
            self.signs_open -= usize::from(is_first && is_sign(submitted.kind));
            submitted.kind
        });
        if error.fatal == 1 {
            self.fatal = Some(DisconnectReason::Refused { code, text: text.clone() });
            if kind.is_none() {
                return;
            }
        }
        self.fresh.push(Incoming::Refused(Box::new(Refused {
            busy,
            code,
            field: Field::from_number(error.field).unwrap_or(Field::None),
            retry_after_ms: error.retry_after_ms.to_native(),
            kind,
            payment_id: PaymentId::from_bytes(error.payment_id),
            text,
        })));
    }

    fn acknowledged(&mut self, slot: usize, through: u64) {
        let held = &mut self.held[slot];
        while held.left < through
            && let Some(submitted) = held.leave()
        {
            if let Submitted { kind, payment_id, refused: false } = submitted {
                self.signs_open -= usize::from(is_sign(kind));
                self.fresh.push(Incoming::Acknowledged { kind, payment_id });
            }
        }
    }
}

fn is_sign(kind: MessageKind) -> bool {
    matches!(kind, MessageKind::SignOn | MessageKind::SignOff)
}
