//! Fifty seeds of a minute each. In portions, so that a machine's cores share them.

use std::ops::Range;

use switch::simulate::{Coverage, Options, run};

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
