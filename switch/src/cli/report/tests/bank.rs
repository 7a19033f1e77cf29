//! The settlement bank's confirmations beside a window's instructions. Window 1 of the day in XTS: ALPHA owes and has paid, BRAVO and CHARLIE are owed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::day::{day, genesis};
use crate::cli::ledger::tests::history::Office;

/// Who has which instruction: reference and amount.
fn instructions(office: &Office, window: u32) -> BTreeMap<String, (String, u64)> {
    let json = office.report(&format!("instructions --currency XTS --window {window} --json")).json();
    let rows = json["rows"].as_array().unwrap().iter().map(|row| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let who = if text("debtor") == "(scheme)" { text("creditor") } else { text("debtor") };
        (who, (text("reference"), text("amount").parse().unwrap()))
    });
    rows.collect()
}

/// What is said of each line of a file, and of what it lacks.
fn verdicts(office: &Office, window: u32, lines: &[String]) -> (u8, Vec<String>, Vec<String>) {
    let file = office.path("bank.csv");
    std::fs::write(&file, format!("reference,amount,credit_debit\n{}\n", lines.join("\n"))).unwrap();
    let said = office.report(&format!("confirmations {} --currency XTS --window {window} --json", file.display()));
    let json: Value = serde_json::from_str(&said.out).unwrap();
    let rows = json["rows"].as_array().unwrap().clone();
    let of = |key: &str, row: &Value| row[key].as_str().map(str::to_owned);
    let verdicts = rows
        .iter()
        .map(|row| [of("participant", row), of("verdict", row)].into_iter().flatten().collect::<Vec<_>>().join(" "));
    let mut steps: Vec<(u64, String)> =
        rows.iter().filter_map(|row| Some((row["step_number"].as_u64()?, of("step", row)?))).collect();
    steps.sort();
    (said.status, verdicts.collect(), steps.into_iter().map(|(_, step)| step).collect())
}

#[test]
fn what_fits_is_to_be_confirmed_and_what_does_not_is_named() {
    let office = day();
    let known = instructions(&office, 1);
    let line = |who: &str, more: u64, side: &str| format!("{},{},{side}", known[who].0, known[who].1 + more);
    let confirm = |who: &str| {
        format!("switch admin settlement confirm --currency XTS --cycle payments --window 1 --participant {who}")
    };
    let lines = [line("ALPHA", 0, "CRDT"), line("BRAVO", 0, "DBIT")];
    let expected = ["ALPHA confirmed before", "BRAVO fits", "CHARLIE missing"].map(str::to_owned).to_vec();
    assert_eq!(verdicts(&office, 1, &lines), (0, expected, vec![confirm("BRAVO")]));
    let lines = [
        line("BRAVO", 1, "DBIT"),
        line("CHARLIE", 0, "CRDT"),
        line("CHARLIE", 0, "DBIT"),
        "11111111-1111-8111-8111-111111111111,5,CRDT".to_owned(),
    ];
    let expected = ["BRAVO another amount", "CHARLIE the other way", "CHARLIE repeated", "unknown reference"];
    assert_eq!(verdicts(&office, 1, &lines), (1, expected.map(str::to_owned).to_vec(), vec![]));
}

/// The steps are those that the engine takes: played, they settle the window, in whatever order the bank's lines stand.
#[test]
fn the_steps_settle_the_window() {
    let mut office = Office::of(&genesis(10_000_000));
    office
        .pay(1, "ALPHA", "BRAVO", 700, 1_000)
        .pay(2, "CHARLIE", "BRAVO", 50, 1_000)
        .pay(3, "DELTA", "CHARLIE", 80, 1_000)
        .batch(1_000);
    office.accept(1, "BRAVO").accept(2, "BRAVO").accept(3, "CHARLIE").cut("XTS", 1).batch(2_000);
    let known = instructions(&office, 1);
    assert_eq!(
        known.iter().map(|(who, (_, amount))| (who.as_str(), *amount)).collect::<Vec<_>>(),
        [("ALPHA", 780), ("BRAVO", 750), ("CHARLIE", 30)]
    );
    // The creditors' lines come first, and without the debtor's nothing reaches for them.
    let creditors = ["BRAVO", "CHARLIE"].map(|who| format!("{},{},DBIT", known[who].0, known[who].1)).to_vec();
    let (status, said, steps) = verdicts(&office, 1, &creditors);
    assert_eq!((status, steps.len()), (0, 1), "{steps:?}");
    assert_eq!(said, ["to be started", "BRAVO debtors first", "CHARLIE debtors first", "ALPHA missing"]);
    let debtor = format!("{},{},CRDT", known["ALPHA"].0, known["ALPHA"].1);
    let (_, _, steps) = verdicts(&office, 1, &[&creditors[..], &[debtor]].concat());
    assert_eq!(steps.len(), 4, "{steps:?}");
    for step in &steps {
        let words: Vec<&str> = step.split(' ').collect();
        match words[..] {
            ["switch", "admin", "settlement", "start", "--currency", "XTS", "--cycle", "payments", "--window", "1"] => {
                office.settle("XTS", (1, 1), 1, "");
            }
            [
                "switch",
                "admin",
                "settlement",
                "confirm",
                "--currency",
                "XTS",
                "--cycle",
                "payments",
                "--window",
                "1",
                "--participant",
                who,
            ] => {
                office.settle("XTS", (1, 1), 2, who);
            }
            _ => panic!("no step: {step}"),
        }
    }
    office.batch(3_000);
    let windows = office.report("windows --json").json();
    assert_eq!(windows["rows"][0]["state"], "settled", "{windows}");
    assert!(instructions(&office, 1) == known, "the same references, whatever has become of it");
}

/// The rows of a report as CSV, some of its columns.
fn columns(office: &Office, report: &str, keys: &[&str]) -> Vec<String> {
    let csv = office.report(&format!("{report} --csv")).fine();
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let places: Vec<usize> = keys.iter().map(|key| head.iter().position(|column| column == key).unwrap()).collect();
    lines
        .map(|line| places.iter().map(|place| line[*place]).collect::<Vec<_>>().join(" ").trim_end().to_owned())
        .collect()
}

/// What was confirmed is settled for good; what was not is in the next window, with what the scheme still owes as its own row.
#[test]
fn a_window_that_is_given_up_after_some_of_it_was_settled() {
    let mut office = Office::of(&genesis(10_000_000));
    office.pay(1, "ALPHA", "BRAVO", 780, 1_000).pay(2, "BRAVO", "CHARLIE", 30, 1_000).batch(1_000);
    office.accept(1, "BRAVO").accept(2, "CHARLIE").cut("XTS", 1).batch(2_000);
    office
        .settle("XTS", (1, 1), 1, "")
        .settle("XTS", (1, 1), 2, "ALPHA")
        .settle("XTS", (1, 1), 2, "BRAVO")
        .batch(3_000);
    office.settle("XTS", (1, 1), 3, "").pay(3, "ALPHA", "CHARLIE", 5, 4_000).batch(4_000);
    office.accept(3, "CHARLIE").cut("XTS", 1).batch(5_000);
    let windows = columns(&office, "windows", &["window", "state", "participant", "net", "confirmed_at"]);
    let expected = [
        "1 aborted ALPHA -780 2026-11-22T12:00:03.000000000Z",
        "1 aborted BRAVO 750 2026-11-22T12:00:03.000000000Z",
        "1 aborted CHARLIE 30",
        "2 closed ALPHA -5",
        "2 closed CHARLIE 35",
        "2 closed  -30",
        "3 open",
    ];
    assert_eq!(windows, expected);
    let between = columns(
        &office,
        "bilateral --currency XTS --window 2",
        &["participant", "counterpart", "gave", "received", "net"],
    );
    let expected = ["ALPHA CHARLIE 5 0 -5", "CHARLIE ALPHA 0 5 5", "CHARLIE (aborted window 1) 0 30 30"];
    assert_eq!(between, expected);
    let states = columns(&office, "instructions --currency XTS --window 1", &["creditor", "amount", "state"]);
    assert_eq!(states, ["(scheme) 780 confirmed", "BRAVO 750 confirmed", "CHARLIE 30 withdrawn"]);
    // In the next window the scheme has what the debtors brought before: creditors can be paid at once.
    let known = instructions(&office, 2);
    let line = format!("{},35,DBIT", known["CHARLIE"].0);
    let (_, said, steps) = verdicts(&office, 2, &[line]);
    assert_eq!(said, ["to be started", "CHARLIE debtors first", "ALPHA missing"], "30 are there, 35 are asked for");
    assert_eq!(steps.len(), 1);
    let withdrawn = format!("{},30,DBIT", instructions(&office, 1)["CHARLIE"].0);
    let (status, said, steps) = verdicts(&office, 1, &[withdrawn]);
    assert_eq!((status, said, steps), (1, vec!["CHARLIE window aborted".to_owned()], vec![]));
}
