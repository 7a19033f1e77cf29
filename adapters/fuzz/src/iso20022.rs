//! ISO 20022: what was read is written by the encoder, and reads the same.

use std::cell::RefCell;

use adapters::directory::LookupResult;
use adapters::iso20022::document::Decoder;
use adapters::iso20022::mailbox::Cursor;
use adapters::iso20022::profile::Profile;
use adapters::iso20022::refusal::Refusal;
use adapters::iso20022::{Addressed, Encoder, Order, Orders, read_orders, read_told};
use adapters::message::{CaseKind, CaseState, Outcome, Reason};
use adapters::native::client::{CaseStatus, Incoming};

const NOW_NS: u64 = 1_795_422_600_000_000_000;

thread_local! {
    static CODEC: RefCell<(Decoder, Encoder)> =
        RefCell::new((Decoder::new(Profile::clearspan()), Encoder::new(Profile::clearspan())));
}

fn addressed(from: &'static str, to: &'static str) -> Addressed<'static> {
    Addressed { profile: Profile::clearspan(), message_id: "CS0123456789ABCDEF-1-1", created_at_ns: NOW_NS, from, to }
}

/// What a provider sends.
pub fn iso20022_orders(bytes: &[u8]) {
    CODEC.with_borrow_mut(|(decoder, encoder)| match read_orders(decoder, bytes, None) {
        Ok(read) => {
            assert!((1..=10).contains(&read.orders.len()) || read.message.starts_with("acmt."), "{}", read.message);
            read.orders.iter().for_each(|order| check_order(decoder, encoder, &read, order));
            let mut out = String::new();
            encoder.write_receipt(
                &addressed("CLEARSPAN", "NORTHBANK"),
                &read,
                &vec![None; read.orders.len()],
                &mut out,
            );
            check_readable(decoder, &out);
        }
        Err(refusal) => check_refusal(decoder, encoder, &refusal),
    });
}

fn check_order(decoder: &mut Decoder, encoder: &mut Encoder, read: &Orders, order: &Order) {
    let (mut again, mut message) = write_and_read(decoder, encoder, read.message, order);
    if again != *order && has_places(order_extension(order)) {
        let normal = again;
        (again, message) = write_and_read(decoder, encoder, read.message, &normal);
        assert_eq!(again, normal, "{message}");
        return;
    }
    assert_eq!(again, *order, "{message}");
}

/// An empty element before one that is carried keeps its place. Where nothing else comes to stand there, the one behind it moves up, and is read as the first: once.
fn has_places(extension: &[u8]) -> bool {
    extension.windows(2).any(|end| end == b"/>")
}

fn order_extension(order: &Order) -> &[u8] {
    match order {
        Order::CreditTransfer(_, private) | Order::CaseOpen(_, private) => &private.extension,
        Order::AliasTransfer(_, private) => &private.extension,
        Order::Answer(_, note) | Order::Return(_, note) | Order::CaseAnswer(_, note) | Order::CaseCancel(_, note) => {
            &note.extension
        }
        Order::StatusRequest(_)
        | Order::AliasLookup(..)
        | Order::AccountQuery(_)
        | Order::SignOn
        | Order::SignOff
        | Order::Echo => &[],
    }
}

fn write_and_read(decoder: &mut Decoder, encoder: &mut Encoder, message: &str, order: &Order) -> (Order, String) {
    let (own, mut out) = (addressed("NORTHBANK", "CLEARSPAN"), String::new());
    match order {
        Order::CaseAnswer(answer, note) => {
            let kind = match &message[..8] {
                "pacs.002" => CaseKind::Posting,
                "pain.014" => CaseKind::PaymentRequest,
                "camt.028" => CaseKind::Information,
                _ => CaseKind::Recall,
            };
            encoder.write_case_answer(&own, kind, answer, note, &mut out);
        }
        Order::CaseCancel(cancel, note) => {
            assert!(encoder.write_case_cancel(&own, CaseKind::Recall, cancel, note, &mut out));
        }
        order => assert!(encoder.write_order(&own, order, &mut out), "{order:?}"),
    }
    match read_orders(decoder, out.as_bytes(), None) {
        Ok(mut again) if again.orders.len() == 1 => (again.orders.remove(0), out),
        Ok(again) => panic!("{again:?}\n{out}"),
        Err(refusal) => panic!("{refusal}\n{order:?}\n{out}"),
    }
}

/// What the switch says.
pub fn iso20022_told(bytes: &[u8]) {
    CODEC.with_borrow_mut(|(decoder, encoder)| match read_told(decoder, bytes) {
        Ok(read) => read.iter().for_each(|told| check_told(decoder, encoder, told)),
        Err(refusal) => check_refusal(decoder, encoder, &refusal),
    });
}

fn check_told(decoder: &mut Decoder, encoder: &mut Encoder, told: &Incoming) {
    let told = as_the_switch_says(told);
    let (mut again, mut message) = tell_and_read(decoder, encoder, &told);
    if again != told && has_places(told_extension(&told)) {
        let normal = again;
        (again, message) = tell_and_read(decoder, encoder, &normal);
        assert_eq!(again, normal, "{message}");
        return;
    }
    assert_eq!(again, told, "{message}");
}

fn told_extension(told: &Incoming) -> &[u8] {
    match told {
        Incoming::Forward(forward) => &forward.private.extension,
        Incoming::Status(status) => &status.note.extension,
        Incoming::Returned(returned) => &returned.note.extension,
        Incoming::CaseForward(case) => &case.private.extension,
        Incoming::CaseStatus(case) => &case.note.extension,
        _ => &[],
    }
}

fn tell_and_read(decoder: &mut Decoder, encoder: &mut Encoder, told: &Incoming) -> (Incoming, String) {
    // Some messages have no other place for the time of what they tell.
    let created_at_ns = match told {
        Incoming::Returned(returned) => returned.decided_at_ns,
        Incoming::CaseStatus(case) if case.at_ns > 0 => case.at_ns,
        _ => NOW_NS,
    };
    let own = Addressed { created_at_ns, ..addressed("CLEARSPAN", "NORTHBANK") };
    let mut out = String::new();
    assert!(encoder.write_told(&own, told, &mut out), "{told:?}");
    match read_told(decoder, out.as_bytes()) {
        Ok(mut again) if again.len() == 1 => (again.remove(0), out),
        Ok(again) => panic!("{again:?}\n{out}"),
        Err(refusal) => panic!("{refusal}\n{told:?}\n{out}"),
    }
}

/// Messages can be read that the switch never writes: as it would say the same.
fn as_the_switch_says(told: &Incoming) -> Incoming {
    let mut told = told.clone();
    match &mut told {
        // What is settled, or not decided, has no reason.
        Incoming::Status(status) if matches!(status.outcome, Outcome::Committed | Outcome::InFlight) => {
            status.reason = Reason::NONE;
        }
        Incoming::CaseStatus(case) => case_as_the_switch_says(case),
        // Only of an entry more is told than that there is one.
        Incoming::AliasFound(found) if found.result != LookupResult::Found => {
            (found.owned_since_ns, found.counters, found.position) = (0, [0; 9], 0);
        }
        _ => {}
    }
    told
}

fn case_as_the_switch_says(case: &mut CaseStatus) {
    let is_yes = matches!(case.state, CaseState::Open | CaseState::Accepted | CaseState::Paying | CaseState::Settled);
    match case.kind {
        // Of a request to pay and of another case this is told in different messages, and no kind is known that would say which.
        None => {
            case.position = 0;
            case.at_ns = case.at_ns.max(1);
            case.note.extension.clear();
        }
        Some(CaseKind::Posting) => {}
        Some(_) if is_yes => case.reason = Reason::NONE,
        Some(_) => {}
    }
    // While it is open, its time is its deadline, which has no place in the message.
    if case.state == CaseState::Open && matches!(case.kind, Some(CaseKind::Posting | CaseKind::PaymentRequest)) {
        case.at_ns = 0;
    }
}

/// Why a message is refused can be said in a message, whatever the message was.
fn check_refusal(decoder: &mut Decoder, encoder: &mut Encoder, refusal: &Refusal) {
    assert!(!refusal.text.is_empty());
    let mut out = String::new();
    encoder.write_refusal(&addressed("CLEARSPAN", "NORTHBANK"), refusal, &mut out);
    check_readable(decoder, &out);
}

fn check_readable(decoder: &mut Decoder, message: &str) {
    if let Err(refusal) = decoder.decode(message.as_bytes()) {
        panic!("{refusal}\n{message}");
    }
}

/// How far a participant has read, as it says it in a request.
pub fn iso20022_cursor(bytes: &[u8]) {
    let Some(cursor) = std::str::from_utf8(bytes).ok().and_then(Cursor::parse) else { return };
    assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
}
