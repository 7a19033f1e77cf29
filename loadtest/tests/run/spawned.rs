//! Against the real switch.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{check_identity, number, report_of};

/// Builds the switch of the same profile, beside this crate's own binary. Where it is built already this takes a moment.
pub(crate) fn build_switch() -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_loadtest"));
    let profile = own.parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", "switch", "--bin", "switch", "--target-dir"]);
    build.arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the switch could not be built");
    let binary = profile.join("switch");
    assert!(binary.is_file(), "{} is not there", binary.display());
    binary
}

const KEYS: [&str; 46] = [
    "accepted_us",
    "books_balanced",
    "busy",
    "command",
    "commit",
    "committed",
    "committed_us",
    "cpu_s",
    "date",
    "disagreements",
    "duration_s",
    "expired",
    "faults",
    "forwarded_us",
    "generator",
    "histogram_us",
    "in_flight",
    "interrupted",
    "latency_us",
    "machine",
    "mode",
    "offered",
    "participants",
    "participants_us",
    "problems",
    "protocol",
    "rate",
    "reasons",
    "reconnects",
    "refusals",
    "rejected",
    "repeated",
    "repeated_answered",
    "samples",
    "saturation",
    "scenario",
    "seed",
    "sent_us",
    "service",
    "switch_threads_s",
    "throughput_per_s",
    "unknown",
    "unsent",
    "verdict",
    "warm_up_s",
    "warnings",
];

fn check_keys(report: &Value) {
    let keys: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = KEYS.to_vec();
    expected.sort_unstable();
    assert_eq!(keys, expected, "the names are relied upon by scripts");
    for leg in ["latency_us", "accepted_us", "forwarded_us"] {
        let percentiles: Vec<u64> =
            ["p50", "p90", "p99", "p999", "max"].map(|name| report[leg][name].as_u64().unwrap()).into();
        assert!(percentiles.is_sorted() && percentiles[0] > 0, "{report}");
    }
    for part in ["generator_user", "generator_sys", "switch_user", "switch_sys"] {
        assert!(report["cpu_s"][part].as_f64().is_some(), "{report}");
    }
    for part in ["cores", "cpu", "memory_mib", "kernel"] {
        assert!(!report["machine"][part].is_null(), "{report}");
    }
}

#[test]
fn open_and_closed_loop_end_with_balanced_books() {
    let switch = build_switch();
    let switch = switch.to_str().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let loads = [("open", &["--rate", "500"][..]), ("closed", &["--rate", "max", "--in-flight", "64"])];
    for (mode, load) in loads {
        let run = ["run", "--spawn", "--switch-bin", switch, "--participants", "3", "--duration", "1"];
        let (report, status) = report_of(&[&run[..], load].concat());
        assert_eq!(status, 0, "{report}");
        check_keys(&report);
        check_identity(&report);
        assert_eq!((report["mode"].as_str(), &report["books_balanced"]), (Some(mode), &Value::Bool(true)), "{report}");
        assert_eq!((number(&report, "unknown"), number(&report, "participants")), (0, 3));
        assert!(number(&report, "committed") > 0);
        if mode == "open" {
            assert_eq!((number(&report, "offered"), number(&report, "rate")), (500, 500));
        }
    }
    drop(directory);
}

/// Killed in the middle of its work, started again: nothing is lost or doubled, and both providers and the journal agree on every payment.
#[test]
fn a_killed_switch_comes_back_and_has_lost_nothing() {
    let switch = build_switch();
    let run = ["run", "--quiet", "--spawn", "--switch-bin", switch.to_str().unwrap(), "--scenario", "kill_switch"];
    let (report, _) = report_of(&[&run[..], &["--rate", "300", "--duration", "6", "--participants", "3"]].concat());
    check_identity(&report);
    // How long it took depends on the machine; that nothing is wrong but perhaps a service level does not.
    let problems = report["problems"].as_array().unwrap();
    let is_level = |problem: &Value| problem.as_str().unwrap().starts_with("service level missed");
    assert!(problems.iter().all(is_level), "{problems:?}");
    assert_eq!((number(&report, "unknown"), &report["books_balanced"]), (0, &Value::Bool(true)), "{report}");
    assert!(number(&report, "reconnects") >= 3, "{report}");
    let fault = &report["faults"][0];
    for key in ["ready_after_ms", "back_after_ms", "recovered_after_ms"] {
        assert!(fault[key].as_u64().is_some(), "{key}: {fault}");
    }
}

/// A scenario of the library, small, on a switch of its own: nothing may be wrong but perhaps a service level, which depends on the machine.
fn small(name: &str) -> Value {
    let switch = build_switch();
    let run = ["run", "--quiet", "--spawn", "--switch-bin", switch.to_str().unwrap(), "--scenario", name];
    let (report, _) = report_of(&[&run[..], &["--rate", "200", "--duration", "3", "--participants", "3"]].concat());
    check_identity(&report);
    let problems = report["problems"].as_array().unwrap();
    let is_level = |problem: &Value| problem.as_str().unwrap().starts_with("service level missed");
    assert!(problems.iter().all(is_level), "{problems:?}");
    assert_eq!((number(&report, "unknown"), &report["books_balanced"]), (0, &Value::Bool(true)), "{report}");
    report
}

#[test]
fn bulk_beside_retail_is_all_committed() {
    let report = small("bulk_and_retail");
    assert!(number(&report["bulk"], "committed") > 100, "{report}");
    assert_eq!(number(&report["bulk"], "committed"), number(&report["bulk"], "offered"), "{report}");
}

/// The verdict compares the nets of all windows with what providers paid and were paid, and those of each with the payments that were posted in it.
#[test]
fn windows_are_closed_under_load_and_nets_are_what_was_posted_in_them() {
    let report = small("settlement");
    assert!(number(&report, "committed") > 500, "{report}");
    let windows = &report["windows"];
    // One more where the minute is over meanwhile.
    assert!(number(windows, "ordered") == 3 && number(windows, "due") <= 1, "{windows}");
    assert_eq!(number(windows, "closed"), 3 + number(windows, "due"), "{windows}");
    assert_eq!(number(windows, "postings"), number(&report, "committed"), "{windows}");
    assert!(number(windows, "cut_off_us_longest") > 0, "{windows}");
}

/// A run too short for a cut-off by the calendar, and none is ordered: it says nothing of windows, and must not look as if it did.
#[test]
fn a_run_that_settles_net_and_closes_no_window_is_wrong() {
    let switch = build_switch();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.toml");
    let text = "name = \"x\"\nabout = \"a test\"\n[load]\nshape = \"constant\"\nrate = 100\nduration_s = 1\n[participants]\ncount = 2\nsettles_net = true\n";
    std::fs::write(&file, text).unwrap();
    let run = ["run", "--quiet", "--spawn", "--switch-bin", switch.to_str().unwrap(), "--scenario"];
    let (report, status) = report_of(&[&run[..], &[file.to_str().unwrap()]].concat());
    let windows = &report["windows"];
    let verdict = report["verdict"].as_str().unwrap();
    if number(windows, "closed") == 0 {
        assert_eq!((status, number(windows, "due")), (1, 0), "{report}");
        assert!(verdict.starts_with("no settlement window was closed while payments were posted"), "{verdict}");
    } else {
        // The minute was over in the middle of it.
        assert_eq!((status, number(windows, "due")), (0, 1), "{report}");
    }
}

#[test]
fn who_floods_is_refused_and_not_the_others() {
    let report = small("flood");
    assert!(report["refusals"]["rate_limited"].as_u64().unwrap() > 0, "{report}");
    let flood = &report["flood"];
    assert!(number(flood, "committed") > 0 && number(flood, "busy") > number(flood, "committed"), "{report}");
}

#[test]
fn requests_are_paid_once_and_returns_come_back() {
    let report = small("requests_to_pay");
    let sequels = &report["sequels"];
    let [requests, paid] = ["requests", "requests_paid"].map(|key| number(sequels, key));
    assert!((200..400).contains(&requests) && paid <= requests, "{sequels}");
    assert!(number(sequels, "returns") > 5 && number(sequels, "returned_amount") > 0, "{sequels}");
    assert_eq!((number(sequels, "recalls"), number(sequels, "unfinished")), (0, 0), "{sequels}");
}

#[test]
fn a_wave_of_recalls_is_answered_whole() {
    let report = small("recall_wave");
    let sequels = &report["sequels"];
    let [recalls, settled] = ["recalls", "recalls_settled"].map(|key| number(sequels, key));
    // A fifth of what the first second brought, or a little more where the machine is late.
    assert!((15..=90).contains(&recalls) && 0 < settled && settled < recalls, "{sequels}");
    assert_eq!((number(sequels, "returns"), number(sequels, "unfinished")), (settled, 0), "{sequels}");
}

/// Killed and cut with everything under way: each return and each case still has one end, and the journal says the same.
#[test]
fn what_goes_beside_payments_survives_a_killed_switch_and_a_cut() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.toml");
    std::fs::write(
        &file,
        "name = \"x\"\nabout = \"a test\"\n[load]\nshape = \"constant\"\nrate = 200\nduration_s = 4\n[participants]\ncount = 3\n\
         [mix]\nbulk_percent = 20\nrequest_percent = 30\nreturn_percent = 30\nrecall_percent = 30\nrepeat_percent = 10\n\
         [[fault]]\nkind = \"kill_switch\"\nat_ms = 1500\n[[fault]]\nkind = \"cut_providers\"\nat_ms = 3000\nfor_ms = 300\n",
    )
    .unwrap();
    let report = small(file.to_str().unwrap());
    let sequels = &report["sequels"];
    for key in ["requests", "returns", "recalls", "recalls_settled"] {
        assert!(number(sequels, key) > 10, "{key}: {sequels}");
    }
    assert_eq!(number(sequels, "unfinished"), 0, "{sequels}");
}

/// A history made in one go is one that the switch's own audit believes, and that a run can go on from.
#[test]
fn a_filled_journal_is_a_real_one() {
    let switch = build_switch();
    let switch = switch.to_str().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("history").join("data");
    let data = data.to_str().unwrap();
    for payments in [5_000, 1_000] {
        let (filled, status) =
            report_of(&["fill", "--data", data, "--payments", &payments.to_string(), "--switch-bin", switch]);
        assert_eq!((status, number(&filled, "payments")), (0, payments), "{filled}");
    }
    let verify = Command::new(switch).args(["ledger", "verify", "--json", "--data", data]).output().unwrap();
    let verified: Value = serde_json::from_slice(&verify.stdout).unwrap();
    assert_eq!((&verified["ok"], &verified["payments"]["committed"]), (&Value::Bool(true), &Value::from(6_000)));
    let run = ["run", "--quiet", "--spawn", "--switch-bin", switch, "--data", data, "--rate", "200", "--duration", "1"];
    let (report, status) = report_of(&run);
    assert_eq!(
        (status, number(&report, "committed"), &report["books_balanced"]),
        (0, 200, &Value::Bool(true)),
        "{report}"
    );
    let none = directory.path().to_str().unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["run", "--spawn", "--switch-bin", switch, "--data", none, "--rate", "1", "--duration", "1"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

/// Ctrl-C ends a long run early; there is a report all the same, and the switch and its files are gone.
#[test]
fn an_interrupted_run_reports_what_was_done() {
    let switch = build_switch();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("report.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["run", "--spawn", "--rate", "200", "--duration", "600", "--participants", "2"])
        .arg("--switch-bin")
        .arg(switch)
        .arg("--out")
        .arg(&out)
        .env("TMPDIR", directory.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A line a second, once payments are offered.
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("/s committed")), "it has ended by itself");
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    // To its end: whoever closed the pipe would end it.
    said.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let report: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    check_identity(&report);
    assert_eq!(
        (&report["interrupted"], &report["books_balanced"]),
        (&Value::Bool(true), &Value::Bool(true)),
        "{report}"
    );
    assert!((1..120_000).contains(&number(&report, "committed")), "{report}");
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["report.json"], "nothing else is left behind");
}
