//! The window of outcomes: what the engine holds, what leaves it and when, and what it says of an id that it does not hold.
//!
//! Journal positions: the genesis is 1 to 9 (its tick, rules, a currency, four participants, two of them with funds); each line is a batch of its own and takes a
//! position for its time and one for its entry.

use crate::language::check;

#[test]
fn the_oldest_outcomes_leave_when_the_next_batch_begins() {
    check(
        "
        funds   ALPHA 100
        funds   BRAVO 100
        at 9.0  rules keep 2 outcomes          ->
        at 10.0 ALPHA pays NOBODY T1 1         -> ALPHA rejected T1 CNOR payee
        at 10.1 ALPHA pays NOBODY T2 1         -> ALPHA rejected T2 CNOR payee
        at 10.2 ALPHA pays NOBODY T3 1         -> ALPHA rejected T3 CNOR payee
        # With this batch T1 leaves, which was decided at 13: who does not know what came before does not hear that it is new.
        at 10.3 ALPHA pays NOBODY T1 1 checked 0  -> reply ALPHA recheck T1
        at 10.3 ALPHA pays NOBODY T1 1 checked 12 -> reply ALPHA recheck T1
        # T2 and T3 are held: whatever was asked of history, they are known.
        at 10.4 ALPHA pays NOBODY T2 1 checked 0  -> reply ALPHA rejected T2 CNOR payee
        at 10.4 ALPHA pays NOBODY T3 1 checked 0  -> reply ALPHA rejected T3 CNOR payee
        # Nothing was decided meanwhile, so nothing has left. A new id, asked for through the floor:
        at 10.5 ALPHA pays NOBODY T4 1 checked 13 -> ALPHA rejected T4 CNOR payee
        at 10.6 ALPHA pays NOBODY T2 1 checked 13 -> reply ALPHA recheck T2
        ",
    );
}

#[test]
fn a_recheck_changes_nothing_and_takes_no_number() {
    check(
        "
        funds   ALPHA 100
        funds   BRAVO 100
        at 9.0  rules keep 1 outcomes               ->
        at 10.0 ALPHA pays NOBODY T1 1              -> ALPHA rejected T1 CNOR payee
        at 10.0 ALPHA pays NOBODY T2 1              -> ALPHA rejected T2 CNOR payee
        at 10.1 ALPHA pays BRAVO T3 60 checked 0    -> reply ALPHA recheck T3
        balance ALPHA 100 0
        # The id is free, and what comes next has the next number.
        at 10.2 ALPHA pays BRAVO T3 60              -> BRAVO forward T3
        balance ALPHA 40 60
        ",
    );
}

#[test]
fn what_is_open_never_leaves() {
    check(
        "
        funds   ALPHA 100
        funds   BRAVO 100
        at 9.0  rules keep 1 outcomes       ->
        at 10.0 ALPHA pays BRAVO T1 60      -> BRAVO forward T1
        at 10.1 ALPHA pays NOBODY T2 1      -> ALPHA rejected T2 CNOR payee
        at 10.2 ALPHA pays NOBODY T3 1      -> ALPHA rejected T3 CNOR payee
        at 10.3 ALPHA pays NOBODY T4 1      -> ALPHA rejected T4 CNOR payee
        at 10.4 ALPHA pays BRAVO T1 60 checked 0 -> reply ALPHA in_flight T1
        at 10.5 BRAVO accepts T1            -> ALPHA committed T1, BRAVO committed T1
        at 10.6 ALPHA pays BRAVO T1 60 checked 0 -> reply ALPHA committed T1
        # Now its outcome is the oldest.
        at 10.7 ALPHA pays NOBODY T5 1      -> ALPHA rejected T5 CNOR payee
        at 10.8 ALPHA pays BRAVO T1 60 checked 0 -> reply ALPHA recheck T1
        # Its slot may be another payment's; the deadline of the first is none of the second.
        at 15.0 ALPHA pays BRAVO T6 30      -> BRAVO forward T6
        at 20.0 time                        ->
        balance ALPHA 10 30
        at 25.0 time                        -> ALPHA expired T6 AB05, BRAVO expired T6 AB05
        ",
    );
}

#[test]
fn a_smaller_window_lets_go_with_the_batch_after_the_rules() {
    check(
        "
        funds   ALPHA 100
        funds   BRAVO 100
        at 10.0 ALPHA pays NOBODY T1 1            -> ALPHA rejected T1 CNOR payee
        at 10.0 ALPHA pays NOBODY T2 1            -> ALPHA rejected T2 CNOR payee
        at 10.0 ALPHA pays NOBODY T3 1            -> ALPHA rejected T3 CNOR payee
        at 11.0 rules keep 1 outcomes             ->
        at 11.1 ALPHA pays NOBODY T1 1 checked 0  -> reply ALPHA recheck T1
        at 11.1 ALPHA pays NOBODY T2 1 checked 0  -> reply ALPHA recheck T2
        at 11.1 ALPHA pays NOBODY T3 1 checked 0  -> reply ALPHA rejected T3 CNOR payee
        at 12.0 rules keep 3 outcomes             ->
        # What has left does not come back.
        at 12.1 ALPHA pays NOBODY T2 1 checked 0  -> reply ALPHA recheck T2
        ",
    );
}
