//! Power cuts, killed processes and failed syncs at random operations of the disk, while providers talk to the switch. What anybody was ever told
//! must still be true afterwards.
//!
//! A seed decides everything. A test that fails prints it; `SEEDS` can be narrowed to that one.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use switch::pipeline::PipelineLimits;

use crate::hub::{Hub, Keys, OPTIONS, found, segments};
use crate::orders::{NS_PER_MS, Random, START_NS};
use crate::traffic::Traffic;

const SEEDS: Range<u64> = 0..600;
const STEPS: usize = 60;
const FUNDS: [u64; 4] = [20_000, 20_000, 20_000, 500];

#[test]
fn what_was_told_is_true_after_every_crash() {
    let keys = Keys::new();
    let (mut crashes, mut payments, mut rolled) = (0, 0, 0);
    for seed in SEEDS {
        let run = catch_unwind(AssertUnwindSafe(|| run(seed, &keys)));
        let (crashed, paid, rolled_over) = run.unwrap_or_else(|panic| {
            eprintln!("seed {seed}");
            resume_unwind(panic)
        });
        crashes += crashed;
        payments += paid;
        rolled += usize::from(rolled_over);
    }
    // The test is worth something only if things did happen.
    println!("{crashes} crashes, {payments} payments, {rolled} journals of more than one segment");
    assert!(crashes > 600 && payments > 100_000 && rolled > 300);
}

/// One history; how often it crashed, how many payments it had, whether its journal went over a segment.
fn run(seed: u64, keys: &Rc<Keys>) -> (u64, usize, bool) {
    let storage = FaultyStorage::new(seed);
    found(&storage, OPTIONS, FUNDS);
    let mut random = Random(!seed);
    let mut traffic = Traffic::new(seed, FUNDS);
    let mut now_ns = START_NS;
    let (mut crashes, mut steps) = (0, 0);
    let mut hub = None;
    while steps < STEPS {
        plan_a_fault(&storage, &mut random);
        let opened = Hub::open(storage.clone(), OPTIONS, keys, now_ns, PipelineLimits::default());
        if let Ok(mut running) = opened {
            traffic.check_against(running.pipeline.engine());
            while steps < STEPS && traffic.step(&mut running).is_ok() {
                steps += 1;
            }
            now_ns = running.now_ns;
            if steps == STEPS {
                hub = Some(running);
                break;
            }
        }
        crashes += 1;
        now_ns += random.below(3_000) * NS_PER_MS;
        traffic.providers.iter_mut().for_each(|provider| provider.cut());
        if random.percent(75) { storage.cut_power() } else { storage.kill() }
    }
    storage.set_plan(FaultPlan::default());
    drop(hub);
    traffic.providers.iter_mut().for_each(|provider| provider.cut());
    storage.cut_power();
    let mut hub = Hub::open(storage.clone(), OPTIONS, keys, now_ns, PipelineLimits::default()).unwrap();
    traffic.settle(&mut hub).unwrap();
    traffic.check_settled(hub.pipeline.engine());
    (crashes, traffic.payments(), segments(&storage) > 1)
}

fn plan_a_fault(storage: &FaultyStorage, random: &mut Random) {
    let mut plan = FaultPlan { short_reads: random.percent(20), ..FaultPlan::default() };
    match random.below(10) {
        0..7 => plan.crash_at_operation = Some(storage.operations() + 1 + random.below(80)),
        7 => plan.sync_fails_at = Some(storage.syncs() + 1 + random.below(40)),
        _ => {}
    }
    storage.set_plan(plan);
}
