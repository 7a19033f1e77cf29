//! Power cuts, killed processes and failed syncs at random operations of the disk, while providers talk to the switch. What anybody was ever told
//! must still be true afterwards.
//!
//! A seed decides everything. A test that fails prints it; `SEEDS` can be narrowed to that one.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use ledger::journal::faulty::{FaultPlan, FaultyStorage};

use crate::hub::{Hub, Keys, OPTIONS, found, patient, remove_all, segments};
use crate::orders::{NS_PER_MS, Random, START_NS, WINDOW_DEFAULT};
use crate::traffic::Traffic;

const SEEDS: Range<u64> = 0..600;
const STEPS: usize = 60;
const FUNDS: [u64; 4] = [20_000, 20_000, 20_000, 500];

/// What happened in one history.
#[derive(Default)]
struct Happened {
    crashes: u64,
    payments: usize,
    /// Journals that went over a segment.
    rolled: u64,
    /// Outcomes that left the window.
    left: u64,
}

#[test]
fn what_was_told_is_true_after_every_crash() {
    let happened = run_all(SEEDS, WINDOW_DEFAULT);
    assert!(happened.crashes > 600 && happened.payments > 100_000 && happened.rolled > 300);
}

/// The same with a window of a few outcomes: nearly everything is in the history only, whose disk breaks too.
#[test]
fn what_left_memory_is_true_after_every_crash() {
    let happened = run_all(SEEDS.start..SEEDS.start + 200, 40);
    assert!(happened.crashes > 200 && happened.payments > 5_000 && happened.left > 5_000);
}

fn run_all(seeds: Range<u64>, outcomes_kept: u32) -> Happened {
    let keys = Keys::new();
    let mut sum = Happened::default();
    for seed in seeds {
        let run = catch_unwind(AssertUnwindSafe(|| run(seed, &keys, outcomes_kept)));
        let happened = run.unwrap_or_else(|panic| {
            eprintln!("seed {seed}");
            resume_unwind(panic)
        });
        sum.crashes += happened.crashes;
        sum.payments += happened.payments;
        sum.rolled += happened.rolled;
        sum.left += happened.left;
    }
    // The test is worth something only if things did happen.
    let Happened { crashes, payments, rolled, left } = sum;
    println!(
        "{crashes} crashes, {payments} payments, {rolled} journals of more than one segment, {left} outcomes left"
    );
    sum
}

/// One history.
fn run(seed: u64, keys: &Rc<Keys>, outcomes_kept: u32) -> Happened {
    // The disks of the journal and of the history.
    let disks = [FaultyStorage::new(seed), FaultyStorage::new(seed ^ 0x5a5a)];
    found(&disks[0], OPTIONS, FUNDS, outcomes_kept);
    let mut random = Random(!seed);
    let mut traffic = Traffic::new(seed, FUNDS);
    let mut now_ns = START_NS;
    let (mut crashes, mut steps) = (0, 0);
    let (looks_all_up, limits) = (seed.is_multiple_of(2), patient());
    let open = |now_ns| Hub::open_with_history(disks.clone(), looks_all_up, OPTIONS, keys, now_ns, limits);
    while steps < STEPS {
        disks.iter().for_each(|disk| plan_a_fault(disk, &mut random));
        if let Ok(mut running) = open(now_ns) {
            running.history_turns = 1 + random.below(3);
            // A history that was lost needs a turn until it has what the window has not.
            let is_up = running.turn().is_ok();
            if is_up {
                traffic.check_against(&running);
            }
            while is_up && steps < STEPS && traffic.step(&mut running).is_ok() {
                steps += 1;
            }
            now_ns = running.now_ns;
            if steps == STEPS {
                break;
            }
        }
        crashes += 1;
        now_ns += random.below(3_000) * NS_PER_MS;
        traffic.providers.iter_mut().for_each(|provider| provider.cut());
        stop(&disks, &mut random);
    }
    disks.iter().for_each(|disk| disk.set_plan(FaultPlan::default()));
    traffic.providers.iter_mut().for_each(|provider| provider.cut());
    disks.iter().for_each(FaultyStorage::cut_power);
    let mut hub = open(now_ns).unwrap();
    traffic.settle(&mut hub).unwrap();
    traffic.check_settled(&hub);
    let counts = hub.pipeline.engine().counts();
    let left = counts.decided() - hub.pipeline.engine().payments_held() as u64;
    Happened { crashes, payments: traffic.payments(), rolled: u64::from(segments(&disks[0]) > 1), left }
}

/// The process or the machine stops; now and then the history is lost with it.
fn stop(disks: &[FaultyStorage; 2], random: &mut Random) {
    let is_power_cut = random.percent(75);
    disks.iter().for_each(|disk| if is_power_cut { disk.cut_power() } else { disk.kill() });
    if random.percent(10) {
        remove_all(&disks[1]);
    }
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
