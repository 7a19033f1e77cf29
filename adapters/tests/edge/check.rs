//! Every field of every message a provider may send, and every way to refuse it.
//!
//! One line is one message: its kind, what differs from a good one, and what the check says. A value is text in which `%` starts two
//! hexadecimal digits and `N*c` stands for N times the character c; `private=` replaces the whole private part.

use std::collections::BTreeSet;

use adapters::check::{self, Refusal};
use adapters::message::{
    AccountQuery, Answer, CONDUCT, CaseAnswer, CaseCancel, CaseOpen, CreditTransfer, Echo, ErrorCode, Field, Hello,
    MessageKind, Note, Part, PaymentPrivate, Return, StatusRequest,
};
use adapters::native::frame::{Frame, Head};

use crate::sample::{self, id, written};

/// Checks a table; gives the fields that were blamed in it.
fn check(table: &str) -> BTreeSet<&'static str> {
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut blamed = BTreeSet::new();
    for line in lines {
        let (message, expected) = line.split_once("->").unwrap();
        let mut words = message.split_whitespace();
        let name = words.next().unwrap();
        let kind = CONDUCT.iter().find(|row| row.name == name).unwrap().kind;
        let mut draft = Draft::new(kind);
        for word in words {
            let (field, value) = word.split_once('=').unwrap();
            draft.set(field, &bytes_of(value));
        }
        let said = match draft.check() {
            Ok(()) => "accepted".to_string(),
            Err(Refusal { code, field: Field::None, .. }) => code.name().to_string(),
            Err(Refusal { code, field, .. }) => {
                blamed.insert(field.name());
                format!("{} {}", code.name(), field.name())
            }
        };
        assert_eq!(said, expected.trim(), "{line}");
    }
    blamed
}

/// The bytes of a value as written in a table.
fn bytes_of(value: &str) -> Vec<u8> {
    if let Some((count, character)) = value.split_once('*') {
        return character.repeat(count.parse().unwrap()).into_bytes();
    }
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    bytes
}

/// A message in the making.
struct Draft {
    kind: MessageKind,
    hello: Hello,
    echo: Echo,
    transfer: CreditTransfer,
    answer: Answer,
    status_request: StatusRequest,
    account_query: AccountQuery,
    payment_return: Return,
    case_open: CaseOpen,
    case_answer: CaseAnswer,
    case_cancel: CaseCancel,
    payment_private: PaymentPrivate,
    note: Note,
    private: Option<Vec<u8>>,
}

/// Text into a field of fixed length, with zero bytes after it.
fn padded<const N: usize>(value: &[u8]) -> [u8; N] {
    let mut field = [0; N];
    field[..value.len()].copy_from_slice(value);
    field
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

fn byte(value: &[u8]) -> u8 {
    u8::try_from(number(value)).unwrap()
}

/// A UUID as printed, or nothing for zeros.
fn uuid(value: &[u8]) -> [u8; 16] {
    if value.is_empty() {
        return [0; 16];
    }
    *uuid::Uuid::parse_str(std::str::from_utf8(value).unwrap()).unwrap().as_bytes()
}

impl Draft {
    fn new(kind: MessageKind) -> Draft {
        Draft {
            kind,
            hello: sample::hello(),
            echo: sample::echo(),
            transfer: sample::transfer(1),
            answer: Answer::accept(id(1)),
            status_request: sample::status_request(),
            account_query: sample::account_query(1),
            payment_return: sample::payment_return(1),
            case_open: sample::case_open(1),
            case_answer: CaseAnswer::accept(id(1)),
            case_cancel: sample::case_cancel(1),
            payment_private: sample::payment_private(),
            note: sample::note(),
            private: None,
        }
    }

    fn set(&mut self, field: &str, value: &[u8]) {
        match field {
            "participant" => self.hello.participant = padded(value),
            "slot" => self.hello.slot = byte(value),
            "reply" => self.echo.reply = byte(value),
            "payment_id" => {
                let id = uuid(value);
                (self.transfer.payment_id, self.answer.payment_id, self.status_request.payment_id) = (id, id, id);
                self.payment_return.return_id = id;
            }
            "original_id" => {
                (self.payment_return.original_id, self.case_open.original_id) = (uuid(value), uuid(value));
            }
            "case_id" => {
                let id = uuid(value);
                (self.payment_return.case_id, self.case_open.case_id) = (id, id);
                (self.case_answer.case_id, self.case_cancel.case_id) = (id, id);
            }
            "query_id" => self.account_query.query_id = uuid(value),
            "payer" => self.transfer.payer = padded(value),
            "payee" => self.transfer.payee = padded(value),
            "opener" => self.case_open.opener = padded(value),
            "responder" => self.case_open.responder = padded(value),
            "amount" => {
                let amount = number(value);
                (self.transfer.amount, self.payment_return.amount, self.case_open.amount) = (amount, amount, amount);
            }
            "amount_form" => self.case_open.amount_form = byte(value),
            "currency" => {
                self.account_query.currency = padded(value);
                self.transfer.currency = padded(value);
                (self.payment_return.currency, self.case_open.currency) = (padded(value), padded(value));
            }
            "accepted_at" => self.transfer.accepted_at_ns = number(value),
            "expires_at" => self.case_open.expires_at_ns = number(value),
            "purpose" => self.transfer.purpose = padded(value),
            "lane" => self.transfer.lane = byte(value),
            "request_id" => self.transfer.request_id = uuid(value),
            "kind" => self.case_open.kind = byte(value),
            "decision" => (self.answer.decision, self.case_answer.decision) = (byte(value), byte(value)),
            "reason" => {
                (self.answer.reason, self.payment_return.reason) = (padded(value), padded(value));
                self.case_open.reason = padded(value);
                (self.case_answer.reason, self.case_cancel.reason) = (padded(value), padded(value));
            }
            "payer_name" => self.payment_private.payer_name = value.to_vec(),
            "payer_account" => self.payment_private.payer_account = value.to_vec(),
            "payee_name" => self.payment_private.payee_name = value.to_vec(),
            "payee_account" => self.payment_private.payee_account = value.to_vec(),
            "end_to_end_id" => self.payment_private.end_to_end_id = value.to_vec(),
            "remittance" => self.payment_private.remittance = value.to_vec(),
            "text" => self.note.text = value.to_vec(),
            "extension" => {
                self.payment_private.extension = value.to_vec();
                self.note.extension = value.to_vec();
            }
            "private" => self.private = Some(value.to_vec()),
            _ => panic!("no field {field}"),
        }
    }

    fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        match self.kind {
            MessageKind::Hello => (written(&self.hello), Vec::new()),
            MessageKind::Welcome => (written(&sample::welcome()), Vec::new()),
            MessageKind::Ack => (written(&sample::ack()), Vec::new()),
            MessageKind::Error => (written(&sample::error()), written(&self.note)),
            MessageKind::Echo => (written(&self.echo), Vec::new()),
            MessageKind::CreditTransfer => (written(&self.transfer), written(&self.payment_private)),
            MessageKind::Forward => (written(&sample::forward(1)), written(&self.payment_private)),
            MessageKind::Answer => (written(&self.answer), written(&self.note)),
            MessageKind::Status => (written(&sample::status(1)), written(&self.note)),
            MessageKind::StatusRequest => (written(&self.status_request), Vec::new()),
            MessageKind::Return => (written(&self.payment_return), written(&self.note)),
            MessageKind::Returned => (written(&sample::returned(1)), written(&self.note)),
            MessageKind::CaseOpen => (written(&self.case_open), written(&self.payment_private)),
            MessageKind::CaseForward => {
                (written(&sample::case_forward(&self.case_open)), written(&self.payment_private))
            }
            MessageKind::CaseAnswer => (written(&self.case_answer), written(&self.note)),
            MessageKind::CaseCancel => (written(&self.case_cancel), written(&self.note)),
            MessageKind::CaseStatus => (written(&sample::case_status(1)), written(&self.note)),
            MessageKind::SignOn | MessageKind::SignOff => (Vec::new(), Vec::new()),
            MessageKind::AliasResult => (written(&sample::alias_result(1)), Vec::new()),
            MessageKind::AliasFound => (written(&sample::alias_found(1)), Vec::new()),
            MessageKind::DirectoryAnswer => {
                (written(&sample::directory_answer(1)), written(&sample::directory_items()))
            }
            MessageKind::AccountQuery => (written(&self.account_query), Vec::new()),
            MessageKind::AccountReport => (written(&sample::account_report(1)), Vec::new()),
            // What of these is let pass stands in `directory.rs`.
            MessageKind::AliasCommand => {
                (written(&sample::alias_command(1)), written(&sample::alias_command_private()))
            }
            MessageKind::AliasLookup => (written(&sample::alias_lookup(1)), written(&sample::alias_lookup_private())),
            MessageKind::AliasTransfer => {
                (written(&sample::alias_transfer(1)), written(&sample::alias_transfer_private()))
            }
            MessageKind::DirectoryQuery => (written(&sample::directory_query(1)), written(&sample::directory_items())),
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        let (routing, private) = self.parts();
        let private = self.private.clone().unwrap_or(private);
        let frame = Frame { kind: self.kind, head: Head::PLAIN, routing: &routing, private: &private };
        let checked = check::request(&frame).map(|_| ());
        if let Err(refusal) = checked {
            assert_eq!(refusal.payment_id, self.named_payment(refusal.code), "{:?}", self.kind);
        }
        checked
    }

    /// A refusal names the payment, so that a provider with thousands on the way knows which one it was.
    fn named_payment(&self, code: ErrorCode) -> [u8; 16] {
        match self.kind {
            MessageKind::CreditTransfer => self.transfer.payment_id,
            MessageKind::Answer => self.answer.payment_id,
            MessageKind::StatusRequest if code == ErrorCode::BadField => self.status_request.payment_id,
            MessageKind::AccountQuery if code == ErrorCode::BadField => self.account_query.query_id,
            MessageKind::Return => self.payment_return.return_id,
            MessageKind::CaseOpen => self.case_open.case_id,
            MessageKind::CaseAnswer => self.case_answer.case_id,
            MessageKind::CaseCancel => self.case_cancel.case_id,
            _ => [0; 16],
        }
    }
}

const TRANSFERS: &str = "
    CreditTransfer -> accepted
    CreditTransfer private= -> accepted

    # A version-4 UUID of the right variant, and nothing else.
    CreditTransfer payment_id=00000000-0000-0000-0000-000000000000 -> bad_field payment_id
    CreditTransfer payment_id=11111111-1111-1111-9111-111111111111 -> bad_field payment_id
    CreditTransfer payment_id=11111111-1111-4111-c111-111111111111 -> bad_field payment_id
    CreditTransfer payment_id=11111111-1111-4111-b111-111111111111 -> accepted

    CreditTransfer payer=A                       -> accepted
    CreditTransfer payer=35*A                    -> accepted
    CreditTransfer payer=                        -> bad_field payer
    CreditTransfer payer=northbank               -> bad_field payer
    CreditTransfer payer=NORTH%20BANK            -> bad_field payer
    CreditTransfer payer=NORTH%00BANK            -> bad_field payer
    CreditTransfer payee=                        -> bad_field payee
    CreditTransfer payee=S%c3%96D                -> bad_field payee

    CreditTransfer amount=0                      -> bad_field amount
    CreditTransfer amount=1                      -> accepted
    CreditTransfer amount=999999999999999999     -> accepted
    CreditTransfer amount=1000000000000000000    -> bad_field amount

    CreditTransfer currency=UGX                  -> accepted
    CreditTransfer currency=ugx                  -> bad_field currency
    CreditTransfer currency=U1X                  -> bad_field currency
    CreditTransfer currency=                     -> bad_field currency

    CreditTransfer accepted_at=0                    -> bad_field accepted_at
    CreditTransfer accepted_at=1                    -> accepted
    CreditTransfer accepted_at=9223372036854775807  -> accepted
    CreditTransfer accepted_at=9223372036854775808  -> bad_field accepted_at

    CreditTransfer purpose=                      -> accepted
    CreditTransfer purpose=salA                  -> bad_field purpose
    CreditTransfer purpose=SAL                   -> bad_field purpose

    # Payments or bulk; the other lanes are not for payments.
    CreditTransfer lane=0                        -> bad_field lane
    CreditTransfer lane=2                        -> accepted
    CreditTransfer lane=3                        -> bad_field lane
    CreditTransfer lane=4                        -> bad_field lane

    CreditTransfer request_id=                   -> accepted
    CreditTransfer request_id=11111111-1111-1111-9111-111111111111 -> bad_field request_id

    CreditTransfer payer_name=140*x              -> accepted
    CreditTransfer payer_name=140*ü              -> accepted
    CreditTransfer payer_name=140*𞤀              -> accepted
    CreditTransfer payer_name=141*x              -> bad_field payer_name
    CreditTransfer payer_name=141*ü              -> bad_field payer_name
    CreditTransfer payer_name=%ff                -> bad_field payer_name
    CreditTransfer payer_name=a%0ab              -> bad_field payer_name
    CreditTransfer payer_name=a%7f               -> bad_field payer_name
    CreditTransfer payer_name=%c2%85             -> bad_field payer_name
    CreditTransfer payer_account=64*1            -> accepted
    CreditTransfer payer_account=65*1            -> bad_field payer_account
    CreditTransfer payee_name=141*x              -> bad_field payee_name
    CreditTransfer payee_name=a%00               -> bad_field payee_name
    CreditTransfer payee_account=65*1            -> bad_field payee_account
    CreditTransfer payee_account=%c3             -> bad_field payee_account
    CreditTransfer end_to_end_id=35*x            -> accepted
    CreditTransfer end_to_end_id=36*x            -> bad_field end_to_end_id
    CreditTransfer remittance=140*x              -> accepted
    CreditTransfer remittance=141*x              -> bad_field remittance
    # An extension is any bytes.
    CreditTransfer extension=%00%ff              -> accepted
    CreditTransfer extension=8192*x              -> accepted
    CreditTransfer extension=8193*x              -> bad_field extension

    CreditTransfer private=%00                   -> bad_message
    CreditTransfer private=56*x                  -> bad_message

    # The first field in the order of the layout is the one that is named.
    CreditTransfer amount=0 payer= payee_name=%ff -> bad_field payer
";

const OTHERS: &str = "
    Hello                                        -> accepted
    Hello participant=                           -> bad_field participant
    Hello participant=north                      -> bad_field participant
    Hello slot=0                                 -> accepted
    Hello slot=1                                 -> accepted
    Hello slot=2                                 -> accepted
    Hello slot=3                                 -> accepted
    Hello slot=4                                 -> bad_field slot
    Hello private=%00                            -> bad_message

    Ack                                          -> accepted
    Ack private=%00                              -> bad_message

    Echo                                         -> accepted
    Echo reply=0                                 -> accepted
    Echo reply=2                                 -> bad_field reply
    Echo private=%00                             -> bad_message

    Answer                                       -> accepted
    Answer private=                              -> accepted
    Answer payment_id=11111111-1111-1111-9111-111111111111 -> bad_field payment_id
    Answer decision=0                            -> bad_field decision
    Answer decision=2                            -> accepted
    Answer decision=4                            -> bad_field decision
    Answer decision=2 reason=AC01                -> bad_field reason
    Answer decision=3 reason=AC01                -> accepted
    # A reject says why; an accept has nothing to explain.
    Answer decision=3                            -> bad_field reason
    Answer decision=1 reason=AC01                -> bad_field reason
    Answer decision=3 reason=ac01                -> bad_field reason
    Answer decision=3 reason=AC1                 -> bad_field reason
    Answer text=560*x                            -> accepted
    Answer text=561*x                            -> bad_field text
    Answer text=a%09b                            -> bad_field text
    Answer extension=8193*x                      -> bad_field extension
    Answer private=%00                           -> bad_message

    StatusRequest                                -> accepted
    StatusRequest payment_id=11111111-1111-1111-9111-111111111111 -> bad_field payment_id
    StatusRequest private=%00                    -> bad_message
    AccountQuery                                 -> accepted
    AccountQuery query_id=11111111-1111-1111-9111-111111111111 -> bad_field payment_id
    AccountQuery currency=kes                    -> bad_field currency
    AccountQuery private=%00                     -> bad_message
    AccountReport                                -> not_allowed

    # What only the switch says.
    Welcome                                      -> not_allowed
    Error                                        -> not_allowed
    Forward                                      -> not_allowed
    Status                                       -> not_allowed
    Returned                                     -> not_allowed
    CaseForward                                  -> not_allowed
    CaseStatus                                   -> not_allowed
";

const RETURNS: &str = "
    Return                                       -> accepted
    Return private=                              -> accepted
    Return payment_id=11111111-1111-1111-9111-111111111111  -> bad_field payment_id
    Return payment_id=                           -> bad_field payment_id
    Return original_id=11111111-1111-1111-9111-111111111111 -> bad_field original_id
    Return original_id=                          -> bad_field original_id
    # Nothing returns itself.
    Return payment_id=11111111-1111-4111-9111-111111111111 original_id=11111111-1111-4111-9111-111111111111 -> bad_field original_id
    # A return answers a recall, or none.
    Return case_id=                              -> accepted
    Return case_id=11111111-1111-1111-9111-111111111111 -> bad_field case_id
    Return amount=0                              -> bad_field amount
    Return amount=999999999999999999             -> accepted
    Return amount=1000000000000000000            -> bad_field amount
    Return currency=kes                          -> bad_field currency
    Return currency=                             -> bad_field currency
    Return reason=                               -> bad_field reason
    Return reason=focr                           -> bad_field reason
    Return text=561*x                            -> bad_field text
    Return extension=8193*x                      -> bad_field extension
    Return private=%00                           -> bad_message
    Return amount=0 currency= text=a%00          -> bad_field amount
";

const CASES: &str = "
    # The good one is a request to pay up to an amount.
    CaseOpen                                     -> accepted
    CaseOpen private=                            -> accepted
    CaseOpen case_id=                            -> bad_field case_id
    CaseOpen case_id=11111111-1111-1111-9111-111111111111 -> bad_field case_id
    CaseOpen kind=0                              -> bad_field case_kind
    CaseOpen kind=5                              -> bad_field case_kind
    # Only the switch opens a posting follow-up.
    CaseOpen kind=4                              -> bad_field case_kind
    CaseOpen original_id=11111111-1111-4111-9111-111111111111 -> bad_field original_id
    CaseOpen opener=                             -> bad_field opener
    CaseOpen opener=north                        -> bad_field opener
    CaseOpen responder=                          -> bad_field responder
    CaseOpen responder=A%00B                     -> bad_field responder
    CaseOpen amount_form=0                       -> bad_field amount_form
    CaseOpen amount_form=1                       -> accepted
    CaseOpen amount_form=3                       -> bad_field amount_form
    CaseOpen amount=0                            -> bad_field amount
    CaseOpen amount=1000000000000000000          -> bad_field amount
    CaseOpen currency=                           -> bad_field currency
    CaseOpen currency=kes                        -> bad_field currency
    CaseOpen reason=DUPL                         -> bad_field reason
    CaseOpen expires_at=0                        -> accepted
    CaseOpen expires_at=9223372036854775807      -> accepted
    CaseOpen expires_at=9223372036854775808      -> bad_field expires_at
    CaseOpen payer_name=561*x                    -> bad_field payer_name
    CaseOpen remittance=a%00                     -> bad_field remittance
    CaseOpen private=%00                         -> bad_message

    # A recall of all that is left, and of a part.
    CaseOpen kind=1 original_id=11111111-1111-4111-9111-111111111111 amount_form=0 amount=0 currency= reason=DUPL -> accepted
    CaseOpen kind=1 original_id=11111111-1111-4111-9111-111111111111 amount_form=1 reason=DUPL                    -> accepted
    CaseOpen kind=1 original_id=11111111-1111-4111-9111-111111111111 amount_form=2 reason=DUPL                    -> bad_field amount_form
    CaseOpen kind=1 original_id=11111111-1111-4111-9111-111111111111 amount_form=0 amount=1 currency= reason=DUPL -> bad_field amount
    CaseOpen kind=1 original_id=11111111-1111-4111-9111-111111111111 amount_form=0 amount=1000000000000000000 currency= reason=DUPL -> bad_field amount
    CaseOpen kind=1 original_id=11111111-1111-4111-9111-111111111111 amount_form=0 amount=0 reason=DUPL           -> bad_field currency
    CaseOpen kind=1 original_id=11111111-1111-4111-9111-111111111111 amount_form=0 amount=0 currency= reason=     -> bad_field reason
    CaseOpen kind=1 original_id=11111111-1111-4111-9111-111111111111 amount_form=0 amount=0 currency= reason=dupl -> bad_field reason
    CaseOpen kind=1 original_id=                                                                                  -> bad_field original_id
    CaseOpen kind=1 case_id=11111111-1111-4111-9111-111111111111 original_id=11111111-1111-4111-9111-111111111111 -> bad_field original_id

    CaseOpen kind=2 original_id=11111111-1111-4111-9111-111111111111 amount_form=0 amount=0 currency= reason=NARR -> accepted
    CaseOpen kind=2 original_id=11111111-1111-4111-9111-111111111111 amount_form=1 reason=NARR                    -> bad_field amount_form

    CaseAnswer                                   -> accepted
    CaseAnswer private=                          -> accepted
    CaseAnswer case_id=                          -> bad_field case_id
    CaseAnswer decision=0                        -> bad_field decision
    # A case is not posted without being posted.
    CaseAnswer decision=2                        -> bad_field decision
    CaseAnswer decision=3 reason=CUST            -> accepted
    CaseAnswer decision=3                        -> bad_field reason
    CaseAnswer decision=1 reason=CUST            -> bad_field reason
    CaseAnswer text=561*x                        -> bad_field text
    CaseAnswer private=%00                       -> bad_message

    CaseCancel                                   -> accepted
    CaseCancel private=                          -> accepted
    CaseCancel case_id=11111111-1111-1111-9111-111111111111 -> bad_field case_id
    CaseCancel reason=                           -> bad_field reason
    CaseCancel text=a%09b                        -> bad_field text
    CaseCancel extension=8193*x                  -> bad_field extension
    CaseCancel private=%00                       -> bad_message

    SignOn                                       -> accepted
    SignOn private=%00                           -> bad_message
    SignOff                                      -> accepted
    SignOff private=%00                          -> bad_message
";

#[test]
fn every_field_is_checked() {
    let mut blamed = check(TRANSFERS);
    for table in [OTHERS, RETURNS, CASES] {
        blamed.extend(check(table));
    }
    // A lineage and cursors may be anything: the switch compares them with its own.
    let never_blamed = [Field::None, Field::Lineage, Field::Seen];
    // Those of the directory's messages are checked in `directory.rs`.
    blamed.extend(["account", "alias", "alias_type", "attestation", "consent", "defaults", "end_user", "form"]);
    blamed.extend(["identity", "items", "name", "operation"]);
    let expected: BTreeSet<&str> =
        Field::NAMES.iter().filter(|(field, _)| !never_blamed.contains(field)).map(|&(_, name)| name).collect();
    assert_eq!(blamed, expected);
}

/// A private part of a `Note` as somebody else's encoder might write it: (start, length) of each content.
fn note_with(contents: &[u8], cells: [(i32, u32); 2]) -> Result<Option<Vec<u8>>, ()> {
    let mut bytes = contents.to_vec();
    let root = i32::try_from(bytes.len()).unwrap();
    for (index, (start, length)) in (0..).zip(cells) {
        bytes.extend_from_slice(&(start - root - 8 * index).to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
    }
    let mut draft = Draft::new(MessageKind::Answer);
    draft.private = Some(bytes.clone());
    draft.check().map_err(|_| ())?;
    Ok(Note::read(&bytes).map(|note| [&note.text[..], b"|", &note.extension[..]].concat()))
}

/// Section 4 of the document, tried with an encoder that is not ours.
#[test]
fn contents_of_a_private_part_stand_in_order_before_the_root() {
    let reads = |text: &str| Ok(Some(text.as_bytes().to_vec()));
    assert_eq!(note_with(b"abcxy", [(0, 3), (3, 2)]), reads("abc|xy"));
    assert_eq!(note_with(b"--abc--xy--", [(2, 3), (7, 2)]), reads("abc|xy"), "unused bytes between");
    assert_eq!(note_with(b"abc", [(0, 3), (3, 0)]), reads("abc|"), "empty at its place");
    assert_eq!(note_with(b"", [(0, 0), (0, 0)]), reads("|"));
    assert_eq!(note_with(b"xyabc", [(2, 3), (0, 2)]), Err(()), "not in the order of the cells");
    assert_eq!(note_with(b"abcxy", [(0, 3), (2, 2)]), Err(()), "overlapping");
    assert_eq!(note_with(b"abc", [(0, 3), (0, 0)]), Err(()), "empty, but before the content before it");
    assert_eq!(note_with(b"abc", [(0, 3), (900, 0)]), Err(()), "empty, but elsewhere");
    assert_eq!(note_with(b"abc", [(0, 4), (4, 0)]), Err(()), "into the root");
    assert_eq!(note_with(b"abc", [(-1, 3), (3, 0)]), Err(()), "before the start");
    assert_eq!(note_with(b"abc", [(0, u32::MAX), (3, 0)]), Err(()), "longer than everything");
}
