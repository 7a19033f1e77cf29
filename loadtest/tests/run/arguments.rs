//! What cannot be done is refused before anything is started: status 2 and one line that says what to do.

use crate::harness::loadtest;

/// Runs it and gives the line.
fn refusal(arguments: &[&str]) -> String {
    let output = loadtest(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn check(arguments: &[&str], what: &str, what_to_do: &str) {
    let line = refusal(arguments);
    assert_eq!(line.lines().count(), 1, "one line: {line}");
    assert!(line.starts_with("loadtest: ") && line.contains(what) && line.contains(what_to_do), "{line}");
}

#[test]
fn a_rate_that_cannot_be() {
    for rate in ["0", "10000001", "-1", "1.5", "fast"] {
        check(
            &["run", "--spawn", &format!("--rate={rate}"), "--duration", "1"],
            &format!("--rate {rate}"),
            "give 1 to 10000000 payments a second, `max` or `none`",
        );
    }
}

#[test]
fn a_duration_a_number_in_flight_or_of_participants_that_cannot_be() {
    check(&["run", "--spawn", "--rate", "1", "--duration", "0"], "--duration 0", "give 1 to");
    let warm_up = ["run", "--spawn", "--rate", "1", "--duration", "2", "--warm-up", "2"];
    check(&warm_up, "--warm-up 2", "give less than --duration, which is 2");
    check(&["run", "--spawn", "--rate", "max", "--in-flight", "0", "--duration", "1"], "--in-flight 0", "give 1 to");
    let one = ["run", "--spawn", "--rate", "1", "--duration", "1", "--participants", "1"];
    check(&one, "--participants 1", "give 2 to");
}

#[test]
fn a_target_on_another_machine() {
    // TEST-NET-1 of RFC 5737: nobody is there, and nothing is sent.
    let target = ["--connect", "192.0.2.1:7400", "--pki", "/nowhere"];
    let arguments = [&["run", "--rate", "1", "--duration", "1"], &target[..]].concat();
    check(&arguments, "192.0.2.1:7400 is not this machine", "--i-own-this-switch");
}

#[test]
fn a_target_that_cannot_be_reached_or_read() {
    let run = ["run", "--rate", "1", "--duration", "1"];
    let with = |target: &[&'static str]| [&run[..], target].concat();
    check(&with(&["--connect", "localhost", "--pki", "/nowhere"]), "--connect localhost", "give HOST:PORT");
    check(&with(&["--connect", "127.0.0.1:1", "--pki", "/nowhere"]), "cannot read /nowhere", "`switch init`");
    let empty = tempfile::tempdir().unwrap();
    let empty_path = empty.path().to_str().unwrap();
    let arguments = [&run[..], &["--connect", "127.0.0.1:1", "--pki", empty_path]].concat();
    check(&arguments, "0 participants", "`switch init --participants 2`");
    let stub = crate::stub::Stub::start(crate::stub::Script::default());
    let arguments = [&run[..], &["--connect", "127.0.0.1:1", "--pki", stub.pki()]].concat();
    check(&arguments, "cannot connect to 127.0.0.1:1", "`switch serve`");
}

#[test]
fn certificates_of_another_scheme() {
    let stub = crate::stub::Stub::start(crate::stub::Script::default());
    let other = crate::stub::Stub::start(crate::stub::Script::default());
    let target = ["--connect", stub.address(), "--pki", other.pki()];
    let arguments = [&["run", "--rate", "1", "--duration", "1"], &target[..]].concat();
    check(&arguments, "certificate", "--pki");
}

#[test]
fn a_report_that_could_not_be_written() {
    let run = ["run", "--spawn", "--rate", "1", "--duration", "1", "--out"];
    check(&[&run[..], &["/nowhere/report.json"]].concat(), "--out /nowhere/report.json", "can be written");
}

#[test]
fn more_participants_than_open_files() {
    let loadtest = env!("CARGO_BIN_EXE_loadtest");
    let run = "run --spawn --switch-bin /bin/true --rate 1 --duration 1 --participants 900";
    let command = format!("ulimit -n 1024; exec {loadtest} {run}");
    let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
    assert!(line.contains("900 participants need 1928 open files and 1024 are allowed: raise the limit"), "{line}");
}

#[test]
fn a_switch_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("report.json");
    let run = ["run", "--spawn", "--rate", "1", "--duration", "1", "--out", out.to_str().unwrap()];
    let with = |binary: &'static str| [&run[..], &["--switch-bin", binary]].concat();
    check(&with("/nowhere/switch"), "no switch binary at /nowhere/switch", "--switch-bin");
    check(&with("/bin/false"), "`switch init` failed", "it said nothing");
    assert!(!out.exists(), "no empty report is left behind");
}

#[test]
fn what_does_not_go_together_is_a_usage_error() {
    for arguments in [
        &["run", "--rate", "1", "--duration", "1"][..],
        &["run", "--spawn", "--connect", "127.0.0.1:1", "--pki", ".", "--rate", "1", "--duration", "1"],
        &["run", "--connect", "127.0.0.1:1", "--rate", "1", "--duration", "1"],
        &["run", "--spawn", "--duration", "1"],
        &["run", "--spawn", "--rate", "1", "--duration", "1", "--protocol", "telex"],
    ] {
        assert!(refusal(arguments).contains("Usage: loadtest run") || refusal(arguments).contains("possible values"));
    }
}
