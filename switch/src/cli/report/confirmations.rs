//! `switch report confirmations`: the settlement bank's confirmations beside the instructions of a window, and the steps of settlement that follow. The
//! content is that of ISO 20022 camt.054: reference, amount, and whether the scheme's account there was credited or debited.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use super::super::ledger::Ended;
use super::super::ledger::arguments::transfer_name;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::instructions::{Instruction, instructions, read_window};
use super::notifications::Side;
use super::reading::{AskedAt, code_cell, digits_of, time_cell};
use super::sheet::Sheet;
use super::windows::{WindowArguments, WindowKey, WindowSeen, WindowState};
use crate::books::{Books, TransferName};
use crate::cli::Failure;
use crate::cli::print::grouped;
use crate::engine::Engine;
use crate::entry::ParticipantId;

/// Compares confirmations.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The bank's confirmations: CSV with the columns reference, amount, credit_debit
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    asked: AskedAt,
    #[command(flatten)]
    window: WindowArguments,
}

const COLUMNS: [Column; 9] = [
    column("line", Values::Count).seen_as("line"),
    column("reference", Values::Text).seen_as("reference"),
    column("participant", Values::Text).seen_as("participant"),
    column("amount", Values::Money).seen_as("amount"),
    column("credit_debit", Values::Text).seen_as(""),
    column("expected", Values::Money).seen_as("expected"),
    column("verdict", Values::Text).seen_as("verdict"),
    column("step_number", Values::Count).seen_as("step"),
    column("step", Values::Text),
];

const HEADER: &str = "reference,amount,credit_debit";

/// A line of the bank's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Confirmation {
    line: u64,
    reference: TransferName,
    amount: u128,
    /// As the scheme's account at the bank sees it: what a debtor has paid is a credit there.
    side: Side,
}

/// Reads the file. An error names the line and the field.
fn read(text: &str) -> Result<Vec<Confirmation>, String> {
    let mut lines = (1..).zip(text.lines().map(|line| line.trim_end_matches('\r')));
    match lines.next() {
        Some((_, header)) if header.trim_start_matches('\u{feff}') == HEADER => {}
        _ => return Err(format!("line 1: expected the header {HEADER}")),
    }
    let lines = lines.filter(|(_, line)| !line.is_empty());
    lines.map(|(line, text)| read_line(line, text).map_err(|what| format!("line {line}: {what}"))).collect()
}

fn read_line(line: u64, text: &str) -> Result<Confirmation, String> {
    let values: Vec<&str> = text.split(',').map(|value| value.trim_matches('"')).collect();
    let [reference, amount, side] = values[..] else {
        return Err(format!("expected three values, {HEADER}, not {}", values.len()));
    };
    let is_number = !amount.is_empty() && amount.bytes().all(|digit| digit.is_ascii_digit());
    let minor_units = amount.parse().ok().filter(|_| is_number);
    Ok(Confirmation {
        line,
        reference: transfer_name(reference).map_err(|what| format!("reference: {what}"))?,
        amount: minor_units.ok_or_else(|| format!("amount: expected whole minor units, not `{amount}`"))?,
        side: match side {
            "CRDT" => Side::Credit,
            "DBIT" => Side::Debit,
            other => return Err(format!("credit_debit: expected CRDT or DBIT, not `{other}`")),
        },
    })
}

/// What of a confirmation is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is what was instructed, and was not confirmed to the switch.
    Fits,
    /// The switch has it already.
    ConfirmedBefore,
    /// Another line of the file has the same reference.
    Repeated,
    /// No instruction of the window has this reference.
    Unknown,
    /// It is another amount.
    AmountDiffers,
    /// It went the other way.
    SideDiffers,
    /// The window was given up.
    Withdrawn,
    /// It fits, but what debtors have brought does not reach for it.
    DebtorsFirst,
    /// The bank has not confirmed an instruction.
    Missing,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Verdict::Fits => "fits",
            Verdict::ConfirmedBefore => "confirmed before",
            Verdict::Repeated => "repeated",
            Verdict::Unknown => "unknown reference",
            Verdict::AmountDiffers => "another amount",
            Verdict::SideDiffers => "the other way",
            Verdict::Withdrawn => "window aborted",
            Verdict::DebtorsFirst => "debtors first",
            Verdict::Missing => "missing",
        }
    }

    /// Is something wrong with the line itself?
    fn is_wrong(self) -> bool {
        use Verdict::{AmountDiffers, Repeated, SideDiffers, Unknown, Withdrawn};
        matches!(self, Repeated | Unknown | AmountDiffers | SideDiffers | Withdrawn)
    }
}

/// A step of the settlement, to be given with `switch admin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    key: WindowKey,
    /// Whose net is confirmed; none: the settlement is started.
    participant: Option<ParticipantId>,
}

impl Step {
    /// As an operator types it, without place and signature.
    fn words(self, engine: &Engine) -> String {
        let WindowKey { currency, cycle, window } = self.key;
        let of = format!("--currency {currency} --cycle {} --window {window}", cycle.name());
        match self.participant.and_then(|participant| engine.code_of(participant)) {
            Some(code) => format!("switch admin settlement confirm {of} --participant {code}"),
            None => format!("switch admin settlement start {of}"),
        }
    }
}

/// A confirmation, or an instruction without one, with what is to be said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Judged {
    confirmation: Option<Confirmation>,
    instruction: Option<Instruction>,
    verdict: Verdict,
}

/// Compares confirmations with instructions. What no line confirms comes last.
fn judge(confirmations: &[Confirmation], instructed: &[Instruction], state: WindowState) -> Vec<Judged> {
    let mut seen = BTreeSet::new();
    let mut judged: Vec<Judged> = confirmations
        .iter()
        .map(|confirmation| {
            let instruction =
                instructed.iter().find(|instruction| instruction.reference == confirmation.reference).copied();
            let is_first = seen.insert(confirmation.reference.0);
            let verdict = verdict(confirmation, instruction, is_first, state);
            Judged { confirmation: Some(*confirmation), instruction, verdict }
        })
        .collect();
    let missing =
        instructed.iter().filter(|instruction| !seen.contains(&instruction.reference.0) && !instruction.is_confirmed);
    judged.extend(missing.map(|instruction| Judged {
        confirmation: None,
        instruction: Some(*instruction),
        verdict: if state == WindowState::Aborted { Verdict::Withdrawn } else { Verdict::Missing },
    }));
    judged
}

fn verdict(
    confirmation: &Confirmation,
    instruction: Option<Instruction>,
    is_first: bool,
    state: WindowState,
) -> Verdict {
    let Some(instruction) = instruction else { return Verdict::Unknown };
    let side = if instruction.is_debtor { Side::Credit } else { Side::Debit };
    if !is_first {
        Verdict::Repeated
    } else if confirmation.side != side {
        Verdict::SideDiffers
    } else if confirmation.amount != instruction.amount {
        Verdict::AmountDiffers
    } else if instruction.is_confirmed {
        Verdict::ConfirmedBefore
    } else if state == WindowState::Aborted {
        Verdict::Withdrawn
    } else {
        Verdict::Fits
    }
}

/// The steps that follow, in the order in which the engine takes them: the start, debtors, then creditors as far as what was brought reaches. Others are to
/// wait.
fn steps(judged: &mut [Judged], key: WindowKey, window: &WindowSeen) -> Vec<Step> {
    let is_fit = |judged: &Judged, is_debtor: bool| {
        judged.verdict == Verdict::Fits
            && judged.instruction.is_some_and(|instruction| instruction.is_debtor == is_debtor)
    };
    let mut steps = Vec::new();
    if window.state == WindowState::Closed && judged.iter().any(|judged| judged.verdict == Verdict::Fits) {
        steps.push(Step { key, participant: None });
    }
    // What is in transit: all confirmed nets, and what an aborted window has left with the scheme.
    let confirmed = window.nets.values().filter(|net| net.confirmed_at_ns.is_some());
    let mut in_transit = -window.scheme_net() - confirmed.map(|net| net.net).sum::<i128>();
    for is_debtor in [true, false] {
        for judged in judged.iter_mut().filter(|judged| is_fit(judged, is_debtor)) {
            let Some(instruction) = judged.instruction else { continue };
            let amount = i128::try_from(instruction.amount).unwrap_or(i128::MAX);
            if is_debtor {
                in_transit += amount;
            } else if amount > in_transit {
                judged.verdict = Verdict::DebtorsFirst;
                continue;
            } else {
                in_transit -= amount;
            }
            steps.push(Step { key, participant: Some(instruction.participant) });
        }
    }
    steps
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { file, asked, window: wanted } = arguments;
    let in_file = |what: String| Failure::start(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| in_file(error.to_string()))?;
    let confirmations = read(&text).map_err(in_file)?;
    let (books, window) = read_window(asked, wanted, out)?;
    let key = wanted.key();
    let mut judged = judge(&confirmations, &instructions(&books, key, &window), window.state);
    let steps = steps(&mut judged, key, &window);
    let digits = digits_of(books.engine(), Some(key.currency));
    let state = ("state", Cell::text(window.state.name()));
    let facts = [&[("at", time_cell(asked.at))][..], &key.facts(digits), &[state]].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("confirmations", &facts), &COLUMNS)?;
    if let Some(start) = steps.first().filter(|step| step.participant.is_none()) {
        sheet.push(out, &start_cells(&books, *start))?;
    }
    for judged in &judged {
        sheet.push(out, &cells(&books, judged, &steps, digits))?;
    }
    let count = |is_it: &dyn Fn(Verdict) -> bool| judged.iter().filter(|judged| is_it(judged.verdict)).count() as u64;
    let wrong = count(&Verdict::is_wrong);
    let mut facts = vec![
        ("fit", Cell::Count(count(&|verdict| verdict == Verdict::Fits))),
        ("wrong", Cell::Count(wrong)),
        ("missing", Cell::Count(count(&|verdict| verdict == Verdict::Missing))),
    ];
    if !asked.form.json {
        facts.extend(steps.iter().map(|step| ("then", Cell::text(step.words(books.engine())))));
    }
    sheet.end(out, &facts, books.through(), wrong == 0)?;
    if wrong > 0 {
        return Err(
            Failure::fault(format!("{}: lines that do not fit: {}", file.display(), grouped(wrong.into()))).into()
        );
    }
    Ok(())
}

fn start_cells(books: &Books, start: Step) -> [Cell; COLUMNS.len()] {
    let mut cells = [const { Cell::Nothing }; COLUMNS.len()];
    cells[6] = Cell::text("to be started");
    cells[7] = Cell::Count(1);
    cells[8] = Cell::text(start.words(books.engine()));
    cells
}

fn cells(books: &Books, judged: &Judged, steps: &[Step], digits: u8) -> [Cell; COLUMNS.len()] {
    let Judged { confirmation, instruction, verdict } = judged;
    let participant = instruction.map(|instruction| instruction.participant);
    let reference = confirmation.map(|confirmation| confirmation.reference);
    let reference = reference.or(instruction.map(|instruction| instruction.reference));
    let step = steps
        .iter()
        .position(|step| *verdict == Verdict::Fits && step.participant.is_some() && step.participant == participant);
    [
        confirmation.map_or(Cell::Nothing, |confirmation| Cell::Count(confirmation.line)),
        reference.map_or(Cell::Nothing, Cell::text),
        code_cell(books.engine(), participant),
        confirmation.map_or(Cell::Nothing, |confirmation| Cell::money(confirmation.amount, digits)),
        confirmation.map_or(Cell::Nothing, |confirmation| Cell::text(confirmation.side.code())),
        instruction.map_or(Cell::Nothing, |instruction| Cell::money(instruction.amount, digits)),
        Cell::text(verdict.name()),
        step.map_or(Cell::Nothing, |place| Cell::Count(place as u64 + 1)),
        step.map_or(Cell::Nothing, |place| Cell::text(steps[place].words(books.engine()))),
    ]
}
