//! The table of states in `docs/payment-rules.md`, whole: every state meets every input.

use crate::language::Desk;

/// Ways into each state. T1 is ordered by ALPHA, for BRAVO, at 10; its deadline is at 20.
const STATES: [(&str, &[&str]); 6] = [
    ("none", &[]),
    ("in flight", &["at 10 ALPHA pays BRAVO T1 60 -> BRAVO forward T1"]),
    (
        "committed",
        &[
            "at 10 ALPHA pays BRAVO T1 60 -> BRAVO forward T1",
            "at 11 BRAVO accepts T1 -> ALPHA committed T1, BRAVO committed T1",
        ],
    ),
    (
        "rejected by the payee provider",
        &[
            "at 10 ALPHA pays BRAVO T1 60 -> BRAVO forward T1",
            "at 11 BRAVO rejects T1 AC04 -> ALPHA rejected T1 AC04, BRAVO rejected T1 AC04",
        ],
    ),
    (
        "expired",
        &[
            "at 2.5 ALPHA pays BRAVO T1 60 -> BRAVO forward T1",
            "at 12.5 time -> ALPHA expired T1 AB05, BRAVO expired T1 AB05",
        ],
    ),
    // By a rule, before anybody else heard of it: it names an amount that ALPHA does not have.
    ("rejected by a rule", &["at 10 ALPHA pays BRAVO T1 600 -> ALPHA rejected T1 AM04 amount"]),
];

/// What comes in. `SAME` stands for the amount of the first order, `OTHER` for another.
const INPUTS: [(&str, &str); 10] = [
    ("the same order", "at 13 ALPHA pays BRAVO T1 SAME"),
    ("other content", "at 13 ALPHA pays BRAVO T1 OTHER"),
    ("another sender", "at 13 CHARLIE pays BRAVO T1 SAME"),
    ("accept, payee provider, in time", "at 13 BRAVO accepts T1"),
    ("reject, payee provider, in time", "at 13 BRAVO rejects T1 AM09"),
    ("accept, payee provider, at the deadline", "at 20 BRAVO accepts T1"),
    ("accept, payer provider", "at 13 ALPHA accepts T1"),
    ("accept, somebody else", "at 13 CHARLIE accepts T1"),
    ("time before the deadline", "at 19.999999999 time"),
    ("time at the deadline", "at 20 time"),
];

const DUPLICATE_A: &str = "reply ALPHA duplicate T1 AM05 payment_id";
const DUPLICATE_C: &str = "reply CHARLIE duplicate T1 AM05 payment_id";
const UNKNOWN_A: &str = "reply ALPHA unknown T1";
const UNKNOWN_B: &str = "reply BRAVO unknown T1";
const UNKNOWN_C: &str = "reply CHARLIE unknown T1";
const EXPIRED: &str = "ALPHA expired T1 AB05, BRAVO expired T1 AB05";
const FORWARD: &str = "BRAVO forward T1";

/// One row for each state, one cell for each input: what is told.
const TOLD: [[&str; INPUTS.len()]; STATES.len()] = [
    // none
    [FORWARD, FORWARD, FORWARD, UNKNOWN_B, UNKNOWN_B, UNKNOWN_B, UNKNOWN_A, UNKNOWN_C, "", ""],
    // in flight
    [
        "reply ALPHA in_flight T1",
        DUPLICATE_A,
        DUPLICATE_C,
        "ALPHA committed T1, BRAVO committed T1",
        "ALPHA rejected T1 AM09, BRAVO rejected T1 AM09",
        // The batch's time comes first: it ends the payment, and the answer finds it ended.
        "ALPHA expired T1 AB05, BRAVO expired T1 AB05, reply BRAVO expired T1 AB05",
        UNKNOWN_A,
        UNKNOWN_C,
        "",
        EXPIRED,
    ],
    // committed
    [
        "reply ALPHA committed T1",
        DUPLICATE_A,
        DUPLICATE_C,
        "reply BRAVO committed T1",
        "reply BRAVO committed T1",
        "reply BRAVO committed T1",
        UNKNOWN_A,
        UNKNOWN_C,
        "",
        "",
    ],
    // rejected by the payee provider
    [
        "reply ALPHA rejected T1 AC04",
        DUPLICATE_A,
        DUPLICATE_C,
        "reply BRAVO rejected T1 AC04",
        "reply BRAVO rejected T1 AC04",
        "reply BRAVO rejected T1 AC04",
        UNKNOWN_A,
        UNKNOWN_C,
        "",
        "",
    ],
    // expired
    [
        "reply ALPHA expired T1 AB05",
        DUPLICATE_A,
        DUPLICATE_C,
        "reply BRAVO expired T1 AB05",
        "reply BRAVO expired T1 AB05",
        "reply BRAVO expired T1 AB05",
        UNKNOWN_A,
        UNKNOWN_C,
        "",
        "",
    ],
    // rejected by a rule: BRAVO is no party to it
    [
        "reply ALPHA rejected T1 AM04 amount",
        DUPLICATE_A,
        DUPLICATE_C,
        UNKNOWN_B,
        UNKNOWN_B,
        UNKNOWN_B,
        UNKNOWN_A,
        UNKNOWN_C,
        "",
        "",
    ],
];

/// What ALPHA (who begins with 100) has and holds after the input, where it is not as after the state's own lines.
fn balance_of_payer(state: &str, input: &str) -> (u128, u128) {
    match (state, input) {
        ("none", "the same order") => (40, 60),
        ("none", "other content") => (39, 61),
        ("committed", _) | ("in flight", "accept, payee provider, in time") => (40, 0),
        ("in flight", "reject, payee provider, in time" | "accept, payee provider, at the deadline") => (100, 0),
        ("in flight", "time at the deadline") => (100, 0),
        ("in flight", _) => (40, 60),
        _ => (100, 0),
    }
}

#[test]
fn every_state_meets_every_input() {
    for ((state, lines), told) in STATES.iter().zip(TOLD) {
        for ((input, line), told) in INPUTS.iter().zip(told) {
            let mut desk = Desk::new(["funds ALPHA 100", "funds CHARLIE 1000"].into_iter());
            lines.iter().for_each(|line| desk.check_line(line));
            let (same, other) = if *state == "rejected by a rule" { ("600", "601") } else { ("60", "61") };
            let line = line.replace("SAME", same).replace("OTHER", other);
            println!("{state} meets {input}");
            desk.check_line(&format!("{line} -> {told}"));
            assert_eq!(desk.balance("ALPHA"), balance_of_payer(state, input), "{state} meets {input}");
        }
    }
}
