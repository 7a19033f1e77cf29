//! Settlement windows, counted anew from the journal.
//!
//! The engine takes nets from balances and never asks which payment is in which window. Here each payment and each return is put into the window that was open at the
//! journal position of its posting, and into no other; what each window sums to must be what was told of it when it was closed.
//!
//! Only for a journal of our own: nobody has a sponsor there, no window is given up, and nothing but payments and returns moves positions.

use std::collections::{BTreeMap, HashMap};

use adapters::message::Outcome;
use switch::engine::Batch;
use switch::engine::effect::{Delivery, Effect, News};
use switch::engine::scheme::events::{Event, EventKind};
use switch::engine::scheme::settlement::Cycle;
use switch::entry::{Body, Entry, Sender};

use crate::audit::entry_of;
use crate::connection::CURRENCY;
use crate::flights::Id;
use crate::limits::NS_PER_S;

const NS_PER_MINUTE: u64 = 60 * NS_PER_S;
const MINUTES_PER_DAY: u64 = 24 * 60;

/// When windows are to be closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CutOffs {
    /// By the calendar: minutes of each day, in UTC.
    pub(crate) minutes: Vec<u16>,
    /// By the load test's own orders: so many at least.
    pub(crate) ordered: u64,
}

impl CutOffs {
    /// How many of the calendar lie after one moment and not after another.
    fn due_between(&self, after_ns: u64, through_ns: u64) -> u64 {
        let minutes = (after_ns / NS_PER_MINUTE + 1)..=(through_ns / NS_PER_MINUTE);
        let is_due = |minute: &u64| self.minutes.iter().any(|due| u64::from(*due) == minute % MINUTES_PER_DAY);
        minutes.filter(is_due).count() as u64
    }
}

/// A payment that is held: who pays whom how much.
#[derive(Clone, Copy)]
struct Held {
    payer: u32,
    payee: u32,
    amount: u64,
}

/// A window that was closed, as it was told.
struct Closed {
    position: u64,
    number: u32,
    gross: i128,
    nets: BTreeMap<u32, i128>,
}

/// The first and the last of something: when it was, and what else had happened until then.
#[derive(Clone, Copy)]
struct Mark {
    time_ns: u64,
    closed: u64,
    ordered: u64,
}

/// The windows of a journal as it is walked.
#[derive(Default)]
pub(crate) struct Recount {
    held: HashMap<Id, Held>,
    /// What was posted in the open window, by participant.
    open: BTreeMap<u32, i128>,
    /// Postings in all windows.
    postings: u64,
    /// Windows that were closed, and orders to close one.
    closed: u64,
    ordered: u64,
    /// At the first posting and at the last.
    under_load: Option<(Mark, Mark)>,
    /// What was found wrong first.
    wrong: Option<String>,
}

/// What is known of the windows in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Windows {
    /// Closed between the first posting and the last.
    pub(crate) closed: u64,
    /// Cut-offs of the calendar in that time.
    pub(crate) due: u64,
    /// Orders in that time, or that should have been in it.
    pub(crate) ordered: u64,
    /// Payments and returns, each in one window.
    pub(crate) postings: u64,
    /// What was found wrong first.
    pub(crate) wrong: Option<String>,
}

impl Recount {
    /// A batch, what came of it for the providers, and what of it the operator was told.
    pub(crate) fn take(&mut self, batch: Batch<'_>, entries: &[Entry<'_>], effects: &[Effect], events: &[Event]) {
        let mut closed = closed_by(events).peekable();
        let mut orders = orders_in(batch.first_sequence, entries).peekable();
        for effect in effects.iter().filter(|effect| matches!(effect.delivery, Delivery::Outbox { .. })) {
            let Some((position, moved)) = self.moved_by(effect, entry_of(effect, batch.first_sequence, entries)) else {
                continue;
            };
            while let Some(closed) = closed.next_if(|closed| closed.position < position) {
                self.close(&closed);
            }
            while orders.next_if(|order| *order < position).is_some() {
                self.ordered += 1;
            }
            self.post(moved, batch.time_ns);
        }
        closed.for_each(|closed| self.close(&closed));
        self.ordered += orders.count() as u64;
    }

    /// The money that moves at an effect, and where in the journal. Both providers are told of a payment: it moves at the first of the two.
    fn moved_by(&mut self, effect: &Effect, entry: Option<&Entry<'_>>) -> Option<(u64, Held)> {
        let id = effect.id.bytes();
        let sender = entry.and_then(|entry| match entry.sender {
            Sender::Participant(sender) => Some(sender.0),
            Sender::Operator | Sender::Switch => None,
        });
        match (effect.news, entry.map(|entry| entry.body)) {
            (News::Forward { .. }, Some(Body::CreditTransfer(order, _))) if order.currency == CURRENCY => {
                let (payer, payee, amount) = (sender?, effect.participant.0, order.amount.to_native());
                self.held.insert(id, Held { payer, payee, amount });
                None
            }
            (News::Status(status), _) if status.outcome.is_final() => {
                let held = self.held.remove(&id)?;
                (status.outcome == Outcome::Committed).then_some((status.position, held))
            }
            (News::Returned { .. }, Some(Body::Return(message, _))) if message.currency == CURRENCY => {
                let (payer, payee, amount) = (sender?, effect.participant.0, message.amount.to_native());
                Some((effect.source, Held { payer, payee, amount }))
            }
            _ => None,
        }
    }

    fn post(&mut self, Held { payer, payee, amount }: Held, time_ns: u64) {
        *self.open.entry(payer).or_default() -= i128::from(amount);
        *self.open.entry(payee).or_default() += i128::from(amount);
        self.postings += 1;
        let mark = Mark { time_ns, closed: self.closed, ordered: self.ordered };
        let first = self.under_load.map_or(mark, |(first, _)| first);
        self.under_load = Some((first, mark));
    }

    /// A window takes what was posted since the one before it.
    fn close(&mut self, Closed { number, gross, nets, .. }: &Closed) {
        self.closed += 1;
        let mut counted = std::mem::take(&mut self.open);
        counted.retain(|_, net| *net != 0);
        let counted_gross: i128 = counted.values().map(|net| (*net).max(0)).sum();
        let differs = counted.keys().chain(nets.keys()).find(|of| counted.get(of) != nets.get(of));
        let net = |nets: &BTreeMap<u32, i128>, of| nets.get(of).copied().unwrap_or(0);
        let wrong = if u64::from(*number) != self.closed {
            Some(format!("window {number} was closed, it should be window {}", self.closed))
        } else if let Some(of) = differs {
            let (told, counted) = (net(nets, of), net(&counted, of));
            Some(format!("window {number}: the net of participant {of} is {told}, its payments sum to {counted}"))
        } else if *gross != counted_gross {
            Some(format!("window {number}: its creditors get {gross}, their payments sum to {counted_gross}"))
        } else {
            None
        };
        self.wrong = self.wrong.take().or(wrong);
    }

    /// What is known in the end.
    pub(crate) fn finish(self, cut_offs: &CutOffs) -> Windows {
        let Recount { postings, wrong, .. } = self;
        let Some((first, last)) = self.under_load else {
            return Windows { ordered: cut_offs.ordered, postings, wrong, ..Windows::default() };
        };
        Windows {
            closed: last.closed - first.closed,
            due: cut_offs.due_between(first.time_ns, last.time_ns),
            ordered: cut_offs.ordered.max(last.ordered - first.ordered),
            postings,
            wrong,
        }
    }
}

impl Windows {
    /// What is wrong. `settled` payments and returns were posted.
    pub(crate) fn problems(&self, settled: u64, is_interrupted: bool) -> Vec<String> {
        let Windows { closed, due, ordered, postings, ref wrong } = *self;
        let mut problems: Vec<String> = wrong.iter().cloned().collect();
        if postings != settled {
            problems.push(format!("{postings} payments and returns are in settlement windows, {settled} were posted"));
        }
        if closed != due + ordered {
            problems.push(format!(
                "{closed} settlement windows were closed while payments were posted, and there were {} cut-offs: {due} of the calendar, {ordered} ordered",
                due + ordered
            ));
        } else if closed == 0 && !is_interrupted {
            problems.push(
                "no settlement window was closed while payments were posted: run for more than a minute, or order cut-offs (participants.cut_off_orders)"
                    .to_owned(),
            );
        }
        problems
    }
}

fn is_ours(event: &Event) -> bool {
    event.currency == CURRENCY && event.cycle == Cycle::Payments as u8
}

/// Windows that were closed, in their order; the nets of each are told right after it.
fn closed_by(events: &[Event]) -> impl Iterator<Item = Closed> {
    let closings = events.iter().filter(|event| is_ours(event) && event.kind == EventKind::WindowClosed);
    closings.map(|&Event { position, window: number, amount: gross, .. }| {
        let nets = events.iter().filter(|event| is_ours(event) && event.kind == EventKind::NetDetermined);
        let nets = nets.filter(|event| event.window == number).map(|event| (event.participant, event.amount));
        Closed { position, number, gross, nets: nets.collect() }
    })
}

/// Where operators order cut-offs.
fn orders_in(first_sequence: u64, entries: &[Entry<'_>]) -> impl Iterator<Item = u64> {
    let places = (first_sequence + 1..).zip(entries);
    let orders = places.filter(|(_, entry)| {
        matches!(entry.body, Body::CutOff(order) if order.currency == CURRENCY && order.cycle == Cycle::Payments as u8)
    });
    orders.map(|(position, _)| position)
}

#[cfg(test)]
mod tests {
    use adapters::message::{Field, Lane, PaymentId, Reason};
    use switch::engine::effect::{Status, Subject};
    use switch::engine::payments::PaymentIndex;
    use switch::entry::ParticipantId;

    use super::*;

    /// 00:59:30 of some day.
    const BEGIN_NS: u64 = 20_000 * MINUTES_PER_DAY * NS_PER_MINUTE + 59 * NS_PER_MINUTE + 30 * NS_PER_S;

    fn id(number: u8) -> Id {
        [number, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]
    }

    /// One of the two that are told of a payment.
    fn told(number: u8, position: u64, outcome: Outcome) -> Effect {
        let status = Status { outcome, reason: Reason::NONE, field: Field::None, decided_at_ns: 0, position };
        let id = PaymentId::from_bytes(id(number)).expect("a version-4 UUID");
        let subject = Subject::Payment(PaymentIndex::default());
        let delivery = Delivery::Outbox { lane: Lane::Payments, number: 1, subject, order: 1 };
        Effect { participant: ParticipantId(1), delivery, id, news: News::Status(status), source: 0 }
    }

    /// A window is closed, with these nets.
    fn window(position: u64, number: u32, gross: i128, nets: &[(u32, i128)]) -> Vec<Event> {
        let event = |kind| Event {
            currency: CURRENCY,
            cycle: Cycle::Payments as u8,
            window: number,
            position,
            ..Event::of(kind)
        };
        let closed = Event { amount: gross, ..event(EventKind::WindowClosed) };
        let nets =
            nets.iter().map(|&(participant, amount)| Event { participant, amount, ..event(EventKind::NetDetermined) });
        std::iter::once(closed).chain(nets).collect()
    }

    /// Payments 1 to 9 of 10 from participant 1 to 2, a batch at each of these seconds after the beginning.
    fn recounted(batches: &[(u64, &[Effect], &[Event])], minutes: &[u16], ordered: u64) -> Windows {
        let held = (1..=9).map(|number| (id(number), Held { payer: 1, payee: 2, amount: 10 })).collect();
        let mut recount = Recount { held, ..Recount::default() };
        for &(second, effects, events) in batches {
            let batch = Batch { first_sequence: 1, time_ns: BEGIN_NS + second * NS_PER_S, payload: &[] };
            recount.take(batch, &[], effects, events);
        }
        recount.finish(&CutOffs { minutes: minutes.to_vec(), ordered })
    }

    const COMMITTED: Outcome = Outcome::Committed;

    #[test]
    fn a_payment_is_in_the_window_of_its_posting() {
        // The second is posted in the batch that closes the window, before it; the third behind it. Each is told twice, and moves once.
        let second = [told(2, 5, COMMITTED), told(2, 5, COMMITTED), told(3, 9, COMMITTED)];
        let first = window(7, 1, 20, &[(1, -20), (2, 20)]);
        let batches: [(u64, &[Effect], &[Event]); 3] = [
            (0, &[told(1, 3, COMMITTED), told(4, 4, Outcome::Expired)], &[]),
            (31, &second, &first),
            (40, &[told(5, 12, COMMITTED)], &[]),
        ];
        let windows = recounted(&batches, &[60, 61], 0);
        assert_eq!(windows, Windows { closed: 1, due: 1, ordered: 0, postings: 4, wrong: None });
        assert_eq!(windows.problems(4, false), Vec::<String>::new());
        assert!(
            windows.problems(5, false)[0].contains("4 payments and returns are in settlement windows, 5 were posted")
        );
    }

    #[test]
    fn a_net_that_is_not_the_sum_of_payments_is_noticed() {
        let wrong = |events: &[Event]| {
            let batches: [(u64, &[Effect], &[Event]); 1] = [(0, &[told(1, 3, COMMITTED)], events)];
            recounted(&batches, &[], 0).wrong.unwrap_or_default()
        };
        assert_eq!(wrong(&window(7, 1, 10, &[(1, -10), (2, 10)])), "");
        assert!(
            wrong(&window(2, 1, 10, &[(1, -10), (2, 10)]))
                .contains("the net of participant 1 is -10, its payments sum to 0")
        );
        assert!(
            wrong(&window(7, 1, 10, &[(1, -10)])).contains("the net of participant 2 is 0, its payments sum to 10")
        );
        assert!(wrong(&window(7, 1, 10, &[(1, -10), (2, 10), (3, 1)])).contains("the net of participant 3 is 1"));
        assert!(wrong(&window(7, 1, 11, &[(1, -10), (2, 10)])).contains("its creditors get 11"));
        assert!(wrong(&window(7, 2, 10, &[(1, -10), (2, 10)])).contains("it should be window 1"));
    }

    #[test]
    fn fewer_windows_than_cut_offs_are_wrong_and_so_is_none() {
        let one = window(7, 1, 10, &[(1, -10), (2, 10)]);
        let closed = |events: &[Event], minutes: &[u16], ordered: u64| {
            let batches: [(u64, &[Effect], &[Event]); 2] =
                [(0, &[told(1, 3, COMMITTED)], events), (45, &[told(2, 12, COMMITTED)], &[])];
            recounted(&batches, minutes, ordered).problems(2, false).join("; ")
        };
        assert_eq!((closed(&one, &[60], 0), closed(&one, &[], 1)), (String::new(), String::new()));
        assert!(
            closed(&one, &[60], 1)
                .contains("1 settlement windows were closed while payments were posted, and there were 2 cut-offs")
        );
        assert!(closed(&[], &[60], 0).contains("there were 1 cut-offs: 1 of the calendar"));
        assert!(closed(&[], &[], 0).contains("no settlement window was closed"));
        assert!(closed(&one, &[59, 61], 0).contains("there were 0 cut-offs"), "what nobody asked for");
        // Behind the last payment there is no load.
        let batches: [(u64, &[Effect], &[Event]); 1] = [(0, &[told(1, 3, COMMITTED)], &one)];
        assert_eq!(recounted(&batches, &[60], 0).closed, 0);
        assert!(recounted(&[], &[60], 2).problems(0, true)[0].contains("2 ordered"));
    }
}
