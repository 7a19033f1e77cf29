//! Fifty seeds of a minute each. In portions, so that a machine's cores share them.

use std::ops::Range;

use switch::simulate::{Coverage, Options, run};

const NS_PER_DAY: u64 = 86_400_000_000_000;

/// Runs seeds, of which none may find anything; what they met.
fn check(seeds: Range<u64>) -> Coverage {
    let mut coverage = Coverage::new();
    for seed in seeds {
        let options = Options::of_seed(seed);
        let report = run(&options).unwrap_or_else(|failure| panic!("{failure}\nswitch simulate {options}"));
        coverage.add(&report.coverage);
    }
    coverage
}

/// A portion large enough to meet everything that is to be met: a workload that tests nothing is seen.
fn check_and_meet_all(seeds: Range<u64>) {
    let coverage = check(seeds);
    let missing = coverage.missing_of_a_gate();
    assert!(missing.is_empty(), "not met: {}", missing.join("; "));
}

#[test]
fn the_first_portion_of_seeds() {
    check_and_meet_all(1..26);
}

#[test]
fn the_second_portion_of_seeds() {
    check_and_meet_all(26..51);
}

/// A day in which people register, move, are looked up and paid, while the switch is killed, loses its power and renews its hash keys: every look-up, owner and payment is checked by the auditor.
#[test]
fn a_day_of_registrations_moves_look_ups_and_payments() {
    let faults = "aliases,kill,power,cut,storm".parse().unwrap();
    let options = Options { for_ns: NS_PER_DAY, faults, ..Options::of_seed(2) };
    let report = run(&options).unwrap_or_else(|failure| panic!("{failure}\nswitch simulate {options}"));
    for (what, least) in [
        ("alias command: 0", 1_000),
        ("alias command: 31", 300),
        ("look-up granted", 3_000),
        ("look-ups asked on", 100),
        ("look-up limited", 100),
        ("payment by alias", 1_000),
        ("order to be resolved again", 100),
        ("hash key renewed", 20),
        ("power cut", 30),
    ] {
        let met = report.coverage.iter().find(|(name, _)| *name == what).map_or(0, |(_, count)| count);
        assert!(met >= least, "{what}: {met}");
    }
}
