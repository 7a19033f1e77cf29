//! The figures against a switch whose delays are known.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{check_identity, latency_us, number, report_of};
use crate::stub::{Script, Stub};

fn against(script: Script, load: &[&str]) -> (Value, i32) {
    let stub = Stub::start(script);
    let target = ["run", "--connect", stub.address(), "--pki", stub.pki()];
    let (report, status) = report_of(&[&target[..], load].concat());
    check_identity(&report);
    (report, status)
}

#[test]
fn a_known_delay_is_what_is_reported() {
    let script = Script { delay: Duration::from_millis(40), ..Script::default() };
    let (report, status) = against(script, &["--rate", "200", "--duration", "2"]);
    assert_eq!((number(&report, "offered"), number(&report, "committed"), status), (400, 400, 0));
    let p50 = latency_us(&report, "p50");
    assert!((40_000..60_000).contains(&p50), "{report}");
    let [accepted, forwarded] = ["accepted_us", "forwarded_us"].map(|leg| report[leg]["p50"].as_u64().unwrap());
    assert!(accepted < 20_000 && (40_000..60_000).contains(&forwarded) && forwarded <= p50, "{report}");
}

/// What most load generators get wrong: they wait for the stalled switch, send less meanwhile, and report one slow payment.
#[test]
fn a_stall_shows_in_every_payment_that_fell_due_meanwhile() {
    let script = Script { stall: Some((500, Duration::from_millis(500))), ..Script::default() };
    let (report, _) = against(script, &["--rate", "1000", "--duration", "2"]);
    assert_eq!((number(&report, "offered"), number(&report, "committed")), (2_000, 2_000));
    // A quarter of the payments fell due in the stall, evenly: so 10 % waited for at least three fifths of it, and 1 % for almost all.
    let [p50, p90, p99, max] = ["p50", "p90", "p99", "max"].map(|percentile| latency_us(&report, percentile));
    assert!(p50 < 200_000 && p90 >= 280_000 && p99 >= 470_000 && max >= 490_000, "{report}");
    assert!(max < 2_000_000, "{report}");
}

/// What it did to payments of the warm-up is in no percentile; the payments themselves are in every count.
#[test]
fn a_stall_in_the_warm_up_is_left_out() {
    let script = Script { stall: Some((100, Duration::from_millis(500))), ..Script::default() };
    let (report, status) = against(script, &["--rate", "1000", "--duration", "3", "--warm-up", "1"]);
    assert_eq!((number(&report, "committed"), number(&report, "warm_up_s"), status), (3_000, 1, 0));
    let counted: u64 =
        report["histogram_us"]["final"].as_array().unwrap().iter().map(|bar| bar[1].as_u64().unwrap()).sum();
    assert!((1_500..2_200).contains(&counted), "{report}");
}

/// The same stall in a closed loop: only what was in flight met it. That is why the mode stands in the report.
#[test]
fn a_closed_loop_says_so() {
    let script =
        Script { delay: Duration::from_millis(2), stall: Some((50, Duration::from_millis(500))), ..Script::default() };
    let (report, _) = against(script, &["--rate", "max", "--in-flight", "4", "--duration", "2"]);
    assert_eq!((report["mode"].as_str(), number(&report, "in_flight")), (Some("closed"), 4));
    assert_eq!(report["rate"], Value::Null);
    assert!(latency_us(&report, "p90") < 200_000 && latency_us(&report, "max") >= 490_000, "{report}");
}

#[test]
fn a_cut_connection_loses_and_doubles_nothing() {
    let script = Script { cut: Some(300), ..Script::default() };
    let (report, status) = against(script, &["--rate", "500", "--duration", "2"]);
    assert_eq!((number(&report, "offered"), number(&report, "committed"), status), (1_000, 1_000, 0), "{report}");
    assert_eq!(number(&report, "reconnects"), 1);
    // The pause before the second attempt is in the latencies.
    assert!(latency_us(&report, "max") >= 100_000, "{report}");
}

#[test]
fn what_is_refused_before_it_is_recorded_is_busy() {
    let script = Script { busy_every: Some(10), ..Script::default() };
    let (report, status) = against(script, &["--rate", "500", "--duration", "2"]);
    let counts = ["offered", "committed", "busy", "unknown"].map(|key| number(&report, key));
    assert_eq!((counts, status), ([1_000, 900, 100, 0], 0), "{report}");
    assert_eq!(report["refusals"]["busy"], 100);
}

/// The drain asks for what has no outcome, and waits longer than any payment may take.
#[test]
fn what_has_no_outcome_is_unknown_and_the_status_is_1() {
    let script = Script { silent_every: Some(100), ..Script::default() };
    let (report, status) = against(script, &["--rate", "200", "--duration", "1"]);
    let counts = ["offered", "committed", "unknown"].map(|key| number(&report, key));
    assert_eq!((counts, status), ([200, 198, 2], 1), "{report}");
    assert!(report["verdict"].as_str().unwrap().contains("2 payments have no outcome"), "{report}");
    assert_eq!(report["books_balanced"], Value::Null);
}
