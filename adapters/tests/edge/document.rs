//! What `docs/formats/native.md` says must be what the code does.

use adapters::check;
use adapters::limits;
use adapters::message::{AmountForm, CONDUCT, CaseKind, CaseOpen, CaseState, ErrorCode, Field, MessageKind, Numbered};
use adapters::native::frame::{Frame, Head};

use crate::sample::{self, id, written};

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
                Numbered::UnlessReply => "yes, unless it is a reply",
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

/// How long a field is, as the document writes it: its form, or, where its name says its form, its name.
fn width(field: &str) -> usize {
    let form = field.rsplit(' ').next().unwrap().trim_matches('`');
    match form {
        "u8" => 1,
        "u16" => 2,
        "u32" => 4,
        "u64" | "time" | "amount" => 8,
        "currency" | "[3]" => 3,
        "reason" | "[4]" => 4,
        "id" | "[16]" => 16,
        "u128" => 16,
        "code" => 35,
        "cursors" => 24,
        "[9]" => 9,
        _ => panic!("a form that section 3 does not have: {field}"),
    }
}

/// Each field begins where the one before it ends, and the last one ends with the part: no byte is without its place.
#[test]
fn every_byte_of_a_routing_part_has_its_place() {
    for row in CONDUCT.iter().filter(|row| row.routing_bytes > 0) {
        let mut end = 0;
        for cells in rows(&format!("**{} {}**", row.kind as u8, row.name)) {
            assert_eq!(cells[0], end.to_string(), "{} {}", row.name, cells[1]);
            end += width(cells[1]);
        }
        assert_eq!(end, row.routing_bytes, "{}", row.name);
    }
}

#[test]
fn kinds_of_cases() {
    let documented: Vec<[String; 3]> =
        rows("### Kinds").iter().map(|cells| std::array::from_fn(|place| cells[place].to_string())).collect();
    let expected = CaseKind::ALL
        .map(|kind| [(kind as u8).to_string(), format!("`{}`", kind.name()), (kind.lane() as u8).to_string()]);
    assert_eq!(documented, expected);
}

/// Is the opening of a case with or without these fields let pass?
fn is_taken(kind: u8, [has_original, has_currency, has_reason]: [bool; 3], form: u8) -> bool {
    let opened = CaseOpen {
        kind,
        original_id: if has_original { id(7).bytes() } else { [0; 16] },
        amount: u64::from(form != 0) * 100,
        currency: if has_currency { *b"KES" } else { [0; 3] },
        amount_form: form,
        reason: if has_reason { *b"DUPL" } else { [0; 4] },
        ..sample::case_open(1)
    };
    let routing = written(&opened);
    check::request(&Frame { kind: MessageKind::CaseOpen, head: Head::PLAIN, routing: &routing, private: b"" }).is_ok()
}

/// Every combination of the fields of the table, whether or not it is in it.
#[test]
fn what_a_case_must_say() {
    let table = rows("### What a case must say");
    let said = |kind: u8| table.iter().find(|cells| cells[0] == kind.to_string()).unwrap();
    let mut taken = 0;
    for kind in CaseKind::ALL.map(|kind| kind as u8) {
        for choice in 0..32_u8 {
            let (fields, form) = ([choice & 1 != 0, choice & 2 != 0, choice & 4 != 0], choice >> 3);
            let cells = said(kind);
            let expected = cells[1] != "only the switch opens one" && {
                let currency = if cells[3] == "with an amount" { form != 0 } else { cells[3] == "yes" };
                let forms: Vec<u8> = cells[2].split(" or ").map(|form| form.parse().unwrap()).collect();
                fields == [cells[1] == "yes", currency, cells[4] == "yes"] && forms.contains(&form)
            };
            assert_eq!(is_taken(kind, fields, form), expected, "kind {kind}, fields {fields:?}, form {form}");
            taken += u8::from(expected);
        }
    }
    assert_eq!(taken, 5, "two recalls, one request for information, two requests to pay");
}

#[test]
fn states_of_cases() {
    let documented: Vec<[String; 3]> =
        rows("### States").iter().map(|cells| std::array::from_fn(|place| cells[place].to_string())).collect();
    let expected = CaseState::ALL.map(|state| {
        [(state as u8).to_string(), format!("`{}`", state.name()), yes_or_no(state.is_final()).to_string()]
    });
    assert_eq!(documented, expected);
}

#[test]
fn forms_of_amount() {
    let documented: Vec<String> = rows("### Forms of amount").iter().map(|cells| cells[0].to_string()).collect();
    let expected: Vec<String> =
        (0..=u8::MAX).filter(|&form| AmountForm::from_number(form).is_some()).map(|form| form.to_string()).collect();
    assert_eq!(documented, expected);
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
