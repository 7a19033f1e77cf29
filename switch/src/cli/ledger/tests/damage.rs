//! A journal whose end is torn, and one that is damaged.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::history::{Office, id};

/// Each record here is one block: the birth mark, the genesis, and so on.
const BLOCK_BYTES: u64 = 4_096;

fn overwrite(office: &Office, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(office.segment()).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

fn commands() -> [String; 8] {
    [
        "accounts".to_owned(),
        "accounts --json".to_owned(),
        "statement --participant ALPHA --currency XTS".to_owned(),
        "statement --participant ALPHA --currency XTS --json".to_owned(),
        "export".to_owned(),
        "export --what accounts".to_owned(),
        format!("transfer {}", id(5)),
        format!("transfer {} --json", id(5)),
    ]
}

#[test]
fn a_torn_tail_is_an_end_like_any_other() {
    let office = Office::small();
    let whole = commands().map(|command| office.say(&command).fine());
    // Behind the birth mark and eight batches a record was begun.
    overwrite(&office, 9 * BLOCK_BYTES, b"CLSP and what came of it");
    assert_eq!(commands().map(|command| office.say(&command).fine()), whole);
}

#[test]
fn damage_ends_with_status_1_segment_and_offset() {
    let office = Office::small();
    let place = 4 * BLOCK_BYTES;
    overwrite(&office, place + 200, b"?");
    let segment = office.segment().display().to_string();
    for command in commands() {
        let said = office.say(&command);
        assert_eq!(said.status, 1, "{command}: {said:?}");
        let where_it_is = format!("the journal is damaged in {segment} at offset {place}: the checksum does not match");
        assert!(said.complaint.contains(&where_it_is), "{command}: {said:?}");
        if command.contains("--json") {
            let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
            assert_eq!(report["ok"], false);
            assert_eq!(
                (report["damage"]["segment"].as_str(), report["damage"]["offset"].as_u64()),
                (Some(&segment[..]), Some(place))
            );
        }
    }
    // What was read before it is true, and what ends before it can be read.
    let statement = office.say("statement --participant ALPHA --currency XTS --json").out;
    let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
    assert_eq!(statement["entries"].as_array().map(Vec::len), Some(2), "{statement}");
    assert_eq!(statement.get("closing_balance"), None);
    assert_eq!(office.say("accounts --at 2026-11-22T12:00:02.5Z").status, 1, "what comes then is not known");
    assert!(office.say(&format!("transfer {}", id(1))).fine().contains("state     posted"));
    office.say("statement --participant ALPHA --currency XTS --to 2026-11-22T12:00:02Z").fine();
    // Nothing of a file that could not be finished is left.
    let file = office.path("rows.csv");
    assert_eq!(office.say(&format!("export --output {}", file.display())).status, 1);
    assert_eq!(std::fs::read_dir(office.path(".")).unwrap().count(), 1, "the journal");
}

/// A batch that is whole, and whose entry nobody can apply.
#[test]
fn an_entry_that_cannot_be_applied_is_damage_with_its_batch() {
    let mut office = Office::new(1);
    office.fund(7, "ALPHA", "XTS", 5).fund(7, "ALPHA", "XTS", 6).batch(1_000);
    let said = office.say("accounts --json");
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.status, report["damage"]["segment"].as_str()), (1, Some("sequence 14")), "{said:?}");
    assert!(said.complaint.contains("could not be replayed: journal entry 16"), "{said:?}");
}
