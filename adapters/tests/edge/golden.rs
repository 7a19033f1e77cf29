//! Golden bytes: what is on the wire today must be on the wire for ever.
//!
//! `CLEARSPAN_WRITE_GOLDEN=1 cargo test -p adapters golden` writes the files anew. Do that only for a new message or a new version:
//! a changed file is a changed format.

use std::path::{Path, PathBuf};
use std::process::Command;

use adapters::message::{
    AliasFoundPrivate, AliasResultPrivate, Answer, CaseAnswer, HELLO_ALONE, Hello, Lane, MessageKind, Reason,
};
use adapters::native::frame::{self, Head};
use serde_json::{Value, json};

use crate::sample::{self, framed, id, written};

/// A golden file: its name, its bytes, and what a decoder must find in them.
struct Golden {
    name: &'static str,
    bytes: Vec<u8>,
    decoded: Value,
}

const FROM_PROVIDER: Head =
    Head { lane: Lane::Session, number: 0x0102_0304_0506_0708, acknowledged_lane: Lane::Bulk, acknowledged: 12 };
const FROM_OUTBOX: Head =
    Head { lane: Lane::Payments, number: 3, acknowledged_lane: Lane::Session, acknowledged: 1 << 40 };
const REPLY: Head = Head { lane: Lane::Session, number: 0, acknowledged_lane: Lane::Session, acknowledged: 99 };

/// Adds a golden file: name, kind, header, then each part with what is in it.
macro_rules! golden {
    ($all:expr, $name:literal, $kind:ident, $head:expr, $routing:expr, $routing_json:expr, $private:expr, $private_json:expr) => {{
        let bytes = framed(MessageKind::$kind, $head, $routing, $private);
        let decoded = frame_json(stringify!($kind), bytes.len(), $head, &$routing_json, &$private_json);
        $all.push(Golden { name: $name, bytes, decoded });
    }};
}

fn goldens() -> Vec<Golden> {
    let payment_private = written(&sample::payment_private());
    let note = written(&sample::note());
    let (payment_json, note_json) = (payment_private_json(), note_json());
    let mut all = Vec::new();
    golden!(all, "hello", Hello, Head::PLAIN, &sample::hello(), hello_json(), b"", Value::Null);
    let alone = Hello { slot: 1 | HELLO_ALONE, ..sample::hello() };
    golden!(all, "hello_alone", Hello, Head::PLAIN, &alone, with(hello_json(), "slot", json!(3)), b"", Value::Null);
    golden!(all, "welcome", Welcome, REPLY, &sample::welcome(), welcome_json(), b"", Value::Null);
    golden!(all, "ack", Ack, Head::PLAIN, &sample::ack(), json!({"received": [1, 2, 3]}), b"", Value::Null);
    golden!(all, "error", Error, REPLY, &sample::error(), error_json(), b"", Value::Null);
    golden!(all, "error_note", Error, REPLY, &sample::error(), error_json(), &note, note_json);
    let echo_json = json!({"token": 0x0102_0304_0506_0708_u64, "reply": 1});
    golden!(all, "echo", Echo, FROM_PROVIDER, &sample::echo(), echo_json, b"", Value::Null);
    let order = sample::transfer(5);
    golden!(all, "credit_transfer", CreditTransfer, FROM_PROVIDER, &order, order_json(), b"", Value::Null);
    golden!(
        all,
        "credit_transfer_private",
        CreditTransfer,
        FROM_PROVIDER,
        &order,
        order_json(),
        &payment_private,
        payment_json
    );
    let forward = sample::forward(5);
    golden!(all, "forward", Forward, FROM_OUTBOX, &forward, forward_json(), b"", Value::Null);
    golden!(all, "forward_private", Forward, FROM_OUTBOX, &forward, forward_json(), &payment_private, payment_json);
    let accept_json = json!({"payment_id": UUID, "decision": 1, "reason": null});
    golden!(all, "answer_accept", Answer, FROM_PROVIDER, &Answer::accept(id(5)), accept_json, b"", Value::Null);
    let reject = Answer::reject(id(5), Reason::of(b"AC06"));
    let reject_json = json!({"payment_id": UUID, "decision": 3, "reason": "AC06"});
    golden!(all, "answer_reject_note", Answer, FROM_PROVIDER, &reject, reject_json, &note, note_json);
    golden!(all, "status", Status, REPLY, &sample::status(5), status_json(), b"", Value::Null);
    golden!(all, "status_note", Status, FROM_OUTBOX, &sample::status(5), status_json(), &note, note_json);
    let request_json = json!({"payment_id": UUID});
    golden!(
        all,
        "status_request",
        StatusRequest,
        FROM_PROVIDER,
        &sample::status_request(),
        request_json,
        b"",
        Value::Null
    );
    about_returns_and_cases(&mut all);
    all
}

fn about_returns_and_cases(all: &mut Vec<Golden>) {
    let payment_private = written(&sample::payment_private());
    let note = written(&sample::note());
    let (payment_json, note_json) = (payment_private_json(), note_json());
    let payment_return = sample::payment_return(5);
    golden!(all, "return", Return, FROM_PROVIDER, &payment_return, return_json(), b"", Value::Null);
    golden!(all, "return_note", Return, FROM_PROVIDER, &payment_return, return_json(), &note, note_json);
    golden!(all, "returned", Returned, FROM_OUTBOX, &sample::returned(5), returned_json(), b"", Value::Null);
    golden!(all, "returned_note", Returned, FROM_OUTBOX, &sample::returned(5), returned_json(), &note, note_json);
    let (request, recall) = (sample::case_open(5), sample::recall(5));
    let expiring = |json: Value| with(json, "expires_at", json!(sample::TIME_NS + 3_600_000_000_000));
    let opened = with(recall_json(), "expires_at", json!(0));
    golden!(all, "case_open_recall", CaseOpen, FROM_PROVIDER, &recall, opened, b"", Value::Null);
    let opened = expiring(request_to_pay_json());
    golden!(all, "case_open_private", CaseOpen, FROM_PROVIDER, &request, opened, &payment_private, payment_json);
    let until = |json: Value| with(json, "deadline", json!(sample::TIME_NS + 3_600_000_000_000));
    let recall = sample::case_forward(&recall);
    golden!(all, "case_forward_recall", CaseForward, FROM_OUTBOX, &recall, until(recall_json()), b"", Value::Null);
    let request = sample::case_forward(&request);
    let asked = until(request_to_pay_json());
    golden!(all, "case_forward_private", CaseForward, FROM_OUTBOX, &request, asked, &payment_private, payment_json);
    let accept_json = json!({"case_id": UUID, "decision": 1, "reason": null});
    golden!(
        all,
        "case_answer_accept",
        CaseAnswer,
        FROM_PROVIDER,
        &CaseAnswer::accept(id(5)),
        accept_json,
        b"",
        Value::Null
    );
    let refuse_json = json!({"case_id": UUID, "decision": 3, "reason": "CUST"});
    golden!(all, "case_answer_note", CaseAnswer, FROM_PROVIDER, &sample::case_answer(5), refuse_json, &note, note_json);
    let cancel_json = json!({"case_id": UUID, "reason": "DUPL"});
    golden!(all, "case_cancel", CaseCancel, FROM_PROVIDER, &sample::case_cancel(5), cancel_json, b"", Value::Null);
    golden!(all, "case_cancel_note", CaseCancel, FROM_PROVIDER, &sample::case_cancel(5), cancel_json, &note, note_json);
    golden!(all, "case_status", CaseStatus, REPLY, &sample::case_status(5), case_status_json(), b"", Value::Null);
    golden!(
        all,
        "case_status_note",
        CaseStatus,
        FROM_OUTBOX,
        &sample::case_status(5),
        case_status_json(),
        &note,
        note_json
    );
    directory_goldens(all);
    for (name, kind) in [("sign_on", MessageKind::SignOn), ("sign_off", MessageKind::SignOff)] {
        let mut bytes = Vec::new();
        frame::encode_raw(&mut bytes, kind, FROM_PROVIDER, b"", b"");
        let decoded = frame_json(kind.conduct().name, bytes.len(), FROM_PROVIDER, &json!({}), &Value::Null);
        all.push(Golden { name, bytes, decoded });
    }
}

fn directory_goldens(all: &mut Vec<Golden>) {
    let private = written(&sample::alias_command_private());
    let command_json = json!({
        "command_id": UUID,
        "operation": 1,
        "alias_type": 1,
        "defaults": 1,
        "consent_purpose": 5,
        "consent_until": sample::TIME_NS + 1,
    });
    let private_json = json!({
        "alias": "+254712345678",
        "identity": "f3A9-kQ0_zzT81bbR7x",
        "account": "KE12 0001",
        "name": "Wanjik\u{169} Mwangi",
        "attestation": "e30.e30.AA",
    });
    let command = sample::alias_command(5);
    golden!(all, "alias_command", AliasCommand, FROM_PROVIDER, &command, command_json, &private, private_json);
    let result_json = json!({"command_id": UUID, "result": 31, "claim": 1, "at": sample::TIME_NS, "position": 77});
    golden!(all, "alias_result", AliasResult, REPLY, &sample::alias_result(5), result_json, b"", Value::Null);
    let private = written(&AliasResultPrivate { alias: b"+254712345678".to_vec() });
    let private_json = json!({"alias": "+254712345678"});
    let result = sample::alias_result(5);
    golden!(all, "alias_result_alias", AliasResult, REPLY, &result, result_json, &private, private_json);
    let lookup_json = json!({"lookup_id": UUID, "form": 1, "purpose": 1, "alias_type": 1, "participant": null});
    let private = written(&sample::alias_lookup_private());
    let private_json = json!({"alias": "+254712345678", "end_user": "end-user-0001", "account": "", "name": ""});
    let lookup = sample::alias_lookup(5);
    golden!(all, "alias_lookup", AliasLookup, FROM_PROVIDER, &lookup, lookup_json, &private, private_json);
    let found_json = json!({
        "lookup_id": UUID,
        "result": 1,
        "name_match": 0,
        "participant": "SOUTH-COOP_2",
        "owned_since": sample::TIME_NS,
        "counters": [1, 2, 3, 4, 5, 6, 0, 1, 2],
        "retry_after_ms": 0,
        "position": 78,
    });
    let private = written(&AliasFoundPrivate { account: b"KE12".to_vec(), name: b"W**** M****".to_vec() });
    let private_json = json!({"account": "KE12", "name": "W**** M****"});
    golden!(all, "alias_found", AliasFound, REPLY, &sample::alias_found(5), found_json, &private, private_json);
    let mut transfer_json = with(order_json(), "alias_type", json!(2));
    transfer_json.as_object_mut().unwrap().remove("payee");
    let private = written(&sample::alias_transfer_private());
    let private_json = json!({
        "payer_name": "Amina Diallo",
        "payer_account": "SN08 0001",
        "payee_name": "",
        "end_to_end_id": "E2E-1",
        "remittance": "rent",
        "extension": "000102",
        "alias": "a@example.org",
        "end_user": "end-user-0001",
    });
    let transfer = sample::alias_transfer(5);
    golden!(all, "alias_transfer", AliasTransfer, FROM_PROVIDER, &transfer, transfer_json, &private, private_json);
    let private = written(&sample::directory_items());
    let items_json = json!({"items": "010203"});
    let query_json = json!({"query_id": UUID, "form": 2, "after": 9});
    let query = sample::directory_query(5);
    golden!(all, "directory_query", DirectoryQuery, FROM_PROVIDER, &query, query_json, &private, items_json);
    let answer_json = json!({"query_id": UUID, "form": 2, "has_more": 1, "after": 10});
    let answer = sample::directory_answer(5);
    let query_json = json!({"query_id": UUID, "currency": "KES"});
    golden!(all, "account_query", AccountQuery, FROM_PROVIDER, &sample::account_query(5), query_json, b"", Value::Null);
    let report_json = json!({
        "query_id": UUID,
        "currency": "KES",
        "standing": 1,
        "settlement": 2,
        "at": sample::TIME_NS,
        "position": 79,
        "debits_pending": "5",
        "debits_posted": "600",
        "credits_pending": "7",
        "credits_posted": "1180591620717411303424",
        "cap": 90_000,
        "available": "1180591620717411392819",
    });
    let report = sample::account_report(5);
    golden!(all, "account_report", AccountReport, REPLY, &report, report_json, b"", Value::Null);
    golden!(all, "directory_answer", DirectoryAnswer, REPLY, &answer, answer_json, &private, items_json);
}

const UUID: &str = "05000000-0000-4a11-9b11-111111111111";
const REQUEST: &str = "06000000-0000-4a11-9b11-111111111111";
const ORIGINAL: &str = "07000000-0000-4a11-9b11-111111111111";
const RECALL: &str = "08000000-0000-4a11-9b11-111111111111";

fn with(mut json: Value, field: &str, value: Value) -> Value {
    json[field] = value;
    json
}

fn frame_json(kind: &str, length: usize, head: Head, routing: &Value, private: &Value) -> Value {
    json!({
        "length": length,
        "kind": kind,
        "lane": head.lane as u8,
        "number": head.number,
        "acknowledged_lane": head.acknowledged_lane as u8,
        "acknowledged": head.acknowledged,
        "routing": routing,
        "private": private,
    })
}

fn hello_json() -> Value {
    json!({"participant": "NORTHBANK", "lineage": "07".repeat(16), "seen": [10, 20, u64::MAX], "slot": 1})
}

fn welcome_json() -> Value {
    json!({
        "lineage": "07".repeat(16),
        "resumed_after": [10, 20, 30],
        "enqueued": [11, 22, 33],
        "time": sample::TIME_NS,
        "frame_bytes_max": 12_288,
        "in_flight_max": 4_096,
    })
}

fn error_json() -> Value {
    json!({"code": 7, "field": 4, "fatal": 0, "retry_after_ms": 250, "frame_number": 42, "payment_id": UUID})
}

fn order_json() -> Value {
    json!({
        "payment_id": UUID,
        "payer": "NORTHBANK",
        "payee": "SOUTH-COOP_2",
        "amount": 123_456,
        "currency": "KES",
        "accepted_at": sample::TIME_NS,
        "purpose": "SALA",
        "lane": 1,
        "request_id": REQUEST,
    })
}

fn forward_json() -> Value {
    with(order_json(), "deadline", json!(sample::TIME_NS + 10_000_000_000))
}

fn return_json() -> Value {
    json!({
        "return_id": UUID,
        "original_id": ORIGINAL,
        "case_id": RECALL,
        "amount": 3_456,
        "currency": "KES",
        "reason": "FOCR",
    })
}

fn returned_json() -> Value {
    let returned = with(return_json(), "returned_total", json!(23_456));
    with(with(returned, "decided_at", json!(sample::TIME_NS + 2)), "position", json!(78))
}

fn request_to_pay_json() -> Value {
    json!({
        "case_id": UUID,
        "kind": 3,
        "original_id": null,
        "opener": "NORTHBANK",
        "responder": "SOUTH-COOP_2",
        "amount": 123_456,
        "currency": "KES",
        "amount_form": 2,
        "reason": null,
    })
}

fn recall_json() -> Value {
    json!({
        "case_id": UUID,
        "kind": 1,
        "original_id": ORIGINAL,
        "opener": "NORTHBANK",
        "responder": "SOUTH-COOP_2",
        "amount": 0,
        "currency": null,
        "amount_form": 0,
        "reason": "DUPL",
    })
}

fn case_status_json() -> Value {
    json!({
        "case_id": UUID,
        "kind": 1,
        "state": 8,
        "reason": "TM01",
        "field": 16,
        "at": sample::TIME_NS + 3,
        "position": 79,
    })
}

fn status_json() -> Value {
    json!({
        "payment_id": UUID,
        "outcome": 2,
        "reason": "AC01",
        "field": 3,
        "decided_at": sample::TIME_NS + 1,
        "position": 77,
    })
}

fn payment_private_json() -> Value {
    json!({
        "payer_name": "Wanjikũ Mwangi",
        "payer_account": "KE-001-55",
        "payee_name": "Otieno & Söhne",
        "payee_account": "0712-88",
        "end_to_end_id": "INV-2026-09",
        "remittance": "rent for October",
        "extension": "000102ff",
    })
}

fn note_json() -> Value {
    json!({"text": "no such account", "extension": "090807"})
}

fn tests_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn path(golden: &Golden) -> PathBuf {
    tests_path().join("golden").join(format!("{}.bin", golden.name))
}

#[test]
fn golden_bytes_are_still_what_is_written() {
    let goldens = goldens();
    if std::env::var_os("CLEARSPAN_WRITE_GOLDEN").is_some() {
        for golden in &goldens {
            std::fs::write(path(golden), &golden.bytes).unwrap();
        }
    }
    for golden in &goldens {
        let bytes = std::fs::read(path(golden)).unwrap();
        assert_eq!(bytes, golden.bytes, "{}", golden.name);
    }
    let files = std::fs::read_dir(tests_path().join("golden")).unwrap().count();
    assert_eq!(files, goldens.len(), "a golden file that nobody compares");
}

#[test]
fn every_kind_has_a_golden_file() {
    let goldens = goldens();
    for row in adapters::message::CONDUCT {
        assert!(goldens.iter().any(|golden| golden.bytes[5] == row.kind as u8), "{}", row.name);
    }
}

/// The decoder was written from the document alone: if it agrees, the document is enough.
#[test]
fn a_decoder_written_from_the_document_reads_the_golden_files() {
    let goldens = goldens();
    let output = Command::new("python3")
        .arg(tests_path().join("decoder").join("decode.py"))
        .args(goldens.iter().map(path))
        .output()
        .expect("python3 is needed for this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let decoded: Vec<Value> = output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(decoded.len(), goldens.len());
    for (golden, decoded) in goldens.iter().zip(decoded) {
        assert_eq!(decoded, golden.decoded, "{}", golden.name);
    }
}
