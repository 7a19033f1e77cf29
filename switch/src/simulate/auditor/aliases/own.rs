//! What a participant may be told of its own entries: what stood there at some time since it heard of its newest command.

use std::collections::BTreeSet;

use super::super::super::invariants::Finding;
use super::super::super::plan::LOOKUPS_PER_ANSWER;
use super::super::super::wire::{self, kind};
use super::super::Auditor;
use super::{Alias, Aliases, Held, Id, Made, Owners, names};

mod form {
    pub(super) const EXISTENCE: u8 = 1;
    pub(super) const LOOKUPS: u8 = 2;
    pub(super) const BUCKETS: u8 = 3;
    pub(super) const ENTRIES: u8 = 4;
}

/// Length of a look-up on record: position, time, who has asked, for what.
const LOOKUP_BYTES: usize = 52;

/// An answer to a question about one's own entries.
pub(in super::super::super) struct OwnTold<'a> {
    pub(in super::super::super) to: usize,
    pub(in super::super::super) answer: wire::DirectoryAnswer,
    pub(in super::super::super) items: &'a [u8],
    /// The last position that was on disk when the turn began.
    pub(in super::super::super) since: u64,
}

/// An entry as its participant is told of it: type, paused, defaults, since when, alias, account.
type Row = (u8, bool, u16, u64, Vec<u8>, Vec<u8>);

impl Made {
    /// What the asker is told of the name, and of whether it is the one that was written.
    pub(in super::super::super) fn name_shown(&self, mask: u8) -> Option<(u8, &'static str)> {
        let held = &self.found.as_ref()?.name;
        match &self.written {
            Some(written) => names::verify(written, held, mask),
            None => names::masked(held, mask).map(|shown| (0, shown)),
        }
    }
}

impl Aliases {
    /// How much of a name is shown.
    pub(in super::super::super) fn mask(&self) -> u8 {
        self.allowances.rules.map_or(0, |rules| rules.mask)
    }

    /// A participant asks about its own entries, and knows what became of its command at this position.
    pub(in super::super::super) fn asks(&mut self, participant: usize, id: Id, since: u64) {
        self.asked.insert((participant, id), since);
    }

    /// Who had what behind a position, and behind everything after it.
    fn since(&self, position: u64) -> impl Iterator<Item = &Owners> {
        let first = self.versions.partition_point(|(at, _)| *at <= position).saturating_sub(1);
        self.versions[first..].iter().map(|(_, owners)| owners)
    }

    /// Was it so at any time since that position? Before the first command nobody has anything.
    fn was(&self, position: u64, is_so: impl Fn(&Owners) -> bool) -> bool {
        let is_before_all = self.versions.first().is_none_or(|(first, _)| position < *first);
        is_before_all && is_so(&Owners::new()) || self.since(position).any(is_so)
    }
}

impl Auditor {
    /// Is what a participant is told of its own entries what was there?
    pub(in super::super::super) fn check_told(&self, told: &OwnTold<'_>) -> Finding {
        let (to, id) = (told.to, told.answer.id);
        let sent = self.sent.get(&(kind::DIRECTORY_QUERY, id)).into_iter().flatten().find(|sent| sent.sender == to);
        let sent = sent.ok_or("an answer that nobody waits for")?;
        let since = *self.aliases.asked.get(&(to, id)).ok_or("an answer to what was not asked")?;
        let asked = wire::directory_query(&sent.routing).ok_or("a question of the wrong length")?;
        if asked.form != told.answer.form {
            return Err("another question is answered".to_owned());
        }
        let items = &sent.fields[0];
        match asked.form {
            form::EXISTENCE => self.check_existence(told, since, items),
            form::LOOKUPS => self.check_lookups(told, (since, asked.after), items),
            form::BUCKETS => self.check_buckets(told),
            form::ENTRIES => self.check_entries(told, since, items),
            form => Err(format!("an answer of form {form}")),
        }?;
        if told.answer.has_more != 0 && asked.form != form::LOOKUPS {
            return Err("it is told to go on where there is nothing".to_owned());
        }
        Ok(())
    }

    fn check_existence(&self, told: &OwnTold<'_>, since: u64, items: &[u8]) -> Finding {
        let asked = aliases_of(items);
        if asked.len() != told.items.len() {
            return Err(format!("{} aliases are asked about, {} answered", asked.len(), told.items.len()));
        }
        for (alias, said) in asked.iter().zip(told.items) {
            let is_own = |owners: &Owners| owners.get(alias).is_some_and(|held| held.participant == told.to);
            let is_right = match said {
                0 => self.aliases.was(since, |owners| !is_own(owners)),
                1 => self.aliases.was(since, is_own),
                _ => alias.1 == b"nothing",
            };
            if !is_right || (alias.1 == b"nothing") != (*said == 2) {
                return Err(format!("it is told {said} of {}", String::from_utf8_lossy(&alias.1)));
            }
        }
        Ok(())
    }

    fn check_lookups(&self, told: &OwnTold<'_>, (since, before): (u64, u64), items: &[u8]) -> Finding {
        let asked = aliases_of(items);
        let alias = asked.first().ok_or("nothing was asked about")?;
        let own = |owners: &Owners| owners.get(alias).filter(|held| held.participant == told.to).map(|held| held.entry);
        let could_be_nothing = self.aliases.was(since, |owners| own(owners).is_none());
        let entries: BTreeSet<u64> = self.aliases.since(since).filter_map(own).collect();
        let is_page_of = |entry: u64| {
            let found = |(_, made): &(&u64, &Made)| {
                made.is_granted && made.found.as_ref().is_some_and(|found| found.entry == entry)
            };
            let beyond = if before == 0 { u64::MAX } else { before };
            let newest_first = self.aliases.made.range(..beyond).rev().filter(found);
            let all: Vec<(u64, Vec<u8>)> = newest_first.map(|(at, made)| (*at, self.row_of(*at, made))).collect();
            // The directory has taken in what was before the newest command; what is newer it may have.
            let behind = all.partition_point(|(at, _)| since < *at);
            let count = told.items.len() / LOOKUP_BYTES;
            (0..=behind).any(|from| {
                let (page, rest) = all[from..].split_at(count.min(all.len() - from));
                // Whoever goes on where it is told to misses nothing and is told nothing twice; there may be nothing more.
                let is_on_right = rest.first().is_none_or(|(next, _)| *next < told.answer.after)
                    && page.last().is_none_or(|(last, _)| told.answer.after <= *last);
                let is_end_right = if told.answer.has_more == 0 { rest.is_empty() } else { is_on_right };
                let rows: Vec<u8> = page.iter().flat_map(|(_, row)| row.clone()).collect();
                count <= LOOKUPS_PER_ANSWER && is_end_right && rows == told.items
            })
        };
        if could_be_nothing && told.items.is_empty() && told.answer.has_more == 0 || entries.into_iter().any(is_page_of)
        {
            return Ok(());
        }
        Err(format!("it is told of {} look-ups, which are not those on record", told.items.len() / LOOKUP_BYTES))
    }

    fn row_of(&self, position: u64, made: &Made) -> Vec<u8> {
        let asker = &self.codes[made.participant];
        [&position.to_le_bytes()[..], &made.time_ns.to_le_bytes(), asker, &[made.purpose]].concat()
    }

    fn check_buckets(&self, told: &OwnTold<'_>) -> Finding {
        if told.items.len() != 12 {
            return Err("an answer of the wrong length".to_owned());
        }
        let said = [0, 4, 8].map(|at| wire::u32_at(told.items, at));
        let is_right = self.aliases.had(told.to, told.since, said);
        if is_right { Ok(()) } else { Err(format!("it is told that its bucket holds {said:?}")) }
    }

    fn check_entries(&self, told: &OwnTold<'_>, since: u64, token: &[u8]) -> Finding {
        let mut said = rows_of(told.items).ok_or("entries that are none")?;
        said.sort_unstable();
        let is_right = self.aliases.was(since, |owners| {
            let is_of = |held: &Held| held.participant == told.to && held.identity == token;
            let own = owners.iter().filter(|(_, held)| is_of(held));
            let mut right: Vec<Row> = own.map(|(alias, held)| row(alias, held)).collect();
            right.sort_unstable();
            said == right
        });
        if is_right { Ok(()) } else { Err(format!("it is told of entries {said:?}")) }
    }
}

/// The aliases that a question names, each with its type and length.
fn aliases_of(mut items: &[u8]) -> Vec<Alias> {
    let mut aliases = Vec::new();
    while let [kind, low, high, rest @ ..] = items {
        let (alias, behind) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])));
        aliases.push((*kind, alias.to_vec()));
        items = behind;
    }
    aliases
}

fn row((kind, text): &Alias, held: &Held) -> Row {
    (*kind, held.is_paused, held.defaults, held.owned_since_ns, text.clone(), held.account.clone())
}

fn rows_of(mut items: &[u8]) -> Option<Vec<Row>> {
    const HEAD_BYTES: usize = 16;
    let mut rows = Vec::new();
    while !items.is_empty() {
        let (head, rest) = items.split_at_checked(HEAD_BYTES)?;
        let (alias, rest) = rest.split_at_checked(usize::from(wire::u16_at(head, 12)))?;
        let (account, rest) = rest.split_at_checked(usize::from(wire::u16_at(head, 14)))?;
        let (defaults, since_ns) = (wire::u16_at(head, 2), wire::u64_at(head, 4));
        rows.push((head[0], head[1] != 0, defaults, since_ns, alias.to_vec(), account.to_vec()));
        items = rest;
    }
    Some(rows)
}
