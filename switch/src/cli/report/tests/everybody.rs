//! Reports about everybody at once: each has what is said of one alone, and those who settle through a sponsor are in them.

use serde_json::Value;

use super::day::day;

#[test]
fn all_invoices_are_those_of_each_one_after_the_other() {
    let office = day();
    let alone = |form: &str| {
        ["ALPHA", "BRAVO", "CHARLIE", "DELTA"]
            .map(|name| office.report(&format!("fees --currency XTS --participant {name} {form}")))
    };
    let all = office.report("fees --currency XTS --json").json();
    let expected: Vec<Value> = alone("--json").into_iter().map(|said| said.json()).collect();
    assert_eq!(all["invoices"].as_array().unwrap(), &expected);
    assert_eq!((&all["ok"], &all["currency"], &all["through"]), (&true.into(), &"XTS".into(), &expected[0]["through"]));
    let csv = office.report("fees --currency XTS --csv").fine();
    let each = alone("--csv").map(|said| said.fine());
    let header = each[0].lines().next().unwrap();
    let rows = each.iter().flat_map(|csv| csv.lines().skip(1));
    assert_eq!(csv.lines().collect::<Vec<_>>(), [header].into_iter().chain(rows).collect::<Vec<_>>());
    assert!(csv.contains(",XTS,CHARLIE\r\n"), "whose row it is: {csv}");
    let people = office.report("fees --currency XTS").fine();
    assert_eq!(people, alone("").map(|said| said.fine()).join("\n"));
}

/// Nobody was charged in KES, and nothing stood on an account of fees before the first payment.
#[test]
fn no_invoices_are_none() {
    let office = day();
    for asked in ["fees --currency KES", "fees --currency XTS --to 2026-11-22T12:00:01Z"] {
        let json = office.report(&format!("{asked} --json")).json();
        assert_eq!((json["invoices"].as_array().unwrap().len(), &json["ok"]), (0, &true.into()), "{asked}");
        assert_eq!(office.report(&format!("{asked} --csv")).fine().lines().count(), 1, "{asked}");
        let people = office.report(asked).fine();
        assert!(people.starts_with("report  ") && people.contains("\nthrough  "), "{people}");
    }
}

/// DELTA settles through ALPHA: what it has used of its sub-limit was in no report.
#[test]
fn who_settles_through_a_sponsor_has_a_position_too() {
    let office = day();
    let delta = |at: &str| {
        let json = office.report(&format!("positions --currency XTS --at 2026-11-22T12:00:{at}Z --json")).json();
        let rows = json["rows"].as_array().unwrap();
        rows.iter().find(|row| row["participant"] == "DELTA").unwrap().clone()
    };
    for (at, used) in [("01", "0"), ("02", "20000"), ("03", "20000"), ("21", "0")] {
        let row = delta(at);
        let said = [&row["sponsor"], &row["sub_limit"], &row["sub_limit_used"]];
        assert_eq!(
            said,
            [&Value::from("ALPHA"), &"1000000".into(), &used.into()],
            "held, then sent, then cut off: {row}"
        );
        assert!(row["settlement"].is_null() && row["position"].is_null(), "{row}");
    }
    assert_eq!(delta("03")["fees"], "-5");
}
