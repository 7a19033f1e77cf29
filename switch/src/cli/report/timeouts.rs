//! `switch report timeouts`: which payee providers let payments expire, and how long all of them took. A payment's time is from its order to its decision, in
//! journal time.

use std::collections::BTreeMap;
use std::io::Write;

use adapters::message::Outcome;

use super::super::ledger::Ended;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{Asked, Reader, Whose, code_cell, per_10_000, read};
use super::sheet::Sheet;
use crate::books::Books;
use crate::engine::Batch;
use crate::entry::ParticipantId;

/// Shows time-outs.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    whose: Whose,
}

const COLUMNS: [Column; 7] = [
    column("participant", Values::Text).seen_as("participant"),
    column("asked", Values::Count).seen_as("asked"),
    column("answered", Values::Count).seen_as("answered"),
    column("expired", Values::Count).seen_as("expired"),
    column("expired_per_10000", Values::Count).seen_as("expired per 10,000"),
    column("answer_mean_us", Values::Count).seen_as("mean answer, us"),
    column("answer_longest_us", Values::Count).seen_as("longest, us"),
];

/// What a payee provider was asked, of payments that are decided.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asking {
    pub(super) answered: u64,
    pub(super) expired: u64,
    took_ns: u128,
    longest_ns: u64,
}

impl Asking {
    /// Notes the payments that a batch decided.
    pub(super) fn note(askings: &mut BTreeMap<ParticipantId, Asking>, books: &Books, whose: &Whose) {
        for decided in
            books.ended().iter().filter(|decided| decided.was_asked && whose.wants_currency(decided.currency))
        {
            let Some(payee) = decided.payee else { continue };
            let asking = askings.entry(payee).or_default();
            if decided.outcome == Outcome::Expired {
                asking.expired += 1;
                continue;
            }
            let took_ns = decided.at.time_ns - decided.ordered.time_ns;
            asking.answered += 1;
            asking.took_ns += u128::from(took_ns);
            asking.longest_ns = asking.longest_ns.max(took_ns);
        }
    }

    pub(super) fn asked(&self) -> u64 {
        self.answered + self.expired
    }
}

#[derive(Default)]
struct Timeouts<'a> {
    whose: Option<&'a Whose>,
    askings: BTreeMap<ParticipantId, Asking>,
}

impl Reader for Timeouts<'_> {
    fn take(&mut self, books: &Books, _: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        if let Some(whose) = self.whose {
            Asking::note(&mut self.askings, books, whose);
        }
        Ok(())
    }
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { asked, whose } = arguments;
    let mut timeouts = Timeouts { whose: Some(whose), askings: BTreeMap::new() };
    let books = read(asked, &mut timeouts, out)?;
    whose.check(&books)?;
    let facts = [&asked.facts()[..], &whose.facts()].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("timeouts", &facts), &COLUMNS)?;
    for (participant, asking) in &timeouts.askings {
        let code = books.engine().code_of(*participant).copied();
        if whose.participant.is_some_and(|wanted| code != Some(wanted)) {
            continue;
        }
        let mean_us = asking.took_ns.checked_div(u128::from(asking.answered) * 1_000);
        let mean_us = mean_us.map_or(Cell::Nothing, |us| Cell::Count(u64::try_from(us).unwrap_or(u64::MAX)));
        let longest = if asking.answered == 0 { Cell::Nothing } else { Cell::Count(asking.longest_ns / 1_000) };
        let cells = [
            code_cell(books.engine(), Some(*participant)),
            Cell::Count(asking.asked()),
            Cell::Count(asking.answered),
            Cell::Count(asking.expired),
            per_10_000(asking.expired.into(), asking.asked().into()),
            mean_us,
            longest,
        ];
        sheet.push(out, &cells)?;
    }
    sheet.end(out, &[], books.through(), true)
}
