//! `switch ledger verify`: believes nothing but the journal.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use ledger::journal::JournalFault;
use serde::Serialize;

use super::{Damage, Failure};
use crate::cli::print::grouped;
use crate::data::{self, OpenError, Replayed};
use crate::engine::PaymentCounts;

/// Walks the journal's chain, replays every batch, checks that the books balance, and compares the snapshots. Status 1 at damage or imbalance.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The data directory; nothing in it is changed
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was found. The names of the keys are relied upon by scripts.
#[derive(Serialize)]
struct Verdict {
    ok: bool,
    batches: u64,
    payments: PaymentCounts,
    balances: BTreeMap<String, Sides>,
    last_digest: String,
    state_digest: String,
    /// Positions of the snapshots that hold what the replay had there.
    snapshots: Vec<u64>,
    /// Snapshots that no start would use, and why.
    snapshots_refused: Vec<String>,
    damage: Option<Damage>,
}

/// Sums over all accounts in minor units, as strings: they may be larger than what JSON numbers hold.
#[derive(Serialize)]
struct Sides {
    debits: String,
    credits: String,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    report_assertions(arguments.json);
    let verdict = match data::replay(&arguments.data) {
        Ok(Replayed { engine, report, snapshots, differing, refused }) => {
            let totals = engine.totals();
            let balances = totals.iter().all(|t| t.debits == t.credits && t.debits_pending == t.credits_pending);
            let damage = differing.map(|segment| {
                let reason =
                    "this snapshot holds another state than the journal; remove it, and report this".to_owned();
                Damage { segment, offset: 0, reason }
            });
            let sides =
                |t: &ledger::CurrencyTotals| Sides { debits: t.debits.to_string(), credits: t.credits.to_string() };
            Verdict {
                ok: balances && damage.is_none(),
                batches: report.batches,
                payments: engine.counts(),
                balances: totals.iter().map(|t| (t.currency.to_string(), sides(t))).collect(),
                last_digest: hex(&report.chain_digest),
                state_digest: hex(&engine.digest()),
                snapshots,
                snapshots_refused: refused,
                damage,
            }
        }
        Err(OpenError::Journal(fault)) => damaged(&fault).ok_or_else(|| Failure::start(&fault))?,
        Err(error) => return Err(Failure::start(error)),
    };
    emit(&verdict, arguments.json);
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The verdict on a journal that cannot be walked to its end; none where the fault is not in the journal.
fn damaged(fault: &JournalFault) -> Option<Verdict> {
    Damage::of(fault).map(Verdict::of_damage)
}

/// The engine asserts at the end of every batch that the books balance. Here a failed assertion is a finding, and said as one.
fn report_assertions(json: bool) {
    std::panic::set_hook(Box::new(move |panic| {
        let reason = panic.payload_as_str().unwrap_or("an assertion failed").to_owned();
        emit(&Verdict::of_damage(Damage { segment: "state".to_owned(), offset: 0, reason }), json);
        std::process::exit(1);
    }));
}

impl Verdict {
    fn of_damage(damage: Damage) -> Verdict {
        Verdict {
            ok: false,
            batches: 0,
            payments: PaymentCounts::default(),
            balances: BTreeMap::new(),
            last_digest: String::new(),
            state_digest: String::new(),
            snapshots: Vec::new(),
            snapshots_refused: Vec::new(),
            damage: Some(damage),
        }
    }
}

/// Whoever has closed the pipe has the exit status.
fn emit(verdict: &Verdict, json: bool) {
    let text =
        if json { format!("{}\n", serde_json::to_string(verdict).unwrap_or_default()) } else { text_of(verdict) };
    let _ = std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush());
}

fn text_of(verdict: &Verdict) -> String {
    if let Some(Damage { segment, offset, reason }) = &verdict.damage {
        return format!(
            "DAMAGED   {segment} at offset {offset}: {reason}\n          nothing was changed; restore this file from a copy\n"
        );
    }
    let PaymentCounts { committed, rejected, expired, in_flight, returned, cases_open, cases_closed, .. } =
        verdict.payments;
    let snapshots = match verdict.snapshots.as_slice() {
        [] => String::new(),
        positions => {
            let positions: Vec<_> = positions.iter().map(u64::to_string).collect();
            format!("snapshots {}: as the journal says\n", positions.join(", "))
        }
    };
    let refused = verdict.snapshots_refused.iter().map(|refused| format!("          no start uses {refused}\n"));
    let books = verdict.balances.iter().map(|(currency, sides)| {
        format!("books     {currency}: debits {} = credits {} minor units\n", sides.debits, sides.credits)
    });
    format!(
        "batches   {}\npayments  {} committed, {} rejected, {} expired, {} in flight\nreturns   {}\ncases     {} open, {} closed\n{}{snapshots}{}chain     {}\nstate     {}\n{}\n",
        grouped(verdict.batches.into()),
        grouped(committed.into()),
        grouped(rejected.into()),
        grouped(expired.into()),
        grouped(in_flight.into()),
        grouped(returned.into()),
        grouped(cases_open.into()),
        grouped(cases_closed.into()),
        books.collect::<String>(),
        refused.collect::<String>(),
        verdict.last_digest,
        verdict.state_digest,
        if verdict.ok { "ok: the chain is whole and the books balance" } else { "NOT OK: the books do not balance" }
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
