//! `switch report availability`: how much of the journal's time a participant could be paid, and how much of what it was asked it answered in time.
//!
//! Journal time stands still between batches as far as anybody can tell, so what a batch has left holds until the next one.

use std::collections::BTreeMap;
use std::io::Write;

use super::super::ledger::Ended;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{Asked, Reader, Whose, per_10_000, read};
use super::sheet::Sheet;
use super::timeouts::Asking;
use crate::books::Books;
use crate::engine::Batch;
use crate::engine::participants::Participant;
use crate::entry::ParticipantId;

/// Shows availability.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    whose: Whose,
}

const COLUMNS: [Column; 8] = [
    column("participant", Values::Text).seen_as("participant"),
    column("observed_ms", Values::Count).seen_as("observed, ms"),
    column("reachable_ms", Values::Count).seen_as("reachable, ms"),
    column("reachable_per_10000", Values::Count).seen_as("per 10,000"),
    column("asked", Values::Count).seen_as("asked"),
    column("answered", Values::Count).seen_as("answered"),
    column("answered_per_10000", Values::Count).seen_as("per 10,000"),
    column("index_per_10000", Values::Count).seen_as("index"),
];

/// A participant's time.
#[derive(Clone, Copy, Debug, Default)]
struct Presence {
    observed_ns: u128,
    reachable_ns: u128,
    /// After the newest batch.
    is_reachable: bool,
}

struct Availability<'a> {
    arguments: &'a Arguments,
    /// In the order of admission.
    presences: Vec<Presence>,
    askings: BTreeMap<ParticipantId, Asking>,
    /// Up to when time was counted.
    counted_ns: Option<u64>,
}

impl Availability<'_> {
    /// Counts the time up to another.
    fn count(&mut self, time_ns: u64) {
        let passed_ns = u128::from(time_ns - self.counted_ns.unwrap_or(time_ns).min(time_ns));
        if passed_ns > 0 {
            for presence in &mut self.presences {
                presence.observed_ns += passed_ns;
                presence.reachable_ns += if presence.is_reachable { passed_ns } else { 0 };
            }
        }
        self.counted_ns = Some(time_ns);
    }

    /// Who can be paid from now on: reachable, and of a standing that lets it be paid.
    fn observe(&mut self, books: &Books) {
        let engine = books.engine();
        self.presences.resize(engine.participants_count() as usize, Presence::default());
        for (number, presence) in (1..).zip(&mut self.presences) {
            let id = ParticipantId(number);
            let is_reachable = engine.participant(id).is_some_and(Participant::is_reachable);
            presence.is_reachable = is_reachable && engine.may_be_paid(id);
        }
    }
}

impl Reader for Availability<'_> {
    fn open(&mut self, books: &Books) {
        // What the batch before the period has left holds from its beginning on.
        self.observe(books);
        if !self.presences.is_empty() {
            self.counted_ns = self.arguments.asked.from;
        }
    }

    fn reach(&mut self, to_ns: u64) {
        self.count(to_ns);
    }

    fn take(&mut self, books: &Books, batch: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        self.count(batch.time_ns);
        self.observe(books);
        Asking::note(&mut self.askings, books, &self.arguments.whose);
        Ok(())
    }
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { asked, whose } = arguments;
    let mut reader = Availability { arguments, presences: Vec::new(), askings: BTreeMap::new(), counted_ns: None };
    let books = read(asked, &mut reader, out)?;
    whose.check(&books)?;
    let facts = [&asked.facts()[..], &whose.facts()].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("availability", &facts), &COLUMNS)?;
    for (participant, code) in
        books.engine().participants().filter(|(_, code)| whose.participant.is_none_or(|wanted| wanted == *code))
    {
        let presence = reader.presences[participant.0 as usize - 1];
        let asking = reader.askings.get(&participant).copied().unwrap_or_default();
        let cells = [&[Cell::text(code)], &cells(presence, asking)[..]].concat();
        sheet.push(out, &cells)?;
    }
    sheet.end(out, &[], books.through(), true)
}

fn cells(presence: Presence, asking: Asking) -> [Cell; COLUMNS.len() - 1] {
    let ms = |ns: u128| Cell::Count(u64::try_from(ns / 1_000_000).unwrap_or(u64::MAX));
    let reachable = per_10_000(presence.reachable_ns, presence.observed_ns);
    let answered = per_10_000(asking.answered.into(), asking.asked().into());
    // Who was asked nothing has failed nothing: the index is what there is of the two, multiplied.
    let index = match (&reachable, &answered) {
        (Cell::Count(reachable), Cell::Count(answered)) => Cell::Count(reachable * answered / 10_000),
        (Cell::Count(one), _) | (_, Cell::Count(one)) => Cell::Count(*one),
        _ => Cell::Nothing,
    };
    [
        ms(presence.observed_ns),
        ms(presence.reachable_ns),
        reachable,
        Cell::Count(asking.asked()),
        Cell::Count(asking.answered),
        answered,
        index,
    ]
}
