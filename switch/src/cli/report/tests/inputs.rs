//! Everything that can be asked wrongly, and a journal that is damaged: status, and words that the complaint must have.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::day::day;
use crate::cli::ledger::tests::history::Office;

/// Reports that need no more than these words.
const ALL: [&str; 18] = [
    "accounts",
    "notifications --participant ALPHA",
    "in-flight",
    "activity --participant ALPHA",
    "fees --participant ALPHA --currency XTS",
    "positions",
    "liquidity",
    "outcomes",
    "timeouts",
    "availability",
    "lookups",
    "lookups --each --within 1s",
    "concentration",
    "tariff-trial FILE.toml",
    "windows",
    "bilateral --currency XTS --window 1",
    "instructions --currency XTS --window 1",
    "confirmations FILE.csv --currency XTS --window 1",
];

const TARIFF: &str = "[[row]]\nflow = \"payment\"\ncurrency = \"XTS\"\nbearer = \"payer\"\nfixed = 3\n";

fn office() -> Office {
    let office = day();
    std::fs::write(office.path("FILE.toml"), TARIFF).unwrap();
    std::fs::write(office.path("FILE.csv"), "reference,amount,credit_debit\n").unwrap();
    office
}

fn words(office: &Office, words: &str) -> String {
    words.replace("FILE", &office.path("FILE").display().to_string())
}

#[track_caller]
fn check(office: &Office, asked: &str, status: u8, complaint: &[&str]) {
    let said = office.report(&words(office, asked));
    assert_eq!((said.status, said.out.as_str()), (status, ""), "{asked}: {said:?}");
    for word in complaint {
        assert!(said.complaint.contains(word), "{asked}: no `{word}` in {said:?}");
    }
    // What clap says has a usage line behind it; what reports say is one line.
    assert!(said.complaint.starts_with("error: ") || !said.complaint.contains('\n'), "{said:?}");
}

#[test]
fn every_report_is_one_object_one_table_and_one_list() {
    let office = office();
    for report in ALL {
        let report = words(&office, report);
        let json = office.report(&format!("{report} --json")).json();
        assert_eq!(json["ok"], true, "{report}");
        let rows = json["rows"].as_array().unwrap().len();
        assert!(json["through"]["position"].as_u64().unwrap() > 20, "{report}");
        let csv = office.report(&format!("{report} --csv")).fine();
        assert_eq!(csv.lines().count(), rows + 1, "{report}: a header and the rows");
        let columns: Vec<usize> = csv.lines().map(|line| line.matches(',').count()).collect();
        assert!(columns.iter().all(|count| *count == columns[0]), "{report}: {columns:?}");
        let people = office.report(&report).fine();
        assert!(people.starts_with("report  ") && people.contains("\nthrough  "), "{report}: {people}");
        // Amounts are whole numbers, never with a point, wherever programs read them.
        for row in json["rows"].as_array().unwrap() {
            for (key, value) in row.as_object().unwrap() {
                assert!(!value.is_f64(), "{report}: {key}");
            }
        }
    }
}

/// Two reports over less than all had heads that said they were over all.
#[test]
fn what_was_asked_stands_in_the_head() {
    let office = office();
    let head = |asked: &str, key: &str| office.report(&format!("{asked} --json")).json()[key].clone();
    assert_eq!(head("activity --participant ALPHA --currency KES", "currency"), "KES");
    assert_eq!(head("activity --participant ALPHA", "currency"), serde_json::Value::Null);
    assert_eq!(head("windows --cycle disputes", "cycle"), "disputes");
}

#[test]
fn periods_and_times() {
    let office = office();
    for report in ALL {
        let is_at = ["in-flight", "positions", "bilateral", "instructions", "confirmations"]
            .iter()
            .any(|at| report.starts_with(at));
        if is_at {
            check(&office, &format!("{report} --at yesterday"), 2, &["--at", "expected a time by RFC 3339"]);
            continue;
        }
        let period = "--from 2026-11-22T12:00:02Z --to 2026-11-22T12:00:01Z";
        check(&office, &format!("{report} {period}"), 2, &["the period would end before it begins"]);
        check(&office, &format!("{report} --from 22.11.2026"), 2, &["--from", "expected a time by RFC 3339"]);
    }
    for report in ["activity --participant ALPHA", "liquidity", "outcomes"] {
        check(&office, &format!("{report} --every 0h"), 2, &["--every", "expected an interval", "1h"]);
    }
}

#[test]
fn whom_and_what_nobody_knows() {
    let office = office();
    for report in [
        "accounts",
        "in-flight",
        "positions",
        "liquidity",
        "outcomes",
        "timeouts",
        "availability",
        "windows",
        "tariff-trial FILE.toml",
    ] {
        check(
            &office,
            &format!("{report} --participant NOBODY"),
            2,
            &["--participant NOBODY is not in the scheme", "ALPHA, BRAVO, CHARLIE, DELTA"],
        );
        check(&office, &format!("{report} --currency EUR"), 2, &["--currency EUR is not in the scheme", "KES, XTS"]);
        check(&office, &format!("{report} --participant nobody"), 2, &["expected a participant's code"]);
    }
    for report in ["notifications", "activity", "fees --currency XTS", "lookups", "lookups --each"] {
        check(&office, &format!("{report} --participant NOBODY"), 2, &["--participant NOBODY is not in the scheme"]);
    }
    for report in ["bilateral", "instructions", "confirmations FILE.csv"] {
        check(&office, &format!("{report} --currency EUR --window 1"), 2, &["--currency EUR is not in the scheme"]);
        check(&office, &format!("{report} --currency XTS --window 0"), 2, &["--window"]);
        check(&office, &format!("{report} --currency XTS --window 9"), 1, &["window 9 of payments in XTS was not "]);
        check(
            &office,
            &format!("{report} --currency KES --cycle disputes --window 1"),
            1,
            &["window 1 of disputes in KES"],
        );
    }
    check(&office, "concentration --participant ALPHA", 2, &["--participant says nothing here"]);
    check(&office, "concentration --largest 0", 2, &["--largest"]);
    check(&office, "lookups --within 0m", 2, &["--within", "expected an interval", "1h"]);
    check(
        &office,
        "notifications --participant ALPHA --follow-from 100",
        2,
        &["--follow-from 100 is beyond what was read"],
    );
    check(&office, "accounts --json --csv", 2, &["cannot be used"]);
}

/// Accounts are opened when they are needed first.
#[test]
fn a_statement_of_an_account_that_is_not_there() {
    let office = office();
    for (whose, complaint) in [
        ("--participant DELTA", "DELTA has no settlement account in XTS"),
        ("--participant ALPHA --account reserve", "ALPHA has no reserve account in XTS"),
        ("--participant ALPHA --account fees --to 2026-11-22T12:00:01Z", "ALPHA has no fees account in XTS"),
    ] {
        let said = office.say(&format!("statement --currency XTS {whose}"));
        assert_eq!((said.status, said.out.as_str()), (1, ""), "{said:?}");
        assert!(said.complaint.contains(complaint), "{said:?}");
    }
    let said = office.say("statement --currency XTS --participant DELTA --account fees").fine();
    assert!(said.contains("fees:DELTA:XTS") && said.contains("closing balance  0.00 XTS"), "{said}");
}

#[test]
fn files_that_are_none() {
    let office = office();
    check(&office, "tariff-trial FILE.none", 2, &["FILE.none", "No such file"]);
    std::fs::write(office.path("FILE.bad"), TARIFF.replace("XTS", "EUR")).unwrap();
    check(&office, "tariff-trial FILE.bad", 2, &["FILE.bad: row 1: currency: EUR is not in the scheme"]);
    std::fs::write(office.path("FILE.bad"), format!("{TARIFF}through = 999\n")).unwrap();
    check(&office, "tariff-trial FILE.bad", 2, &["row 1: through: 999, but the largest amount is 1000000"]);
    let reference = "11111111-1111-8111-8111-111111111111";
    for (text, complaint) in [
        ("", "line 1: expected the header reference,amount,credit_debit"),
        ("reference,amount,credit_debit\nR1,5,CRDT\n", "line 2: reference: expected a UETR"),
        (
            &format!("reference,amount,credit_debit\r\n{reference},5.00,CRDT\r\n"),
            "line 2: amount: expected whole minor units, not `5.00`",
        ),
        (
            &format!("reference,amount,credit_debit\n\n{reference},5,CREDIT\n"),
            "line 3: credit_debit: expected CRDT or DBIT",
        ),
        (&format!("reference,amount,credit_debit\n{reference},5\n"), "line 2: expected three values"),
    ] {
        std::fs::write(office.path("FILE.bad"), text).unwrap();
        check(&office, "confirmations FILE.bad --currency XTS --window 1", 2, &["FILE.bad: ", complaint]);
    }
}

#[test]
fn damage_is_status_1_and_what_was_begun_is_ended() {
    let office = office();
    // Behind the genesis and some batches: each record is one block.
    let file = OpenOptions::new().write(true).open(office.segment()).unwrap();
    let place = 9 * 4_096;
    file.write_all_at(b"?", place + 200).unwrap();
    for report in ALL {
        let report = words(&office, report);
        let said = office.report(&format!("{report} --json"));
        assert_eq!(said.status, 1, "{report}: {said:?}");
        assert!(said.complaint.contains(&format!("at offset {place}: ")), "{said:?}");
        let json: serde_json::Value =
            serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{report}: {error}: {}", said.out));
        assert_eq!((json["ok"].as_bool(), json["damage"]["offset"].as_u64()), (Some(false), Some(place)), "{report}");
    }
    // What ends before the damage can be read.
    office.report("accounts --to 2026-11-22T12:00:01Z").fine();
}
