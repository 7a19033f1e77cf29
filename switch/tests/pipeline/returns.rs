//! Returns, acceptance without posting, lanes, and payments within one institution: `docs/payment-rules.md`, row by row.

use crate::language::check;

#[test]
fn a_payment_is_returned_in_parts_and_never_more_than_it_was() {
    check(
        "
        funds   ALPHA 100
        at 10 ALPHA pays BRAVO T1 60          -> BRAVO forward T1
        # What is in flight cannot be returned.
        at 11 BRAVO returns T2 of T1 10       -> BRAVO rejected T2 FF12 original_id
        at 12 BRAVO accepts T1                -> ALPHA committed T1, BRAVO committed T1
        at 13 BRAVO returns T3 of T1 20       -> BRAVO committed T3, ALPHA returned T3 20 in all
        balance ALPHA 60 0
        balance BRAVO 40 0
        at 14 BRAVO returns T4 of T1 41       -> BRAVO rejected T4 RCON amount
        at 15 BRAVO returns T5 of T1 40       -> BRAVO committed T5, ALPHA returned T5 60 in all
        at 16 BRAVO returns T6 of T1 1        -> BRAVO rejected T6 RCON amount
        balance ALPHA 100 0
        balance BRAVO 0 0
        # Repeated, each is told what became of it.
        at 17 BRAVO returns T3 of T1 20       -> reply BRAVO committed T3
        at 17 BRAVO returns T4 of T1 41       -> reply BRAVO rejected T4 RCON amount
        at 17 BRAVO returns T3 of T1 19       -> reply BRAVO duplicate T3 AM05 payment_id
        at 17 ALPHA returns T3 of T1 20       -> reply ALPHA duplicate T3 AM05 payment_id
        # Ids are one space.
        at 18 BRAVO returns T1 of T3 5        -> reply BRAVO duplicate T1 AM05 payment_id
        at 18 ALPHA pays BRAVO T3 5           -> reply ALPHA duplicate T3 AM05 payment_id
        balance ALPHA 100 0
        ",
    );
}

#[test]
fn a_return_that_cannot_be_moves_nothing() {
    check(
        "
        funds   ALPHA 100
        at 10 ALPHA pays BRAVO T1 60                   -> BRAVO forward T1
        at 11 BRAVO accepts T1                         -> ALPHA committed T1, BRAVO committed T1
        at 12 BRAVO returns T2 of T9 10                -> BRAVO rejected T2 AG09 original_id
        # Only who was paid can return, and nobody else learns that there is such a payment.
        at 12 CHARLIE returns T3 of T1 10              -> CHARLIE rejected T3 AG09 original_id
        at 12 ALPHA returns T4 of T1 10                -> ALPHA rejected T4 AG09 original_id
        at 12 BRAVO returns T5 of T1 10 currency EUR   -> BRAVO rejected T5 CURR currency
        at 12 BRAVO returns T6 of T1 10 case T9        -> BRAVO rejected T6 FF13 case_id
        # BRAVO has spent the money.
        at 13 BRAVO pays CHARLIE T7 55                 -> CHARLIE forward T7
        at 14 BRAVO returns T8 of T1 6                 -> BRAVO rejected T8 AM04 amount
        at 14 BRAVO returns T10 of T1 5                -> BRAVO committed T10, ALPHA returned T10 5 in all
        # What came back stays back.
        at 15 ALPHA returns T11 of T10 5               -> ALPHA rejected T11 AG13 original_id
        balance ALPHA 45 0
        balance BRAVO 0 55
        ",
    );
}

#[test]
fn what_was_returned_is_known_at_any_age() {
    check(
        "
        funds   ALPHA 100
        at 10 ALPHA pays BRAVO T1 60                                       -> BRAVO forward T1
        at 11 BRAVO accepts T1                                             -> ALPHA committed T1, BRAVO committed T1
        at 12 BRAVO returns T2 of T1 20                                    -> BRAVO committed T2, ALPHA returned T2 20 in all
        # Two outcomes leave the window: the payment's and the return's.
        at 13 rules keep 1 outcomes                                        ->
        at 14 ALPHA pays BRAVO T3 1000                                     -> ALPHA rejected T3 AM04 amount
        at 15 time                                                         ->
        # The history was asked before the return was in it: that is not enough.
        at 16 BRAVO returns T4 of T1 41 checked 9 known ALPHA,BRAVO,60,0   -> reply BRAVO recheck T4
        at 17 BRAVO returns T4 of T1 41 known ALPHA,BRAVO,60,20            -> BRAVO rejected T4 RCON amount
        at 18 BRAVO returns T5 of T1 40 known ALPHA,BRAVO,60,20            -> BRAVO committed T5, ALPHA returned T5 60 in all
        # The engine holds the newest return: what it knows wins over what the history knew before.
        at 19 BRAVO returns T6 of T1 1 known ALPHA,BRAVO,60,20             -> BRAVO rejected T6 RCON amount
        balance ALPHA 100 0
        ",
    );
}

#[test]
fn what_is_accepted_without_posting_is_owed_a_word() {
    check(
        "
        funds   ALPHA 100
        at 1 rules posting_follow_up 5         ->
        at 10 ALPHA pays BRAVO T1 30           -> BRAVO forward T1
        at 11 BRAVO takes T1                   -> ALPHA committed T1, BRAVO committed T1, ALPHA posting open T1, BRAVO posting open T1
        balance BRAVO 30 0
        # A second answer changes nothing.
        at 11 BRAVO accepts T1                 -> reply BRAVO committed T1
        at 12 BRAVO answers T1 yes             -> ALPHA posting settled T1, BRAVO posting settled T1
        # Returned in part, it is still owed; returned whole, it is not.
        at 20 ALPHA pays BRAVO T2 30           -> BRAVO forward T2
        at 20 BRAVO takes T2                   -> ALPHA committed T2, BRAVO committed T2, ALPHA posting open T2, BRAVO posting open T2
        at 21 BRAVO returns T3 of T2 10        -> BRAVO committed T3, ALPHA returned T3 10 in all
        at 22 BRAVO returns T4 of T2 20        -> BRAVO committed T4, ALPHA returned T4 30 in all, ALPHA posting settled T2, BRAVO posting settled T2
        at 30 ALPHA pays BRAVO T5 30           -> BRAVO forward T5
        at 30 BRAVO takes T5                   -> ALPHA committed T5, BRAVO committed T5, ALPHA posting open T5, BRAVO posting open T5
        at 34.999999999 time                   ->
        at 35 time                             -> ALPHA posting expired T5 NOAS, BRAVO posting expired T5 NOAS
        # Where the scheme does not have it, such an answer decides nothing.
        at 40 rules posting_follow_up 0        ->
        at 41 ALPHA pays BRAVO T6 10           -> BRAVO forward T6
        at 42 BRAVO takes T6                   -> reply BRAVO in_flight T6
        at 43 BRAVO accepts T6                 -> ALPHA committed T6, BRAVO committed T6
        ",
    );
}

#[test]
fn bulk_has_its_own_lane_and_its_own_time() {
    check(
        "
        funds   ALPHA 100
        at 1  rules bulk_timeout 60 bulk_purpose SALA           ->
        at 10 ALPHA pays BRAVO T1 10 lane bulk purpose SALA     -> BRAVO forward T1
        at 10 ALPHA pays BRAVO T2 10                            -> BRAVO forward T2
        at 10 ALPHA pays BRAVO T3 10 purpose SALA               -> ALPHA rejected T3 FF03 lane
        at 20 time                                              -> ALPHA expired T2 AB05, BRAVO expired T2 AB05
        at 69 BRAVO accepts T1                                  -> ALPHA committed T1, BRAVO committed T1
        at 69 BRAVO returns T4 of T1 4                          -> BRAVO committed T4, ALPHA returned T4 4 in all
        at 70 rules bulk_timeout 0                              ->
        at 71 ALPHA pays BRAVO T5 10 lane bulk                  -> ALPHA rejected T5 AG03 lane
        ",
    );
}

#[test]
fn a_payment_within_one_institution_goes_by_the_scheme_s_rule() {
    check(
        "
        funds   ALPHA 100
        at 10 ALPHA pays ALPHA T1 10           -> ALPHA rejected T1 AG12 payee
        at 11 rules self_payments yes          ->
        at 12 ALPHA pays ALPHA T2 1000         -> ALPHA forward T2
        balance ALPHA 100 0
        at 13 ALPHA accepts T2                 -> ALPHA committed T2
        at 14 ALPHA pays ALPHA T3 10           -> ALPHA forward T3
        at 15 ALPHA rejects T3 AC04            -> ALPHA rejected T3 AC04
        at 16 ALPHA pays ALPHA T4 10           -> ALPHA forward T4
        at 26 time                             -> ALPHA expired T4 AB05
        # It owes nobody a word, and nothing of it can be returned or recalled.
        at 30 ALPHA pays ALPHA T5 10           -> ALPHA forward T5
        at 31 ALPHA takes T5                   -> ALPHA committed T5
        at 32 ALPHA returns T6 of T5 10        -> ALPHA rejected T6 FF12 original_id
        at 33 ALPHA recalls T5 as T7 from ALPHA -> ALPHA recall rejected T7 FF12 original_id
        balance ALPHA 100 0
        ",
    );
}
