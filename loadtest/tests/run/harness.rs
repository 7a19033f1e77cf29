//! Runs the binary and reads what it says.

use std::process::{Command, Output};

use serde_json::Value;

pub(crate) fn loadtest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest")).args(arguments).output().unwrap()
}

/// The report of a run that could begin, and its exit status.
pub(crate) fn report_of(arguments: &[&str]) -> (Value, i32) {
    let output = loadtest(arguments);
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code().unwrap())
}

pub(crate) fn number(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("{key} is no count in {report}"))
}

pub(crate) fn latency_us(report: &Value, percentile: &str) -> u64 {
    report["latency_us"][percentile].as_u64().unwrap()
}

/// Every payment is counted once, in every report.
pub(crate) fn check_identity(report: &Value) {
    let parts = ["committed", "rejected", "expired", "busy", "unknown"].map(|key| number(report, key));
    assert_eq!(number(report, "offered"), parts.iter().sum::<u64>(), "{report}");
}
