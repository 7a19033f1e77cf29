//! The pipeline in one thread, from provider's message to provider's message, without sockets and without a disk.
//!
//! ```text
//!   16 ClientSession --bytes--> receive --> tick (sequence, journal to nowhere, apply, deliver) --> transmit --bytes--> 16 ClientSession
//! ```
//!
//! In the figure: encoding of the order by the provider's session, decode, checks, digest and sealing (AES-256-GCM) at the switch, checksum and hash
//! chain of the journal's record, the engine, outboxes, frames, and decoding by the payee provider's session; its answer the same way; and both statuses.
//! Not in it: sockets, TLS, the disk and the copy to it, threads, a clock. One round is two turns of the switch; an element is one payment,
//! committed and known to both sides. The switch holds 0 to 1,000,000 payments and is then begun anew (not timed).

use std::time::Duration;

use benches::room::Room;
use benches::{Random, scheme, timed};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const PAYMENTS_MAX: u64 = 1_000_000;

fn pipeline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipeline");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    for payments_per_round in [16u64, 512, 8_192] {
        group.throughput(Throughput::Elements(payments_per_round));
        let (mut room, mut random, mut paid) = (Room::new(), Random::new(1), 0);
        group.bench_function(BenchmarkId::new("payments a round", payments_per_round), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut total = Duration::ZERO;
                for _ in 0..rounds {
                    if paid >= PAYMENTS_MAX {
                        (room, paid) = (Room::new(), 0);
                    }
                    let now_ns = room.now_ns();
                    let orders: Vec<_> = (0..payments_per_round).map(|_| scheme::order(&mut random, now_ns)).collect();
                    timed(&mut total, || room.pay(&orders));
                    paid += payments_per_round;
                }
                room.assert_committed(paid);
                total
            });
        });
    }
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
