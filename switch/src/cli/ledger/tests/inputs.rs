//! Everything that can be asked wrongly: status, and words that the complaint must have.

use super::history::{Office, id, say};

/// Status 2, nothing on standard output, and every word in the complaint.
fn check(words: &str, complaint: &[&str]) {
    let said = Office::small().say(words);
    assert_eq!((said.status, said.out.as_str()), (2, ""), "{words}: {said:?}");
    complaint.iter().for_each(|word| assert!(said.complaint.contains(word), "{words}: no `{word}` in {said:?}"));
}

#[test]
fn times_are_rfc_3339_and_in_order() {
    let expected = ["expected a time by RFC 3339", "2026-11-22T14:30:00Z"];
    for bad in ["yesterday", "2026-11-22", "2026-11-22T14:30:00", "14:30", "1795348800", "2026-13-22T14:30:00Z"] {
        check(&format!("accounts --at {bad}"), &[&["--at", bad][..], &expected].concat());
        check(
            &format!("statement --participant ALPHA --currency XTS --from {bad}"),
            &[&["--from"][..], &expected].concat(),
        );
        check(&format!("export --to {bad}"), &[&["--to"][..], &expected].concat());
    }
    let period = "--from 2026-11-22T12:00:01+00:00 --to 2026-11-22T13:00:00+01:00";
    for command in ["statement --participant ALPHA --currency XTS", "export"] {
        let complaint = ["--from 2026-11-22T12:00:01", "is after --to 2026-11-22T12:00:00"];
        check(&format!("{command} {period}"), &complaint);
    }
    check("export --what accounts --from 2026-11-22T12:00:00Z", &["--from says nothing about accounts", "--to"]);
}

#[test]
fn an_unknown_participant_or_currency_comes_with_those_that_are_known() {
    for command in ["accounts", "statement --currency XTS", "statement --currency XTS --json"] {
        let complaint = ["--participant DELTA is not in the scheme", "ALPHA, BRAVO, CHARLIE"];
        check(&format!("{command} --participant DELTA"), &complaint);
        check(&format!("{command} --participant delta"), &["--participant", "expected a participant's code"]);
    }
    for command in ["accounts", "statement --participant ALPHA"] {
        check(&format!("{command} --currency EUR"), &["--currency EUR is not in the scheme", "JPY, XTS"]);
        check(&format!("{command} --currency euro"), &["--currency", "three upper-case letters"]);
    }
    // Before the genesis nobody was there.
    check("accounts --participant ALPHA --at 2026-11-22T11:59:59Z", &["known: none at that time"]);
    check("statement --participant ALPHA --currency XTS --to 2026-11-22T12:00:00Z", &["known: none at that time"]);
}

#[test]
fn an_id_is_thirty_two_hexadecimal_digits() {
    for bad in [
        "T1",
        "11111111-1111-4a11-9b11-00000000000",
        "11111111-1111-4a11-9b11-00000000000g",
        "+1111111111111111111111111111111",
        "1111111111111-111-4a11-9b11-00000000",
    ] {
        check(&format!("transfer {bad}"), &["expected a UETR", "32 hexadecimal digits"]);
    }
    let unknown = Office::small().say(&format!("transfer {}", id(6)));
    let complaint = format!("the journal has no transfer {} through position 28", id(6));
    assert_eq!((unknown.status, unknown.out.as_str(), unknown.complaint), (1, "", complaint));
    let unknown = Office::small().say(&format!("transfer {} --json", id(6)));
    assert_eq!((unknown.status, unknown.out), (1, format!("{{\"found\":false,\"id\":\"{}\"}}\n", id(6))));
}

#[test]
fn a_directory_without_a_journal_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("nowhere").display().to_string();
    let commands =
        ["accounts", "statement --participant ALPHA --currency XTS", "export", &format!("transfer {}", id(1))];
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().chain(["--data", &data]).collect();
        let said = say(&words);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{said:?}");
        assert!(said.complaint.contains("is missing") && said.complaint.contains("switch init"), "{said:?}");
    }
    std::fs::create_dir_all(directory.path().join("nowhere/journal")).unwrap();
    let said = say(&["accounts", "--data", &data]);
    assert_eq!(said.status, 2);
    assert!(said.complaint.contains("there is no journal in"), "{said:?}");
}

#[test]
fn json_and_csv_exclude_each_other_and_a_file_is_never_overwritten() {
    check("accounts --json --csv", &["--json", "--csv", "cannot be used"]);
    let office = Office::small();
    let file = office.path("rows.csv");
    let words = format!("export --output {}", file.display());
    let said = office.say(&words).fine();
    assert_eq!(said, format!("{}: 10 rows\n", file.display()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), office.say("export").fine());
    let again = office.say(&words);
    assert_eq!(again.status, 2);
    assert!(again.complaint.contains("is there already"), "{again:?}");
    let nowhere = office.say(&format!("export --output {}/x", file.display()));
    assert_eq!(nowhere.status, 2, "{nowhere:?}");
    let left: Vec<_> = std::fs::read_dir(office.path(".")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the journal and the rows, nothing half written: {left:?}");
}
