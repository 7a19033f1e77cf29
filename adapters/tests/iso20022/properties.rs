//! What must come back for any values that the canonical messages can have and ISO 20022 can say.

use adapters::directory::{AliasType, LookupForm, LookupPurpose, LookupResult, NameMatch};
use adapters::iso20022::document::Decoder;
use adapters::iso20022::profile::Profile;
use adapters::iso20022::{Addressed, Encoder, Order, read_orders, read_told};
use adapters::limits::{ACCOUNT_BYTES_MAX, ALIAS_SENT_BYTES_MAX, PARTICIPANT_CODE_BYTES};
use adapters::message::{
    AccountQuery, AccountStanding, AliasLookup, AliasLookupPrivate, AliasTransfer, AliasTransferPrivate, AmountForm,
    Answer, CaseAnswer, CaseCancel, CaseKind, CaseOpen, CaseState, CreditTransfer, Field, Lane, NO_ID, Note, Outcome,
    ParticipantCode, PaymentId, PaymentPrivate, Reason, Return, Settlement,
};
use adapters::native::client::{
    AccountReport, AliasFound, CaseForward, CaseStatus, Forward, Incoming, Returned, Status,
};
use ledger::{Amount, Currency};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

/// The same cases every time.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(20_261_123),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Names, remittance: Max140Text. Texts beside a reason: Max105Text. Ids of people: Max35Text.
const LONG: usize = 140;
const ADDITIONAL: usize = 105;
const SHORT: usize = 35;

/// ISO 20022 says by this that there is nothing to say.
const NOT_PROVIDED: &[u8] = b"NOTPROVIDED";

const DAY_NS: u64 = 86_400_000_000_000;

/// Characters of all kinds that the scheme has: those that XML gives a meaning, of one to four bytes, and the ends of the ranges.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => select("&<>'\"]=/;#-! ".chars().collect::<Vec<_>>()),
        6 => proptest::char::range(' ', '~'),
        2 => select("\u{A0}éßŁжअ漢€\u{D7FF}\u{E000}\u{FEFF}\u{FFFD}\u{10000}😀\u{10FFFF}".chars().collect::<Vec<_>>()),
    ]
}

/// A text of at most so many characters, often of as many or as few as it may have.
fn text(min: usize, max: usize) -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![Just(min), Just(max), min..=max];
    let characters = length.prop_flat_map(|length| prop::collection::vec(character(), length));
    characters.prop_map(|characters| characters.into_iter().collect::<String>().into_bytes())
}

fn end_to_end_id() -> impl Strategy<Value = Vec<u8>> {
    text(0, SHORT).prop_filter("says nothing", |id| id != NOT_PROVIDED)
}

/// An IBAN, an account that stands in `Othr/Id`, or one that is too long for that.
fn account() -> impl Strategy<Value = Vec<u8>> {
    let texts = prop_oneof![
        select(vec![b"GB82WEST12345698765432".to_vec(), b"FR1420041010050500013M02606".to_vec(), b"GB82".to_vec()]),
        text(1, 34),
        text(35, ACCOUNT_BYTES_MAX),
    ];
    texts.prop_filter("an account", |account| account.len() <= ACCOUNT_BYTES_MAX && account != NOT_PROVIDED)
}

fn account_or_none() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![1 => Just(Vec::new()), 4 => account()]
}

fn id() -> impl Strategy<Value = PaymentId> {
    any::<[u8; 16]>().prop_map(|mut bytes| {
        (bytes[6], bytes[8]) = (0x40 | bytes[6] & 0x0f, 0x80 | bytes[8] & 0x3f);
        PaymentId::from_bytes(bytes).expect("a version-4 UUID")
    })
}

/// Of a BIC, of anything, of one character and of as many as there may be.
fn participant() -> impl Strategy<Value = ParticipantCode> {
    let codes = prop_oneof![select(vec!["SOUTDEFF".to_owned(), "SOUTDEFFXXX".to_owned()]), "[A-Z0-9_-]{1,35}"];
    codes.prop_map(|code| ParticipantCode::parse(&code).expect("a code"))
}

fn amount() -> impl Strategy<Value = Amount> {
    let units = prop_oneof![Just(1), Just(Amount::MAX.minor_units()), 1..=Amount::MAX.minor_units(), 1..100_000_u64];
    units.prop_map(|units| Amount::new(units).expect("an amount"))
}

/// Any that the scheme has: of no decimals to four.
fn currency() -> impl Strategy<Value = Currency> {
    let mut all: Vec<_> = Profile::clearspan().currencies().map(|(currency, _)| currency).collect();
    all.sort_by_key(|currency| currency.bytes());
    select(all)
}

fn time_ns() -> impl Strategy<Value = u64> {
    let last = i64::MAX as u64;
    prop_oneof![Just(1), Just(last), 1..=last, 1_700_000_000_000_000_000..1_900_000_000_000_000_000_u64]
}

/// The largest number of ISO 20022.
const LARGEST: u64 = 999_999_999_999_999_999;

/// What is not said is 0.
fn time_ns_or_none() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 3 => time_ns()]
}

fn purpose() -> impl Strategy<Value = Reason> {
    prop_oneof![
        Just(Reason::NONE),
        "[A-Z0-9]{4}"
            .prop_map(|code| { Reason::from_bytes(code.into_bytes().try_into().expect("four")).expect("a purpose") }),
    ]
}

/// Reasons that all of the scheme's lists have, and that mean nothing more to the switch.
fn reason() -> impl Strategy<Value = Reason> {
    select(vec![Reason::of(b"CUST"), Reason::of(b"NARR"), Reason::of(b"DUPL"), Reason::of(b"AM09")])
}

fn lane() -> impl Strategy<Value = Lane> {
    select(vec![Lane::Payments, Lane::Bulk])
}

fn note() -> impl Strategy<Value = Note> {
    text(0, ADDITIONAL).prop_map(|text| Note { text, extension: Vec::new() })
}

prop_compose! {
    /// What is said of a payment, with a text of at most so many characters.
    fn private(remittance_max: usize)(
        (payer_name, payee_name) in (text(0, LONG), text(0, LONG)),
        (payer_account, payee_account) in (account_or_none(), account_or_none()),
        end_to_end_id in end_to_end_id(),
        remittance in text(0, remittance_max),
    ) -> PaymentPrivate {
        let extension = Vec::new();
        PaymentPrivate { payer_name, payer_account, payee_name, payee_account, end_to_end_id, remittance, extension }
    }
}

fn sender() -> ParticipantCode {
    ParticipantCode::parse("NORTHBANK").expect("a code")
}

fn addressed(from: &'static str, to: &'static str, created_at_ns: u64) -> Addressed<'static> {
    Addressed { profile: Profile::clearspan(), message_id: "CS0123456789ABCDEF-1-1", created_at_ns, from, to }
}

/// What a provider writes, the switch reads.
#[track_caller]
fn comes_back(order: &Order) {
    let (mut encoder, mut out) = (Encoder::new(Profile::clearspan()), String::new());
    assert!(encoder.write_order(&addressed("NORTHBANK", "CLEARSPAN", 1), order, &mut out), "{order:?}");
    is_read_as(&out, order);
}

#[track_caller]
fn is_read_as(message: &str, order: &Order) {
    match read_orders(&mut Decoder::new(Profile::clearspan()), message.as_bytes(), Some(sender())) {
        Ok(read) => assert_eq!(read.orders, std::slice::from_ref(order), "{message}"),
        Err(refusal) => panic!("{refusal}\n{message}"),
    }
}

/// What the switch writes at a time, a provider reads.
#[track_caller]
fn is_told(told: &Incoming, created_at_ns: u64) {
    let (mut encoder, mut out) = (Encoder::new(Profile::clearspan()), String::new());
    assert!(encoder.write_told(&addressed("CLEARSPAN", "NORTHBANK", created_at_ns), told, &mut out), "{told:?}");
    match read_told(&mut Decoder::new(Profile::clearspan()), out.as_bytes()) {
        Ok(read) => assert_eq!(read, std::slice::from_ref(told), "{out}"),
        Err(refusal) => panic!("{refusal}\n{out}"),
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn payment_orders(
        (payment_id, payee) in (id(), participant()),
        (amount, currency) in (amount(), currency()),
        accepted_at_ns in time_ns(),
        (purpose, lane, request_id) in (purpose(), lane(), prop::option::of(id())),
        private in private(LONG),
    ) {
        let order = CreditTransfer {
            purpose: purpose.bytes(),
            lane: lane as u8,
            request_id: request_id.map_or(NO_ID, PaymentId::bytes),
            ..CreditTransfer::new(payment_id, sender(), payee, amount, currency, accepted_at_ns)
        };
        comes_back(&Order::CreditTransfer(order, private));
    }

    #[test]
    fn payment_orders_by_alias(
        (payment_id, amount, currency) in (id(), amount(), currency()),
        accepted_at_ns in time_ns(),
        (purpose, lane, request_id) in (purpose(), lane(), prop::option::of(id())),
        private in private(LONG),
        kind in select(AliasType::ALL.to_vec()),
        (alias, end_user) in (text(1, ALIAS_SENT_BYTES_MAX), text(1, SHORT)),
    ) {
        let order = AliasTransfer {
            payment_id: payment_id.bytes(),
            payer: *sender().bytes(),
            amount: amount.minor_units(),
            currency: currency.bytes(),
            accepted_at_ns,
            purpose: purpose.bytes(),
            lane: lane as u8,
            request_id: request_id.map_or(NO_ID, PaymentId::bytes),
            alias_type: kind as u8,
        };
        let PaymentPrivate { payer_name, payer_account, payee_name, end_to_end_id, remittance, extension, .. } = private;
        let private = AliasTransferPrivate {
            payer_name, payer_account, payee_name, end_to_end_id, remittance, extension, alias, end_user,
        };
        comes_back(&Order::AliasTransfer(order, private));
    }

    #[test]
    fn answers_returns_and_questions(
        (payment_id, return_id, case_id) in (id(), id(), prop::option::of(id())),
        (amount, currency) in (amount(), currency()),
        (reason, note) in (reason(), note()),
    ) {
        comes_back(&Order::Answer(Answer::accept(payment_id), note.clone()));
        comes_back(&Order::Answer(Answer::accept_without_posting(payment_id), note.clone()));
        comes_back(&Order::Answer(Answer::reject(payment_id, reason), note.clone()));
        comes_back(&Order::StatusRequest(payment_id));
        let message = Return {
            return_id: return_id.bytes(),
            original_id: payment_id.bytes(),
            case_id: case_id.map_or(NO_ID, PaymentId::bytes),
            amount: amount.minor_units(),
            currency: currency.bytes(),
            reason: reason.bytes(),
        };
        comes_back(&Order::Return(message, note));
    }

    #[test]
    fn cases(
        (case_id, original_id, responder) in (id(), id(), participant()),
        part in prop::option::of((amount(), currency())),
        asked in (amount(), currency(), select(vec![AmountForm::Fixed, AmountForm::UpTo])),
        (reason, missing, expires_at_ns) in (reason(), 1..=17_u8, time_ns_or_none()),
        (of_recall, of_question) in (private(ADDITIONAL), private(LONG)),
    ) {
        let (amount, currency) = part.map_or((0, [0; 3]), |(amount, currency)| (amount.minor_units(), currency.bytes()));
        let recall = CaseOpen {
            case_id: case_id.bytes(),
            kind: CaseKind::Recall as u8,
            original_id: original_id.bytes(),
            opener: *sender().bytes(),
            responder: *responder.bytes(),
            amount,
            currency,
            amount_form: if part.is_some() { AmountForm::Fixed } else { AmountForm::None } as u8,
            reason: reason.bytes(),
            expires_at_ns: 0,
        };
        comes_back(&Order::CaseOpen(recall.clone(), of_recall));
        let reason = format!("MS{missing:02}").into_bytes().try_into().expect("four characters");
        let (amount, currency, amount_form) = (0, [0; 3], AmountForm::None as u8);
        let kind = CaseKind::Information as u8;
        let question = CaseOpen { kind, amount, currency, amount_form, reason, ..recall.clone() };
        comes_back(&Order::CaseOpen(question, of_question.clone()));
        let (amount, currency, form) = asked;
        let request = CaseOpen {
            kind: CaseKind::PaymentRequest as u8,
            original_id: NO_ID,
            amount: amount.minor_units(),
            currency: currency.bytes(),
            amount_form: form as u8,
            reason: Reason::NONE.bytes(),
            expires_at_ns,
            ..recall
        };
        comes_back(&Order::CaseOpen(request, of_question));
    }

    #[test]
    fn answers_to_cases(case_id in id(), reason in reason(), note in note()) {
        let (mut encoder, own) = (Encoder::new(Profile::clearspan()), addressed("NORTHBANK", "CLEARSPAN", 1));
        let (yes, no) = (CaseAnswer::accept(case_id), CaseAnswer::refuse(case_id, reason));
        for (kind, answer) in [
            (CaseKind::Recall, &no),
            (CaseKind::Information, &yes),
            (CaseKind::Information, &no),
            (CaseKind::PaymentRequest, &yes),
            (CaseKind::PaymentRequest, &no),
            (CaseKind::Posting, &yes),
        ] {
            let mut out = String::new();
            encoder.write_case_answer(&own, kind, answer, &note, &mut out);
            is_read_as(&out, &Order::CaseAnswer(answer.clone(), note.clone()));
        }
        for kind in [CaseKind::Recall, CaseKind::Information, CaseKind::PaymentRequest] {
            let (cancel, mut out) = (CaseCancel { case_id: case_id.bytes(), reason: reason.bytes() }, String::new());
            prop_assert!(encoder.write_case_cancel(&own, kind, &cancel, &note, &mut out));
            is_read_as(&out, &Order::CaseCancel(cancel, note.clone()));
        }
    }

    #[test]
    fn look_ups(
        (lookup_id, participant) in (id(), participant()),
        kind in select(AliasType::ALL.to_vec()),
        (alias, end_user) in (text(1, ALIAS_SENT_BYTES_MAX), text(1, SHORT)),
        (account, name) in (account(), text(1, LONG)),
        (other, is_other) in (select(vec![LookupPurpose::GovernmentPayment, LookupPurpose::FraudInvestigation]), any::<bool>()),
    ) {
        let purpose = |usual| if is_other { other } else { usual } as u8;
        let by_alias = AliasLookup {
            lookup_id: lookup_id.bytes(),
            form: LookupForm::Lookup as u8,
            purpose: purpose(LookupPurpose::Payment),
            alias_type: kind as u8,
            participant: [0; PARTICIPANT_CODE_BYTES],
        };
        let nameless = AliasLookupPrivate { alias, end_user, ..AliasLookupPrivate::default() };
        comes_back(&Order::AliasLookup(by_alias.clone(), nameless.clone()));
        let (form, purpose) = (LookupForm::Verification as u8, purpose(LookupPurpose::PayeeVerification));
        let verified = AliasLookup { form, purpose, ..by_alias };
        let named = AliasLookupPrivate { name, ..nameless };
        comes_back(&Order::AliasLookup(verified.clone(), named.clone()));
        let by_account = AliasLookup { alias_type: 0, participant: *participant.bytes(), ..verified };
        comes_back(&Order::AliasLookup(by_account, AliasLookupPrivate { alias: Vec::new(), account, ..named }));
    }

    #[test]
    fn payments_and_what_became_of_them(
        (payment_id, payer, payee) in (id(), participant(), participant()),
        (amount, currency) in (amount(), currency()),
        (accepted_at_ns, within_ns) in (time_ns(), 1..=DAY_NS),
        (purpose, lane, request_id) in (purpose(), lane(), prop::option::of(id())),
        private in private(LONG),
        (reason, position, note, decided_at_ns) in (reason(), any::<u64>(), note(), time_ns_or_none()),
    ) {
        let deadline_ns = accepted_at_ns + within_ns;
        is_told(&Incoming::Forward(Box::new(Forward {
            payment_id, payer, payee, amount, currency, accepted_at_ns, purpose, lane, request_id, deadline_ns, private,
        })), 1);
        for (outcome, reason) in [
            (Outcome::Committed, Reason::NONE),
            (Outcome::Rejected, reason),
            (Outcome::Expired, Reason::of(b"AB05")),
            (Outcome::InFlight, Reason::NONE),
            (Outcome::Unknown, Reason::NONE),
            (Outcome::Duplicate, Reason::NONE),
        ] {
            let numbered = !matches!(outcome, Outcome::Unknown | Outcome::Duplicate);
            let (field, note) = (Field::None, note.clone());
            let status = Status { payment_id, outcome, reason, field, decided_at_ns, position, numbered, note };
            is_told(&Incoming::Status(Box::new(status)), 1);
        }
    }

    #[test]
    fn money_that_came_back(
        (return_id, original_id, case_id) in (id(), id(), prop::option::of(id())),
        (amount, currency) in (amount(), currency()),
        (reason, decided_at_ns, position, note) in (reason(), time_ns(), any::<u64>(), note()),
    ) {
        let returned_total = amount.minor_units();
        let returned = Returned {
            return_id, original_id, case_id, amount, currency, reason, returned_total, decided_at_ns, position, note,
        };
        is_told(&Incoming::Returned(Box::new(returned)), decided_at_ns);
    }

    #[test]
    fn cases_that_wait_for_an_answer(
        (case_id, original_id) in (id(), id()),
        (opener, responder) in (participant(), participant()),
        part in prop::option::of((amount(), currency())),
        asked in (amount(), currency(), select(vec![AmountForm::Fixed, AmountForm::UpTo])),
        (reason, missing, deadline_ns) in (reason(), 1..=17_u8, time_ns_or_none()),
        (of_recall, of_question) in (private(ADDITIONAL), private(LONG)),
    ) {
        let recall = CaseForward {
            case_id,
            kind: CaseKind::Recall,
            original_id: Some(original_id),
            opener,
            responder,
            amount: part,
            form: if part.is_some() { AmountForm::Fixed } else { AmountForm::None },
            reason,
            deadline_ns: 0,
            private: of_recall,
        };
        is_told(&Incoming::CaseForward(Box::new(recall.clone())), 1);
        let question = CaseForward {
            kind: CaseKind::Information,
            amount: None,
            form: AmountForm::None,
            reason: Reason::from_bytes(format!("MS{missing:02}").into_bytes().try_into().expect("four")).expect("a reason"),
            private: of_question.clone(),
            ..recall
        };
        is_told(&Incoming::CaseForward(Box::new(question.clone())), 1);
        let request = CaseForward {
            kind: CaseKind::PaymentRequest,
            original_id: None,
            amount: Some((asked.0, asked.1)),
            form: asked.2,
            reason: Reason::NONE,
            deadline_ns,
            ..question
        };
        is_told(&Incoming::CaseForward(Box::new(request)), 1);
    }

    #[test]
    fn where_cases_stand(
        (case_id, reason, note) in (id(), reason(), note()),
        (at_ns, position) in (time_ns(), any::<u64>()),
    ) {
        use CaseKind::{Information, PaymentRequest, Posting, Recall};
        use CaseState as S;
        let (none, expired, unanswered) = (Reason::NONE, Reason::of(b"AEXR"), Reason::of(b"NOAS"));
        for (kind, state, reason, at_ns, position) in [
            (Some(Recall), S::Open, none, at_ns, 0),
            (Some(Recall), S::Settled, none, at_ns, 0),
            (Some(Recall), S::Refused, reason, at_ns, 0),
            (Some(Recall), S::Rejected, reason, at_ns, 0),
            (Some(Recall), S::Expired, unanswered, at_ns, 0),
            (Some(Recall), S::Cancelled, reason, at_ns, 0),
            (Some(Information), S::Settled, none, at_ns, 0),
            (Some(PaymentRequest), S::Open, none, 0, position),
            (Some(PaymentRequest), S::Accepted, none, at_ns, position),
            (Some(PaymentRequest), S::Paying, none, at_ns, position),
            (Some(PaymentRequest), S::Settled, none, at_ns, position),
            (Some(PaymentRequest), S::Refused, reason, at_ns, position),
            (Some(PaymentRequest), S::Rejected, reason, at_ns, position),
            (Some(PaymentRequest), S::Expired, expired, at_ns, position),
            (Some(PaymentRequest), S::Cancelled, reason, at_ns, position),
            (Some(Posting), S::Open, none, 0, position),
            (Some(Posting), S::Settled, none, at_ns, position),
            (Some(Posting), S::Expired, reason, at_ns, position),
            (None, S::Unknown, none, at_ns, 0),
            (None, S::Duplicate, none, at_ns, 0),
        ] {
            let (field, numbered, note) = (Field::None, kind.is_some(), note.clone());
            let case = CaseStatus { case_id, kind, state, reason, field, at_ns, position, numbered, note };
            is_told(&Incoming::CaseStatus(Box::new(case)), at_ns.max(1));
        }
    }

    #[test]
    fn where_a_provider_stands(
        (query_id, currency) in (id(), currency()),
        (at_ns, position, settlement) in (time_ns(), 0..=LARGEST, select(vec![Settlement::Gross, Settlement::Net])),
        (debits_pending, debits_posted) in (u128::from(0_u8)..=LARGEST.into(), u128::from(0_u8)..=LARGEST.into()),
        (credits_pending, credits_posted) in (u128::from(0_u8)..=LARGEST.into(), u128::from(0_u8)..=LARGEST.into()),
        (cap, available) in (0..=LARGEST, u128::from(0_u8)..=LARGEST.into()),
    ) {
        comes_back(&Order::AccountQuery(AccountQuery { query_id: query_id.bytes(), currency: currency.bytes() }));
        let own = AccountReport {
            query_id,
            currency,
            standing: AccountStanding::Own,
            settlement: Some(settlement),
            at_ns,
            position,
            debits_pending,
            debits_posted,
            credits_pending,
            credits_posted,
            cap,
            available,
        };
        is_told(&Incoming::AccountReport(Box::new(own.clone())), 1);
        // What has more digits than ISO 20022 has places is left out.
        let large = AccountReport { credits_posted: u128::from(LARGEST) + 1, ..own.clone() };
        let mut out = String::new();
        let told = Incoming::AccountReport(Box::new(large));
        Encoder::new(Profile::clearspan()).write_told(&addressed("CLEARSPAN", "NORTHBANK", 1), &told, &mut out);
        assert!(!out.contains("<TtlCdtNtries>"), "{out}");
        let nothing = AccountReport {
            debits_pending: 0,
            debits_posted: 0,
            credits_pending: 0,
            credits_posted: 0,
            cap: 0,
            available: 0,
            ..own
        };
        for (standing, settlement) in [(AccountStanding::Sponsored, Some(settlement)), (AccountStanding::None, None)] {
            is_told(&Incoming::AccountReport(Box::new(AccountReport { standing, settlement, ..nothing.clone() })), 1);
        }
    }

    #[test]
    fn answers_to_look_ups(
        (lookup_id, participant) in (id(), participant()),
        (owned_since_ns, position, retry_after_ms) in (time_ns_or_none(), any::<u64>(), any::<u32>()),
        counters in any::<[u8; 9]>(),
        (account, name) in (account_or_none(), text(0, LONG)),
    ) {
        let found = AliasFound {
            lookup_id,
            result: LookupResult::Found,
            name_match: None,
            participant: Some(participant),
            owned_since_ns,
            counters,
            retry_after_ms: 0,
            position,
            account,
            name,
        };
        is_told(&Incoming::AliasFound(Box::new(found.clone())), 1);
        for name_match in NameMatch::ALL {
            is_told(&Incoming::AliasFound(Box::new(AliasFound { name_match: Some(*name_match), ..found.clone() })), 1);
        }
        let nothing = AliasFound {
            result: LookupResult::NotFound,
            participant: None,
            owned_since_ns: 0,
            counters: [0; 9],
            position: 0,
            account: Vec::new(),
            name: Vec::new(),
            ..found
        };
        is_told(&Incoming::AliasFound(Box::new(nothing.clone())), 1);
        let (result, retry_after_ms) = (LookupResult::Limited, retry_after_ms);
        is_told(&Incoming::AliasFound(Box::new(AliasFound { result, retry_after_ms, ..nothing })), 1);
    }
}
