//! Providers that speak ISO 20022 over HTTPS, against the real switch.

use serde_json::Value;

use crate::harness::{check_identity, loadtest, number, report_of};
use crate::spawned::build_switch;

/// A short run of three providers; nothing may be wrong but perhaps a service level, which depends on the machine.
fn run(load: &[&str]) -> Value {
    let switch = build_switch();
    let run = ["run", "--quiet", "--spawn", "--switch-bin", switch.to_str().unwrap(), "--protocol", "iso20022"];
    let (report, _) = report_of(&[&run[..], &["--participants", "3"], load].concat());
    check_identity(&report);
    let problems = report["problems"].as_array().unwrap();
    let is_level = |problem: &Value| problem.as_str().unwrap().starts_with("service level missed");
    assert!(problems.iter().all(is_level), "{problems:?}");
    assert_eq!((number(&report, "unknown"), &report["books_balanced"]), (0, &Value::Bool(true)), "{report}");
    assert_eq!(report["protocol"].as_str(), Some("iso20022"), "{report}");
    report
}

#[test]
fn open_and_closed_loop_end_with_balanced_books() {
    let open = run(&["--rate", "300", "--duration", "1"]);
    assert_eq!((number(&open, "offered"), number(&open, "committed")), (300, 300), "{open}");
    let closed = run(&["--rate", "max", "--in-flight", "64", "--duration", "1"]);
    assert!(number(&closed, "committed") > 64, "{closed}");
    assert_eq!(number(&closed, "committed"), number(&closed, "offered"), "{closed}");
}

/// Killed in the middle of its work, started again on another port: what was sent and not answered is sent again, and neither provider hears anything twice.
#[test]
fn a_killed_switch_comes_back_and_has_lost_nothing() {
    let report = run(&["--scenario", "kill_switch", "--rate", "200", "--duration", "6"]);
    assert!(number(&report, "reconnects") >= 3, "{report}");
    assert!(number(&report, "committed") > 600, "{report}");
}

/// A file with this in it, run.
fn run_scenario(text: &str) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.toml");
    let head = "name = \"x\"\nabout = \"a test\"\n[load]\nshape = \"constant\"\nrate = 200\nduration_s = 2\n";
    std::fs::write(&file, format!("{head}{text}")).unwrap();
    run(&["--scenario", file.to_str().unwrap()])
}

/// Repetitions are answered and not paid again; what is bulk stays so.
#[test]
fn orders_are_submitted_again_and_go_in_both_lanes() {
    let report = run_scenario("[mix]\nrepeat_percent = 20\nbulk_percent = 30\n");
    assert!(number(&report, "repeated") > 20, "{report}");
    assert_eq!(number(&report, "committed"), number(&report, "offered"), "{report}");
    assert!(number(&report["bulk"], "committed") > 50, "{report}");
}

/// One provider never answers, and one is cut off for a while: what was to it expires, and all hear the same.
#[test]
fn what_is_not_answered_expires() {
    let text =
        "[participants]\ncount = 3\nsilent = 1\n[[fault]]\nkind = \"cut_providers\"\nat_ms = 500\nfor_ms = 300\n";
    let report = run_scenario(text);
    assert!(number(&report, "expired") > 50 && number(&report, "committed") > 50, "{report}");
    assert!(number(&report, "reconnects") >= 1, "{report}");
}

#[test]
fn who_floods_is_refused_and_not_the_others() {
    let report = run(&["--scenario", "flood", "--rate", "100", "--duration", "3"]);
    assert!(report["refusals"]["rate_limited"].as_u64().unwrap() > 0, "{report}");
    assert!(number(&report["flood"], "busy") > 0, "{report}");
}

#[test]
fn what_cannot_be_said_is_refused_before_anything_is_started() {
    for (scenario, what) in
        [("alias_heavy", "aliases"), ("requests_to_pay", "requests to pay"), ("recall_wave", "recalls")]
    {
        let output =
            loadtest(&["run", "--spawn", "--switch-bin", "/nowhere", "--protocol", "iso20022", "--scenario", scenario]);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{scenario}: {line}");
        assert!(line.contains(what) && line.contains("--protocol native"), "{scenario}: {line}");
    }
}

/// The other listener's address: HTTP/2 is not spoken there.
#[test]
fn the_address_of_another_protocol_says_so() {
    let stub = crate::stub::Stub::start(crate::stub::Script::default());
    let target = ["--connect", stub.address(), "--pki", stub.pki()];
    let run = ["run", "--protocol", "iso20022", "--rate", "1", "--duration", "1"];
    let output = loadtest(&[&run[..], &target].concat());
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
    assert!(line.contains("listen.iso20022"), "{line}");
}

#[test]
fn long_polls_wait_and_say_what_they_cost() {
    let switch = build_switch();
    let idle = ["idle", "--spawn", "--switch-bin", switch.to_str().unwrap(), "--connections", "20"];
    let (report, status) = report_of(&[&idle[..], &["--participants", "4", "--duration", "1"]].concat());
    assert_eq!((status, number(&report, "connections"), number(&report, "participants")), (0, 20, 4), "{report}");
    assert!(report["kib_per_connection"].as_f64().is_some() && report["switch_cpu_percent"].as_f64().is_some());
    let native = loadtest(&["idle", "--spawn", "--protocol", "native"]);
    assert_eq!(native.status.code(), Some(2));
}
