//! The native protocol's codec, one message at a time, in cache.
//!
//! ```text
//!   message --encode--> frame bytes --decode--> frame --check--> request      (no socket, no TLS, one thread)
//! ```
//!
//! `encode` makes the whole frame of a message whose private part is bytes already; `encode+private` archives the private part as well.
//! `decode` reads the header and finds the parts; `check` checks form and layout of what a provider sends (a `Status` comes from the
//! switch: reading its routing part takes the place). An element is one message.

use std::hint::black_box;
use std::time::Duration;

use adapters::check;
use adapters::message::{Answer, MessageKind, Note, Outcome, Part, Reason, Status};
use adapters::native::frame::{self, Decoded, Frame, Head};
use benches::{Random, scheme};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const HEAD: Head = Head { number: 7, acknowledged: 6, ..Head::PLAIN };

fn framed(bytes: &[u8]) -> Frame<'_> {
    match frame::decode(bytes) {
        Decoded::Frame(frame, _) => frame,
        other => panic!("{other:?}"),
    }
}

/// Encoding and decoding of one message, and `check` of its frame.
fn bench_message<P: Part>(
    criterion: &mut Criterion,
    kind: MessageKind,
    message: &P,
    private: &[u8],
    check: impl Fn(&Frame<'_>) -> bool,
) {
    let mut group = criterion.benchmark_group(format!("codec/{}", kind.conduct().name));
    group.sample_size(30).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(1));
    let mut out = Vec::with_capacity(1_024);
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            frame::encode(&mut out, kind, HEAD, black_box(message), |out| out.extend_from_slice(private));
        });
    });
    let bytes = out.clone();
    group.bench_function("decode", |bencher| bencher.iter(|| framed(black_box(&bytes)).routing.len()));
    let decoded = framed(&bytes);
    assert!(check(&decoded), "the message is valid");
    group.bench_function("check", |bencher| bencher.iter(|| check(black_box(&decoded))));
    group.finish();
}

fn codec(criterion: &mut Criterion) {
    let is_request = |frame: &Frame<'_>| check::request(frame).is_ok();
    let (_, _, order) = scheme::order(&mut Random::new(1), scheme::START_NS);
    let private = scheme::private();
    let mut private_bytes = Vec::new();
    private.write(&mut private_bytes);
    bench_message(criterion, MessageKind::CreditTransfer, &order, &private_bytes, is_request);

    let mut out = Vec::with_capacity(1_024);
    let mut group = criterion.benchmark_group("codec/CreditTransfer");
    group.sample_size(30).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode+private", |bencher| {
        bencher.iter(|| {
            out.clear();
            let write_private = |out: &mut Vec<u8>| black_box(&private).write(out);
            frame::encode(&mut out, MessageKind::CreditTransfer, HEAD, black_box(&order), write_private);
        });
    });
    group.finish();

    let id = scheme::payment_id(&mut Random::new(2));
    let mut note = Vec::new();
    Note { text: b"account closed".to_vec(), extension: Vec::new() }.write(&mut note);
    bench_message(criterion, MessageKind::Answer, &Answer::reject(id, Reason::of(b"AC04")), &note, is_request);

    let status = Status {
        payment_id: id.bytes(),
        outcome: Outcome::Committed as u8,
        reason: [0; 4],
        field: 0,
        decided_at_ns: scheme::START_NS,
        position: 1_000,
    };
    let is_status = |frame: &Frame<'_>| Status::read(frame.routing).is_some_and(|status| status.outcome == 1);
    bench_message(criterion, MessageKind::Status, &status, &[], is_status);
}

criterion_group!(benches, codec);
criterion_main!(benches);
