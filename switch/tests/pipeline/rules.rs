//! `docs/payment-rules.md`, row by row. The states have a file of their own.

use crate::language::check;

#[test]
fn a_payment_is_reserved_forwarded_accepted_and_posted() {
    check(
        "
        funds    ALPHA 100
        at 10.0  ALPHA pays BRAVO T1 60   -> BRAVO forward T1
        balance  ALPHA 40 60
        balance  BRAVO 0 0
        at 12.0  BRAVO accepts T1         -> ALPHA committed T1, BRAVO committed T1
        balance  ALPHA 40 0
        balance  BRAVO 60 0
        # What was received can be spent.
        at 12.1  BRAVO pays CHARLIE T2 60 -> CHARLIE forward T2
        at 12.2  CHARLIE rejects T2 AC04  -> BRAVO rejected T2 AC04, CHARLIE rejected T2 AC04
        balance  BRAVO 60 0
        balance  CHARLIE 0 0
        ",
    );
}

#[test]
fn a_known_id_of_another_sender_tells_nothing() {
    check(
        "
        funds ALPHA 100
        funds CHARLIE 100
        at 10 ALPHA pays BRAVO T1 60               -> BRAVO forward T1
        at 10 CHARLIE pays BRAVO T1 60             -> reply CHARLIE duplicate T1 AM05 payment_id
        at 10 CHARLIE pays BRAVO T1 60 for ALPHA   -> reply CHARLIE duplicate T1 AM05 payment_id
        at 11 BRAVO accepts T1                     -> ALPHA committed T1, BRAVO committed T1
        at 11 CHARLIE pays BRAVO T1 60             -> reply CHARLIE duplicate T1 AM05 payment_id
        balance CHARLIE 100 0
        ",
    );
}

#[test]
fn a_known_id_with_the_same_content_repeats_what_is_known() {
    check(
        "
        funds ALPHA 100
        at 10 ALPHA pays BRAVO T1 60     -> BRAVO forward T1
        at 11 ALPHA pays BRAVO T1 60     -> reply ALPHA in_flight T1
        at 12 BRAVO accepts T1           -> ALPHA committed T1, BRAVO committed T1
        at 13 ALPHA pays BRAVO T1 60     -> reply ALPHA committed T1
        # Even when it would be too late for a new one.
        at 99 ALPHA pays BRAVO T1 60     -> reply ALPHA committed T1
        balance ALPHA 40 0
        # A reject is final too: money that came since does not change it.
        at 99 ALPHA pays BRAVO T2 50     -> ALPHA rejected T2 AM04 amount
        at 99 BRAVO pays ALPHA T3 60     -> ALPHA forward T3
        at 99 ALPHA accepts T3           -> BRAVO committed T3, ALPHA committed T3
        at 99 ALPHA pays BRAVO T2 50     -> reply ALPHA rejected T2 AM04 amount
        balance ALPHA 100 0
        ",
    );
}

#[test]
fn a_known_id_with_other_content_is_a_duplicate_whatever_differs() {
    check(
        "
        funds ALPHA 100
        at 10 ALPHA pays BRAVO T1 60                 -> BRAVO forward T1
        at 10 ALPHA pays BRAVO T1 61                 -> reply ALPHA duplicate T1 AM05 payment_id
        at 10 ALPHA pays CHARLIE T1 60               -> reply ALPHA duplicate T1 AM05 payment_id
        at 10 ALPHA pays BRAVO T1 60 accepted 9.9    -> reply ALPHA duplicate T1 AM05 payment_id
        at 10 ALPHA pays BRAVO T1 60 purpose SALA    -> reply ALPHA duplicate T1 AM05 payment_id
        at 10 ALPHA pays BRAVO T1 60 currency EUR    -> reply ALPHA duplicate T1 AM05 payment_id
        at 10 ALPHA pays BRAVO T1 60 for CHARLIE     -> reply ALPHA duplicate T1 AM05 payment_id
        at 11 BRAVO accepts T1                       -> ALPHA committed T1, BRAVO committed T1
        at 11 ALPHA pays BRAVO T1 61                 -> reply ALPHA duplicate T1 AM05 payment_id
        balance ALPHA 40 0
        ",
    );
}

#[test]
fn rejects_come_in_their_order_of_precedence() {
    check(
        "
        funds ALPHA 100
        # Each order breaks its rule and every later one that can be broken with it.
        at 10 ALPHA pays NOBODY T10 1000001 for CHARLIE currency EUR accepted 11.000000001 -> ALPHA rejected T10 AGNT payer
        at 10 ALPHA pays NOBODY T20 1000001 currency EUR accepted 11.000000001             -> ALPHA rejected T20 CNOR payee
        at 10 ALPHA pays ALPHA T21 1000001 currency EUR accepted 11.000000001              -> ALPHA rejected T21 AG12 payee
        at 10 ALPHA pays BRAVO T30 1000001 currency EUR accepted 11.000000001              -> ALPHA rejected T30 AM03 currency
        at 10 ALPHA pays BRAVO T40 1000001 accepted 11.000000001                           -> ALPHA rejected T40 AM13 amount
        at 10 ALPHA pays BRAVO T50 101 accepted 11.000000001                               -> ALPHA rejected T50 DT04 accepted_at
        at 10 ALPHA pays BRAVO T51 101 accepted 2                                          -> ALPHA rejected T51 TM01 accepted_at
        at 10 ALPHA pays BRAVO T60 101                                                     -> ALPHA rejected T60 AM04 amount
        at 10 ALPHA pays BRAVO T61 100                                                     -> BRAVO forward T61
        balance ALPHA 0 100
        ",
    );
}

#[test]
fn amounts_at_the_scheme_s_limit_and_at_the_last_cent() {
    check(
        "
        funds ALPHA 3000000
        at 10 ALPHA pays BRAVO T1 1000000   -> BRAVO forward T1
        at 10 ALPHA pays BRAVO T2 1000001   -> ALPHA rejected T2 AM13 amount
        # What is reserved cannot be spent twice.
        at 10 ALPHA pays BRAVO T3 1000000   -> BRAVO forward T3
        at 10 ALPHA pays BRAVO T4 999999    -> BRAVO forward T4
        at 10 ALPHA pays BRAVO T5 2         -> ALPHA rejected T5 AM04 amount
        at 10 ALPHA pays BRAVO T6 1         -> BRAVO forward T6
        at 10 ALPHA pays BRAVO T7 1         -> ALPHA rejected T7 AM04 amount
        at 11 BRAVO rejects T6 AC01         -> ALPHA rejected T6 AC01, BRAVO rejected T6 AC01
        at 11 ALPHA pays BRAVO T8 1         -> BRAVO forward T8
        balance ALPHA 0 3000000
        ",
    );
}

#[test]
fn skew_to_the_nanosecond() {
    check(
        "
        funds ALPHA 100
        at 10 ALPHA pays BRAVO T1 1 accepted 11             -> BRAVO forward T1
        at 10 ALPHA pays BRAVO T2 1 accepted 11.000000001   -> ALPHA rejected T2 DT04 accepted_at
        ",
    );
}

#[test]
fn the_payee_s_share_to_the_nanosecond() {
    check(
        "
        funds ALPHA 100
        # Deadline at 12: more than two seconds must be left.
        at 9.999999999 ALPHA pays BRAVO T1 1 accepted 2     -> BRAVO forward T1
        at 10          ALPHA pays BRAVO T2 1 accepted 2     -> ALPHA rejected T2 TM01 accepted_at
        ",
    );
}

#[test]
fn the_deadline_to_the_nanosecond() {
    check(
        "
        funds ALPHA 100
        at 10           ALPHA pays BRAVO T1 1    -> BRAVO forward T1
        at 10           ALPHA pays BRAVO T2 1    -> BRAVO forward T2
        at 19.999999999 BRAVO accepts T1         -> ALPHA committed T1, BRAVO committed T1
        at 20           BRAVO accepts T2         -> ALPHA expired T2 AB05, BRAVO expired T2 AB05, reply BRAVO expired T2 AB05
        balance ALPHA 99 0
        # The clock starts with the acceptance, wherever the order was in between.
        at 20           ALPHA pays BRAVO T3 1 accepted 12.5 -> BRAVO forward T3
        at 22.499999999 time                     ->
        at 22.5         time                     -> ALPHA expired T3 AB05, BRAVO expired T3 AB05
        balance ALPHA 99 0
        ",
    );
}

#[test]
fn what_is_overdue_ends_in_order_of_deadline_then_of_arrival() {
    check(
        "
        funds ALPHA 100
        at 10 ALPHA pays BRAVO T1 1                -> BRAVO forward T1
        at 10 ALPHA pays BRAVO T2 1 accepted 9     -> BRAVO forward T2
        at 10 ALPHA pays BRAVO T3 1                -> BRAVO forward T3
        at 30 time -> ALPHA expired T2 AB05, BRAVO expired T2 AB05, ALPHA expired T1 AB05, BRAVO expired T1 AB05, ALPHA expired T3 AB05, BRAVO expired T3 AB05
        balance ALPHA 100 0
        ",
    );
}
