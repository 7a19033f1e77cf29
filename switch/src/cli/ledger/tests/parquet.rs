//! Parquet holds what CSV holds.

use std::fs::File;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::history::Office;
use crate::cli::ledger::arguments::time_text;

/// A value as CSV has it.
fn value(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::ULong(number) => number.to_string(),
        Field::Long(time_ns) => time_text(u64::try_from(*time_ns).unwrap()),
        Field::Decimal(amount) => i128::from_be_bytes(amount.data().try_into().unwrap()).to_string(),
        other => panic!("nobody writes this: {other:?}"),
    }
}

#[test]
fn it_has_the_same_rows_as_csv() {
    let office = Office::small();
    for what in ["transfers", "accounts"] {
        let file = office.path(&format!("{what}.parquet"));
        office.say(&format!("export --what {what} --format parquet --output {}", file.display())).fine();
        let reader = SerializedFileReader::new(File::open(&file).unwrap()).unwrap();
        let mut lines = Vec::new();
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            if lines.is_empty() {
                lines.push(row.get_column_iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().join(","));
            }
            lines.push(row.get_column_iter().map(|(_, field)| value(field)).collect::<Vec<_>>().join(","));
        }
        let csv = office.say(&format!("export --what {what}")).fine();
        assert_eq!(lines, csv.lines().collect::<Vec<_>>());
    }
}

#[test]
fn no_rows_are_a_file_too() {
    let office = Office::small();
    let file = office.path("none.parquet");
    let period = "--to 2026-11-22T12:00:00Z";
    office.say(&format!("export {period} --format parquet --output {}", file.display())).fine();
    let reader = SerializedFileReader::new(File::open(&file).unwrap()).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}
