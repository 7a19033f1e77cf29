//! Cases: requests of one provider that another is to answer, each with an id, a state and a deadline.
//!
//! Open cases stay here. Closed ones are held as outcomes of payments are, and leave with them, in the order of their closing; older ones are in
//! the history. What can happen to a case is one table, [`TRANSITIONS`]; `docs/payment-rules.md` has the same.

mod snapshot;

use std::collections::{BTreeSet, VecDeque};

use adapters::message::{AmountForm, CaseKind, CaseState, Field, NO_ID, PaymentId, Reason};
use hashbrown::HashMap;

use crate::engine::cases::snapshot::CasesCapture;
use crate::engine::effect::CaseNews;
use crate::entry::ParticipantId;

/// What can happen to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseInput {
    /// Whoever is asked says yes.
    Accept,
    /// Whoever is asked says no.
    Refuse,
    /// Whoever asked takes it back.
    Cancel,
    /// Money went back: a return that names the case, or one that leaves nothing to be returned.
    Returned,
    /// A payment that names the request was reserved.
    Pay,
    /// That payment was committed.
    Paid,
    /// That payment was not committed.
    Unpaid,
    /// Its time is over.
    Deadline,
}

impl CaseInput {
    /// All of them, in the order of the document.
    pub const ALL: [CaseInput; 8] = [
        CaseInput::Accept,
        CaseInput::Refuse,
        CaseInput::Cancel,
        CaseInput::Returned,
        CaseInput::Pay,
        CaseInput::Paid,
        CaseInput::Unpaid,
        CaseInput::Deadline,
    ];
}

/// One row of the table of transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Of which cases.
    pub kind: CaseKind,
    /// Where the case stands.
    pub state: CaseState,
    /// What happens.
    pub input: CaseInput,
    /// Where it stands then.
    pub next: CaseState,
    /// Are both providers told?
    pub is_told: bool,
}

/// All that changes a case. Whatever has no row changes nothing, and whoever sent it is told where the case stands.
pub const TRANSITIONS: [Transition; 22] = {
    use CaseInput as I;
    use CaseKind::{Information, PaymentRequest, Posting, Recall};
    use CaseState as S;
    const fn row(kind: CaseKind, state: S, input: I, next: S) -> Transition {
        // Of its payment in flight each provider hears otherwise.
        let is_told = !matches!((state, next), (_, S::Paying) | (S::Paying, S::Accepted));
        Transition { kind, state, input, next, is_told }
    }
    [
        row(Recall, S::Open, I::Refuse, S::Refused),
        row(Recall, S::Open, I::Cancel, S::Cancelled),
        row(Recall, S::Open, I::Returned, S::Settled),
        row(Recall, S::Open, I::Deadline, S::Expired),
        row(Information, S::Open, I::Accept, S::Settled),
        row(Information, S::Open, I::Refuse, S::Refused),
        row(Information, S::Open, I::Cancel, S::Cancelled),
        row(Information, S::Open, I::Deadline, S::Expired),
        row(PaymentRequest, S::Open, I::Accept, S::Accepted),
        row(PaymentRequest, S::Open, I::Refuse, S::Refused),
        row(PaymentRequest, S::Open, I::Cancel, S::Cancelled),
        row(PaymentRequest, S::Open, I::Pay, S::Paying),
        row(PaymentRequest, S::Open, I::Deadline, S::Expired),
        row(PaymentRequest, S::Accepted, I::Refuse, S::Refused),
        row(PaymentRequest, S::Accepted, I::Cancel, S::Cancelled),
        row(PaymentRequest, S::Accepted, I::Pay, S::Paying),
        row(PaymentRequest, S::Accepted, I::Deadline, S::Expired),
        row(PaymentRequest, S::Paying, I::Paid, S::Settled),
        row(PaymentRequest, S::Paying, I::Unpaid, S::Accepted),
        row(Posting, S::Open, I::Accept, S::Settled),
        row(Posting, S::Open, I::Returned, S::Settled),
        row(Posting, S::Open, I::Deadline, S::Expired),
    ]
};

/// What an input does to a case in this state; none where it changes nothing.
pub fn transition(kind: CaseKind, state: CaseState, input: CaseInput) -> Option<&'static Transition> {
    TRANSITIONS.iter().find(|row| (row.kind, row.state, row.input) == (kind, state, input))
}

/// Handle of a case that is held: its slot. Slots are used again, so a handle of a closed case is good until the next batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CaseIndex(u32);

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its id: a version-4 UUID, chosen by its opener, in one space with the ids of payments. That of a posting follow-up is the payment's.
    pub id: PaymentId,
    /// What was asked, as the edge digested it: same digest, same case.
    pub digest: [u8; 16],
    /// What it is about.
    pub kind: CaseKind,
    /// The payment that it is about; `NO_ID` of a request to pay.
    pub original: [u8; 16],
    /// Who asked.
    pub opener: ParticipantId,
    /// Who is to answer; none of a case that was rejected.
    pub responder: Option<ParticipantId>,
    /// As asked, in minor units; 0 where there is none.
    pub amount: u64,
    /// As asked; zeros where there is no amount.
    pub currency: [u8; 3],
    /// What the amount means.
    pub form: AmountForm,
    /// Journal position of the entry that opened it.
    pub opened: u64,
    /// An answer counts before this journal time.
    pub deadline_ns: u64,
    /// Where it stands.
    pub state: CaseState,
    /// Why.
    pub reason: Reason,
    /// The field that was the cause.
    pub field: Field,
    /// Journal time of the last change.
    pub at_ns: u64,
    /// Journal position of the last change.
    pub position: u64,
    /// Of a request to pay, the payment that is in flight for it or has paid it; `NO_ID` for none.
    pub payment: [u8; 16],
}

impl Case {
    /// As it is told to its two providers. The time is the deadline while nothing has been said, and that of the last change after.
    pub fn news(&self) -> CaseNews {
        let at_ns = if self.state == CaseState::Open { self.deadline_ns } else { self.at_ns };
        let &Case { kind, state, reason, field, position, .. } = self;
        CaseNews { kind: Some(kind), state, reason, field, at_ns, position }
    }

    /// Is this participant one of its two?
    pub fn concerns(&self, participant: ParticipantId) -> bool {
        self.opener == participant || self.responder == Some(participant)
    }
}

/// What a change of a case is put down with.
#[derive(Clone, Copy, Debug)]
pub struct CaseChange {
    /// Where it stands from now on.
    pub state: CaseState,
    /// Why.
    pub reason: Reason,
    /// Journal time.
    pub at_ns: u64,
    /// Journal position.
    pub position: u64,
}

type Map<K> = HashMap<K, CaseIndex, foldhash::fast::RandomState>;

/// All cases that are held. The maps are never iterated.
#[derive(Default)]
pub struct Cases {
    /// What is not in use is in `free`, and closed.
    slots: Vec<Case>,
    free: Vec<u32>,
    by_id: Map<PaymentId>,
    /// Open ones by the payment they are about: there is one of a kind at a time.
    by_original: Map<([u8; 16], CaseKind)>,
    /// Requests to pay by the payment that is in flight for them.
    by_payment: Map<PaymentId>,
    /// Open ones by the position of their opening.
    open: BTreeSet<(u64, CaseIndex)>,
    /// Of these, but for requests whose payment is in flight (it decides them): when, and the position of their opening, which decides among equals.
    deadlines: BTreeSet<(u64, u64, CaseIndex)>,
    /// Closed ones, in the order of their closing.
    closed: VecDeque<CaseIndex>,
    /// What a snapshot has not taken yet, while one is made.
    capture: Option<Box<CasesCapture>>,
}

impl Cases {
    /// The case with this id, if it is held.
    pub fn find(&self, id: PaymentId) -> Option<CaseIndex> {
        if self.by_id.is_empty() { None } else { self.by_id.get(&id).copied() }
    }

    /// The open case of a kind about a payment.
    pub fn find_about(&self, original: [u8; 16], kind: CaseKind) -> Option<CaseIndex> {
        self.by_original.get(&(original, kind)).copied()
    }

    /// The request to pay that a payment in flight is to pay.
    pub fn find_paid_by(&self, payment: PaymentId) -> Option<CaseIndex> {
        self.by_payment.get(&payment).copied()
    }

    /// Adds a case whose id is not held: an open one, or one that was rejected at once.
    pub fn add(&mut self, case: Case) -> CaseIndex {
        let free = self.free.pop();
        if let Some(slot) = free {
            self.before_reuse(slot);
        }
        let slot = free.unwrap_or_else(|| {
            u32::try_from(self.slots.len()).unwrap_or_else(|_| panic!("four billion cases fill the table"))
        });
        let index = CaseIndex(slot);
        let before = self.by_id.insert(case.id, index);
        assert!(before.is_none(), "a case is added once");
        if case.state.is_open() {
            self.open.insert((case.opened, index));
            self.deadlines.insert((case.deadline_ns, case.opened, index));
            if case.original != NO_ID {
                let before = self.by_original.insert((case.original, case.kind), index);
                assert!(before.is_none(), "there is one open case of a kind about a payment");
            }
        } else {
            self.closed.push_back(index);
        }
        if slot as usize == self.slots.len() {
            self.slots.push(case);
        } else {
            self.slots[slot as usize] = case;
        }
        index
    }

    /// Changes an open case.
    ///
    /// # Panics
    /// If it is closed.
    pub fn change(&mut self, index: CaseIndex, change: CaseChange) -> &Case {
        let CaseChange { state, reason, at_ns, position } = change;
        self.before_slot(index.0);
        let case = &mut self.slots[index.0 as usize];
        assert!(case.state.is_open(), "a case is closed once");
        let deadline = (case.deadline_ns, case.opened, index);
        if case.state == CaseState::Paying {
            let payment = PaymentId::from_bytes(case.payment);
            payment.and_then(|payment| self.by_payment.remove(&payment));
            if state.is_open() {
                case.payment = NO_ID;
                self.deadlines.insert(deadline);
            }
        } else if state == CaseState::Paying || !state.is_open() {
            self.deadlines.remove(&deadline);
        }
        (case.state, case.reason, case.at_ns, case.position) = (state, reason, at_ns, position);
        if !state.is_open() {
            self.open.remove(&(case.opened, index));
            if case.original != NO_ID {
                self.by_original.remove(&(case.original, case.kind));
            }
            self.closed.push_back(index);
        }
        case
    }

    /// A request is being paid from now on, by this payment.
    pub fn pay(&mut self, index: CaseIndex, payment: PaymentId, change: CaseChange) {
        assert_eq!(change.state, CaseState::Paying);
        self.change(index, change);
        self.slots[index.0 as usize].payment = payment.bytes();
        let before = self.by_payment.insert(payment, index);
        assert!(before.is_none(), "a payment pays one request");
    }

    /// The open case whose time is over first.
    pub fn earliest(&self) -> Option<(u64, CaseIndex)> {
        self.deadlines.first().map(|&(at_ns, _, index)| (at_ns, index))
    }

    /// How many are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The open ones, in the order of their opening.
    pub fn open(&self) -> impl Iterator<Item = &Case> {
        self.open.iter().map(|&(_, index)| &self[index])
    }

    /// Closed ones that are held, the oldest first.
    pub fn closed(&self) -> impl ExactSizeIterator<Item = &Case> {
        self.closed.iter().map(|&index| &self[index])
    }

    /// Lets the oldest closed one go; returns the journal position of its closing.
    pub fn let_oldest_go(&mut self) -> Option<u64> {
        let index = self.closed.pop_front()?;
        self.before_leaving(index.0);
        let case = &self.slots[index.0 as usize];
        self.by_id.remove(&case.id);
        self.free.push(index.0);
        Some(case.position)
    }
}

impl std::ops::Index<CaseIndex> for Cases {
    type Output = Case;

    fn index(&self, index: CaseIndex) -> &Case {
        &self.slots[index.0 as usize]
    }
}
