//! `docs/reports.md` shows what is really printed: each of its examples is run over the day of `day.rs` and compared. `CLEARSPAN_WRITE_EXAMPLES=1 cargo test -p switch --lib
//! report::tests::document` writes them anew.

use std::fmt::Write as _;

use super::day::day;
use crate::cli::ledger::tests::history::Office;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reports.md");

/// What a command of the document prints, and its complaint where it has one.
fn printed(office: &Office, command: &str) -> String {
    let words = command.strip_prefix("switch ").unwrap();
    let words = words.replace(" --data clearspan-day", "");
    let directory = office.path("").display().to_string();
    let (which, words) = words.split_once(' ').unwrap();
    let words: Vec<String> = words
        .split(' ')
        .map(|word| {
            if word.ends_with(".toml") || word.ends_with(".csv") {
                format!("{directory}{word}")
            } else {
                word.to_owned()
            }
        })
        .collect();
    let said = match which {
        "report" => office.report(&words.join(" ")),
        _ => office.say(&words.join(" ")),
    };
    let mut text: String = said.out.lines().map(|line| format!("{}\n", line.trim_end_matches('\r'))).collect();
    if !said.complaint.is_empty() {
        writeln!(text, "switch: {}", said.complaint).unwrap();
    }
    text.replace(&directory, "")
}

/// Files that stand in the document: a block whose first line is `# NAME`.
fn write_files(office: &Office, document: &str) {
    for block in document.split("```").skip(1).step_by(2) {
        let body = block.split_once('\n').unwrap().1;
        let Some((name, text)) = body.strip_prefix("# ").and_then(|body| body.split_once('\n')) else { continue };
        std::fs::write(office.path(name), text).unwrap();
    }
}

#[test]
fn the_document_shows_what_is_printed() {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let office = day();
    write_files(&office, &document);
    let (mut anew, mut examples) = (String::new(), 0);
    for (place, block) in document.split("```").enumerate() {
        let command = block.strip_prefix("\n$ ").and_then(|block| block.split_once('\n')).map(|(command, _)| command);
        let block = match command.filter(|_| place % 2 == 1) {
            Some(command) => {
                examples += 1;
                format!("\n$ {command}\n{}", printed(&office, command))
            }
            None => block.to_owned(),
        };
        if place > 0 {
            anew.push_str("```");
        }
        anew.push_str(&block);
    }
    assert!(examples >= 16, "an example of each report: {examples}");
    if std::env::var_os("CLEARSPAN_WRITE_EXAMPLES").is_some() {
        std::fs::write(DOCUMENT, &anew).unwrap();
        return;
    }
    for (line, (is, should)) in (1..).zip(document.lines().zip(anew.lines())) {
        assert_eq!(is, should, "docs/reports.md, line {line}");
    }
    assert_eq!(document.lines().count(), anew.lines().count());
}

/// The document has a section for each report.
#[test]
fn every_report_is_in_the_document() {
    use clap::Subcommand;
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let command = super::super::Command::augment_subcommands(clap::Command::new("report"));
    for report in command.get_subcommands() {
        let name = report.get_name();
        assert!(document.contains(&format!("\n## {name}\n")), "no section `{name}`");
        assert!(document.contains(&format!("$ switch report {name} ")), "no example of `{name}`");
    }
}
