//! The codec of ISO 20022 messages, one message at a time, in cache.
//!
//! ```text
//!   XML --read--> order or what is told --write--> XML      (no socket, no TLS, one thread)
//! ```
//!
//! `read` finds the elements, checks them against schema and profile, and makes the canonical message; `write` makes the whole message, header included. A `plain` payment has what the
//! native protocol has too; a `rich` one has addresses, references and structured remittance beside it, which are carried. An element is one message of one transaction.

use std::hint::black_box;
use std::time::Duration;

use adapters::iso20022::document::Decoder;
use adapters::iso20022::profile::Profile;
use adapters::iso20022::{self, Addressed, Encoder, Order};
use adapters::message::{Answer, Field, Note, Outcome, ParticipantCode, PaymentId, PaymentPrivate, Reason};
use adapters::native::client::{Incoming, Status};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A payment with all that a provider would say.
const RICH: &str = include_str!("../../adapters/tests/iso20022/files/pacs008.xml");

fn addressed() -> Addressed<'static> {
    Addressed {
        profile: Profile::clearspan(),
        message_id: "CS0123456789ABCDEF-1-1",
        created_at_ns: 1_795_422_600_000_000_000,
        from: "NORTHBANK",
        to: "CLEARSPAN",
    }
}

/// Reading and writing of one message.
fn bench_message(
    criterion: &mut Criterion,
    name: &str,
    message: &str,
    read: impl Fn(&mut Decoder, &[u8]) -> bool,
    write: impl Fn(&mut Encoder, &mut String),
) {
    let mut group = criterion.benchmark_group(format!("iso20022/{name}"));
    group.sample_size(30).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(1));
    let mut decoder = Decoder::new(Profile::clearspan());
    assert!(read(&mut decoder, message.as_bytes()), "the message is valid");
    group.bench_function(format!("read {} bytes", message.len()), |bencher| {
        bencher.iter(|| read(&mut decoder, black_box(message.as_bytes())));
    });
    let mut encoder = Encoder::new(Profile::clearspan());
    let mut out = String::with_capacity(8_192);
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            out.clear();
            write(&mut encoder, &mut out);
            out.len()
        });
    });
    group.finish();
}

fn codec(criterion: &mut Criterion) {
    let sender = ParticipantCode::parse("NORTHBANK").expect("a code");
    let is_order =
        |decoder: &mut Decoder, message: &[u8]| iso20022::read_orders(decoder, message, Some(sender)).is_ok();
    let is_told = |decoder: &mut Decoder, message: &[u8]| iso20022::read_told(decoder, message).is_ok();
    let written = |order: &Order| {
        let mut message = String::new();
        assert!(Encoder::new(Profile::clearspan()).write_order(&addressed(), order, &mut message));
        message
    };
    let rich = iso20022::read_orders(&mut Decoder::new(Profile::clearspan()), RICH.as_bytes(), Some(sender))
        .expect("a good message");
    let [Order::CreditTransfer(order, rich)] = &rich.orders[..] else { panic!("one payment") };
    let plain = PaymentPrivate { extension: Vec::new(), ..rich.clone() };
    for (name, private) in [("pacs.008 plain", plain), ("pacs.008 rich", rich.clone())] {
        let order = Order::CreditTransfer(order.clone(), private.clone());
        bench_message(criterion, name, &written(&order), is_order, |encoder, out| {
            assert!(encoder.write_order(&addressed(), &order, out));
        });
    }
    let id = PaymentId::from_bytes(order.payment_id).expect("an id");
    let answer = Order::Answer(Answer::accept(id), Note::default());
    bench_message(criterion, "pacs.002 answer", &written(&answer), is_order, |encoder, out| {
        assert!(encoder.write_order(&addressed(), &answer, out));
    });
    let status = Incoming::Status(Box::new(Status {
        payment_id: id,
        outcome: Outcome::Committed,
        reason: Reason::NONE,
        field: Field::None,
        decided_at_ns: 1_795_422_600_000_000_000,
        position: 4_711,
        numbered: true,
        note: Note::default(),
    }));
    let mut message = String::new();
    assert!(Encoder::new(Profile::clearspan()).write_told(&addressed(), &status, &mut message));
    bench_message(criterion, "pacs.002 status", &message, is_told, |encoder, out| {
        assert!(encoder.write_told(&addressed(), &status, out));
    });
}

criterion_group!(benches, codec);
criterion_main!(benches);
