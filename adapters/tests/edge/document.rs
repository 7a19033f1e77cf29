//! What `docs/formats/native.md` says must be what the code does.

use adapters::limits;
use adapters::message::{CONDUCT, ErrorCode, Field, Numbered};

const DOCUMENT: &str = include_str!("../../../docs/formats/native.md");

/// The cells of the table rows between a heading and the next one, without the table's own head.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let start = DOCUMENT.find(heading).unwrap_or_else(|| panic!("no `{heading}` in the document"));
    let section = &DOCUMENT[start + heading.len()..];
    let table = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    table.skip(2).map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

#[test]
fn which_message_does_what() {
    let expected: Vec<Vec<String>> = CONDUCT
        .iter()
        .map(|row| {
            let numbered = match row.numbered {
                Numbered::Never => "no",
                Numbered::Always => "yes",
                Numbered::UnlessReply => {
                    "yes, unless it answers a StatusRequest, a duplicate or an Answer that changed nothing"
                }
            };
            let flags = [row.from_provider, row.from_switch, row.journaled].map(yes_or_no);
            let mut cells = vec![(row.kind as u8).to_string(), row.name.to_string()];
            cells.extend(flags.map(String::from));
            cells.push(numbered.to_string());
            cells
        })
        .collect();
    assert_eq!(rows("## 3. Messages and their routing parts"), expected);
}

#[test]
fn lengths_of_routing_parts() {
    for row in CONDUCT {
        let heading = format!("**{} {}**, {} bytes", row.kind as u8, row.name, row.routing_bytes);
        assert!(DOCUMENT.contains(&heading), "no `{heading}` in the document");
    }
}

/// The offsets of a message's fields follow from one another, so a field that is missing or too long is seen here.
#[test]
fn offsets_of_fields_are_in_order_and_within_the_part() {
    for row in CONDUCT {
        let offsets: Vec<usize> = rows(&format!("**{} {}**", row.kind as u8, row.name))
            .iter()
            .map(|cells| cells[0].parse().unwrap())
            .collect();
        assert_eq!(offsets.first(), Some(&0), "{}", row.name);
        assert!(offsets.is_sorted() && offsets.iter().all(|&offset| offset < row.routing_bytes), "{}", row.name);
    }
}

#[test]
fn error_codes() {
    let documented = rows("## 5. Error codes");
    let codes: Vec<(String, &str, bool)> = documented
        .iter()
        .map(|cells| (cells[0].to_string(), cells[1].trim_matches('`'), cells[2].ends_with("the connection ends")))
        .collect();
    let expected: Vec<(String, &str, bool)> =
        ErrorCode::NAMES.iter().map(|&(code, name)| ((code as u16).to_string(), name, code.is_fatal())).collect();
    assert_eq!(codes, expected);
}

#[test]
fn fields() {
    let documented = rows("## 6. Fields");
    let fields: Vec<(String, &str)> =
        documented.iter().map(|cells| (cells[0].to_string(), cells[1].trim_matches('`'))).collect();
    let expected: Vec<(String, &str)> =
        Field::NAMES.iter().map(|&(field, name)| ((field as u8).to_string(), name)).collect();
    assert_eq!(fields, expected);
}

#[test]
fn private_fields_and_their_limits() {
    let private = |heading: &str| -> Vec<(String, usize)> {
        let at_most = |text: &str| text.replace(',', "").parse().unwrap();
        rows(heading).iter().map(|cells| (cells[1].trim_matches('`').to_string(), at_most(cells[2]))).collect()
    };
    let named = |fields: &[(Field, usize)]| -> Vec<(String, usize)> {
        fields.iter().map(|&(field, bytes_max)| (field.name().to_string(), bytes_max)).collect()
    };
    let payment = named(&[
        (Field::PayerName, limits::NAME_BYTES_MAX),
        (Field::PayerAccount, limits::ACCOUNT_BYTES_MAX),
        (Field::PayeeName, limits::NAME_BYTES_MAX),
        (Field::PayeeAccount, limits::ACCOUNT_BYTES_MAX),
        (Field::EndToEndId, limits::END_TO_END_ID_BYTES_MAX),
        (Field::Remittance, limits::REMITTANCE_BYTES_MAX),
        (Field::Extension, limits::EXTENSION_BYTES_MAX),
    ]);
    assert_eq!(private("**PaymentPrivate**: root of 56 bytes"), payment);
    let note = named(&[(Field::Text, limits::NAME_BYTES_MAX), (Field::Extension, limits::EXTENSION_BYTES_MAX)]);
    assert_eq!(private("**Note**: root of 16 bytes"), note);
}

#[test]
fn limits_and_times() {
    let says = |text: String| assert!(DOCUMENT.contains(&text), "no `{text}` in the document");
    assert_eq!(limits::FRAME_BYTES_MAX, 12_288);
    says("at least 32, at most 12,288".into());
    says(format!("come within {} s", limits::HELLO_TIMEOUT_MS / 1_000));
    says(format!("sent nothing for {} s sends an `Echo`", limits::ECHO_AFTER_MS / 1_000));
    says(format!("a connection silent for {} s is cut", limits::SILENCE_MAX_MS / 1_000));
    says(format!("what is waiting for it, for {} s", limits::STALL_MAX_MS / 1_000));
}
