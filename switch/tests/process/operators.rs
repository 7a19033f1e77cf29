//! `switch admin`, as operators give it.

use std::process::{Command, Output, Stdio};

use crate::harness::{BINARY, Data, line_of, text_of};

/// Arguments that may have blanks in them come behind the others.
pub(crate) fn run(data: &Data, words: &str, more: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("admin").args(words.split_whitespace()).args(more).arg("--data").arg(data.path(""));
    command.stdin(Stdio::null()).output().unwrap()
}

/// What is printed of one that is done.
pub(crate) fn text(data: &Data, words: &str, more: &[&str]) -> String {
    text_of(run(data, words, more), words)
}

/// Of one that is not done: the status, and the one line.
pub(crate) fn complaint(data: &Data, words: &str, more: &[&str]) -> (i32, String) {
    line_of(run(data, words, more), words)
}

/// Two people, and why.
pub(crate) const BY: [&str; 7] =
    ["--operator", "j.doe", "--approver", "m.roe", "--reason", "as the board decided", "--yes"];

/// Does it, as two people.
pub(crate) fn done(data: &Data, words: &str) -> String {
    let said = text(data, words, &BY);
    assert!(said.contains("done  ") && said.contains("journal position "), "{words}: {said}");
    said
}
