//! `switch report lookups`: what participants asked the directory, and which of what was found no payment followed.
//!
//! A payment follows a look-up where the same participant pays to the same alias, for the same end user, within a time. The journal tells aliases and end users by keyed hashes
//! alone, so that this shows nobody's number.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write;

use adapters::directory::{LookupForm, LookupPurpose};
use adapters::message::ParticipantCode;

use super::super::ledger::Ended;
use super::super::ledger::accounts::tell_damage;
use super::super::ledger::arguments::{check_known, check_period, participant};
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{Asked, Reader, code_cell, every, per_10_000, read_span};
use super::sheet::{Fact, Sheet};
use crate::books::Books;
use crate::engine::Batch;
use crate::engine::effect::{Delivery, Effect, News};
use crate::entry::{Body, Entries, Entry, ParticipantId, Sender};
use crate::limits::NS_PER_S;

/// Shows look-ups.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// Only this participant
    #[arg(long, value_name = "CODE", value_parser = participant)]
    participant: Option<ParticipantCode>,
    /// How long a payment may follow: 30m, 1h, 1d
    #[arg(long, value_name = "INTERVAL", value_parser = every, default_value = "30m")]
    within: u64,
    /// A row for each look-up that no payment followed, instead of sums
    #[arg(long)]
    each: bool,
}

const SUMS: [Column; 8] = [
    column("participant", Values::Text).seen_as("participant"),
    column("limited", Values::Count).seen_as("limited"),
    column("not_found", Values::Count).seen_as("not found"),
    column("found", Values::Count).seen_as("found"),
    column("followed", Values::Count).seen_as("followed"),
    column("unfollowed", Values::Count).seen_as("unfollowed"),
    column("unfollowed_per_10000", Values::Count).seen_as("per 10,000"),
    column("open", Values::Count).seen_as("open"),
];

const EACH: [Column; 6] = [
    column("time", Values::Time).seen_as("time"),
    column("position", Values::Count).seen_as("position"),
    column("participant", Values::Text).seen_as("participant"),
    column("form", Values::Text).seen_as("form"),
    column("purpose", Values::Text).seen_as("purpose"),
    column("end_user", Values::Text).seen_as("end user"),
];

/// Who asks for what, for whom.
type Key = (ParticipantId, [u8; 16], [u8; 16]);

/// A look-up of what was found.
struct Made {
    time_ns: u64,
    position: u64,
    key: Key,
    form: u8,
    purpose: u8,
    is_followed: bool,
}

/// What became of a participant's look-ups.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    limited: u64,
    not_found: u64,
    found: u64,
    followed: u64,
    unfollowed: u64,
}

struct Lookups<'a> {
    arguments: &'a Arguments,
    sums: BTreeMap<ParticipantId, Sums>,
    /// Those that can still be followed, in the order of the journal.
    open: VecDeque<Made>,
    /// Number of the first of them.
    first: u64,
    /// The numbers of those that nothing has followed yet.
    waiting: HashMap<Key, VecDeque<u64>>,
    facts: Vec<Fact>,
    /// Where a row for each is written, once there is one.
    sheet: Option<Sheet>,
    to_ns: Option<u64>,
}

impl Lookups<'_> {
    /// An answer was found and told.
    fn add(&mut self, made: Made) {
        self.sums.entry(made.key.0).or_default().found += 1;
        self.waiting.entry(made.key).or_default().push_back(self.first + self.open.len() as u64);
        self.open.push_back(made);
    }

    /// A payment to an alias follows all that its sender has asked for it.
    fn follow(&mut self, key: Key) {
        for number in self.waiting.remove(&key).into_iter().flatten() {
            let place = usize::try_from(number - self.first).unwrap_or(usize::MAX);
            if let Some(made) = self.open.get_mut(place) {
                made.is_followed = true;
            }
        }
    }

    /// Decides about those that are too old to be followed.
    fn pass(&mut self, now_ns: u64, books: &Books, out: &mut dyn Write) -> Result<(), Ended> {
        let within_ns = self.arguments.within;
        while let Some(made) = self.open.pop_front_if(|made| made.time_ns.saturating_add(within_ns) < now_ns) {
            self.first += 1;
            let sums = self.sums.entry(made.key.0).or_default();
            if made.is_followed {
                sums.followed += 1;
                continue;
            }
            sums.unfollowed += 1;
            let waiting = self.waiting.get_mut(&made.key);
            if waiting.is_some_and(|waiting| waiting.pop_front().is_some() && waiting.is_empty()) {
                self.waiting.remove(&made.key);
            }
            if self.arguments.each {
                self.begin(out)?.push(out, &cells_of(&made, books))?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, out: &mut dyn Write) -> Result<&mut Sheet, Ended> {
        if self.sheet.is_none() {
            let form = self.arguments.asked.form.form();
            self.sheet = Some(Sheet::begin(out, form, ("lookups", &self.facts), &EACH)?);
        }
        self.sheet.as_mut().map_or_else(|| unreachable!("it was begun"), Ok)
    }

    fn wants(&self, books: &Books, participant: ParticipantId) -> bool {
        let wanted = self.arguments.participant;
        wanted.is_none_or(|wanted| books.engine().code_of(participant) == Some(&wanted))
    }

    fn take_entry(&mut self, time_ns: u64, position: u64, entry: &Entry<'_>, said: Option<News>) {
        let Sender::Participant(sender) = entry.sender else { return };
        match (entry.body, said) {
            (Body::AliasLookedUp(lookup), Some(News::LookedUp { is_granted, .. })) => {
                let sums = self.sums.entry(sender).or_default();
                match (is_granted, lookup.is_found != 0) {
                    (false, _) => sums.limited += 1,
                    (true, false) => sums.not_found += 1,
                    (true, true) => self.add(Made {
                        time_ns,
                        position,
                        key: (sender, lookup.alias, lookup.end_user),
                        form: lookup.form,
                        purpose: lookup.purpose,
                        is_followed: false,
                    }),
                }
            }
            // An order that was to be resolved again, or was not let pass, is none.
            (Body::CreditTransfer(..), said) if !matches!(said, Some(News::LookedUp { .. } | News::Recheck)) => {
                if let Some(resolution) = entry.resolution {
                    self.follow((sender, resolution.alias, resolution.end_user));
                }
            }
            _ => {}
        }
    }
}

impl Reader for Lookups<'_> {
    fn take(&mut self, books: &Books, batch: &Batch<'_>, out: &mut dyn Write) -> Result<(), Ended> {
        self.pass(batch.time_ns, books, out)?;
        let mut said = said_of(books.effects()).peekable();
        for (place, entry) in (1..).zip(Entries::new(batch.payload)) {
            let entry = entry.unwrap_or_else(|_| unreachable!("the engine has read it"));
            let mut news = None;
            while let Some((_, told)) = said.next_if(|(of, _)| *of == place) {
                news = news.or(Some(told));
            }
            let Sender::Participant(sender) = entry.sender else { continue };
            if self.wants(books, sender) {
                self.take_entry(batch.time_ns, batch.first_sequence + u64::from(place), &entry, news);
            }
        }
        Ok(())
    }

    fn reach(&mut self, to_ns: u64) {
        self.to_ns = Some(to_ns);
    }
}

/// What the edge alone was told about entries of a batch, by their places.
fn said_of(effects: &[Effect]) -> impl Iterator<Item = (u32, News)> {
    effects.iter().filter_map(|effect| match effect.delivery {
        Delivery::Reply { entry } => Some((entry, effect.news)),
        Delivery::Outbox { .. } => None,
    })
}

fn cells_of(made: &Made, books: &Books) -> [Cell; 6] {
    let form = LookupForm::from_number(made.form).map_or("order", LookupForm::name);
    // Of the hash once more a hash, so that nobody who has the key can try the tokens: enough to tell end users apart.
    let end_user = blake3::hash(&made.key.2).to_hex();
    [
        Cell::Time(made.time_ns),
        Cell::Count(made.position),
        code_cell(books.engine(), Some(made.key.0)),
        Cell::text(form),
        LookupPurpose::from_number(made.purpose).map_or(Cell::Nothing, |purpose| Cell::text(purpose.name())),
        Cell::text(&end_user[..12]),
    ]
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let asked = &arguments.asked;
    check_period(asked.from, asked.to)?;
    let participant = arguments.participant.map_or(Cell::Nothing, Cell::text);
    let within_s = Cell::Count(arguments.within / NS_PER_S);
    let mut lookups = Lookups {
        arguments,
        sums: BTreeMap::new(),
        open: VecDeque::new(),
        first: 0,
        waiting: HashMap::new(),
        facts: [&asked.facts()[..], &[("participant", participant), ("within_s", within_s)]].concat(),
        sheet: None,
        to_ns: None,
    };
    let books = match read_span(&asked.source, (asked.from, asked.to), &mut lookups, out) {
        Ok(books) => books,
        Err(ended) => {
            return Err(match lookups.sheet.take() {
                Some(sheet) => {
                    sheet.break_off(out, &ended)?;
                    ended
                }
                None => tell_damage(ended, asked.form, out)?,
            });
        }
    };
    check_known(&books, arguments.participant, None)?;
    lookups.pass(lookups.to_ns.unwrap_or(books.through().time_ns), &books, out)?;
    if !arguments.each {
        return write_sums(&lookups, &books, out);
    }
    lookups.begin(out)?;
    let unfollowed = lookups.sums.values().map(|sums| sums.unfollowed).sum();
    match lookups.sheet {
        Some(sheet) => sheet.end(out, &[("unfollowed", Cell::Count(unfollowed))], books.through(), true),
        None => Ok(()),
    }
}

fn write_sums(lookups: &Lookups<'_>, books: &Books, out: &mut dyn Write) -> Result<(), Ended> {
    let form = lookups.arguments.asked.form.form();
    let mut sheet = Sheet::begin(out, form, ("lookups", &lookups.facts), &SUMS)?;
    let mut all = Sums::default();
    for (participant, sums) in &lookups.sums {
        let Sums { limited, not_found, found, followed, unfollowed } = *sums;
        all.found += found;
        all.unfollowed += unfollowed;
        sheet.push(
            out,
            &[
                code_cell(books.engine(), Some(*participant)),
                Cell::Count(limited),
                Cell::Count(not_found),
                Cell::Count(found),
                Cell::Count(followed),
                Cell::Count(unfollowed),
                per_10_000(unfollowed.into(), (followed + unfollowed).into()),
                Cell::Count(found - followed - unfollowed),
            ],
        )?;
    }
    let facts = [("found", Cell::Count(all.found)), ("unfollowed", Cell::Count(all.unfollowed))];
    sheet.end(out, &facts, books.through(), true)
}
