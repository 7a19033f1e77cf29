//! The command line of `switch simulate`: what it prints depends on seed and build alone, and what cannot be is refused.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_switch")).arg("simulate").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_same_command_prints_the_same_bytes_and_times_go_elsewhere() {
    for format in [&[][..], &["--json"]] {
        let arguments = [&["--seed", "5", "--seeds", "3", "--for", "8s"], format].concat();
        let [first, second] = [run(&arguments), run(&arguments)];
        assert!(first.status.success(), "{first:?}");
        assert_eq!(text(&first.stdout), text(&second.stdout));
        assert!(text(&first.stderr).contains("times real time"), "{first:?}");
        assert!(!text(&first.stdout).contains("real time"), "{first:?}");
    }
}

#[test]
fn a_line_of_json_is_an_object_of_a_seed() {
    let output = run(&["--seed", "5", "--seeds", "2", "--for", "3s", "--json"]);
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for (seed, line) in (5..).zip(&lines) {
        assert_eq!((line["seed"].as_u64(), line["ok"].as_bool()), (Some(seed), Some(true)), "{line}");
        assert!(line["coverage"]["answer in time"].as_u64() > Some(0), "{line}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_status_2_and_a_reason() {
    let wrong: [(&[&str], &str); 10] = [
        (&["--faults", "gremlins"], "there is no fault `gremlins`; there are: kill, power"),
        (&["--faults", ""], "there is no fault ``"),
        (&["--faults", "kill,,power"], "there is no fault ``"),
        (&["--for", "60"], "give a time as 500ms, 60s or 5m"),
        (&["--for", "soon"], "give a time as 500ms, 60s or 5m"),
        (&["--for", "0s"], "that is no time at all"),
        (&["--for", "99999999999m"], "that is more than a day"),
        (&["--seeds", "0"], "0 is not in"),
        (&["--seed", "-1"], "-1"),
        (&["--seed", "18446744073709551615", "--seeds", "2"], "beyond the last seed"),
    ];
    for (arguments, reason) in wrong {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(text(&output.stderr).contains(reason), "{arguments:?}: {output:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn the_help_names_every_fault() {
    let help = run(&["--help"]);
    for (_, name) in switch::simulate::Fault::NAMES {
        assert!(text(&help.stdout).contains(name), "{name}");
    }
}
