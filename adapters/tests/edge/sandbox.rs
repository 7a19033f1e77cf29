//! The sandbox provider: its money, its answers, its manners.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use adapters::check::Request;
use adapters::message::{
    Decision, Error, Forward as Forwarded, Lane, MessageKind, Outcome, PaymentId, PaymentPrivate, Reason,
};
use adapters::native::client::Forward;
use adapters::native::frame::Head;
use adapters::sandbox::book::reason;
use adapters::sandbox::{
    Answering, Audit, Customer, Leg, Observation, Observed, PayError, PayOrder, Sandbox, SandboxBook, SandboxOptions,
    Side,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tokio::sync::mpsc::Receiver;

use crate::sample::{self, amount, code, currency, id};
use crate::scripted::{Peer, ScriptedSwitch, soon};

fn book() -> SandboxBook {
    let customers = vec![
        Customer::new("Amina", "1001", 50_000),
        Customer::new("Brian", "1002", 20_000),
        Customer { blocked: true, ..Customer::new("Chao", "1003", 10_000) },
    ];
    SandboxBook::new(code("NORTHBANK"), currency("KES"), customers).with_amount_max(amount(40_000))
}

fn order(payer_account: &str, minor_units: u64) -> PayOrder {
    PayOrder {
        payer_account: payer_account.into(),
        payee: code("SOUTH-COOP_2"),
        payee_account: "0712-88".into(),
        payee_name: "Otieno".into(),
        amount: amount(minor_units),
        remittance: "rent".into(),
    }
}

fn forward(number: u64, payee_account: &str, minor_units: u64) -> Forward {
    let private = PaymentPrivate { payee_account: payee_account.into(), ..sample::payment_private() };
    Forward {
        payment_id: id(number),
        payer: code("SOUTH-COOP_2"),
        payee: code("NORTHBANK"),
        amount: amount(minor_units),
        currency: currency("KES"),
        accepted_at_ns: sample::TIME_NS,
        purpose: Reason::NONE,
        lane: Lane::Payments,
        request_id: None,
        deadline_ns: sample::TIME_NS + 10_000_000_000,
        private,
    }
}

fn balance(book: &SandboxBook, account: &str) -> u64 {
    book.customers().iter().find(|customer| customer.account == account).unwrap().balance_minor
}

#[test]
fn money_leaves_when_ordered_and_comes_back_when_refused() {
    let mut book = book();
    let submission = book.pay(id(1), &order("1001", 30_000), sample::TIME_NS).unwrap();
    assert_eq!(submission.order.amount, 30_000);
    assert_eq!(submission.private.payer_name, b"Amina");
    assert_eq!(balance(&book, "1001"), 20_000);
    assert_eq!(book.audit().in_flight_out, 30_000);
    assert_eq!(book.status(id(1), Outcome::InFlight), None);
    assert_eq!(book.status(id(1), Outcome::Rejected), Some(Side::Payer));
    assert_eq!(balance(&book, "1001"), 50_000);
    book.pay(id(2), &order("1001", 30_000), sample::TIME_NS).unwrap();
    assert_eq!(book.status(id(2), Outcome::Committed), Some(Side::Payer));
    assert_eq!(book.status(id(2), Outcome::Committed), None, "a repetition changes nothing");
    assert_eq!(balance(&book, "1001"), 20_000);
    let audit = Audit { opening: 80_000, balances: 50_000, in_flight_out: 0, received: 0, sent: 30_000 };
    assert_eq!(book.audit(), audit);
}

#[test]
fn what_cannot_be_paid_is_not_ordered() {
    let mut book = book();
    let mut check = |order: &PayOrder, expected| {
        assert_eq!(book.pay(id(1), order, sample::TIME_NS).unwrap_err(), expected);
        assert_eq!(book.in_flight(), (0, 0));
    };
    check(&order("9999", 1), PayError::UnknownAccount);
    check(&order("1003", 1), PayError::Blocked);
    check(&order("1001", 50_001), PayError::InsufficientFunds);
    check(&PayOrder { payee: code("NORTHBANK"), ..order("1001", 1) }, PayError::SameProvider);
}

#[test]
fn answers_follow_simple_rules() {
    let mut book = book();
    let mut check = |forward: &Forward, expected: Option<Reason>| {
        let answer = book.forward(forward).unwrap();
        let decision = if expected.is_none() { Decision::Accept } else { Decision::Reject };
        assert_eq!(answer.decision, decision as u8);
        assert_eq!(answer.reason, expected.unwrap_or_default().bytes());
    };
    check(&forward(1, "1001", 40_000), None);
    check(&forward(1, "1001", 40_000), None);
    check(&forward(2, "9999", 1), Some(reason::ACCOUNT_UNKNOWN));
    check(&forward(3, "1003", 1), Some(reason::ACCOUNT_BLOCKED));
    check(&forward(4, "1001", 40_001), Some(reason::AMOUNT_TOO_HIGH));
    check(&Forward { currency: currency("UGX"), ..forward(5, "1001", 1) }, Some(reason::CURRENCY_UNKNOWN));
    assert!(book.set_blocked("1003", false));
    assert!(book.forward(&forward(6, "1003", 1)).is_some_and(|answer| answer.decision == 1));
    assert!(!book.set_blocked("9999", true));
}

#[test]
fn the_customer_is_credited_once_and_only_at_committed() {
    let mut book = book();
    book.forward(&forward(1, "1002", 700)).unwrap();
    book.forward(&forward(2, "1002", 900)).unwrap();
    assert_eq!(balance(&book, "1002"), 20_000);
    assert_eq!(book.status(id(1), Outcome::Committed), Some(Side::Payee));
    assert_eq!(book.status(id(2), Outcome::Expired), Some(Side::Payee));
    assert_eq!(balance(&book, "1002"), 20_700);
    // The numbers of the switch restarted: everything comes again.
    assert_eq!(book.forward(&forward(1, "1002", 700)), None);
    assert_eq!(book.status(id(1), Outcome::Committed), None);
    assert_eq!(balance(&book, "1002"), 20_700);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Whatever is ordered, forwarded and decided, in any order, twice or never: no money is made or lost.
    #[test]
    fn money_is_conserved(steps in prop::collection::vec((0..8u8, 0..12u64, 1..60_000u64), 1..200)) {
        let accounts = ["1001", "1002", "1003", "9999"];
        let mut book = book();
        let mut expected: HashMap<PaymentId, Outcome> = HashMap::new();
        for (what, number, minor_units) in steps {
            let account = accounts[usize::try_from(number % 4).unwrap()];
            let (paid, received) = (id(number), id(100 + number));
            match what {
                // Ids are random in life, so no id is ordered twice.
                0 if !expected.contains_key(&paid) => {
                    if book.pay(paid, &order(account, minor_units), sample::TIME_NS).is_ok() {
                        expected.insert(paid, Outcome::InFlight);
                    }
                }
                1 => drop(book.forward(&forward(100 + number, account, minor_units))),
                2 => drop(book.status(paid, Outcome::Committed)),
                3 => drop(book.status(paid, Outcome::Expired)),
                4 => drop(book.status(received, Outcome::Committed)),
                5 => drop(book.status(received, Outcome::Rejected)),
                6 => drop(book.give_back(paid)),
                _ => drop(book.resubmit(paid)),
            }
            prop_assert!(book.audit().is_conserved(), "{:?}", book.audit());
        }
    }
}

/// A sandbox connected to a switch that does what the test says.
struct Bench {
    _switch: ScriptedSwitch,
    sandbox: Sandbox,
    observations: Receiver<Observation>,
    peer: Peer,
}

impl Bench {
    async fn new(answering: Answering) -> Bench {
        let switch = ScriptedSwitch::new().await;
        let (sandbox, mut observations) =
            Sandbox::start(SandboxOptions { client: switch.options(), book: book(), answering });
        let peer = switch.accept_and_welcome().await;
        let first = soon(observations.recv()).await.unwrap();
        assert!(matches!(first.what, Observed::Connected(_)), "{first:?}");
        Bench { _switch: switch, sandbox, observations, peer }
    }

    async fn leg(&mut self) -> (PaymentId, Leg) {
        match soon(self.observations.recv()).await.unwrap().what {
            Observed::Payment(id, leg) => (id, leg),
            other => panic!("{other:?}"),
        }
    }

    async fn expect_legs(&mut self, id: PaymentId, legs: &[Leg]) {
        for &leg in legs {
            assert_eq!(self.leg().await, (id, leg));
        }
    }

    /// The decision in the answer to a payment.
    async fn answer(&mut self, number: u64) -> u8 {
        self.peer
            .expect(|request| match request {
                Request::Answer(answer) if answer.routing().payment_id == id(number).bytes() => {
                    Some(answer.routing().decision)
                }
                _ => None,
            })
            .await
    }

    /// Sends a payment to an account that nobody has here.
    async fn forward(&mut self, number: u64) {
        self.peer.send_forward(number).await;
    }
}

#[tokio::test]
async fn a_payer_sees_every_leg() {
    let mut bench = Bench::new(Answering::AtOnce).await;
    let paid = bench.sandbox.pay(&order("1001", 10_000)).await.unwrap();
    let (number, submitted) = bench.peer.expect_transfer().await;
    assert_eq!(submitted, paid);
    bench.peer.acknowledge(number).await;
    bench.expect_legs(paid, &[Leg::Submitted, Leg::Acknowledged]).await;
    bench.peer.send_status(1, paid, 1).await;
    bench.expect_legs(paid, &[Leg::Final(Outcome::Committed, Reason::NONE)]).await;
    assert_eq!(bench.sandbox.book(|book| balance(book, "1001")), 40_000);
    assert_eq!(bench.sandbox.observations_missed(), 0);
}

#[tokio::test]
async fn a_busy_switch_gets_the_order_again_and_a_refusal_gives_the_money_back() {
    let mut bench = Bench::new(Answering::AtOnce).await;
    let paid = bench.sandbox.pay(&order("1001", 10_000)).await.unwrap();
    let (frame_number, _) = bench.peer.expect_transfer().await;
    let busy = Error { frame_number, payment_id: paid.bytes(), retry_after_ms: 20, ..sample::error() };
    bench.peer.send_error(&busy, "").await;
    let (frame_number, again) = bench.peer.expect_transfer().await;
    assert_eq!(again, paid);
    bench.expect_legs(paid, &[Leg::Submitted, Leg::PutOff, Leg::Submitted]).await;
    assert_eq!(bench.sandbox.book(|book| balance(book, "1001")), 40_000);
    bench.peer.send_error(&Error { code: 6, frame_number, ..busy }, "").await;
    bench.expect_legs(paid, &[Leg::GivenBack]).await;
    assert_eq!(bench.sandbox.book(|book| balance(book, "1001")), 50_000);
}

/// Nobody has `sample`'s account, so every answer is a rejection; its timing is what is tested.
#[tokio::test]
async fn answers_come_at_once_later_late_or_never() {
    let mut bench = Bench::new(Answering::Never).await;
    bench.forward(1).await;
    bench.expect_legs(id(1), &[Leg::Forwarded]).await;
    let answered = Leg::Answered(Decision::Reject, reason::ACCOUNT_UNKNOWN);

    let began = Instant::now();
    bench.sandbox.set_answering(Answering::After(Duration::from_millis(30)));
    bench.forward(2).await;
    assert_eq!(bench.answer(2).await, Decision::Reject as u8);
    assert!(began.elapsed() >= Duration::from_millis(30));
    bench.expect_legs(id(2), &[Leg::Forwarded, answered]).await;

    let began = Instant::now();
    bench.sandbox.set_answering(Answering::Late(Duration::from_millis(20)));
    let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let deadline_ns = u64::try_from(now_ns).unwrap() + 30_000_000;
    bench.peer.send_forward_with(3, &Forwarded { deadline_ns, ..sample::forward(3) }).await;
    bench.answer(3).await;
    assert!(
        began.elapsed() >= Duration::from_millis(45),
        "30 ms to the deadline, 20 ms after it, and clocks that differ"
    );
    bench.expect_legs(id(3), &[Leg::Forwarded, answered]).await;

    bench.sandbox.set_answering(Answering::AtOnce);
    bench.forward(4).await;
    bench.answer(4).await;
    bench.expect_legs(id(4), &[Leg::Forwarded, answered]).await;
    assert_eq!(bench.sandbox.book(|book| book.in_flight()), (0, 0));
}

#[tokio::test]
async fn a_payee_is_paid_when_the_switch_says_committed() {
    let mut bench = Bench::new(Answering::AtOnce).await;
    let private = PaymentPrivate { payee_account: b"1002".to_vec(), ..sample::payment_private() };
    let head = Head { lane: Lane::Payments, number: 1, ..Head::PLAIN };
    let forwarded = Forwarded { amount: 700, ..sample::forward(1) };
    bench.peer.send(MessageKind::Forward, head, &forwarded, &sample::written(&private)).await;
    assert_eq!(bench.answer(1).await, Decision::Accept as u8);
    bench.expect_legs(id(1), &[Leg::Forwarded, Leg::Answered(Decision::Accept, Reason::NONE)]).await;
    assert_eq!(bench.sandbox.book(|book| balance(book, "1002")), 20_000);
    bench.peer.send_status(2, id(1), 1).await;
    bench.expect_legs(id(1), &[Leg::Settled(Outcome::Committed)]).await;
    assert_eq!(bench.sandbox.book(|book| balance(book, "1002")), 20_700);
}
