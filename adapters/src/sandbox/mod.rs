//! A small payment provider with customers, to try things with: it pays, answers, credits, returns, asks, and can misbehave on demand.
//!
//! `book` decides and owns the money; this file is the thin shell that connects it to a `Client` and says what it saw, and when.

pub mod aliases;
pub mod book;
pub mod issuer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

pub use aliases::{AliasLeg, AliasPayOrder, Registration};
pub use book::{Audit, Customer, PayError, PayOrder, RequestOrder, SandboxBook, Side, Submission};

use crate::limits::{SANDBOX_OBSERVATIONS_MAX, SANDBOX_PUT_OFF_MAX};
use crate::message::{
    CaseAnswer, CaseKind, CaseOpen, CaseState, Decision, MessageKind, Note, Outcome, PaymentId, PaymentPrivate, Reason,
};
use crate::native::client::{
    CaseForward, CaseStatus, Client, ClientOptions, Connected, Disconnected, Events, Forward, Incoming, Message,
    Refused, Returned, Status, SubmitError,
};

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
    Connected(Connected),
    /// The connection is gone, or could not be made.
    Disconnected(Disconnected),
    /// A payment, or a return, went a step further.
    Payment(PaymentId, Leg),
    /// A case went a step further.
    Case(PaymentId, CaseLeg),
    /// A registration, or a look-up, went a step further.
    Alias(PaymentId, AliasLeg),
}

/// A step of a case, as one of its two providers sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseLeg {
    /// The opener: it was handed to the client.
    Opened(CaseKind),
    /// The opener: the switch did not take it.
    NotTaken,
    /// The responder: it waits for an answer.
    Asked(CaseKind),
    /// The responder: accepted, or refused for this reason. What is answered by a return or a payment is not answered otherwise.
    Answered(Decision, Reason),
    /// Both: where it stands now, and why.
    Stands(CaseState, Reason),
}

/// A step of a payment or of a return, as one of its two providers sees it. Of a return the payer is who returns.
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
    /// Payer side: money of the payment came back; so much in all, in minor units.
    Returned(u64),
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
    /// It accepts payments without posting them, and posts them so long after they are committed.
    pub posts_after: Option<Duration>,
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
        let SandboxOptions { book, answering, posts_after, .. } = options;
        let book = if posts_after.is_some() { book.posting_later() } else { book };
        let shared = Arc::new(Shared {
            state: Mutex::new(State { book, answering }),
            observations,
            observations_missed: AtomicU64::new(0),
        });
        let shell = Shell {
            client: client.clone(),
            shared: shared.clone(),
            posts_after: posts_after.unwrap_or_default(),
            put_off: BTreeMap::new(),
            put_off_count: 0,
        };
        tokio::spawn(shell.run(events));
        (Sandbox { client, shared }, receiver)
    }

    /// Pays from one of the customers: debits the balance now, and gives it back if the payment fails.
    pub async fn pay(&self, order: &PayOrder) -> Result<PaymentId, PayError> {
        let id = PaymentId::random();
        let submission = self.shared.state().book.pay(id, order, now_ns())?;
        self.submit(id, &submission).await
    }

    /// Returns a payment to one of the customers: all that is left of it, or a part.
    pub async fn return_payment(
        &self,
        original: PaymentId,
        part: Option<ledger::Amount>,
        reason: Reason,
    ) -> Result<PaymentId, PayError> {
        let id = PaymentId::random();
        let submission = self.shared.state().book.return_payment(id, original, part, (None, reason))?;
        self.submit(id, &submission).await
    }

    async fn submit(&self, id: PaymentId, submission: &Submission) -> Result<PaymentId, PayError> {
        self.shared.observe_leg(id, Leg::Submitted);
        let unsubmitted = Unsubmitted { shared: &self.shared, id };
        self.client.send(submission.message()).await.map_err(|_| PayError::NotSubmitted)?;
        std::mem::forget(unsubmitted);
        Ok(id)
    }

    /// Asks for a committed payment of a customer back; gives the case.
    pub async fn recall(&self, original: PaymentId, reason: Reason) -> Result<PaymentId, PayError> {
        let id = PaymentId::random();
        let opened = self.shared.state().book.recall(id, original, reason)?;
        self.open(id, CaseKind::Recall, (&opened, &PaymentPrivate::default())).await
    }

    /// Asks somebody to pay one of the customers; gives the case.
    pub async fn request(&self, order: &RequestOrder) -> Result<PaymentId, PayError> {
        let id = PaymentId::random();
        let (opened, private) = self.shared.state().book.request(id, order)?;
        self.open(id, CaseKind::PaymentRequest, (&opened, &private)).await
    }

    async fn open(
        &self,
        id: PaymentId,
        kind: CaseKind,
        (opened, private): (&CaseOpen, &PaymentPrivate),
    ) -> Result<PaymentId, PayError> {
        self.shared.observe(Observed::Case(id, CaseLeg::Opened(kind)));
        self.client.send(Message::CaseOpen(opened, private)).await.map_err(|_| PayError::NotSubmitted)?;
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
    AnswerCase(CaseAnswer, Note),
    Post(PaymentId),
}

/// How long to wait where the client takes no more.
const FULL_RETRY: Duration = Duration::from_millis(5);

/// The task: events in, answers out.
struct Shell {
    client: Client,
    shared: Arc<Shared>,
    /// How long after its outcome a payment is posted that was accepted without that.
    posts_after: Duration,
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
            Incoming::Connected(connected) => self.shared.observe(Observed::Connected(connected)),
            Incoming::Disconnected(disconnected) => self.shared.observe(Observed::Disconnected(disconnected)),
            // Asked for by nobody here.
            Incoming::Numbered(..) => {}
            Incoming::Forward(forward) => self.forwarded(forward),
            Incoming::Status(status) => self.status(&status),
            Incoming::Refused(refused) => self.refused(&refused),
            Incoming::Returned(returned) => self.returned(&returned),
            Incoming::CaseForward(asked) => self.asked(&asked),
            Incoming::CaseStatus(status) => self.case_status(&status),
            Incoming::Acknowledged {
                kind: MessageKind::CreditTransfer | MessageKind::AliasTransfer | MessageKind::Return,
                payment_id: Some(id),
            } => {
                self.shared.observe_leg(id, Leg::Acknowledged);
            }
            Incoming::Acknowledged { .. } => {}
            Incoming::AliasResult(result) => self.shared.observe(aliases::registered(&result)),
            Incoming::AliasFound(found) => self.shared.observe(aliases::found(found)),
            Incoming::DirectoryAnswer(_) | Incoming::AccountReport(_) => {}
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

    fn returned(&mut self, returned: &Returned) {
        if self.shared.state().book.returned(returned) {
            self.shared.observe_leg(returned.original_id, Leg::Returned(returned.returned_total));
        }
    }

    /// A case is answered as soon as it comes.
    fn asked(&mut self, asked: &CaseForward) {
        let case = asked.case_id;
        self.shared.observe(Observed::Case(case, CaseLeg::Asked(asked.kind)));
        let id = PaymentId::random();
        let submission = match asked.kind {
            CaseKind::Recall => self.shared.state().book.recalled(id, asked),
            CaseKind::PaymentRequest => self.shared.state().book.requested(id, asked, now_ns()),
            CaseKind::Information => {
                let text = self.shared.state().book.information(asked).into_bytes();
                return self.answer_case(CaseAnswer::accept(case), Note { text, extension: Vec::new() });
            }
            // No provider is asked that: the switch opens it, and tells where it stands.
            CaseKind::Posting => return,
        };
        match submission {
            Ok(submission) => self.try_submit(id, &submission),
            Err(reason) => self.answer_case(CaseAnswer::refuse(case, reason), Note::default()),
        }
    }

    fn answer_case(&mut self, answer: CaseAnswer, note: Note) {
        match self.client.try_send(Message::CaseAnswer(&answer, &note)) {
            Ok(()) => {
                let decision = Decision::from_number(answer.decision).unwrap_or(Decision::Reject);
                let reason = Reason::from_bytes(answer.reason).unwrap_or_default();
                if let Some(id) = PaymentId::from_bytes(answer.case_id) {
                    self.shared.observe(Observed::Case(id, CaseLeg::Answered(decision, reason)));
                }
            }
            Err(SubmitError::Full) => self.put_off(FULL_RETRY, PutOff::AnswerCase(answer, note)),
            Err(SubmitError::Closed | SubmitError::Invalid(_)) => {}
        }
    }

    fn case_status(&mut self, status: &CaseStatus) {
        self.shared.observe(Observed::Case(status.case_id, CaseLeg::Stands(status.state, status.reason)));
        let is_to_be_posted = status.kind == Some(CaseKind::Posting) && status.state == CaseState::Open;
        if is_to_be_posted && self.shared.state().book.is_unposted(status.case_id) {
            self.put_off(self.posts_after, PutOff::Post(status.case_id));
        }
    }

    /// The customer has the money, and the payer provider is to know.
    fn post(&mut self, id: PaymentId) {
        if self.shared.state().book.post(id) {
            self.answer_case(CaseAnswer::accept(id), Note::default());
        }
    }

    fn refused(&mut self, refused: &Refused) {
        let (kind, id) = match (refused.kind, refused.payment_id) {
            (Some(kind), Some(id)) => (kind, id),
            _ => return,
        };
        match kind {
            MessageKind::CreditTransfer | MessageKind::AliasTransfer | MessageKind::Return => {}
            MessageKind::AliasCommand | MessageKind::AliasLookup => {
                let why = AliasLeg::NotTaken(refused.text.clone());
                return self.shared.observe(Observed::Alias(id, why));
            }
            MessageKind::CaseOpen => return self.shared.observe(Observed::Case(id, CaseLeg::NotTaken)),
            // A refused answer needs nothing: the payment expires, or was decided already.
            _ => return,
        }
        if refused.busy {
            self.shared.observe_leg(id, Leg::PutOff);
            self.put_off(Duration::from_millis(refused.retry_after_ms.into()), PutOff::Resubmit(id));
        } else {
            self.shared.give_back(id);
        }
    }

    fn resubmit(&mut self, id: PaymentId) {
        let submission = self.shared.state().book.resubmit(id);
        match submission {
            Some(submission) => self.try_submit(id, &submission),
            None => self.shared.give_back(id),
        }
    }

    fn try_submit(&mut self, id: PaymentId, submission: &Submission) {
        match self.client.try_send(submission.message()) {
            Ok(()) => self.shared.observe_leg(id, Leg::Submitted),
            Err(SubmitError::Full) => self.put_off(FULL_RETRY, PutOff::Resubmit(id)),
            Err(SubmitError::Closed | SubmitError::Invalid(_)) => self.shared.give_back(id),
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
                PutOff::AnswerCase(answer, note) => self.answer_case(answer, note),
                PutOff::Post(id) => self.post(id),
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
