//! What the switch says in ISO 20022, as far as a load test judges it.
//!
//! The switch's own reader takes a message apart with all that its schema says, which costs more than the rest of a payment here. These readers look for the elements they need, in the order in
//! which the schema has them, and take everything else as it is; `IsoLine` has every so-maniest message read by the other as well, and what they read must be the same.

use adapters::iso20022::http::{CURSOR_HEADER, DELIMITER};
use adapters::message::{ErrorCode, Lane, NO_ID, Outcome, ParticipantCode};

use crate::flights::Id;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// pacs.008: a payment waits for an answer.
    Forward { id: Id, payer: ParticipantCode, payee: ParticipantCode, amount: u64, currency: [u8; 3], lane: Lane },
    /// pacs.002: what became of a payment. A numbered one is told once, and kept until it was read; others answer a repetition or a question.
    Status { id: Id, outcome: Outcome, reason: [u8; 4], is_numbered: bool },
}

/// What became of a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// admi.007: the message with this id was taken.
    Taken { reference: String },
    /// admi.002: it was refused, with this code, for this reason.
    Refused { code: ErrorCode, text: String },
}

/// The messages of an answer to a long poll: the parts of `multipart/mixed`.
pub(super) fn messages(body: &str) -> impl Iterator<Item = &str> {
    // A part begins with its header, which ends with an empty line; before the first and behind the last there is none.
    let parts = body.split(DELIMITER);
    parts.filter_map(|part| part.split_once("\r\n\r\n")).map(|(head, message)| {
        debug_assert!(head.contains(CURSOR_HEADER), "each part says where to go on");
        message.trim_end()
    })
}

/// Reads a message; none where it is none that a load test waits for, or not as it must be.
pub(super) fn read(message: &str) -> Option<Told> {
    let mut reading = Reading(message);
    // The switch numbers what it keeps with `CS`, and its answers to repetitions and questions with `CR`.
    let is_numbered = reading.text("BizMsgIdr")?.starts_with("CS");
    match reading.text("MsgDefIdr")? {
        "pacs.008.001.08" => read_forward(reading),
        "pacs.002.001.10" => read_status(reading, is_numbered),
        _ => None,
    }
}

fn read_forward(mut reading: Reading<'_>) -> Option<Told> {
    let id = id_of(reading.text("UETR")?)?;
    let lane = match reading.up_to("<IntrBkSttlmAmt ")?.text("ClrChanl") {
        Some("MPNS") => Lane::Bulk,
        Some(_) => return None,
        None => Lane::Payments,
    };
    reading.skip("<IntrBkSttlmAmt Ccy=\"")?;
    let (currency, amount) = reading.until("</IntrBkSttlmAmt>")?.split_once("\">")?;
    let (currency, amount) = (currency.as_bytes().try_into().ok()?, minor_units(amount)?);
    reading.skip("<DbtrAgt>")?;
    let payer = ParticipantCode::parse(reading.text("MmbId")?)?;
    reading.skip("<CdtrAgt>")?;
    let payee = ParticipantCode::parse(reading.text("MmbId")?)?;
    Some(Told::Forward { id, payer, payee, amount, currency, lane })
}

fn read_status(mut reading: Reading<'_>, is_numbered: bool) -> Option<Told> {
    let id = id_of(reading.text("OrgnlUETR")?)?;
    let said = reading.clone().text("TxSts");
    let code = reading.text("Rsn").and_then(|reason| Reading(reason).text("Cd")).unwrap_or_default();
    let outcome = match (said, code) {
        (Some("ACSC"), _) => Outcome::Committed,
        (Some("RJCT"), "AB05") => Outcome::Expired,
        (Some("RJCT"), _) => Outcome::Rejected,
        (Some("PDNG"), _) => Outcome::InFlight,
        (None, "NOOR") => Outcome::Unknown,
        (None, "AM05") => Outcome::Duplicate,
        _ => return None,
    };
    let is_reason = matches!(outcome, Outcome::Rejected | Outcome::Expired);
    let reason = if is_reason { code.as_bytes().try_into().ok()? } else { [0; 4] };
    Some(Told::Status { id, outcome, reason, is_numbered })
}

/// Reads what became of a message that was sent.
pub(super) fn read_fate(message: &str) -> Option<Fate> {
    let mut reading = Reading(message);
    match reading.text("MsgDefIdr")? {
        "admi.007.001.01" => {
            let reference = reading.text("Ref")?.to_owned();
            (reading.text("StsCd")? == "ACPT").then_some(Fate::Taken { reference })
        }
        "admi.002.001.01" => {
            let name = reading.text("RjctgPtyRsn")?;
            let known = ErrorCode::NAMES.iter().find(|(_, known)| *known == name);
            let text = format!("{name}: {}", reading.text("RsnDesc").unwrap_or_default());
            // What the adapter finds wrong with a message is one that we should not have sent.
            Some(Fate::Refused { code: known.map_or(ErrorCode::BadMessage, |(code, _)| *code), text })
        }
        _ => None,
    }
}

fn id_of(text: &str) -> Option<Id> {
    let bytes = text.as_bytes();
    let mut id = NO_ID;
    let mut at = 0;
    for byte in &mut id {
        at += usize::from(bytes.get(at) == Some(&b'-'));
        *byte = hex(*bytes.get(at)?)? << 4 | hex(*bytes.get(at + 1)?)?;
        at += 2;
    }
    (at == bytes.len()).then_some(id)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Of the currency for tests, which has two decimals.
fn minor_units(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.')?;
    let is_right = fraction.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (whole, fraction): (u64, u64) = (whole.parse().ok()?, fraction.parse().ok()?);
    is_right.then_some(whole.checked_mul(100)?.checked_add(fraction)?)
}

/// What has not been read yet.
#[derive(Clone)]
struct Reading<'m>(&'m str);

impl<'m> Reading<'m> {
    /// Reads on behind this.
    fn skip(&mut self, mark: &str) -> Option<()> {
        let at = self.find(mark)?;
        self.0 = &self.0[at + mark.len()..];
        Some(())
    }

    /// Reads up to this, and on behind it.
    fn until(&mut self, mark: &str) -> Option<&'m str> {
        let at = self.find(mark)?;
        let before = &self.0[..at];
        self.0 = &self.0[at + mark.len()..];
        Some(before)
    }

    /// What stands before this.
    fn up_to(&self, mark: &str) -> Option<Reading<'m>> {
        self.find(mark).map(|at| Reading(&self.0[..at]))
    }

    /// Where this tag begins. Looking for the one character before all of it is quicker than the general search, which prepares for long texts.
    fn find(&self, tag: &str) -> Option<usize> {
        let mut at = 0;
        loop {
            at += self.0[at..].find('<')?;
            if self.0[at..].starts_with(tag) {
                return Some(at);
            }
            at += 1;
        }
    }

    /// The text of the next element of this name, and of its elements where it holds any.
    fn text(&mut self, name: &str) -> Option<&'m str> {
        let is_tag = |rest: &str| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('>'));
        let from = loop {
            let at = self.0.find('<')? + 1;
            self.0 = &self.0[at..];
            if is_tag(self.0) {
                break &self.0[name.len() + 1..];
            }
        };
        let mut end = 0;
        loop {
            end += from[end..].find('<')?;
            if from[end + 1..].strip_prefix('/').is_some_and(is_tag) {
                break;
            }
            end += 1;
        }
        self.0 = &from[end..];
        Some(&from[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapters::iso20022::document::Decoder;
    use adapters::iso20022::profile::Profile;
    use adapters::iso20022::{Addressed, Encoder};
    use adapters::message::{Note, PaymentId, PaymentPrivate, Reason};
    use adapters::native::client::{Forward, Incoming, Status};
    use ledger::{Amount, Currency};

    use crate::connection::iso::is_same;

    fn code(text: &str) -> ParticipantCode {
        ParticipantCode::parse(text).expect("a code")
    }

    fn forward(amount: u64, lane: Lane) -> Incoming {
        Incoming::Forward(Box::new(Forward {
            payment_id: PaymentId::random(),
            payer: code("PSP0001"),
            payee: code("PSP0002"),
            amount: Amount::new(amount).expect("an amount"),
            currency: Currency::parse(b"XTS").expect("a currency"),
            accepted_at_ns: 1_790_000_000_123_456_789,
            purpose: Reason::NONE,
            lane,
            request_id: None,
            deadline_ns: 1_790_000_008_123_456_789,
            private: PaymentPrivate {
                payer_name: "</UETR> <MmbId>PSP0009".into(),
                payer_account: b"XT00CLSP0000000001".to_vec(),
                payee_name: "Ren\u{e9}e & <DbtrAgt>".into(),
                payee_account: b"1001".to_vec(),
                end_to_end_id: b"UETR MmbId".to_vec(),
                remittance: "Ccy=\"EUR\">5.00</IntrBkSttlmAmt>".into(),
                extension: Vec::new(),
            },
        }))
    }

    fn status(outcome: Outcome, reason: Reason) -> Incoming {
        Incoming::Status(Box::new(Status {
            payment_id: PaymentId::random(),
            outcome,
            reason,
            field: adapters::message::Field::None,
            decided_at_ns: 1_790_000_000_000_000_000,
            position: 7,
            numbered: true,
            note: Note { text: b"<TxSts>ACSC</TxSts>".to_vec(), extension: Vec::new() },
        }))
    }

    fn written(told: &Incoming, message_id: &str) -> String {
        let profile = Profile::clearspan();
        let addressed = Addressed {
            profile,
            message_id,
            created_at_ns: 1_790_000_001_000_000_000,
            from: "CLEARSPAN",
            to: "PSP0002",
        };
        let mut out = String::new();
        assert!(Encoder::new(profile).write_told(&addressed, told, &mut out));
        out
    }

    #[test]
    fn an_answer_to_a_long_poll_has_its_messages_in_order() {
        let part = |message: &str| {
            format!(
                "--clearspan-next-message\r\nContent-Type: application/xml\r\nclearspan-cursor: 1\r\n\r\n{message}\r\n"
            )
        };
        let body = format!("{}{}--clearspan-next-message--\r\n", part("<a/>"), part("<b/>"));
        assert!(messages(&body).eq(["<a/>", "<b/>"]));
        assert_eq!(messages("").count(), 0);
    }

    #[test]
    fn what_is_no_such_message_is_not_read() {
        let message = written(&forward(100, Lane::Payments), "CS1");
        for (from, to) in [
            ("pacs.008.001.08</MsgDefIdr>", "pacs.009.001.08</MsgDefIdr>"),
            ("XTS\">1.00<", "XTS\">1.0<"),
            ("XTS\">1.00<", "XTS\">100<"),
            ("XTS\">1.00<", "XTS\">-1.00<"),
            ("<UETR>", "<UETR>0"),
            ("</Document>", ""),
            ("<MmbId>PSP0001</MmbId>", "<MmbId></MmbId>"),
        ] {
            assert!(message.contains(from), "{from} in {message}");
            let read = read(&message.replace(from, to));
            let is_cut = to.is_empty();
            assert_eq!(read.is_some(), is_cut, "{from} {to}: the end of a message is the other reader's to look at");
        }
    }

    #[test]
    fn fates_are_read() {
        let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/iso20022");
        let file = |name: &str| std::fs::read_to_string(format!("{files}/{name}")).expect("an example");
        let taken = read_fate(&file("told-admi.007-taken.xml"));
        assert_eq!(taken, Some(Fate::Taken { reference: "NORTH-20261123-0001".to_owned() }));
        let refused = file("told-admi.002-refused.xml");
        let of = |name: &str| match read_fate(&refused.replace(">checksum<", &format!(">{name}<"))) {
            Some(Fate::Refused { code, .. }) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!((of("checksum"), of("rate_limited")), (ErrorCode::BadMessage, ErrorCode::RateLimited));
        assert_eq!(read_fate(&file("told-admi.007-taken.xml").replace("ACPT", "RJCT")), None);
    }

    /// Whatever the switch writes, this reads what the product's own reader does, with names and texts of customers that look like elements.
    #[test]
    fn what_the_switch_says_is_read_as_the_product_reads_it() {
        let mut checker = Decoder::new(Profile::clearspan());
        let mut all = vec![forward(1, Lane::Payments), forward(123_456_789, Lane::Bulk), forward(100, Lane::Payments)];
        all.extend(
            [Outcome::Committed, Outcome::InFlight, Outcome::Unknown, Outcome::Duplicate]
                .map(|outcome| status(outcome, Reason::NONE)),
        );
        all.push(status(Outcome::Rejected, Reason::of(b"AC04")));
        all.push(status(Outcome::Expired, Reason::of(b"AB05")));
        for told in &all {
            let message = written(told, "CS0123456789ab10000000000000001");
            let read = read(&message);
            assert!(read.is_some(), "{message}");
            assert!(is_same(&mut checker, &message, read.as_ref()), "{read:?} of {message}");
        }
    }
}
