//! One payment of some thousand is lost, doubled or altered by a scripted switch: the verdict says so.

use serde_json::Value;

use crate::harness::{check_identity, number, report_of};
use crate::stub::{Misdeed, Script, Stub};

fn against(script: Script) -> (Value, i32) {
    let (report, status) = offered_to(script, (3_000, 1));
    assert_eq!(number(&report, "offered"), 3_000);
    (report, status)
}

/// So many payments a second, for so many seconds.
fn offered_to(script: Script, (rate, seconds): (u64, u64)) -> (Value, i32) {
    let stub = Stub::start(script);
    let target = ["run", "--quiet", "--connect", stub.address(), "--pki", stub.pki()];
    let load = ["--rate", &rate.to_string(), "--duration", &seconds.to_string()];
    let (report, status) = report_of(&[&target[..], &load].concat());
    check_identity(&report);
    (report, status)
}

/// The payment with this number is wronged.
const WRONGED: u64 = 1_234;

fn check(misdeed: Misdeed, kind: &str, text: &str) {
    let (report, status) = against(Script { misdeed: Some((WRONGED, misdeed)), ..Script::default() });
    assert_eq!(status, 1, "{misdeed:?} is not caught: {report}");
    let verdict = report["verdict"].as_str().unwrap();
    assert!(verdict.contains(text), "{misdeed:?}: {verdict}");
    if !kind.is_empty() {
        assert_eq!(report["disagreements"][kind], 1, "{misdeed:?}: {report}");
    }
}

/// Side by side: each waits for the most part.
fn check_all(misdeeds: &[(Misdeed, &str, &str)]) {
    std::thread::scope(|scope| {
        for &(misdeed, kind, text) in misdeeds {
            scope.spawn(move || check(misdeed, kind, text));
        }
    });
}

#[test]
fn nothing_is_held_against_a_switch_that_does_right() {
    let (report, status) = against(Script::default());
    assert_eq!((status, number(&report, "committed")), (0, 3_000), "{report}");
    assert_eq!((&report["disagreements"], &report["problems"]), (&serde_json::json!({}), &serde_json::json!([])));
}

/// `cargo test -p loadtest one_payment_of_a_million -- --ignored`. The sums behind it have a test of their own that takes a moment (`agreement`).
#[test]
#[ignore = "five minutes: a million payments, three times"]
fn one_payment_of_a_million_is_caught() {
    for misdeed in [Misdeed::ForgetsPayee, Misdeed::TellsPayeeTwice, Misdeed::AltersAmount] {
        let script = Script { misdeed: Some((777_777, misdeed)), ..Script::default() };
        let (report, status) = offered_to(script, (10_000, 100));
        assert!(number(&report, "offered") > 777_777, "a machine too slow for it never comes to the one: {report}");
        assert_eq!(status, 1, "{misdeed:?} is not caught: {report}");
        println!("{misdeed:?}: {}", report["verdict"]);
    }
}

#[test]
fn one_payment_of_thousands_that_is_lost_is_caught() {
    let texts = "outcome payer and payee provider were not both told";
    check_all(&[(Misdeed::ForgetsPayee, "", texts), (Misdeed::ForgetsPayer, "", texts)]);
}

#[test]
fn one_payment_of_thousands_that_is_doubled_is_caught() {
    // The second word may come when the payment is over.
    check_all(&[
        (Misdeed::ForwardsTwice, "forwarded_twice", "1 payment forwarded twice"),
        (Misdeed::TellsPayerTwice, "", "1 payment "),
        (Misdeed::TellsPayeeTwice, "", "1 payment "),
    ]);
}

/// Of the returns and the cases of a run one is lost, doubled or altered.
#[test]
fn one_return_or_one_case_that_is_wronged_is_caught() {
    let unfinished = "of which a return or a case has no end";
    let misdeeds = [
        (Misdeed::ForgetsReturned, "", unfinished),
        (Misdeed::TellsReturnedTwice, "", "1 payment "),
        (Misdeed::AltersReturn, "return_altered", "returned otherwise than they were sent back"),
        (Misdeed::AltersTotal, "return_altered", "returned otherwise"),
        (Misdeed::RejectsReturned, "", "1 payment "),
        (Misdeed::ForgetsCase, "", unfinished),
        (Misdeed::TellsCaseTwice, "", "1 payment "),
        (Misdeed::MistakesCase, "case_mistaken", "whose case ended otherwise"),
        (Misdeed::AltersCase, "case_altered", "otherwise than the case was opened"),
    ];
    std::thread::scope(|scope| {
        for (misdeed, kind, text) in misdeeds {
            scope.spawn(move || check_beside(misdeed, kind, text));
        }
    });
}

fn check_beside(misdeed: Misdeed, kind: &str, text: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.toml");
    let load = "name = \"x\"\nabout = \"a test\"\n[load]\nshape = \"constant\"\nrate = 400\nduration_s = 1\n";
    let mix = "[mix]\nrequest_percent = 30\nreturn_percent = 50\nrecall_percent = 50\n";
    std::fs::write(&file, format!("{load}{mix}")).unwrap();
    let stub = Stub::start(Script { misdeed: Some((99, misdeed)), ..Script::default() });
    let run =
        ["run", "--quiet", "--connect", stub.address(), "--pki", stub.pki(), "--scenario", file.to_str().unwrap()];
    let (report, status) = report_of(&run);
    check_identity(&report);
    assert_eq!(status, 1, "{misdeed:?} is not caught: {report}");
    let verdict = report["verdict"].as_str().unwrap();
    assert!(verdict.contains(text), "{misdeed:?}: {verdict}");
    if !kind.is_empty() {
        assert_eq!(report["disagreements"][kind], 1, "{misdeed:?}: {report}");
    }
}

#[test]
fn one_payment_of_thousands_that_is_altered_is_caught() {
    check_all(&[
        (Misdeed::AltersAmount, "forwarded_altered", "forwarded otherwise than"),
        (Misdeed::AltersPayer, "forwarded_altered", "forwarded otherwise than"),
        (Misdeed::TellsPayeeOtherwise, "sides_differ", "different outcomes"),
        (Misdeed::TellsPayerOtherwise, "", "1 payment "),
        (Misdeed::CommitsUnasked, "unasked", "without asking the payee provider"),
    ]);
}
