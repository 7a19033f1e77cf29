//! The report as a page: one file, no script, nothing fetched, readable from disk and on paper.

use std::fmt::Write;

use super::numbers::{grouped, latency, rate, short};
use super::svg::{Plot, STYLE, escaped};
use super::{LegPercentiles, Percentiles, Report, plots};
use crate::faults::FaultRecord;
use crate::machine::Machine;
use crate::maximum::SearchReport;

/// Rows of the table of participants: the slowest.
const PARTICIPANT_ROWS_MAX: usize = 16;

const PAGE_STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2733;--soft:#66727f;--line:#d9e0e6;--back:#f4f6f8;--card:#fff;--good:#00734f;--bad:#b3261e;--warn:#8a5a00}\
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa7b4;--line:#2b3642;--back:#0f151b;--card:#161d25;--good:#3ecf9f;--bad:#ff7a70;\
--warn:#f0c04a}}\
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',\
sans-serif}main{max-width:1500px;margin:0 auto;padding:28px 24px 60px}h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:34px 0 12px}\
.soft{color:var(--soft)}.verdict{border-left:5px solid var(--good);background:var(--card);padding:12px 18px;margin:18px 0;border-radius:4px}\
.verdict b{color:var(--good)}.verdict.bad{border-color:var(--bad)}.verdict.bad b{color:var(--bad)}\
.verdict.warn{border-color:var(--warn)}.verdict.warn b{color:var(--warn)}\
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(148px,1fr));gap:12px}.tile{background:var(--card);border:1px solid var(--line);\
border-radius:6px;padding:12px 16px}.tile span{display:block;color:var(--soft);font-size:13px}.tile b{font-size:23px;font-weight:600}\
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,600px),1fr));gap:14px;align-items:start}.plot{background:var(--card);\
border:1px solid var(--line);border-radius:6px;padding:8px;overflow:hidden}.plot svg{display:block;width:100%;height:auto}\
table{border-collapse:collapse;background:var(--card);border:1px solid var(--line)}th,td{padding:6px 14px;text-align:right;\
border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}th{font-weight:600;color:var(--soft)}th:first-child,td:first-child{text-align:left}\
.wide{overflow-x:auto}.met{color:var(--good)}.missed{color:var(--bad);font-weight:600}code{overflow-wrap:anywhere;font-size:13px}\
@media print{.plot,table{break-inside:avoid}}";

/// The page of one run.
pub(crate) fn page_of_run(report: &Report) -> String {
    let title = report.scenario.clone().unwrap_or_else(|| "load".to_owned());
    let mut body = format!("<h1>{}</h1><p class=\"soft\">{}</p>", escaped(&title), escaped(&report.load_text()));
    let is_early = report.interrupted && report.is_right();
    verdict(&mut body, (report.is_right(), is_early), &report.verdict);
    report.warnings.iter().for_each(|warning| {
        let _ = write!(body, "<div class=\"verdict warn\"><b>Warning.</b> {}</div>", escaped(warning));
    });
    tiles_of_run(&mut body, report);
    pictures(&mut body, &plots::of_run(report));
    services(&mut body, report);
    faults(&mut body, &report.faults);
    legs(&mut body, report);
    outcomes(&mut body, report);
    slowest(&mut body, report);
    origin(&mut body, &report.machine, [&report.date, &report.commit, &report.command]);
    page(&title, &body)
}

/// The page of a search for the highest rate.
pub(crate) fn page_of_search(report: &SearchReport) -> String {
    let mut body = format!(
        "<h1>Highest rate that holds {}</h1><p class=\"soft\">open loop, {} participants</p>",
        escaped(&report.slo),
        report.participants
    );
    verdict(&mut body, (report.is_right(), report.interrupted && report.problems.is_empty()), &report.verdict);
    if let Some(best) = &report.best {
        let p = &best.committed_us;
        tiles(
            &mut body,
            &[
                ("rate", format!("{}/s", grouped(best.rate))),
                ("committed", format!("{}/s", rate(best.throughput_per_s))),
                ("p50", latency(p.p50)),
                ("p99", latency(p.p99)),
                ("p99.9", latency(p.p999)),
            ],
        );
    }
    pictures(&mut body, &plots::of_search(report));
    body.push_str("<h2>Every try</h2>");
    let rows = report.points.iter().map(|point| {
        let p = &point.committed_us;
        let holds = if point.holds { "holds".to_owned() } else { format!("no: {}", point.why) };
        vec![
            format!("{}/s", grouped(point.rate)),
            format!("{}/s", rate(point.throughput_per_s)),
            latency(p.p50),
            latency(p.p90),
            latency(p.p99),
            latency(p.max),
            if point.is_confirmation { format!("{holds} (confirmation)") } else { holds },
        ]
    });
    table(&mut body, &["rate", "committed", "p50", "p90", "p99", "max", "level"], rows);
    origin(&mut body, &report.machine, [&report.date, &report.commit, &report.command]);
    page("highest rate", &body)
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Clearspan load: {}</title><style>{PAGE_STYLE}{STYLE}</style></head><body><main>{body}</main></body></html>\n",
        escaped(title)
    )
}

fn verdict(body: &mut String, (is_right, is_early): (bool, bool), text: &str) {
    let (class, word) = match (is_right, is_early) {
        (_, true) => (" warn", "Ended early."),
        (true, false) => ("", "Right."),
        (false, false) => (" bad", "Wrong."),
    };
    let _ = write!(body, "<div class=\"verdict{class}\"><b>{word}</b> {}</div>", escaped(text));
}

fn tiles(body: &mut String, tiles: &[(&str, String)]) {
    body.push_str("<div class=\"tiles\">");
    for (name, value) in tiles {
        let _ = write!(body, "<div class=\"tile\"><span>{}</span><b>{}</b></div>", escaped(name), escaped(value));
    }
    body.push_str("</div>");
}

fn tiles_of_run(body: &mut String, report: &Report) {
    let failed = report.rejected + report.expired + report.busy + report.unknown + report.unsent;
    let mut list = vec![
        ("committed a second", rate(report.throughput_per_s)),
        ("p50 to final", latency(report.latency_us.p50)),
        ("p99 to final", latency(report.latency_us.p99)),
        ("longest", latency(report.latency_us.max)),
        ("payments committed", grouped(report.committed)),
        ("not committed", grouped(failed)),
        ("generator, of a core", format!("{} %", short(report.generator.busy_percent))),
    ];
    if let Some(switch_us) = switch_us_per_payment(report) {
        list.push(("switch, CPU a payment", format!("{switch_us} µs")));
    }
    tiles(body, &list);
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a figure of the report")]
fn switch_us_per_payment(report: &Report) -> Option<String> {
    let cpu = report.cpu_s?;
    let us = (cpu.switch_user + cpu.switch_sys) * 1e6 / report.committed as f64;
    us.is_finite().then(|| short(us))
}

fn pictures(body: &mut String, plots: &[Plot]) {
    body.push_str("<h2>Pictures</h2><div class=\"plots\">");
    for plot in plots {
        let _ = write!(body, "<div class=\"plot\">{}</div>", plot.svg());
    }
    body.push_str("</div>");
}

fn table(body: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    body.push_str("<div class=\"wide\"><table><tr>");
    heads.iter().for_each(|head| {
        let _ = write!(body, "<th>{}</th>", escaped(head));
    });
    body.push_str("</tr>");
    for row in rows {
        body.push_str("<tr>");
        row.iter().for_each(|cell| {
            let class = match cell.as_str() {
                "kept" => " class=\"met\"",
                "missed" => " class=\"missed\"",
                _ => "",
            };
            let _ = write!(body, "<td{class}>{}</td>", escaped(cell));
        });
        body.push_str("</tr>");
    }
    body.push_str("</table></div>");
}

fn services(body: &mut String, report: &Report) {
    if report.service.is_empty() {
        return;
    }
    body.push_str("<h2>Service levels</h2>");
    let rows = report.service.iter().map(|level| {
        let met = if level.met { "kept" } else { "missed" };
        vec![level.what.clone(), short(level.required), short(level.measured), met.to_owned()]
    });
    table(body, &["what", "level", "measured", ""], rows);
}

fn faults(body: &mut String, faults: &[FaultRecord]) {
    if faults.is_empty() {
        return;
    }
    body.push_str("<h2>Faults and recovery</h2>");
    let after = |ms: Option<u64>| ms.map_or("-".to_owned(), |ms| format!("{} ms", grouped(ms)));
    let rows = faults.iter().map(|fault| {
        let providers = if fault.providers > 0 { fault.providers.to_string() } else { "-".to_owned() };
        vec![
            fault.kind.replace('_', " "),
            format!("{:.1} s", fault.at_s),
            providers,
            after(fault.ready_after_ms),
            after(fault.back_after_ms),
            after(fault.recovered_after_ms),
        ]
    });
    table(body, &["fault", "at", "providers", "ready after", "first payment after", "backlog gone after"], rows);
}

fn legs(body: &mut String, report: &Report) {
    body.push_str("<h2>Latencies, from the intended send time</h2>");
    let legs = [
        ("sent by the generator", &report.sent_us),
        ("accepted: on disk, known to the payer provider", &report.accepted_us),
        ("forwarded: at the payee provider", &report.forwarded_us),
        ("final: known to the payer provider", &report.latency_us),
        ("final, committed payments alone", &report.committed_us),
    ];
    let rows = legs.into_iter().map(|(name, leg)| row_of(name, leg));
    let apart_rows = report.aparts().flat_map(|(name, apart)| {
        let legs = [
            ("accepted", &apart.accepted_us),
            ("forwarded", &apart.forwarded_us),
            ("final", &apart.latency_us),
            ("final, committed payments alone", &apart.committed_us),
        ];
        legs.map(|(leg, percentiles)| row_of(&format!("{name}: {leg}"), percentiles))
    });
    let lookups = report.aliases.as_ref().filter(|aliases| aliases.mode != "none");
    let lookup_rows = lookups.into_iter().flat_map(|aliases| {
        [row_of("look-up: sent by the generator", &aliases.sent_us), row_of("look-up: answered", &aliases.answered_us)]
    });
    let rows = rows.chain(apart_rows).chain(lookup_rows);
    table(body, &["leg", "p50", "p90", "p99", "p99.9", "max"], rows);
}

fn row_of(name: &str, leg: &Percentiles) -> Vec<String> {
    let Percentiles { p50, p90, p99, p999, max } = *leg;
    std::iter::once(name.to_owned()).chain([p50, p90, p99, p999, max].map(latency)).collect()
}

fn outcomes(body: &mut String, report: &Report) {
    body.push_str("<h2>Outcomes</h2>");
    let mut rows = vec![
        ("offered".to_owned(), report.offered),
        ("committed".to_owned(), report.committed),
        ("rejected".to_owned(), report.rejected),
        ("expired".to_owned(), report.expired),
        ("busy: refused before they were recorded".to_owned(), report.busy),
        ("unknown: no outcome".to_owned(), report.unknown),
        ("unsent: fell due and were never sent".to_owned(), report.unsent),
        ("connections made again".to_owned(), report.reconnects),
        ("orders submitted twice on purpose".to_owned(), report.repeated),
    ];
    let named = |what: &str, (name, count): (&String, &u64)| (format!("{what} {name}"), *count);
    for (name, apart) in report.aparts() {
        rows.push((format!("{name}: offered"), apart.offered));
        rows.push((format!("{name}: committed"), apart.committed));
        rows.push((format!("{name}: rejected, expired, busy or unknown"), apart.offered - apart.committed));
    }
    if let Some(sequels) = report.sequels {
        rows.extend([
            ("requests to pay".to_owned(), sequels.requests),
            ("of these, paid".to_owned(), sequels.requests_paid),
            ("returns".to_owned(), sequels.returns),
            ("returns rejected".to_owned(), sequels.returns_rejected),
            ("recalls".to_owned(), sequels.recalls),
            ("of these, settled by a return".to_owned(), sequels.recalls_settled),
        ]);
    }
    if let Some(aliases) = &report.aliases {
        rows.extend([
            ("payments to aliases".to_owned(), aliases.transfers),
            ("of these, limited by a bucket".to_owned(), aliases.transfers_limited),
            ("look-ups asked".to_owned(), aliases.asked),
            ("look-ups: found".to_owned(), aliases.found),
            ("look-ups: not found".to_owned(), aliases.missed),
            ("look-ups: limited by a bucket".to_owned(), aliases.limited),
            ("look-ups: unanswered".to_owned(), aliases.unanswered),
            ("look-ups: unsent".to_owned(), aliases.unsent),
        ]);
        rows.extend(aliases.refusals.iter().map(|entry| named("look-ups refused:", entry)));
    }
    if let Some(windows) = report.windows {
        rows.push(("settlement windows closed under load".to_owned(), windows.closed));
        rows.extend(windows.cut_off_us_longest.map(|us| ("longest cut-off, µs".to_owned(), us)));
    }
    rows.extend(report.reasons.iter().map(|entry| named("reason", entry)));
    rows.extend(report.refusals.iter().map(|entry| named("refusal", entry)));
    rows.extend(report.disagreements.iter().map(|entry| named("DISAGREEMENT", entry)));
    table(body, &["what", "payments"], rows.into_iter().map(|(name, count)| vec![name, grouped(count)]));
}

fn slowest(body: &mut String, report: &Report) {
    let mut list: Vec<(&String, &LegPercentiles)> = report.participants_us.iter().collect();
    list.sort_by_key(|(_, legs)| std::cmp::Reverse(legs.last.p99));
    let count = list.len();
    let _ = write!(body, "<h2>Participants, slowest first</h2><p class=\"soft\">{count} in all, to two digits.</p>");
    let rows = list.into_iter().take(PARTICIPANT_ROWS_MAX).map(|(code, legs)| {
        let LegPercentiles { count, accepted, forwarded, last } = legs;
        let times = [accepted.p99, forwarded.p99, last.p50, last.p99, last.max].map(latency);
        [code.clone(), grouped(*count)].into_iter().chain(times).collect()
    });
    let heads = ["participant", "final", "accepted p99", "as payee p99", "final p50", "final p99", "final max"];
    table(body, &heads, rows);
}

fn origin(body: &mut String, machine: &Machine, [date, commit, command]: [&String; 3]) {
    let Machine { cores, cpu, memory_mib, kernel } = machine;
    let _ = write!(
        body,
        "<h2>Measured</h2><p>{} with commit {}, on {cores} cores ({}), {} MiB, Linux {}.</p><p><code>{}</code></p>",
        escaped(date),
        escaped(commit),
        escaped(cpu),
        grouped(*memory_mib),
        escaped(kernel),
        escaped(command)
    );
}
