//! The example messages of the documents are what they say they are.

use std::collections::BTreeSet;
use std::path::PathBuf;

use adapters::iso20022::document::Decoder;
use adapters::iso20022::profile::Profile;
use adapters::iso20022::{read_orders, read_told};
use adapters::message::ParticipantCode;

use crate::validity;

const PAGE: &str = include_str!("../../../docs/examples/iso20022/README.md");

/// What the name of a message begins with that the switch sends.
const TOLD: &str = "told-";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/iso20022")
}

/// The messages of a folder, by name.
fn messages(folder: &str) -> Vec<(String, String)> {
    let files = std::fs::read_dir(self::folder().join(folder)).expect("the folder of the examples");
    let files =
        files.map(|file| file.expect("a file").path()).filter(|path| path.extension().is_some_and(|e| e == "xml"));
    let named = files.map(|path| {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("text"))
    });
    named.collect()
}

/// The rows of the page's tables that name a file: its name, and the cell behind it.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((name, rest.split_once(" | ")?.0))
    })
}

#[test]
fn every_example_is_read_and_is_valid() {
    let mut decoder = Decoder::new(Profile::clearspan());
    for (name, message) in messages("") {
        let read = match name.starts_with(TOLD) {
            true => read_told(&mut decoder, message.as_bytes()).map(|_| ()),
            false => read_orders(&mut decoder, message.as_bytes(), Some(sender(&message))).map(|_| ()),
        };
        assert_eq!(read, Ok(()), "{name}");
        validity::check(&message);
    }
}

/// The participant in the header's `Fr`.
fn sender(message: &str) -> ParticipantCode {
    let (_, from) = message.split_once("<MmbId>").expect("a header names its sender");
    ParticipantCode::parse(&from[..from.find('<').expect("an element ends")]).expect("a code")
}

#[test]
fn every_refused_example_is_refused_for_what_the_page_says() {
    let mut decoder = Decoder::new(Profile::clearspan());
    for (name, message) in messages("refused") {
        let refusal = read_orders(&mut decoder, message.as_bytes(), Some(sender(&message))).expect_err(&name);
        let cause = refusal.cause.code();
        assert!(rows().any(|row| row == (&name, &format!("`{cause}`"))), "{name}: {refusal}");
        assert!(message.contains(&format!("<!-- {cause}: ")), "{name} says itself why: {refusal}");
    }
}

#[test]
fn the_page_names_every_example() {
    let files: BTreeSet<String> = messages("").into_iter().chain(messages("refused")).map(|(name, _)| name).collect();
    let named: BTreeSet<String> = rows().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(named, files);
}
