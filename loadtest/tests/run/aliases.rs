//! Aliases under load: what is asked, how it is judged, and a run against the real switch.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{check_identity, loadtest, number, report_of};
use crate::spawned::build_switch;
use crate::stub::{Misdeed, Script, Stub};

const PAYMENTS: &str = "[load]\nshape = \"constant\"\nrate = 200\nduration_s = 2\n[mix]\nalias_percent = 50\n";
const ALIASES: &str = "[aliases]\ncount = 1000\nlookups_per_s = 400\nmissed_percent = 20\n";

/// A scenario file; it ends with the value.
struct Scenario(tempfile::TempDir);

impl Scenario {
    fn new(text: &str) -> Scenario {
        let scenario = Scenario(tempfile::tempdir().unwrap());
        std::fs::write(scenario.path(), format!("name = \"x\"\nabout = \"a test\"\n{text}")).unwrap();
        scenario
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("x.toml")
    }

    fn run(&self, script: Script, more: &[&str]) -> (Value, i32) {
        let stub = Stub::start(script);
        let (file, connect) = (self.path(), ["--connect", stub.address(), "--pki", stub.pki()]);
        let run = ["run", "--quiet", "--scenario", file.to_str().unwrap()];
        let (report, status) = report_of(&[&run[..], &connect, more].concat());
        check_identity(&report);
        check_lookups(&report["aliases"]);
        (report, status)
    }
}

/// Every look-up is counted once, in every report.
fn check_lookups(aliases: &Value) {
    let parts = ["found", "missed", "limited", "refused", "unanswered"].map(|key| number(aliases, key));
    assert_eq!(number(aliases, "asked"), parts.iter().sum::<u64>(), "{aliases}");
}

#[test]
fn lookups_and_payments_to_aliases_are_counted_and_timed_each_for_itself() {
    let scenario = Scenario::new(&format!("{PAYMENTS}{ALIASES}"));
    let (report, status) = scenario.run(Script::default(), &[]);
    assert_eq!((status, number(&report, "committed")), (0, 400), "{report}");
    let aliases = &report["aliases"];
    assert_eq!((number(aliases, "asked"), number(aliases, "unanswered"), number(aliases, "count")), (800, 0, 1_000));
    assert_eq!((aliases["mode"].as_str(), number(aliases, "rate")), (Some("open"), 400), "{aliases}");
    assert!((100..230).contains(&number(aliases, "missed")), "{aliases}");
    assert!((140..260).contains(&number(aliases, "transfers")), "{aliases}");
    assert!(aliases["answered_us"]["p99"].as_u64().unwrap() > 0, "{aliases}");
    let counted = |leg: &str| {
        let bars = report["histogram_us"][leg].as_array().unwrap();
        bars.iter().map(|bar| bar[1].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((counted("look-up"), counted("final")), (800, 400));
    let asked = report["samples"].as_array().unwrap().iter().map(|sample| number(&sample["lookups"], "asked"));
    assert_eq!(asked.sum::<u64>(), 800);
}

#[test]
fn lookups_go_alone_as_fast_as_they_are_answered() {
    let scenario = Scenario::new(&format!("{PAYMENTS}{ALIASES}"));
    let more = ["--rate", "none", "--lookups", "max", "--lookups-in-flight", "4", "--duration", "1", "--aliases", "77"];
    let (report, status) = scenario.run(Script::default(), &more);
    assert_eq!((status, number(&report, "offered"), report["mode"].as_str()), (0, 0, Some("none")), "{report}");
    let aliases = &report["aliases"];
    assert_eq!((aliases["mode"].as_str(), number(aliases, "in_flight")), (Some("closed"), 4), "{aliases}");
    assert!(number(aliases, "asked") > 100 && number(aliases, "count") == 77, "{aliases}");
    assert_eq!(number(aliases, "found") + number(aliases, "missed"), number(aliases, "asked"), "{aliases}");
}

/// An empty bucket is a result, and refusals are counted by their code. Neither is a failure.
#[test]
fn what_a_bucket_refuses_is_counted_and_not_lost() {
    let script = Script {
        lookup_limited_every: Some(5),
        lookup_busy_every: Some(8),
        transfer_limited_every: Some(4),
        ..Script::default()
    };
    let all = PAYMENTS.replace("= 50", "= 100");
    let (report, status) = Scenario::new(&format!("{all}{ALIASES}")).run(script, &[]);
    assert_eq!((status, &report["disagreements"]), (0, &serde_json::json!({})), "{report}");
    let aliases = &report["aliases"];
    // Of 800 each eighth is refused, and of the others each fifth limited.
    assert_eq!((number(aliases, "refused"), number(aliases, "limited")), (100, 140), "{aliases}");
    assert_eq!(aliases["refusals"], serde_json::json!({ "busy": 100 }));
    assert_eq!((number(aliases, "transfers"), number(aliases, "transfers_limited")), (400, 100), "{aliases}");
    assert_eq!((number(&report, "busy"), &report["refusals"]["lookup_limited"]), (100, &Value::from(100)));
    assert_eq!(number(&report, "committed"), 300);
}

/// One wrong answer among many is said, with its kind.
#[test]
fn one_wrong_answer_is_noticed() {
    for (misdeed, name, missed_percent) in [
        (Misdeed::AltersAnswer, "answer_mistaken", 0),
        (Misdeed::AltersOwner, "answer_mistaken", 0),
        (Misdeed::MissesAlias, "alias_missed", 0),
        (Misdeed::FindsNobody, "nobody_found", 100),
        (Misdeed::AnswersTwice, "answer_astray", 0),
        (Misdeed::AltersAccount, "account_mistaken", 0),
        (Misdeed::MissesPayee, "payee_missed", 0),
    ] {
        let aliases = ALIASES.replace("= 20", &format!("= {missed_percent}"));
        let all = PAYMENTS.replace("= 50", "= 100").replace("= 2\n", "= 1\n");
        let (report, status) = Scenario::new(&format!("{all}{aliases}"))
            .run(Script { misdeed: Some((50, misdeed)), ..Script::default() }, &[]);
        assert_eq!(report["disagreements"], serde_json::json!({ name: 1 }), "{misdeed:?}: {report}");
        assert_eq!(status, 1, "{misdeed:?}");
    }
}

/// A question that is never answered is no answer, however long the wait.
#[test]
fn a_lookup_without_an_answer_is_a_failure() {
    let (lookups, script) = (ALIASES.replace("= 20", "= 0"), Misdeed::ForgetsAnswer);
    let load = PAYMENTS.replace("= 50", "= 0").replace("= 2\n", "= 1\n");
    let script = Script { misdeed: Some((9, script)), ..Script::default() };
    let (report, status) = Scenario::new(&format!("{load}{lookups}")).run(script, &[]);
    assert_eq!(
        (status, number(&report["aliases"], "unanswered"), number(&report, "committed")),
        (1, 1, 200),
        "{report}"
    );
    assert!(report["verdict"].as_str().unwrap().contains("1 look-up without an answer"), "{report}");
}

/// Who is cut off asks again what was not answered, and may be answered twice.
#[test]
fn a_cut_connection_loses_no_lookup() {
    let fault = "[[fault]]\nkind = \"cut_providers\"\nat_ms = 500\nevery_ms = 300\nproviders = 2\nfor_ms = 50\n";
    let (report, status) = Scenario::new(&format!("{PAYMENTS}{ALIASES}{fault}")).run(Script::default(), &[]);
    assert_eq!((status, number(&report, "committed")), (0, 400), "{report}");
    assert!(number(&report, "reconnects") >= 4, "{report}");
    assert_eq!((number(&report["aliases"], "asked"), number(&report["aliases"], "unanswered")), (800, 0), "{report}");
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_starts() {
    let check = |text: &str, more: &[&str], parts: &[&str]| {
        let scenario = Scenario::new(text);
        let file = scenario.path();
        let run = ["run", "--connect", "127.0.0.1:1", "--pki", "/nowhere", "--scenario", file.to_str().unwrap()];
        let output = loadtest(&[&run[..], more].concat());
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    };
    let good = format!("{PAYMENTS}{ALIASES}");
    check(&good.replace("= 1000", "= 5"), &[], &["aliases.count = 5: give 16, one for each participant"]);
    check(&good.replace("= 20\n", "= 101\n"), &[], &["aliases.missed_percent = 101"]);
    check(&format!("{good}tokens = 19\n"), &[], &["aliases.tokens = 19: give 20"]);
    check(&format!("{good}lookups_in_flight = 9\n"), &[], &["lookups_per_s or lookups_in_flight, not both"]);
    check(&format!("{good}end_users = 3\n"), &[], &["aliases.end_users = 3"]);
    check(&good, &["--lookups", "fast"], &["--lookups fast", "`max` or `none`"]);
    check(&good, &["--lookups-in-flight", "9"], &["--lookups-in-flight is for --lookups max"]);
    check(&good, &["--rate", "none", "--lookups", "none"], &["there is no load"]);
    check(PAYMENTS, &[], &["mix.alias_percent needs the table aliases"]);
    let plain = PAYMENTS.replace("= 50", "= 0");
    check(&plain, &["--aliases", "100"], &["need a scenario with aliases"]);
    check(&plain, &["--rate", "none"], &["load.shape = \"none\" needs look-ups"]);
}

/// Imported, asked, paid and audited: what the providers heard of each look-up is what the journal says.
#[test]
fn the_real_switch_answers_and_pays_what_was_imported() {
    let switch = build_switch();
    let run = ["run", "--quiet", "--spawn", "--switch-bin", switch.to_str().unwrap(), "--scenario", "alias_heavy"];
    let more = ["--rate", "100", "--lookups", "300", "--duration", "2", "--participants", "3", "--aliases", "400"];
    let (report, _) = report_of(&[&run[..], &more].concat());
    check_identity(&report);
    let problems = report["problems"].as_array().unwrap();
    let is_level = |problem: &Value| problem.as_str().unwrap().starts_with("service level missed");
    assert!(problems.iter().all(is_level), "{problems:?}");
    assert_eq!((number(&report, "unknown"), &report["books_balanced"]), (0, &Value::Bool(true)), "{report}");
    let aliases = &report["aliases"];
    check_lookups(aliases);
    assert!(number(aliases, "found") > 400 && number(aliases, "missed") > 0, "{aliases}");
    assert_eq!((number(aliases, "limited"), number(aliases, "transfers_limited")), (0, 0), "{aliases}");
    assert_eq!(number(aliases, "transfers"), number(&report, "offered"), "{report}");
    assert!(aliases["imported_s"].as_f64().is_some(), "{aliases}");
}

/// A directory that was filled once is looked up by run after run, killed in between; and its buckets are as small as the scenario says where it is made anew.
#[test]
fn a_filled_directory_is_used_again_over_a_kill_and_small_buckets_refuse() {
    let switch = build_switch();
    let switch = switch.to_str().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("aliases").join("data");
    let data = data.to_str().unwrap();
    let (filled, status) =
        report_of(&["fill", "--data", data, "--aliases", "300", "--participants", "3", "--switch-bin", switch]);
    assert_eq!((status, number(&filled["imported"], "aliases"), number(&filled, "payments")), (0, 300, 0), "{filled}");
    let fault = "[[fault]]\nkind = \"kill_switch\"\nat_ms = 700\n";
    let scenario = Scenario::new(&format!("{PAYMENTS}{}{fault}", ALIASES.replace("= 1000", "= 300")));
    let file = scenario.path();
    let run =
        ["run", "--quiet", "--spawn", "--switch-bin", switch, "--data", data, "--scenario", file.to_str().unwrap()];
    let (report, status) = report_of(&run);
    assert_eq!(
        (status, &report["books_balanced"], &report["aliases"]["imported_s"]),
        (0, &Value::Bool(true), &Value::Null),
        "{report}"
    );
    assert_eq!((number(&report["aliases"], "asked"), number(&report["aliases"], "unanswered")), (800, 0), "{report}");

    let poor = format!("{}tokens = 30\nend_users = 3\n", ALIASES.replace("= 1000", "= 300"));
    let scenario = Scenario::new(&format!("{}[participants]\ncount = 3\n{poor}", PAYMENTS.replace("= 50", "= 100")));
    let file = scenario.path();
    let (report, status) =
        report_of(&["run", "--quiet", "--spawn", "--switch-bin", switch, "--scenario", file.to_str().unwrap()]);
    assert_eq!((status, &report["books_balanced"]), (0, &Value::Bool(true)), "{report}");
    let aliases = &report["aliases"];
    check_lookups(aliases);
    assert!(number(aliases, "limited") > 600 && number(aliases, "transfers_limited") > 200, "{aliases}");
    assert_eq!(number(&report, "committed") + number(aliases, "transfers_limited"), 400, "{report}");
}
