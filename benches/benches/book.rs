//! The ledger's book alone.
//!
//! ```text
//!   movements, made beforehand  -->  Book  (one thread, in memory)
//! ```
//!
//! In the figure: `move_now`, or `reserve` and then `post` of every transfer, through handles; or single-phase requests by id
//! through `apply`, each for itself, or in linked chains of two; between 64 limited accounts in random pairs, random
//! ids, in batches of 8,190. Not in it: making the movements, a journal, a disk. The book holds at least so many transfers as the name
//! says, and is built anew (not timed) when it holds twice as many; its tables are made for that from the start.
//! An element is one transfer: one single-phase movement, or one half of a two-phase one.

use std::time::Duration;

use benches::filled::{BATCH, Filled, Way};
use benches::timed;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ledger::BookOptions;

fn book(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("book");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    for (held, name) in [(100_000, "100k"), (4_000_000, "4M")] {
        let ways = [
            (Way::MoveNow, "move_now"),
            (Way::ReserveAndPost, "reserve+post"),
            (Way::Apply, "apply"),
            (Way::ApplyLinked, "apply_linked"),
        ];
        for (way, verbs) in ways {
            group.throughput(Throughput::Elements((BATCH * way.transfers()) as u64));
            let mut filled = Filled::with(held, BookOptions::default());
            group.bench_function(BenchmarkId::new(verbs, name), |bencher| {
                bencher.iter_custom(|batches| {
                    let mut total = Duration::ZERO;
                    for _ in 0..batches {
                        if filled.held >= 2 * held {
                            filled = Filled::with(held, BookOptions::default());
                        }
                        let movements = filled.movements();
                        filled.prepare(way, &movements);
                        timed(&mut total, || filled.run(way, &movements));
                    }
                    total
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, book);
criterion_main!(benches);
