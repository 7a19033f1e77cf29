//! The sandbox provider: its money, its answers, its manners.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use adapters::alias::Alias;
use adapters::check::Request;
use adapters::directory::AliasType;
use adapters::message::{
    AmountForm, CaseForward, CaseKind, CaseState, CaseStatus, Decision, Error, Forward as Forwarded, Lane, MessageKind,
    Note, Outcome, PaymentId, PaymentPrivate, Reason, Return,
};
use adapters::native::client::{self, Forward};
use adapters::native::frame::Head;
use adapters::sandbox::book::reason;
use adapters::sandbox::{
    AliasPayOrder, Answering, Audit, CaseLeg, Customer, Leg, Observation, Observed, PayError, PayOrder, RequestOrder,
    Sandbox, SandboxBook, SandboxOptions, Side, Submission,
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
fn a_payment_to_an_alias_names_it_and_who_asks_and_takes_the_money_as_any() {
    let mut book = book();
    let alias = Alias::parse(AliasType::Mobile, "+254 712 345678").unwrap();
    let order = AliasPayOrder {
        payer_account: "1001".into(),
        alias,
        payee_name: "Otieno".into(),
        amount: amount(30_000),
        remittance: "rent".into(),
    };
    let submission = book.pay_alias(id(1), &order, sample::TIME_NS).unwrap();
    let Submission::AliasPayment(transfer, private) = &submission else { panic!("{submission:?}") };
    assert_eq!((transfer.amount, transfer.alias_type), (30_000, AliasType::Mobile as u8));
    assert_eq!((&private.alias[..], &private.payer_name[..]), (&b"+254712345678"[..], &b"Amina"[..]));
    let other = AliasPayOrder { payer_account: "1002".into(), amount: amount(1), ..order.clone() };
    let other = book.pay_alias(id(2), &other, sample::TIME_NS).unwrap();
    let Submission::AliasPayment(_, by_another) = other else { panic!("{other:?}") };
    assert!(!private.end_user.is_empty() && private.end_user != by_another.end_user, "each has a bucket of its own");
    assert_eq!(balance(&book, "1001"), 20_000);
    assert_eq!(book.resubmit(id(1)), Some(submission));
    assert_eq!(book.status(id(1), Outcome::Rejected), Some(Side::Payer));
    assert_eq!(balance(&book, "1001"), 50_000);
    for (payer_account, error) in [("1003", PayError::Blocked), ("9999", PayError::UnknownAccount)] {
        let order = AliasPayOrder { payer_account: payer_account.into(), ..order.clone() };
        assert_eq!(book.pay_alias(id(3), &order, sample::TIME_NS), Err(error));
    }
}

#[test]
fn money_leaves_when_ordered_and_comes_back_when_refused() {
    let mut book = book();
    let submission = book.pay(id(1), &order("1001", 30_000), sample::TIME_NS).unwrap();
    let Submission::Payment(transfer, private) = submission else { panic!("{submission:?}") };
    assert_eq!((transfer.amount, &private.payer_name[..]), (30_000, &b"Amina"[..]));
    assert_eq!(balance(&book, "1001"), 20_000);
    assert_eq!(book.audit().in_flight_out, 30_000);
    assert_eq!(book.status(id(1), Outcome::InFlight), None);
    assert_eq!(book.status(id(1), Outcome::Rejected), Some(Side::Payer));
    assert_eq!(balance(&book, "1001"), 50_000);
    book.pay(id(2), &order("1001", 30_000), sample::TIME_NS).unwrap();
    assert_eq!(book.status(id(2), Outcome::Committed), Some(Side::Payer));
    assert_eq!(book.status(id(2), Outcome::Committed), None, "a repetition changes nothing");
    assert_eq!(balance(&book, "1001"), 20_000);
    let nothing =
        Audit { opening: 80_000, balances: 0, unposted: 0, unassigned: 0, in_flight_out: 0, received: 0, sent: 0 };
    assert_eq!(book.audit(), Audit { balances: 50_000, sent: 30_000, ..nothing });
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

/// A book that has received and paid something: payment 1 of 700 to 1002, payment 2 of 30,000 from 1001.
fn settled_book() -> SandboxBook {
    let mut book = book();
    book.forward(&forward(1, "1002", 700)).unwrap();
    book.status(id(1), Outcome::Committed).unwrap();
    book.pay(id(2), &order("1001", 30_000), sample::TIME_NS).unwrap();
    book.status(id(2), Outcome::Committed).unwrap();
    book
}

fn return_in(submission: Submission) -> Return {
    let Submission::Return(message) = submission else { panic!("{submission:?}") };
    message
}

#[test]
fn a_customer_returns_what_is_left_and_gets_it_back_where_that_fails() {
    let mut book = settled_book();
    let by_itself = (None, Reason::of(b"CUST"));
    let part = book.return_payment(id(3), id(1), Some(amount(200)), by_itself).unwrap();
    let part = return_in(part);
    assert_eq!((part.original_id, part.amount, part.reason), (id(1).bytes(), 200, *b"CUST"));
    assert_eq!(balance(&book, "1002"), 20_500);
    let too_much = book.return_payment(id(4), id(1), Some(amount(501)), by_itself);
    assert_eq!(too_much, Err(PayError::UnknownPayment), "200 of 700 are on their way back");
    assert_eq!(book.status(id(3), Outcome::Rejected), Some(Side::Payer));
    assert_eq!(balance(&book, "1002"), 20_700);
    let all = return_in(book.return_payment(id(5), id(1), None, by_itself).unwrap());
    assert_eq!(all.amount, 700);
    assert_eq!(book.status(id(5), Outcome::Committed), Some(Side::Payer));
    assert_eq!(book.return_payment(id(6), id(1), None, by_itself), Err(PayError::UnknownPayment));
    // What a customer has paid is not the customer's to return.
    assert_eq!(book.return_payment(id(6), id(2), None, by_itself), Err(PayError::UnknownPayment));
    assert_eq!(balance(&book, "1002"), 20_000);
    assert!(book.audit().is_conserved());
}

fn returned(return_id: u64, original: u64, minor_units: u64) -> client::Returned {
    client::Returned {
        return_id: id(return_id),
        original_id: id(original),
        case_id: None,
        amount: amount(minor_units),
        currency: currency("KES"),
        reason: Reason::of(b"CUST"),
        returned_total: minor_units,
        decided_at_ns: sample::TIME_NS,
        position: 9,
        note: Note::default(),
    }
}

#[test]
fn what_comes_back_is_the_payers_and_comes_once() {
    let mut book = settled_book();
    assert!(book.returned(&returned(10, 2, 10_000)));
    assert_eq!(balance(&book, "1001"), 30_000);
    assert!(!book.returned(&returned(10, 2, 10_000)), "the numbers of the switch restarted");
    assert_eq!(balance(&book, "1001"), 30_000);
    // More than was paid, or of a payment that nobody here made: it is kept apart.
    assert!(book.returned(&returned(11, 2, 20_001)));
    assert!(book.returned(&returned(12, 99, 5)));
    let audit = book.audit();
    assert_eq!((balance(&book, "1001"), audit.unassigned), (30_000, 20_006));
    assert!(audit.is_conserved());
}

#[test]
fn a_payment_that_is_posted_later_is_the_customers_later() {
    let mut book = book().posting_later();
    let answer = book.forward(&forward(1, "1002", 700)).unwrap();
    assert_eq!(answer.decision, Decision::AcceptWithoutPosting as u8);
    book.status(id(1), Outcome::Committed).unwrap();
    assert_eq!((balance(&book, "1002"), book.audit().unposted), (20_000, 700));
    assert!(book.audit().is_conserved() && book.is_unposted(id(1)));
    assert!(book.post(id(1)));
    assert!(!book.post(id(1)));
    assert_eq!((balance(&book, "1002"), book.audit().unposted), (20_700, 0));
    assert!(book.audit().is_conserved());
}

fn asked(kind: CaseKind, original: Option<u64>, minor_units: Option<u64>) -> client::CaseForward {
    client::CaseForward {
        case_id: id(50),
        kind,
        original_id: original.map(id),
        opener: code("SOUTH-COOP_2"),
        responder: code("NORTHBANK"),
        amount: minor_units.map(|minor_units| (amount(minor_units), currency("KES"))),
        form: if minor_units.is_some() { AmountForm::Fixed } else { AmountForm::None },
        reason: Reason::NONE,
        deadline_ns: sample::TIME_NS,
        private: PaymentPrivate { payer_account: b"1001".to_vec(), ..PaymentPrivate::default() },
    }
}

#[test]
fn a_recall_is_answered_by_what_the_customer_still_has() {
    let mut book = settled_book();
    let recall = |original, minor_units| asked(CaseKind::Recall, original, minor_units);
    assert_eq!(book.recalled(id(20), &recall(Some(99), None)), Err(reason::NO_ORIGINAL));
    assert_eq!(book.recalled(id(20), &recall(Some(2), None)), Err(reason::NO_ORIGINAL), "paid, not received");
    assert_eq!(book.recalled(id(20), &recall(Some(1), Some(701))), Err(reason::ALREADY_RETURNED));
    let part = return_in(book.recalled(id(20), &recall(Some(1), Some(100))).unwrap());
    assert_eq!((part.case_id, part.amount), (id(50).bytes(), 100));
    book.pay(id(21), &order("1002", 20_100), sample::TIME_NS).unwrap();
    assert_eq!(book.recalled(id(22), &recall(Some(1), None)), Err(reason::FUNDS_INSUFFICIENT), "500 of 600 are there");
    assert_eq!(book.status(id(21), Outcome::Expired), Some(Side::Payer));
    assert_eq!(return_in(book.recalled(id(22), &recall(Some(1), None)).unwrap()).amount, 600);
    assert_eq!(book.recalled(id(23), &recall(Some(1), None)), Err(reason::ALREADY_RETURNED));
    assert_eq!(
        book.information(&asked(CaseKind::Information, Some(2), None)),
        "Amina paid it; 30000 of it is not returned"
    );
    assert!(book.audit().is_conserved());
}

#[test]
fn a_request_is_paid_by_who_pays_requests_up_to_an_amount() {
    let customers = vec![
        Customer::new("Amina", "1001", 5_000).who_pays_requests_up_to(amount(6_000)),
        Customer::new("Brian", "1002", 20_000),
    ];
    let mut book = SandboxBook::new(code("NORTHBANK"), currency("KES"), customers);
    let request = |minor_units| asked(CaseKind::PaymentRequest, None, Some(minor_units));
    let from = |account: &str, minor_units| client::CaseForward {
        private: PaymentPrivate { payer_account: account.into(), ..PaymentPrivate::default() },
        ..request(minor_units)
    };
    let now_ns = sample::TIME_NS;
    assert_eq!(book.requested(id(1), &from("9999", 5), now_ns), Err(reason::ACCOUNT_UNKNOWN));
    assert_eq!(book.requested(id(1), &from("1002", 5), now_ns), Err(reason::CUSTOMER_DECISION));
    assert_eq!(book.requested(id(1), &request(6_001), now_ns), Err(reason::CUSTOMER_DECISION));
    assert_eq!(book.requested(id(1), &request(5_001), now_ns), Err(reason::FUNDS_INSUFFICIENT));
    let in_dollars = client::CaseForward { amount: Some((amount(5), currency("USD"))), ..request(5) };
    assert_eq!(book.requested(id(1), &in_dollars, now_ns), Err(reason::CURRENCY_UNKNOWN));
    book.set_blocked("1001", true);
    assert_eq!(book.requested(id(1), &request(5), now_ns), Err(reason::ACCOUNT_BLOCKED));
    book.set_blocked("1001", false);
    let paid = book.requested(id(1), &request(4_000), now_ns).unwrap();
    let Submission::Payment(transfer, _) = &paid else { panic!("{paid:?}") };
    assert_eq!(
        (transfer.request_id, transfer.amount, transfer.payee),
        (id(50).bytes(), 4_000, *code("SOUTH-COOP_2").bytes())
    );
    assert_eq!(book.resubmit(id(1)), Some(paid), "submitted again, it still pays the request");
    assert_eq!(balance(&book, "1001"), 1_000);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Whatever is ordered, forwarded and decided, in any order, twice or never: no money is made or lost.
    #[test]
    fn money_is_conserved(
        posts_later in any::<bool>(),
        steps in prop::collection::vec((0..13u8, 0..12u64, 1..60_000u64), 1..200),
    ) {
        let accounts = ["1001", "1002", "1003", "9999"];
        let mut book = if posts_later { book().posting_later() } else { book() };
        let mut returns = 1_000;
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
                7 | 8 => {
                    returns += 1;
                    let part = (what == 7).then(|| amount(minor_units));
                    drop(book.return_payment(id(returns), received, part, (None, Reason::of(b"CUST"))));
                }
                9 => drop(book.status(id(returns), if number % 3 == 0 { Outcome::Rejected } else { Outcome::Committed })),
                10 => drop(book.returned(&returned(2_000 + minor_units, number, minor_units))),
                11 => drop(book.post(received)),
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
            Sandbox::start(SandboxOptions { client: switch.options(), book: book(), answering, posts_after: None });
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

    /// The next answer to a case: which, the decision, the reason.
    async fn case_answer(&mut self) -> ([u8; 16], u8, [u8; 4]) {
        self.peer
            .expect(|request| match request {
                Request::CaseAnswer(answer) => {
                    let routing = answer.routing();
                    Some((routing.case_id, routing.decision, routing.reason))
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

#[tokio::test]
async fn a_sandbox_returns_asks_and_answers() {
    let mut bench = Bench::new(Answering::AtOnce).await;
    // A payment comes in, and its customer sends it back.
    let private = PaymentPrivate { payee_account: b"1002".to_vec(), ..sample::payment_private() };
    let head = |lane, number| Head { lane, number, ..Head::PLAIN };
    let forwarded = Forwarded { amount: 700, ..sample::forward(1) };
    bench.peer.send(MessageKind::Forward, head(Lane::Payments, 1), &forwarded, &sample::written(&private)).await;
    bench.answer(1).await;
    bench.peer.send_status(2, id(1), 1).await;
    let settled = Leg::Settled(Outcome::Committed);
    bench.expect_legs(id(1), &[Leg::Forwarded, Leg::Answered(Decision::Accept, Reason::NONE), settled]).await;
    let returned = bench.sandbox.return_payment(id(1), Some(amount(200)), Reason::of(b"CUST")).await.unwrap();
    let sent = bench
        .peer
        .expect(|request| match request {
            Request::Return(message) => Some((message.routing().return_id, message.routing().amount.to_native())),
            _ => None,
        })
        .await;
    assert_eq!(sent, (returned.bytes(), 200));
    bench.peer.send_status(3, returned, 1).await;
    bench.expect_legs(returned, &[Leg::Submitted, Leg::Final(Outcome::Committed, Reason::NONE)]).await;

    // A recall of the rest is answered by a return, one of something else is refused.
    let recall = |number, original: u64| CaseForward {
        original_id: id(original).bytes(),
        ..sample::case_forward(&sample::recall(number))
    };
    bench.peer.send(MessageKind::CaseForward, head(Lane::Bulk, 1), &recall(31, 1), b"").await;
    let answered = bench
        .peer
        .expect(|request| match request {
            Request::Return(message) => Some((message.routing().case_id, message.routing().amount.to_native())),
            _ => None,
        })
        .await;
    assert_eq!(answered, (id(31).bytes(), 500));
    bench.peer.send(MessageKind::CaseForward, head(Lane::Bulk, 2), &recall(32, 77), b"").await;
    assert_eq!(bench.case_answer().await, (id(32).bytes(), Decision::Reject as u8, *b"NOOR"));
    let question = CaseForward { kind: CaseKind::Information as u8, ..recall(33, 1) };
    bench.peer.send(MessageKind::CaseForward, head(Lane::Bulk, 3), &question, b"").await;
    assert_eq!(bench.case_answer().await, (id(33).bytes(), Decision::Accept as u8, [0; 4]));
    assert_eq!(bench.sandbox.book(|book| balance(book, "1002")), 20_000);

    // It asks for what a customer is to get.
    let order = RequestOrder {
        payee_account: "1002".into(),
        payer: code("SOUTH-COOP_2"),
        payer_account: "0712-88".into(),
        amount: amount(900),
        remittance: "rent".into(),
    };
    let case = bench.sandbox.request(&order).await.unwrap();
    let opened = bench
        .peer
        .expect(|request| match request {
            Request::CaseOpen(opened) => Some((opened.routing().case_id, opened.routing().amount.to_native())),
            _ => None,
        })
        .await;
    assert_eq!(opened, (case.bytes(), 900));
}

#[tokio::test]
async fn a_sandbox_posts_later_and_says_so() {
    let switch = ScriptedSwitch::new().await;
    let posts_after = Some(Duration::from_millis(1));
    let options = SandboxOptions { client: switch.options(), book: book(), answering: Answering::AtOnce, posts_after };
    let (sandbox, observations) = Sandbox::start(options);
    let peer = switch.accept_and_welcome().await;
    let mut bench = Bench { _switch: switch, sandbox, observations, peer };
    let private = PaymentPrivate { payee_account: b"1002".to_vec(), ..sample::payment_private() };
    let head = |number| Head { lane: Lane::Payments, number, ..Head::PLAIN };
    let forwarded = Forwarded { amount: 700, ..sample::forward(1) };
    bench.peer.send(MessageKind::Forward, head(1), &forwarded, &sample::written(&private)).await;
    assert_eq!(bench.answer(1).await, Decision::AcceptWithoutPosting as u8);
    bench.peer.send_status(2, id(1), 1).await;
    let (kind, state) = (CaseKind::Posting as u8, CaseState::Open as u8);
    let open = CaseStatus { kind, state, reason: [0; 4], field: 0, ..sample::case_status(1) };
    bench.peer.send(MessageKind::CaseStatus, head(3), &open, b"").await;
    assert_eq!(bench.case_answer().await, (id(1).bytes(), Decision::Accept as u8, [0; 4]));
    assert_eq!(bench.sandbox.book(|book| balance(book, "1002")), 20_700);
    let mut seen = Vec::new();
    while seen.last() != Some(&Observed::Case(id(1), CaseLeg::Answered(Decision::Accept, Reason::NONE))) {
        seen.push(soon(bench.observations.recv()).await.unwrap().what);
    }
    assert!(seen.contains(&Observed::Case(id(1), CaseLeg::Stands(CaseState::Open, Reason::NONE))), "{seen:?}");
}
