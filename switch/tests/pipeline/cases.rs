//! Cases: `docs/payment-rules.md`, row by row, and every case in every state met by every input.

use std::collections::BTreeMap;

use adapters::message::{CaseKind, CaseState};
use switch::engine::cases::{CaseInput, TRANSITIONS};

use crate::language::{Desk, check};

#[test]
fn a_recall_is_answered_by_a_return_or_refused() {
    check(
        "
        funds   ALPHA 100
        at 10 ALPHA pays BRAVO T1 60                          -> BRAVO forward T1
        at 10 ALPHA recalls T1 as T2 from BRAVO               -> ALPHA recall rejected T2 FF12 original_id
        at 11 BRAVO accepts T1                                -> ALPHA committed T1, BRAVO committed T1
        at 12 ALPHA recalls T1 as T3 from BRAVO               -> ALPHA recall open T3 CUST, BRAVO asked T3
        at 12 ALPHA recalls T1 as T3 from BRAVO               -> reply ALPHA recall open T3 CUST
        at 12 ALPHA recalls T1 as T4 from BRAVO               -> ALPHA recall rejected T4 RCON original_id
        # The positive answer is the return.
        at 13 BRAVO answers T3 yes                            -> reply BRAVO recall open T3 CUST
        at 14 BRAVO answers T3 no CUST                        -> ALPHA recall refused T3 CUST, BRAVO recall refused T3 CUST
        at 15 BRAVO answers T3 no CUST                        -> reply BRAVO recall refused T3 CUST
        at 16 BRAVO returns T5 of T1 10 case T3               -> BRAVO rejected T5 FF13 case_id
        at 17 ALPHA recalls T1 as T6 from BRAVO amount 30     -> ALPHA recall open T6 CUST, BRAVO asked T6
        at 18 BRAVO returns T7 of T1 20 case T6               -> BRAVO committed T7, ALPHA returned T7 20 in all, ALPHA recall settled T6, BRAVO recall settled T6
        at 19 ALPHA recalls T1 as T8 from BRAVO amount 41     -> ALPHA recall rejected T8 RCON amount
        at 20 ALPHA recalls T1 as T9 from BRAVO               -> ALPHA recall open T9 CUST, BRAVO asked T9
        # A return that leaves nothing settles it, named or not.
        at 21 BRAVO returns T10 of T1 40                      -> BRAVO committed T10, ALPHA returned T10 60 in all, ALPHA recall settled T9, BRAVO recall settled T9
        at 22 ALPHA recalls T1 as T11 from BRAVO              -> ALPHA recall rejected T11 RCON amount
        balance ALPHA 100 0
        ",
    );
}

#[test]
fn a_case_that_cannot_be_is_rejected_and_nobody_is_asked() {
    check(
        "
        funds   ALPHA 100
        at 1  rules recall_window 20 recall_answer 30 information_answer 0 request_expiry_max 60 ->
        at 10 ALPHA pays BRAVO T1 60                           -> BRAVO forward T1
        at 11 BRAVO accepts T1                                 -> ALPHA committed T1, BRAVO committed T1
        at 12 ALPHA recalls T9 as T2 from BRAVO                -> ALPHA recall rejected T2 AG09 original_id
        # Who was paid cannot recall, and who is no party learns nothing.
        at 12 BRAVO recalls T1 as T3 from ALPHA                -> BRAVO recall rejected T3 AG09 original_id
        at 12 CHARLIE inquires T1 as T4 from ALPHA             -> CHARLIE information rejected T4 AG09 original_id
        at 12 ALPHA recalls T1 as T5 from CHARLIE              -> ALPHA recall rejected T5 AGNT responder
        at 12 ALPHA recalls T1 as T6 from BRAVO for CHARLIE    -> ALPHA recall rejected T6 AGNT opener
        at 12 ALPHA recalls T1 as T7 from BRAVO amount 60 currency EUR -> ALPHA recall rejected T7 CURR currency
        at 12 ALPHA recalls T1 as T8 from BRAVO expires 12     -> ALPHA recall rejected T8 EDTR expires_at
        at 12 ALPHA recalls T1 as T10 from BRAVO expires 42.1  -> ALPHA recall rejected T10 EDTL expires_at
        at 12 ALPHA inquires T1 as T11 from BRAVO              -> ALPHA information rejected T11 AG03 case_kind
        at 31 ALPHA recalls T1 as T12 from BRAVO               -> ALPHA recall rejected T12 TM01 original_id
        at 32 BRAVO requests T13 60 from BRAVO                 -> BRAVO payment_request rejected T13 AG12 responder
        at 32 BRAVO requests T14 60 from NOBODY               -> BRAVO payment_request rejected T14 DNOR responder
        at 32 BRAVO requests T15 60 from ALPHA currency EUR    -> BRAVO payment_request rejected T15 AM03 currency
        at 32 BRAVO requests T16 1000001 from ALPHA            -> BRAVO payment_request rejected T16 AM13 amount
        # A rejected case has its id for good.
        at 33 BRAVO requests T16 1000001 from ALPHA            -> reply BRAVO payment_request rejected T16 AM13 amount
        at 33 BRAVO requests T16 60 from ALPHA                 -> reply BRAVO case duplicate T16 AM05 case_id
        at 33 BRAVO requests T1 60 from ALPHA                  -> reply BRAVO case duplicate T1 AM05 case_id
        at 33 ALPHA pays BRAVO T16 10                          -> reply ALPHA duplicate T16 AM05 payment_id
        at 33 ALPHA answers T16 yes                            -> reply ALPHA case unknown T16
        ",
    );
}

#[test]
fn a_request_is_paid_once() {
    check(
        "
        funds   ALPHA 100
        funds   CHARLIE 100
        at 1  rules request_expiry_max 60                     ->
        at 10 BRAVO requests T1 60 from ALPHA expires 40      -> BRAVO payment_request open T1, ALPHA asked T1
        at 11 ALPHA pays BRAVO T2 59 request T1               -> ALPHA rejected T2 AM09 amount
        at 11 ALPHA pays CHARLIE T3 60 request T1             -> ALPHA rejected T3 AGNT payee
        at 11 CHARLIE pays BRAVO T4 60 request T1             -> CHARLIE rejected T4 IRNR request_id
        at 11 ALPHA pays BRAVO T5 60 request T9               -> ALPHA rejected T5 IRNR request_id
        at 12 ALPHA answers T1 yes                            -> BRAVO payment_request accepted T1, ALPHA payment_request accepted T1
        at 13 ALPHA pays BRAVO T6 60 request T1               -> BRAVO forward T6
        at 13 ALPHA pays BRAVO T7 60 request T1               -> ALPHA rejected T7 ALAC request_id
        # While it is being paid it can neither be refused nor taken back.
        at 14 ALPHA answers T1 no CUST                        -> reply ALPHA payment_request paying T1
        at 14 BRAVO cancels T1                                -> reply BRAVO payment_request paying T1
        at 15 BRAVO rejects T6 AC04                           -> ALPHA rejected T6 AC04, BRAVO rejected T6 AC04
        at 16 ALPHA pays BRAVO T8 60 request T1               -> BRAVO forward T8
        at 17 BRAVO accepts T8                                -> ALPHA committed T8, BRAVO committed T8, BRAVO payment_request settled T1, ALPHA payment_request settled T1
        at 18 ALPHA pays BRAVO T9 60 request T1               -> ALPHA rejected T9 APAR request_id
        balance ALPHA 40 0
        # Up to an amount.
        at 20 BRAVO requests T10 30 from ALPHA upto 30        -> BRAVO payment_request open T10, ALPHA asked T10
        at 21 ALPHA pays BRAVO T11 31 request T10             -> ALPHA rejected T11 AM09 amount
        at 21 ALPHA pays BRAVO T12 12 request T10             -> BRAVO forward T12
        at 22 BRAVO accepts T12                               -> ALPHA committed T12, BRAVO committed T12, BRAVO payment_request settled T10, ALPHA payment_request settled T10
        # Refused, taken back, expired: each says why.
        at 23 BRAVO requests T13 5 from ALPHA                 -> BRAVO payment_request open T13, ALPHA asked T13
        at 23 ALPHA answers T13 no CUST                       -> BRAVO payment_request refused T13 CUST, ALPHA payment_request refused T13 CUST
        at 23 ALPHA pays BRAVO T14 5 request T13              -> ALPHA rejected T14 ARFR request_id
        at 24 BRAVO requests T15 5 from ALPHA                 -> BRAVO payment_request open T15, ALPHA asked T15
        at 24 BRAVO cancels T15                               -> BRAVO payment_request cancelled T15 CUST, ALPHA payment_request cancelled T15 CUST
        at 24 ALPHA pays BRAVO T16 5 request T15              -> ALPHA rejected T16 CN01 request_id
        at 25 BRAVO requests T17 5 from ALPHA expires 26      -> BRAVO payment_request open T17, ALPHA asked T17
        at 26 ALPHA pays BRAVO T18 5 request T17              -> BRAVO payment_request expired T17 AEXR, ALPHA payment_request expired T17 AEXR, ALPHA rejected T18 AEXR request_id
        ",
    );
}

/// A request whose payment is in flight when its time is over waits for the payment.
#[test]
fn a_payment_in_time_pays_a_request_whose_time_is_over() {
    check(
        "
        funds   ALPHA 100
        at 10 BRAVO requests T1 60 from ALPHA expires 12      -> BRAVO payment_request open T1, ALPHA asked T1
        at 11 ALPHA pays BRAVO T2 60 request T1               -> BRAVO forward T2
        at 15 time                                            ->
        at 16 BRAVO accepts T2                                -> ALPHA committed T2, BRAVO committed T2, BRAVO payment_request settled T1, ALPHA payment_request settled T1
        at 20 BRAVO requests T3 10 from ALPHA expires 22      -> BRAVO payment_request open T3, ALPHA asked T3
        at 21 ALPHA pays BRAVO T4 10 request T3               -> BRAVO forward T4
        at 23 BRAVO rejects T4 AC04                           -> ALPHA rejected T4 AC04, BRAVO rejected T4 AC04
        at 23.1 time                                          -> BRAVO payment_request expired T3 AEXR, ALPHA payment_request expired T3 AEXR
        ",
    );
}

#[test]
fn closed_cases_leave_the_window_with_the_outcomes_of_their_time() {
    check(
        "
        funds   ALPHA 100
        at 10 ALPHA pays BRAVO T1 60                          -> BRAVO forward T1
        at 11 BRAVO accepts T1                                -> ALPHA committed T1, BRAVO committed T1
        at 12 ALPHA inquires T1 as T2 from BRAVO              -> ALPHA information open T2 CUST, BRAVO asked T2
        at 13 BRAVO answers T2 yes                            -> ALPHA information settled T2, BRAVO information settled T2
        at 14 rules keep 1 outcomes                           ->
        # The payment has left; the case is still there.
        at 15 ALPHA inquires T1 as T2 from BRAVO              -> reply ALPHA information settled T2
        at 16 ALPHA pays BRAVO T3 1000                        -> ALPHA rejected T3 AM04 amount
        at 17 time                                            ->
        # Now it has left as well, and the floor with it.
        at 18 ALPHA inquires T1 as T2 from BRAVO checked 15   -> reply ALPHA recheck T2
        at 18 ALPHA pays BRAVO T2 5 checked 15                -> reply ALPHA recheck T2
        ",
    );
}

/// Ways into each state of each kind: `T9` is the case, ALPHA and BRAVO its providers.
fn ways() -> Vec<(CaseKind, CaseState, Vec<&'static str>)> {
    use CaseKind::{Information, PaymentRequest, Posting, Recall};
    use CaseState::{Accepted, Cancelled, Expired, Open, Paying, Refused, Rejected, Settled};
    let paid = ["at 2 ALPHA pays BRAVO T1 60", "at 3 BRAVO accepts T1"];
    let with = |first: &[&'static str], then: &[&'static str]| [first, then].concat();
    let recall = with(&paid, &["at 4 ALPHA recalls T1 as T9 from BRAVO expires 30"]);
    let information = with(&paid, &["at 4 ALPHA inquires T1 as T9 from BRAVO expires 30"]);
    let request = vec!["at 4 BRAVO requests T9 60 from ALPHA expires 30"];
    let posting = vec!["at 1 rules posting_follow_up 27", "at 2 ALPHA pays BRAVO T9 60", "at 3 BRAVO takes T9"];
    vec![
        (Recall, Open, recall.clone()),
        (Recall, Settled, with(&recall, &["at 5 BRAVO returns T8 of T1 5 case T9"])),
        (Recall, Refused, with(&recall, &["at 5 BRAVO answers T9 no CUST"])),
        (Recall, Expired, with(&recall, &["at 30 time"])),
        (Recall, Cancelled, with(&recall, &["at 5 ALPHA cancels T9"])),
        (Recall, Rejected, vec!["at 4 ALPHA recalls T1 as T9 from BRAVO"]),
        (Information, Open, information.clone()),
        (Information, Settled, with(&information, &["at 5 BRAVO answers T9 yes"])),
        (Information, Refused, with(&information, &["at 5 BRAVO answers T9 no CUST"])),
        (Information, Expired, with(&information, &["at 30 time"])),
        (Information, Cancelled, with(&information, &["at 5 ALPHA cancels T9"])),
        (Information, Rejected, vec!["at 4 ALPHA inquires T1 as T9 from BRAVO"]),
        (PaymentRequest, Open, request.clone()),
        (PaymentRequest, Accepted, with(&request, &["at 5 ALPHA answers T9 yes"])),
        (PaymentRequest, Paying, with(&request, &["at 25 ALPHA pays BRAVO T7 60 request T9"])),
        (PaymentRequest, Settled, with(&request, &["at 5 ALPHA pays BRAVO T7 60 request T9", "at 6 BRAVO accepts T7"])),
        (PaymentRequest, Refused, with(&request, &["at 5 ALPHA answers T9 no CUST"])),
        (PaymentRequest, Expired, with(&request, &["at 30 time"])),
        (PaymentRequest, Cancelled, with(&request, &["at 5 BRAVO cancels T9"])),
        (PaymentRequest, Rejected, vec!["at 4 BRAVO requests T9 1000001 from ALPHA"]),
        (Posting, Open, posting.clone()),
        (Posting, Settled, with(&posting, &["at 5 BRAVO answers T9 yes"])),
        (Posting, Expired, with(&posting, &["at 30 time"])),
    ]
}

/// How an input is said to a case: by whom, and the line.
fn line_of(kind: CaseKind, state: CaseState, input: CaseInput) -> Option<(&'static str, &'static str)> {
    let [opener, responder] = parties(kind);
    let by = |who: &'static str, of_alpha: &'static str, of_bravo: &'static str| {
        Some((who, if who == "ALPHA" { of_alpha } else { of_bravo }))
    };
    let original = if kind == CaseKind::Posting { "T9" } else { "T1" };
    match input {
        CaseInput::Accept => by(responder, "at 26 ALPHA answers T9 yes", "at 26 BRAVO answers T9 yes"),
        CaseInput::Refuse => by(responder, "at 26 ALPHA answers T9 no NARR", "at 26 BRAVO answers T9 no NARR"),
        CaseInput::Cancel => by(opener, "at 26 ALPHA cancels T9", "at 26 BRAVO cancels T9"),
        // Of what is returned to the last cent, whatever is open about the money is settled.
        CaseInput::Returned if state == CaseState::Open && kind != CaseKind::PaymentRequest => Some((
            "",
            if original == "T9" { "at 26 BRAVO returns T6 of T9 60" } else { "at 26 BRAVO returns T6 of T1 60" },
        )),
        CaseInput::Pay if kind == CaseKind::PaymentRequest => Some(("", "at 26 ALPHA pays BRAVO T6 60 request T9")),
        CaseInput::Paid if state == CaseState::Paying => Some(("", "at 26 BRAVO accepts T7")),
        CaseInput::Unpaid if state == CaseState::Paying => Some(("", "at 26 BRAVO rejects T7 AC04")),
        CaseInput::Deadline => Some(("", "at 30 time")),
        CaseInput::Returned | CaseInput::Pay | CaseInput::Paid | CaseInput::Unpaid => None,
    }
}

/// Opener and responder.
fn parties(kind: CaseKind) -> [&'static str; 2] {
    if kind == CaseKind::PaymentRequest { ["BRAVO", "ALPHA"] } else { ["ALPHA", "BRAVO"] }
}

/// The rows of the document: (kind, state, input) to (next, told).
fn documented() -> BTreeMap<(String, String, String), (String, String)> {
    let document = include_str!("../../../docs/payment-rules.md");
    let section = document.split("## Cases").nth(1).unwrap();
    let rows = section.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, kind, state, input, next, told, _] = cells[..] else { return None };
        let kind = kind.strip_prefix('`')?.strip_suffix('`')?;
        let is_row = CaseKind::ALL.iter().any(|known| known.name() == kind) && ["both", "nobody"].contains(&told);
        let [kind, state, input, next, told] = [kind, state, input, next, told].map(str::to_owned);
        is_row.then_some(((kind, state, input), (next, told)))
    });
    rows.collect()
}

#[test]
fn the_document_has_the_same_table() {
    let coded = TRANSITIONS.iter().map(|row| {
        let told = if row.is_told { "both" } else { "nobody" };
        let (kind, state) = (row.kind.name().to_owned(), row.state.name().to_owned());
        ((kind, state, format!("{:?}", row.input)), (row.next.name().to_owned(), told.to_owned()))
    });
    assert_eq!(coded.collect::<BTreeMap<_, _>>(), documented());
    assert_eq!(documented().len(), TRANSITIONS.len(), "each row stands there once");
}

#[test]
fn every_case_in_every_state_meets_every_input() {
    let table = documented();
    let mut met = 0;
    for (kind, state, way) in ways() {
        for input in CaseInput::ALL {
            let Some((sender, line)) = line_of(kind, state, input) else { continue };
            let mut desk = Desk::new(["funds ALPHA 1000"].into_iter());
            way.iter().for_each(|line| drop(desk.say(line)));
            let key = (kind.name().to_owned(), state.name().to_owned(), format!("{input:?}"));
            println!("{key:?}");
            assert_eq!(desk.case_state("T9"), Some((kind, state)), "the way leads there");
            // The time of a batch comes first: what has reached its deadline before the line has ended then.
            let told: Vec<String> =
                desk.say(line).into_iter().filter(|told| told.contains("T9") && told.contains(kind.name())).collect();
            let news = |next: &str| {
                let [opener, responder] = parties(kind);
                [opener, responder].map(|who| format!("{who} {} {next} T9", kind.name()))
            };
            match table.get(&key) {
                Some((next, told_to)) => {
                    let expected = if told_to == "both" { news(next).to_vec() } else { Vec::new() };
                    let heard: Vec<&str> = told.iter().map(|told| told.split(" T9").next().unwrap()).collect();
                    let expected: Vec<&str> = expected.iter().map(|told| told.split(" T9").next().unwrap()).collect();
                    assert_eq!(heard, expected, "{key:?}");
                    assert_eq!(desk.case_state("T9").unwrap().1.name(), next, "{key:?}");
                }
                None => {
                    assert_eq!(desk.case_state("T9"), Some((kind, state)), "{key:?} changes nothing");
                    let is_party = !sender.is_empty() && state != CaseState::Rejected || parties(kind)[0] == sender;
                    let expected: Vec<String> = if is_party {
                        vec![format!("reply {sender} {} {} T9", kind.name(), state.name())]
                    } else {
                        Vec::new()
                    };
                    let heard: Vec<String> =
                        told.iter().map(|told| told.split_inclusive(" T9").next().unwrap().to_owned()).collect();
                    assert_eq!(heard, expected, "{key:?}");
                }
            }
            met += 1;
        }
        // Nobody else learns anything, whatever it says.
        for line in ["at 26 CHARLIE answers T9 yes", "at 26 CHARLIE cancels T9"] {
            let mut desk = Desk::new(["funds ALPHA 1000"].into_iter());
            way.iter().for_each(|line| drop(desk.say(line)));
            let is_over = way.iter().any(|line| line.starts_with("at 30"));
            let line = if is_over { line.replace("26", "31") } else { line.to_owned() };
            assert_eq!(desk.say(&line), ["reply CHARLIE case unknown T9"], "{kind:?} {state:?}");
            assert_eq!(desk.case_state("T9"), Some((kind, state)));
        }
    }
    assert!(met > 80, "{met} cells");
}
