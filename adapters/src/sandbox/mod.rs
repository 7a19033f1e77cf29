//! A small payment provider with customers, to try things with: it pays, answers, credits, and can misbehave on demand.
//!
//! `book` decides and owns the money; this file is the thin shell that connects it to a `Client` and says what it saw, and when.

pub mod book;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

pub use book::{Audit, Customer, PayError, PayOrder, SandboxBook, Side, Submission};

use crate::limits::{SANDBOX_OBSERVATIONS_MAX, SANDBOX_PUT_OFF_MAX};
use crate::message::{Decision, MessageKind, Note, Outcome, PaymentId, Reason};
use crate::native::client::{
    Client, ClientOptions, Disconnected, Events, Forward, Incoming, Refused, Status, SubmitError,
};
use crate::native::session::Welcomed;

/// How a sandbox answers a payment to one of its customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Answering {
    /// As soon as it comes.
    #[default]
    AtOnce,
    /// After this time.
    After(Duration),
    /// So long after the payment's deadline.
    Late(Duration),
    /// Not at all: the payment expires.
    Never,
}

/// Something that a sandbox saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// When. Sandboxes of one process share this clock.
    pub at: Instant,
    /// What.
    pub what: Observed,
}

/// What a sandbox saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// The connection is open.
    Connected(Welcomed),
    /// The connection is gone, or could not be made.
    Disconnected(Disconnected),
    /// A payment went a step further.
    Payment(PaymentId, Leg),
}

/// A step of a payment, as one of its two providers sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// Payer side: the order was handed to the client.
    Submitted,
    /// Payer side: the switch has recorded the order.
    Acknowledged,
    /// Payer side: the switch was too busy; the order will be submitted again.
    PutOff,
    /// Payer side: the switch did not take the order, and the customer has the money back.
    GivenBack,
    /// Payer side: this became of the payment, for this reason.
    Final(Outcome, Reason),
    /// Payee side: the payment arrived.
    Forwarded,
    /// Payee side: it was accepted, or rejected for this reason.
    Answered(Decision, Reason),
    /// Payee side: this became of the payment; if committed, the customer has the money.
    Settled(Outcome),
}

/// How to start a sandbox.
pub struct SandboxOptions {
    /// Its connection. Its code must be the book's.
    pub client: ClientOptions,
    /// Its customers.
    pub book: SandboxBook,
    /// How it answers, at first.
    pub answering: Answering,
}

/// A running sandbox. Clones share it.
#[derive(Clone)]
pub struct Sandbox {
    client: Client,
    shared: Arc<Shared>,
}

/// What the handle and the task have in common.
struct Shared {
    state: Mutex<State>,
    observations: mpsc::Sender<Observation>,
    observations_missed: AtomicU64,
}

struct State {
    book: SandboxBook,
    answering: Answering,
}

impl Shared {
    /// The book panics only before it changes anything, so a poisoned lock still holds a whole state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, what: Observed) {
        if self.observations.try_send(Observation { at: Instant::now(), what }).is_err() {
            self.observations_missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn observe_leg(&self, id: PaymentId, leg: Leg) {
        self.observe(Observed::Payment(id, leg));
    }

    /// Nothing is lost by it: what was refused, or never left, was never recorded.
    fn give_back(&self, id: PaymentId) {
        if self.state().book.give_back(id) {
            self.observe_leg(id, Leg::GivenBack);
        }
    }
}

impl Sandbox {
    /// Connects, and serves payments until `shutdown`. What it sees comes out of the receiver.
    ///
    /// # Panics
    /// As `Client::start`.
    pub fn start(options: SandboxOptions) -> (Sandbox, mpsc::Receiver<Observation>) {
        let (observations, receiver) = mpsc::channel(SANDBOX_OBSERVATIONS_MAX);
        let (client, events) = Client::start(options.client);
        let shared = Arc::new(Shared {
            state: Mutex::new(State { book: options.book, answering: options.answering }),
            observations,
            observations_missed: AtomicU64::new(0),
        });
        let shell =
            Shell { client: client.clone(), shared: shared.clone(), put_off: BTreeMap::new(), put_off_count: 0 };
        tokio::spawn(shell.run(events));
        (Sandbox { client, shared }, receiver)
    }

    /// Pays from one of the customers: debits the balance now, and gives it back if the payment fails.
    pub async fn pay(&self, order: &PayOrder) -> Result<PaymentId, PayError> {
        let id = PaymentId::random();
        let submission = self.shared.state().book.pay(id, order, now_ns())?;
        self.shared.observe_leg(id, Leg::Submitted);
        let unsubmitted = Unsubmitted { shared: &self.shared, id };
        self.client.submit(&submission.order, &submission.private).await.map_err(|_| PayError::NotSubmitted)?;
        std::mem::forget(unsubmitted);
        Ok(id)
    }

    /// Looks at the customers and their money, or changes who is blocked. The provider stands still meanwhile.
    pub fn book<R>(&self, look: impl FnOnce(&mut SandboxBook) -> R) -> R {
        look(&mut self.shared.state().book)
    }

    /// Changes how payments that come from now on are answered.
    pub fn set_answering(&self, answering: Answering) {
        self.shared.state().answering = answering;
    }

    /// How many observations nobody read in time.
    pub fn observations_missed(&self) -> u64 {
        self.shared.observations_missed.load(Ordering::Relaxed)
    }

    /// Closes the connection. Gives the number of messages whose fate is not known.
    pub async fn shutdown(&self) -> usize {
        self.client.shutdown().await
    }
}

/// An order that the client has not taken: the money goes back, also where the caller of `pay` does not wait for its end.
struct Unsubmitted<'a> {
    shared: &'a Shared,
    id: PaymentId,
}

impl Drop for Unsubmitted<'_> {
    fn drop(&mut self) {
        self.shared.give_back(self.id);
    }
}

fn now_ns() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}

/// Something to do later.
enum PutOff {
    Answer(Box<Forward>),
    Resubmit(PaymentId),
}

/// How long to wait where the client takes no more.
const FULL_RETRY: Duration = Duration::from_millis(5);

/// The task: events in, answers out.
struct Shell {
    client: Client,
    shared: Arc<Shared>,
    /// By time, and then in the order in which they were put off.
    put_off: BTreeMap<(Instant, u64), PutOff>,
    put_off_count: u64,
}

impl Shell {
    async fn run(mut self, mut events: Events) {
        let mut batch = Vec::new();
        loop {
            let due = self.put_off.first_key_value().map(|(&(at, _), _)| at);
            tokio::select! {
                more = events.next_into(&mut batch) => {
                    for incoming in batch.drain(..) {
                        self.take(incoming);
                    }
                    if !more {
                        return;
                    }
                }
                () = sleep_until(due) => self.do_due(Instant::now()),
            }
        }
    }

    fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Connected(welcomed) => self.shared.observe(Observed::Connected(welcomed)),
            Incoming::Disconnected(disconnected) => self.shared.observe(Observed::Disconnected(disconnected)),
            Incoming::Forward(forward) => self.forwarded(forward),
            Incoming::Status(status) => self.status(&status),
            Incoming::Refused(refused) => self.refused(&refused),
            Incoming::Acknowledged { kind: MessageKind::CreditTransfer, payment_id: Some(id) } => {
                self.shared.observe_leg(id, Leg::Acknowledged);
            }
            Incoming::Acknowledged { .. } => {}
            Incoming::Returned(_) | Incoming::CaseForward(_) | Incoming::CaseStatus(_) => {}
        }
    }

    fn forwarded(&mut self, forward: Box<Forward>) {
        self.shared.observe_leg(forward.payment_id, Leg::Forwarded);
        let answering = self.shared.state().answering;
        match answering {
            Answering::AtOnce => self.answer(forward),
            Answering::After(delay) => self.put_off(delay, PutOff::Answer(forward)),
            Answering::Late(delay) => {
                let left = Duration::from_nanos(forward.deadline_ns.saturating_sub(now_ns()));
                self.put_off(left + delay, PutOff::Answer(forward));
            }
            Answering::Never => {}
        }
    }

    /// The decision is made when it is sent: a book that has accepted expects the money.
    fn answer(&mut self, forward: Box<Forward>) {
        let id = forward.payment_id;
        let Some(answer) = self.shared.state().book.forward(&forward) else { return };
        match self.client.try_answer(&answer, &Note::default()) {
            Ok(()) => {
                let decision = Decision::from_number(answer.decision).unwrap_or(Decision::Reject);
                let reason = Reason::from_bytes(answer.reason).unwrap_or_default();
                self.shared.observe_leg(id, Leg::Answered(decision, reason));
            }
            Err(SubmitError::Full) => self.put_off(FULL_RETRY, PutOff::Answer(forward)),
            Err(SubmitError::Closed | SubmitError::Invalid(_)) => {}
        }
    }

    fn status(&mut self, status: &Status) {
        let id = status.payment_id;
        let side = self.shared.state().book.status(id, status.outcome);
        match side {
            Some(Side::Payer) => self.shared.observe_leg(id, Leg::Final(status.outcome, status.reason)),
            Some(Side::Payee) => self.shared.observe_leg(id, Leg::Settled(status.outcome)),
            None => {}
        }
    }

    fn refused(&mut self, refused: &Refused) {
        let (Some(MessageKind::CreditTransfer), Some(id)) = (refused.kind, refused.payment_id) else {
            // A refused answer needs nothing: the payment expires, or was decided already.
            return;
        };
        if refused.busy {
            self.shared.observe_leg(id, Leg::PutOff);
            self.put_off(Duration::from_millis(refused.retry_after_ms.into()), PutOff::Resubmit(id));
        } else {
            self.shared.give_back(id);
        }
    }

    fn resubmit(&mut self, id: PaymentId) {
        let submission = self.shared.state().book.resubmit(id);
        let submitted = submission.map(|Submission { order, private }| self.client.try_submit(&order, &private));
        match submitted {
            Some(Ok(())) => self.shared.observe_leg(id, Leg::Submitted),
            Some(Err(SubmitError::Full)) => self.put_off(FULL_RETRY, PutOff::Resubmit(id)),
            Some(Err(SubmitError::Closed | SubmitError::Invalid(_))) | None => self.shared.give_back(id),
        }
    }

    fn put_off(&mut self, delay: Duration, what: PutOff) {
        if self.put_off.len() < SANDBOX_PUT_OFF_MAX {
            self.put_off_count += 1;
            self.put_off.insert((Instant::now() + delay, self.put_off_count), what);
        } else if let PutOff::Resubmit(id) = what {
            self.shared.give_back(id);
        }
    }

    fn do_due(&mut self, now: Instant) {
        while let Some(first) = self.put_off.first_entry()
            && first.key().0 <= now
        {
            match first.remove() {
                PutOff::Answer(forward) => self.answer(forward),
                PutOff::Resubmit(id) => self.resubmit(id),
            }
        }
    }
}

/// For ever, where nothing is due.
async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
