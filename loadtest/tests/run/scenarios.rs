//! Scenario files, service levels, faults and reports, against a scripted switch.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{check_identity, loadtest, number, report_of};
use crate::stub::{Script, Stub};

/// A scenario file; it ends with the value.
struct Scenario {
    directory: tempfile::TempDir,
}

impl Scenario {
    fn new(text: &str) -> Scenario {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("x.toml"), format!("name = \"x\"\nabout = \"a test\"\n{text}")).unwrap();
        Scenario { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, script: Script, more: &[&str]) -> (Value, i32) {
        let stub = Stub::start(script);
        let file = self.path("x.toml");
        let run =
            ["run", "--quiet", "--connect", stub.address(), "--pki", stub.pki(), "--scenario", file.to_str().unwrap()];
        let (report, status) = report_of(&[&run[..], more].concat());
        check_identity(&report);
        (report, status)
    }
}

const CONSTANT: &str = "[load]\nshape = \"constant\"\nrate = 400\nduration_s = 2\n";

fn late(delay_ms: u64) -> Script {
    Script { delay: Duration::from_millis(delay_ms), ..Script::default() }
}

#[test]
fn a_missed_service_level_is_status_1_and_a_kept_one_is_not() {
    let levels = |p99: u32| {
        format!("{CONSTANT}[service]\nthroughput_min_per_s = 50\np99_max_ms = {p99}\nerrors_max_percent = 0\n")
    };
    let (report, status) = Scenario::new(&levels(30_000)).run(late(40), &[]);
    assert_eq!(status, 0, "{report}");
    assert_eq!(report["service"].as_array().unwrap().len(), 3);
    assert!(report["service"].as_array().unwrap().iter().all(|level| level["met"] == true), "{report}");
    let (report, status) = Scenario::new(&levels(39)).run(late(40), &[]);
    assert_eq!(status, 1, "{report}");
    assert!(report["verdict"].as_str().unwrap().contains("service level missed: p99"), "{report}");
}

/// Random gaps and a burst are fixed before the run: the same seed offers the same payments, whatever the switch does meanwhile.
#[test]
fn a_random_schedule_is_the_same_however_the_switch_behaves() {
    let scenario = Scenario::new(
        "[load]\nshape = \"burst\"\narrivals = \"poisson\"\nseed = 7\nrate = 200\nburst_rate = 2000\nburst_every_ms = 1000\n\
         burst_for_ms = 200\nduration_s = 2\n",
    );
    let (quick, _) = scenario.run(Script::default(), &[]);
    let stalled = Script { stall: Some((100, Duration::from_millis(700))), ..Script::default() };
    let (slow, _) = scenario.run(stalled, &[]);
    assert_eq!(number(&quick, "offered"), number(&slow, "offered"));
    // 2 s at 200 and 0.4 s at 1,800 more: 1,120 on average.
    assert!(number(&quick, "offered").abs_diff(1_120) < 170, "{quick}");
    assert_eq!((number(&slow, "seed"), slow["scenario"].as_str()), (7, Some("x")));
    assert!(slow["latency_us"]["max"].as_u64().unwrap() >= 650_000, "{slow}");
}

#[test]
fn a_switch_that_falls_behind_is_said_to_be_saturated() {
    let scenario = Scenario::new("[load]\nshape = \"constant\"\nrate = 1000\nduration_s = 4\n");
    let stalled = Script { stall: Some((1_000, Duration::from_millis(2_500))), ..Script::default() };
    let (report, _) = scenario.run(stalled, &[]);
    let saturation = &report["saturation"];
    assert_eq!(saturation["saturated"], true, "{report}");
    assert!(saturation["first_behind_s"].as_f64().is_some(), "{saturation}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("saturated: the switch fell behind"), "{warnings}");
}

#[test]
fn copies_of_orders_are_answered_and_change_nothing() {
    let scenario = Scenario::new(&format!("{CONSTANT}[mix]\nrepeat_percent = 50\n"));
    let (report, status) = scenario.run(late(5), &[]);
    assert_eq!((status, number(&report, "offered"), number(&report, "committed")), (0, 800, 800), "{report}");
    let repeated = number(&report, "repeated");
    assert!((250..550).contains(&repeated), "{repeated}");
    assert_eq!(number(&report, "repeated_answered"), repeated, "{report}");
}

/// A copy of an order that was refused as busy may be taken: then it is a payment like any other, and not one out of nowhere.
#[test]
fn a_copy_of_a_refused_order_is_no_surprise() {
    let scenario = Scenario::new(&format!("{CONSTANT}[mix]\nrepeat_percent = 50\n"));
    let (report, status) = scenario.run(Script { busy_every: Some(7), ..late(5) }, &[]);
    assert_eq!((status, &report["disagreements"]), (0, &serde_json::json!({})), "{report}");
    assert!(number(&report, "committed") > 600 && number(&report, "busy") > 0, "{report}");
}

/// Bulk is in the counts and in the verdict, and in no percentile of what somebody waits for.
#[test]
fn bulk_has_percentiles_of_its_own() {
    let scenario = Scenario::new(&format!(
        "{CONSTANT}[mix]\nbulk_percent = 40\n[service]\nthroughput_min_per_s = 300\nerrors_max_percent = 0\n"
    ));
    let (report, status) = scenario.run(late(5), &[]);
    assert_eq!((status, number(&report, "committed")), (1, 800), "400 a second are not 300 of retail: {report}");
    let bulk = &report["bulk"];
    assert!((220..420).contains(&number(bulk, "offered")), "{bulk}");
    assert_eq!((number(bulk, "committed"), number(bulk, "unknown")), (number(bulk, "offered"), 0), "{bulk}");
    assert!(bulk["latency_us"]["p50"].as_u64().unwrap() >= 5_000, "{bulk}");
    let counts = ["PSP0001", "PSP0002"].map(|code| report["participants_us"][code]["count"].as_u64().unwrap());
    assert_eq!(counts.iter().sum::<u64>(), 800 - number(bulk, "offered"));
    assert!(report["samples"][0]["bulk"]["committed"].is_u64(), "{report}");
}

const BESIDE: &str = "[mix]\nrequest_percent = 40\nreturn_percent = 30\nrecall_percent = 30\n";

/// What goes beside payments ends whole, whatever their number.
#[test]
fn requests_returns_and_recalls_are_counted_and_end() {
    let (report, status) = Scenario::new(&format!("{CONSTANT}{BESIDE}")).run(late(5), &[]);
    assert_eq!((status, number(&report, "committed")), (0, 800), "{report}");
    let sequels = &report["sequels"];
    let count = |key: &str| number(sequels, key);
    assert!((240..400).contains(&count("requests")) && count("requests_paid") == count("requests"), "{sequels}");
    assert!((170..310).contains(&count("recalls")), "{sequels}");
    assert!((70..170).contains(&count("recalls_settled")), "{sequels}");
    // A return for each settled recall, and three for two payments of those that are returned.
    let returned = count("returns") - count("recalls_settled");
    assert!((250..470).contains(&returned) && count("unfinished") == 0, "{sequels}");
}

/// A request is a promise: its payment is sent again until it is taken, and nothing of it counts as busy.
#[test]
fn a_payment_that_was_asked_for_is_sent_until_it_is_taken() {
    let scenario = Scenario::new(&format!("{CONSTANT}[mix]\nrequest_percent = 100\n"));
    let (report, status) = scenario.run(Script { busy_every: Some(7), ..Script::default() }, &[]);
    assert_eq!((status, number(&report, "committed"), number(&report, "busy")), (0, 800, 0), "{report}");
    assert!(report["refusals"]["busy"].as_u64().unwrap() > 100, "{report}");
}

/// All at once at the second that was said, and none of what comes later.
#[test]
fn a_wave_of_recalls_comes_at_its_time() {
    let wave = "[mix]\nrecall_percent = 100\nrecall_wave_at_s = 1\n";
    let (report, status) = Scenario::new(&format!("{CONSTANT}{wave}")).run(Script::default(), &[]);
    assert_eq!((status, number(&report, "committed")), (0, 800), "{report}");
    let recalls = number(&report["sequels"], "recalls");
    assert!((200..600).contains(&recalls), "{report}");
}

/// Whoever floods is in the verdict and in no figure of the others.
#[test]
fn a_flood_is_counted_apart() {
    let fault = "[[fault]]\nkind = \"flood\"\nat_ms = 500\nfor_ms = 500\nrate = 2000\n";
    let (report, status) = Scenario::new(&format!("{CONSTANT}{fault}")).run(Script::default(), &[]);
    assert_eq!((status, &report["disagreements"]), (0, &serde_json::json!({})), "{report}");
    let flood = &report["flood"];
    // A thousand of its own, and the payments to it of half a second.
    assert!((1_000..1_400).contains(&number(flood, "offered")), "{flood}");
    assert_eq!(number(flood, "committed"), number(flood, "offered"), "{flood}");
    let counts = ["PSP0001", "PSP0002"].map(|code| report["participants_us"][code]["count"].as_u64().unwrap());
    assert_eq!(counts.iter().sum::<u64>() + number(flood, "offered"), number(&report, "offered"), "{report}");
    assert_eq!(report["faults"][0]["kind"], "flood");
}

#[test]
fn a_slow_provider_is_slow_and_no_other() {
    let scenario =
        Scenario::new(&format!("{CONSTANT}[participants]\ncount = 2\nslow = 1\nslow_answer_after_ms = 300\n"));
    let (report, status) = scenario.run(Script::default(), &[]);
    assert_eq!(status, 0, "{report}");
    // Of two participants each pays the other: what the first pays goes to the slow one.
    let p50 = |code: &str| report["participants_us"][code]["last"]["p50"].as_u64().unwrap();
    assert!(p50("PSP0001") >= 300_000 && p50("PSP0002") < 250_000, "{}", report["participants_us"]);
    let counts = ["PSP0001", "PSP0002"].map(|code| report["participants_us"][code]["count"].as_u64().unwrap());
    assert_eq!(counts.iter().sum::<u64>(), 800);
}

#[test]
fn a_provider_that_is_cut_off_comes_back_and_its_recovery_is_measured() {
    let fault = "[[fault]]\nkind = \"cut_providers\"\nat_ms = 500\nfor_ms = 400\n";
    let (report, status) = Scenario::new(&format!("{CONSTANT}{fault}")).run(Script::default(), &[]);
    assert_eq!((status, number(&report, "committed"), number(&report, "reconnects")), (0, 800, 1), "{report}");
    let fault = &report["faults"][0];
    let after = |key: &str| fault[key].as_u64().unwrap_or_else(|| panic!("{key} in {fault}"));
    assert!(after("back_after_ms") >= 400 && after("recovered_after_ms") >= after("back_after_ms"), "{fault}");
    assert_eq!(fault["ready_after_ms"], Value::Null);
}

/// It stays away until nothing is offered any more; then it learns everything.
#[test]
fn a_provider_that_stays_away_learns_everything_in_the_end() {
    let fault = "[[fault]]\nkind = \"cut_providers\"\nat_ms = 500\n";
    let (report, status) = Scenario::new(&format!("{CONSTANT}{fault}")).run(Script::default(), &[]);
    assert_eq!((status, number(&report, "committed"), number(&report, "reconnects")), (0, 800, 1), "{report}");
    assert_eq!(report["faults"][0]["back_after_ms"], Value::Null);
}

#[test]
fn percentiles_of_two_delays_lie_where_they_must() {
    let script = Script { slow_every: Some((20, Duration::from_millis(400))), ..late(10) };
    let (report, _) = Scenario::new(CONSTANT).run(script, &[]);
    // Of twenty payments one takes 400 ms: the slowest five of a hundred do, and the quickest ninety do not.
    let at = |percentile: &str| report["latency_us"][percentile].as_u64().unwrap();
    assert!(at("p50") >= 10_000 && at("p90") < 350_000 && at("p99") >= 400_000, "{}", report["latency_us"]);
    let bars = report["histogram_us"]["final"].as_array().unwrap();
    let counted = |from_us: u64| {
        let counts = bars.iter().filter(|bar| bar[0].as_u64().unwrap() >= from_us);
        counts.map(|bar| bar[1].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(counted(0), 800);
    assert!(counted(400_000) >= 40, "{bars:?}");
}

#[test]
fn a_scenario_that_is_wrong_is_refused_before_anything_starts() {
    let check = |scenario: &str, more: &[&str], parts: &[&str]| {
        let output = loadtest(
            &[&["run", "--connect", "127.0.0.1:1", "--pki", "/nowhere", "--scenario", scenario], more].concat(),
        );
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    };
    let unknown = Scenario::new(&format!("{CONSTANT}burst = 7\n"));
    check(unknown.path("x.toml").to_str().unwrap(), &[], &["line 7", "unknown field `burst`", "docs/scenarios.md"]);
    check("pay_day", &[], &["--scenario pay_day", "steady, payday"]);
    check("/nowhere/x.toml", &[], &["/nowhere/x.toml"]);
    check("steady", &["--rate", "0"], &["--rate 0", "give 1 to"]);
    check("kill_switch", &[], &["only --spawn may"]);
}

fn check_page(path: &Path) {
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    assert!(page.matches("<svg ").count() >= 6, "it has pictures");
    // Whatever it needs is in it.
    for fetched in ["<script", "<link", "<img", "src=", "@import", "url("] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"), "every place is a number");
}

#[test]
fn reports_are_a_page_pictures_and_json_that_can_be_compared() {
    let scenario = Scenario::new(CONSTANT);
    let path = |name: &str| scenario.path(name).to_str().unwrap().to_owned();
    let (html, plots, json) = (path("report.html"), path("plots"), path("a.json"));
    let stub = Stub::start(late(20));
    let run = ["run", "--connect", stub.address(), "--pki", stub.pki(), "--scenario"];
    let output = loadtest(&[&run[..], &[&path("x.toml"), "--html", &html, "--plots", &plots, "--out", &json]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let progress = String::from_utf8(output.stderr).unwrap();
    assert!(
        progress.contains("/s committed") && !progress.contains('\x1b'),
        "plain lines where there is no terminal: {progress}"
    );
    check_page(Path::new(&html));
    for name in ["latency", "rate", "histogram", "stages", "cpu", "queues"] {
        let svg = std::fs::read_to_string(scenario.path(&format!("plots/{name}.svg"))).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("<style>"), "{name}");
    }
    let compared = loadtest(&["compare", &json, &json, "--json", "--worse-max", "0"]);
    assert_eq!(compared.status.code(), Some(0), "{compared:?}");
    let rows: Value = serde_json::from_slice(&compared.stdout).unwrap();
    assert!(rows.as_array().unwrap().iter().all(|row| row["a"] == row["b"]), "{rows}");
    let other = loadtest(&["compare", &json, &html]);
    assert_eq!(other.status.code(), Some(2), "{other:?}");
}

/// The disk is full when the report is written: that is said, and the report is not lost.
#[test]
fn a_full_disk_is_said_and_the_report_goes_to_standard_output() {
    let stub = Stub::start(Script::default());
    let run = ["run", "--quiet", "--connect", stub.address(), "--pki", stub.pki(), "--rate", "100", "--duration", "1"];
    let output = loadtest(&[&run[..], &["--out", "/dev/full"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.lines().last().unwrap().starts_with("loadtest: --out /dev/full: "), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(number(&report, "committed"), 100);
}

#[test]
fn a_search_that_finds_no_rate_says_so() {
    let stub = Stub::start(late(100));
    let max =
        ["max", "--connect", stub.address(), "--pki", stub.pki(), "--slo", "p50=20ms", "--from", "20", "--step", "1"];
    let (report, status) = report_of(&max);
    assert_eq!((status, &report["best"]), (1, &Value::Null), "{report}");
    assert!(report["verdict"].as_str().unwrap().contains("no rate was found that holds p50=20ms"), "{report}");
    // 20 and 10 payments a second, each tried twice.
    let points = report["points"].as_array().unwrap();
    assert_eq!(points.iter().map(|point| point["rate"].as_u64().unwrap()).collect::<Vec<_>>(), [20, 20, 10, 10]);
    assert!(
        points.iter().all(|point| point["holds"] == false && point["why"].as_str().unwrap().starts_with("p50 took"))
    );
}

#[test]
fn a_level_or_a_search_that_cannot_be_is_refused() {
    let check = |more: &[&str], parts: &[&str]| {
        let output = loadtest(&[&["max", "--connect", "127.0.0.1:1", "--pki", "/nowhere"], more].concat());
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    };
    check(&["--slo", "p99=fast"], &["--slo p99=fast", "as p99=50ms"]);
    check(&["--step", "0"], &["--step 0"]);
    check(&["--from", "0"], &["--from"]);
}

#[test]
fn scenarios_are_listed_and_printed() {
    let list = String::from_utf8(loadtest(&["scenarios"]).stdout).unwrap();
    let names = loadtest::scenario::LIBRARY.map(|scenario| scenario.0);
    names.iter().for_each(|name| assert!(list.lines().any(|line| line.starts_with(name)), "{name} in {list}"));
    let text = String::from_utf8(loadtest(&["scenarios", "payday"]).stdout).unwrap();
    assert!(text.contains("burst_rate"), "{text}");
    assert_eq!(loadtest(&["scenarios", "pay_day"]).status.code(), Some(2));
}
