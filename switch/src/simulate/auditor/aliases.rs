//! The directory anew, as plainly as `docs/directory-rules.md` reads: who has which alias at which journal position, what became of each command, what buckets hold, and what
//! must be resolved again. It shares no code with the directory, the clerks or the engine, and has no key: what a hash stands for it learns from the entries themselves.

mod allowances;
mod own;

use std::collections::{BTreeMap, BTreeSet};

use super::super::invariants::{Finding, Violation, aliases as invariant, duplicates, journal, named};
use super::super::names;
use super::super::plan::{AliasPlan, NS_PER_S};
use super::super::provider::hex;
use super::super::wire::{self, Id, kind};
use super::scheme::DirectoryChange;
use super::{Auditor, Came};
use allowances::{Allowances, MEANINGLESS};
pub(in super::super) use own::OwnTold;

/// A type and a text in canonical form.
type Alias = (u8, Vec<u8>);

/// A keyed hash.
type Hash = [u8; 16];

const NONE: Hash = [0; 16];
const REPORT_AGAIN_NS: u64 = 86_400 * NS_PER_S;

mod operation {
    pub(super) const REGISTER: u8 = 1;
    pub(super) const UPDATE: u8 = 2;
    pub(super) const PAUSE: u8 = 3;
    pub(super) const RESUME: u8 = 4;
    pub(super) const REMOVE: u8 = 5;
    pub(super) const ERASE: u8 = 6;
}

/// What became of a command: its number, and which claim fits.
type Became = (u8, u8);

const DONE: Became = (0, 0);
const DIFFERS: Became = (1, 0);
const EXPIRED: Became = (10, 0);
const REPLAYED: Became = (11, 0);
const NOT_YOURS: Became = (20, 0);
const IDENTITY_DIFFERS: Became = (21, 0);
const TAKEN_HERE: Became = (30, 0);
const IDENTITY_FULL: Became = (32, 0);
const ACCOUNT_FULL: Became = (33, 0);
const UNCHANGED: Became = (40, 0);
const REPORT_REPEATED: Became = (41, 0);

/// A result, as it is counted.
pub(in super::super) fn result_name(number: u8) -> String {
    format!("alias command: {number}")
}

/// An entry of the directory.
#[derive(Clone, Debug)]
struct Held {
    participant: usize,
    identity: Vec<u8>,
    account: Vec<u8>,
    name: Vec<u8>,
    is_paused: bool,
    owned_since_ns: u64,
    /// Position of its registration.
    entry: u64,
    defaults: u16,
    /// Under which key's hash it is, and what was reported of it.
    generation: u8,
}

impl Held {
    fn found(&self) -> Found {
        Found {
            participant: self.participant,
            account: self.account.clone(),
            name: self.name.clone(),
            owned_since_ns: self.owned_since_ns,
            entry: self.entry,
        }
    }
}

/// Who had what behind a journal position.
type Owners = BTreeMap<Alias, Held>;

/// What a look-up was to be told.
pub(in super::super) struct Found {
    pub(in super::super) participant: usize,
    pub(in super::super) account: Vec<u8>,
    pub(in super::super) owned_since_ns: u64,
    name: Vec<u8>,
    entry: u64,
}

/// The first command with its id: what was sent, routing and fields, and what became of it, when.
type First = (Vec<u8>, Vec<Vec<u8>>, Became, u64);

/// What the ID system has signed of a registration.
#[derive(Clone)]
pub(in super::super) struct Attested {
    pub(in super::super) nonce: Vec<u8>,
    pub(in super::super) until_ns: u64,
    /// With which of its keys.
    pub(in super::super) key: usize,
    /// The last position that was on disk when that was sent.
    pub(in super::super) since: u64,
}

/// A look-up that is on disk.
pub(in super::super) struct Made {
    pub(in super::super) participant: usize,
    pub(in super::super) id: Id,
    pub(in super::super) is_granted: bool,
    pub(in super::super) found: Option<Found>,
    time_ns: u64,
    purpose: u8,
    /// Of a verification: the name that was written.
    written: Option<Vec<u8>>,
}

/// A command that is on disk.
pub(in super::super) struct Commanded {
    pub(in super::super) participant: usize,
    pub(in super::super) result: wire::AliasResult,
}

/// What it knows of aliases.
pub(in super::super) struct Aliases {
    allowances: Allowances,
    owners: Owners,
    /// Behind each command, in order.
    versions: Vec<(u64, Owners)>,
    /// What the ID system has signed of a registration.
    attested: BTreeMap<Id, Attested>,
    /// Those that were used, and until when that counts.
    nonces: BTreeMap<Vec<u8>, u64>,
    /// The first of each id: what was sent, and what became of it.
    first: BTreeMap<(usize, Id), First>,
    /// By position.
    commanded: BTreeMap<u64, Commanded>,
    /// By alias, generation of its hash, and who has reported it.
    reports: BTreeMap<(Alias, u8, usize), u64>,
    /// Position of the newest entry that touched this hash, and of the newest that may have touched any.
    touched: BTreeMap<Hash, u64>,
    floor: u64,
    /// What a hash stands for.
    meanings: BTreeMap<Hash, Vec<u8>>,
    generation: u8,
    is_rehashing: bool,
    /// By position.
    made: BTreeMap<u64, Made>,
    /// Orders and look-ups that found a bucket too empty, and orders to nobody.
    limited: BTreeSet<(usize, Id)>,
    missed: BTreeSet<(usize, Id)>,
    /// Questions about a participant's own entries: what its newest command was that it knew the result of.
    asked: BTreeMap<(usize, Id), u64>,
}

impl Aliases {
    pub(super) fn new(plan: Option<AliasPlan>) -> Aliases {
        Aliases {
            allowances: Allowances::new(plan),
            owners: Owners::new(),
            versions: Vec::new(),
            attested: BTreeMap::new(),
            nonces: BTreeMap::new(),
            first: BTreeMap::new(),
            commanded: BTreeMap::new(),
            reports: BTreeMap::new(),
            touched: BTreeMap::new(),
            floor: 0,
            meanings: BTreeMap::new(),
            generation: 1,
            is_rehashing: false,
            made: BTreeMap::new(),
            limited: BTreeSet::new(),
            missed: BTreeSet::new(),
            asked: BTreeMap::new(),
        }
    }

    /// The command that is at a journal position.
    pub(in super::super) fn commanded_at(&self, position: u64) -> Option<&Commanded> {
        self.commanded.get(&position)
    }

    /// Has a command of this participant been journaled?
    pub(in super::super) fn has_command(&self, participant: usize, id: Id) -> bool {
        self.first.contains_key(&(participant, id))
    }

    /// The look-up that is at a journal position.
    pub(in super::super) fn made_at(&self, position: u64) -> Option<&Made> {
        self.made.get(&position)
    }

    /// Has a look-up of this participant been journaled?
    pub(in super::super) fn has_lookup(&self, participant: usize, id: Id) -> bool {
        self.made.values().any(|made| made.participant == participant && made.id == id)
    }

    /// Has a bucket been too empty for this look-up or order?
    pub(in super::super) fn was_limited(&self, participant: usize, id: Id) -> bool {
        self.limited.contains(&(participant, id))
    }

    /// Was this order let pass, and nobody had its alias?
    pub(in super::super) fn was_missed(&self, participant: usize, id: Id) -> bool {
        self.missed.contains(&(participant, id))
    }

    /// Are hashes being made anew?
    pub(in super::super) fn is_rehashing(&self) -> bool {
        self.is_rehashing
    }

    pub(in super::super) fn generation(&self) -> u8 {
        self.generation
    }

    /// How many entries there are.
    pub(in super::super) fn entries(&self) -> u64 {
        self.owners.len() as u64
    }

    /// Registrations of everything that anybody has found, each with how often.
    pub(in super::super) fn found(&self) -> BTreeMap<u64, Vec<u64>> {
        let mut found: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (position, made) in &self.made {
            if let (true, Some(entry)) = (made.is_granted, &made.found) {
                found.entry(entry.entry).or_default().push(*position);
            }
        }
        found
    }

    fn touch(&mut self, hashes: &[Hash], position: u64) {
        for hash in hashes.iter().filter(|hash| **hash != NONE) {
            self.touched.insert(*hash, position);
        }
    }

    fn is_touched(&self, hash: Hash, since: u64) -> bool {
        since < self.floor || self.touched.get(&hash).is_some_and(|position| since < *position)
    }

    /// A hash stands for one thing for ever.
    fn means(&mut self, hash: Hash, what: &str, texts: &[&[u8]]) -> Finding {
        if hash == NONE {
            return Ok(());
        }
        let meaning = [&[what.as_bytes()], texts].concat().join(&0);
        let known = self.meanings.entry(hash).or_insert_with(|| meaning.clone());
        if *known == meaning { Ok(()) } else { Err("one hash stands for two things".to_owned()) }
    }

    /// What an alias led to behind a position, for a purpose: of an ID token what its holder is paid by.
    fn lead(&self, at: u64, alias: &Alias, purpose: u8) -> Option<Found> {
        lead(self.behind(at)?, alias, purpose)
    }

    fn behind(&self, at: u64) -> Option<&Owners> {
        let place = self.versions.partition_point(|(position, _)| *position <= at);
        self.versions.get(place.checked_sub(1)?).map(|(_, owners)| owners)
    }

    /// What led to an account behind a position: of several the one that was found, if it is one of them.
    fn at_account(&self, at: u64, (participant, account): (usize, &[u8]), found: u64) -> Option<Found> {
        let leads = |held: &&Held| held.participant == participant && held.account == account && !held.is_paused;
        let mut leading = self.behind(at)?.values().filter(leads);
        let first = leading.next()?;
        let found = [first].into_iter().chain(leading).find(|held| held.entry == found);
        Some(found.unwrap_or(first).found())
    }

    /// What a command changes, and what becomes of it. Its hashes are under the key of a generation, and under the one before, too, if `is_rolling`.
    fn decide(
        &mut self,
        (position, now_ns, sender): (u64, u64, usize),
        (generation, is_rolling): (u8, bool),
        sent: &wire::AliasCommand,
        fields: &[Vec<u8>],
    ) -> Became {
        let Some(rules) = self.allowances.rules else { return NOT_YOURS };
        let (alias, identity, account) = ((sent.alias_type, fields[0].clone()), &fields[1], &fields[2]);
        let own = self.owners.get(&alias).filter(|held| held.participant == sender).cloned();
        let is_of = |held: &Held| held.participant == sender && held.identity == *identity;
        let at_account = |owners: &Owners, but: Option<&Alias>| {
            let leads = |(of, held): &(&Alias, &Held)| {
                held.participant == sender && held.account == *account && Some(*of) != but
            };
            owners.iter().filter(leads).count() >= usize::from(rules.per_account)
        };
        match (sent.operation, own) {
            (operation::REGISTER, _) => {
                let Some(Attested { nonce, until_ns, .. }) = self.attested.get(&sent.id).cloned() else {
                    return REPLAYED;
                };
                if until_ns <= now_ns {
                    return EXPIRED;
                }
                if self.nonces.get(&nonce).is_some_and(|used_until_ns| now_ns < *used_until_ns) {
                    return REPLAYED;
                }
                if let Some(held) = self.owners.get(&alias) {
                    let claim = if matches!(alias.0, 1 | 2) { 1 } else { 2 };
                    return if held.participant == sender { TAKEN_HERE } else { (31, claim) };
                }
                if self.owners.values().filter(|held| is_of(held)).count() >= usize::from(rules.per_identity) {
                    return IDENTITY_FULL;
                }
                if at_account(&self.owners, None) {
                    return ACCOUNT_FULL;
                }
                self.nonces.insert(nonce, until_ns);
                let held = Held {
                    participant: sender,
                    identity: identity.clone(),
                    account: account.clone(),
                    name: fields[3].clone(),
                    is_paused: false,
                    owned_since_ns: now_ns,
                    entry: position,
                    defaults: 0,
                    generation,
                };
                self.put(alias, held, sent.defaults);
                DONE
            }
            (operation::ERASE, _) => {
                let before = self.owners.len();
                self.owners.retain(|_, held| !is_of(held));
                if self.owners.len() < before { DONE } else { NOT_YOURS }
            }
            (operation::UPDATE, Some(held)) => {
                if held.identity != *identity {
                    return IDENTITY_DIFFERS;
                }
                if at_account(&self.owners, Some(&alias)) {
                    return ACCOUNT_FULL;
                }
                let had = held.defaults;
                self.go_over(&alias, generation);
                let held = Held { account: account.clone(), name: fields[3].clone(), defaults: 0, generation, ..held };
                self.put(alias, held, sent.defaults | had);
                DONE
            }
            (wanted @ (operation::PAUSE | operation::RESUME), Some(held)) => {
                let is_paused = wanted == operation::PAUSE;
                if held.is_paused == is_paused {
                    return UNCHANGED;
                }
                self.owners.insert(alias, Held { is_paused, ..held });
                DONE
            }
            (operation::REMOVE, Some(_)) => {
                self.owners.remove(&alias);
                DONE
            }
            (operation::UPDATE | operation::PAUSE | operation::RESUME | operation::REMOVE, None) => NOT_YOURS,
            _ => {
                let seen = if is_rolling { generation - 1..=generation } else { generation..=generation };
                let is_recent = |last_ns: &u64| now_ns - last_ns < REPORT_AGAIN_NS;
                for generation in seen {
                    if self.reports.get(&(alias.clone(), generation, sender)).is_some_and(is_recent) {
                        return REPORT_REPEATED;
                    }
                }
                let generation = self.owners.get(&alias).map_or(generation, |held| held.generation);
                self.reports.insert((alias, generation, sender), now_ns);
                DONE
            }
        }
    }

    /// An entry goes over to the hash of this generation, and what was reported of it goes along.
    fn go_over(&mut self, alias: &Alias, generation: u8) {
        let Some(held) = self.owners.get_mut(alias).filter(|held| held.generation < generation) else { return };
        let before = std::mem::replace(&mut held.generation, generation);
        let of = |key: &(Alias, u8, usize)| key.0 == *alias && key.1 == before;
        let moving: Vec<(Alias, u8, usize)> = self.reports.keys().filter(|key| of(key)).cloned().collect();
        for key in moving {
            let last_ns = self.reports.remove(&key).unwrap_or_default();
            let there = self.reports.entry((key.0, generation, key.2)).or_default();
            *there = last_ns.max(*there);
        }
    }

    /// Puts an entry in with these defaults, which nobody else of its holder has then. Who has none in general has it here.
    fn put(&mut self, alias: Alias, held: Held, defaults: u16) {
        let of_holder = |other: &Held| other.participant == held.participant && other.identity == held.identity;
        let others = || self.owners.iter().filter(|(of, other)| **of != alias && of_holder(other));
        let has_default = others().any(|(_, other)| other.defaults & 1 != 0);
        let defaults = defaults | u16::from(!has_default);
        for (of, other) in &mut self.owners {
            if *of != alias && of_holder(other) {
                other.defaults &= !defaults;
            }
        }
        self.owners.insert(alias, Held { defaults, ..held });
    }
}

fn lead(owners: &Owners, alias: &Alias, purpose: u8) -> Option<Found> {
    let mut held = owners.get(alias).filter(|held| !held.is_paused)?;
    if matches!(alias.0, 3 | 4) {
        let of_holder = |other: &&Held| other.participant == held.participant && other.identity == held.identity;
        let default = |bit: u16| owners.values().filter(of_holder).find(|other| other.defaults & bit != 0);
        held = default(1 << purpose).or_else(|| default(1)).unwrap_or(held);
    }
    (!held.is_paused).then(|| held.found())
}

/// What the edge says about how it has resolved an order.
struct Resolution {
    alias: Hash,
    end_user: Hash,
    resolved_at: u64,
    entry: u64,
    identity: Hash,
    default: Hash,
}

fn resolution(annotation: &[u8]) -> Resolution {
    Resolution {
        alias: wire::array(annotation, 24),
        end_user: wire::array(annotation, 40),
        resolved_at: wire::u64_at(annotation, 56),
        entry: wire::u64_at(annotation, 64),
        identity: wire::array(annotation, 72),
        default: wire::array(annotation, 88),
    }
}

/// What a look-up is of.
enum Sought {
    Alias(Alias),
    /// Of a participant, by its code.
    Account([u8; 35], Vec<u8>),
}

/// A look-up as it was sent.
struct LookUp {
    sender: usize,
    of: Sought,
    purpose: u8,
    is_order: bool,
    /// How it is counted.
    told: &'static str,
    /// Of a verification: the name that was written.
    written: Option<Vec<u8>>,
}

/// For what an order to an alias is.
fn purpose_of(routing: &[u8]) -> u8 {
    if routing[70..74] == *b"GOVT" { 3 } else { 1 }
}

/// The alias that an order names, from its private part.
fn alias_of_order(routing: &[u8], fields: &[Vec<u8>]) -> Alias {
    (routing[91], fields[6].clone())
}

impl Auditor {
    /// What it knows of aliases.
    pub(in super::super) fn aliases(&self) -> &Aliases {
        &self.aliases
    }

    /// What an ID system has signed of a registration.
    pub(in super::super) fn attested(&mut self, id: Id, (nonce, until_s, key): (&str, u64, usize)) {
        let (nonce, until_ns, since) = (nonce.as_bytes().to_vec(), until_s * NS_PER_S, self.through);
        self.aliases.attested.insert(id, Attested { nonce, until_ns, key, since });
    }

    /// A command about an alias is on disk.
    pub(super) fn alias_command(&mut self, position: u64, entry: &wire::Entry<'_>) -> Finding {
        let routing = entry.routing;
        if routing.len() != 170 {
            return Err(format!("position {position}: a command about an alias of the wrong length"));
        }
        let sender = self.sender(entry)?;
        let id: Id = wire::array(routing, 0);
        let sent = self.sent.get(&(kind::ALIAS_COMMAND, id)).into_iter().flatten();
        // Of two with one id each is journaled, whichever is the first.
        let digest_of = |sent: &super::Sent| (sent.routing.clone(), sent.fields.clone());
        let command = |sent: &&super::Sent| {
            let parsed = wire::alias_command(&sent.routing);
            let is_it = parsed.is_some_and(|parsed| {
                (parsed.operation, parsed.alias_type, parsed.defaults)
                    == (routing[36], routing[37], wire::u16_at(routing, 159))
            });
            sent.sender == sender && is_it && self.aliases.fits(routing, sent)
        };
        let (sent_routing, fields) =
            sent.into_iter().find(command).map(digest_of).ok_or("a command that nobody sent")?;
        let parsed = wire::alias_command(&sent_routing).ok_or("a command of the wrong length")?;
        if wire::u32_at(routing, 32) as usize != sender + 1 {
            return Err(format!("position {position}: a command for another participant"));
        }
        let attested = self.aliases.attested.get(&id).filter(|_| parsed.operation == operation::REGISTER);
        if attested.is_some_and(|attested| !self.aliases.allowances.has_trusted(attested.key, attested.since)) {
            return Err(format!("position {position}: a registration that nobody who is trusted has attested"));
        }
        let is_sealed = matches!(parsed.operation, operation::REGISTER | operation::UPDATE);
        if is_sealed != (entry.sealed_bytes > 0) {
            return Err(format!("position {position}: what is to be sealed is not, or the other way round"));
        }
        let hash = |at: usize| -> Hash { wire::array(routing, at) };
        let aliases = &mut self.aliases;
        let number = [parsed.alias_type];
        for at in [39, 55] {
            aliases.means(hash(at), "alias", &[&number, &fields[0]])?;
        }
        let whose = sender.to_string();
        for at in [71, 87] {
            aliases.means(hash(at), "identity", &[whose.as_bytes(), &fields[1]])?;
        }
        match parsed.operation {
            7 => {}
            operation::ERASE => aliases.floor = position,
            _ => aliases.touch(&[hash(39), hash(55), hash(71), hash(87)], position),
        }
        let now_ns = self.time_ns;
        let known = aliases.first.get(&(sender, id)).cloned();
        let (result, at_ns) = match known {
            Some((of, by, result, at_ns)) if of == sent_routing && by == fields => (result, at_ns),
            Some(_) => (DIFFERS, now_ns),
            None => {
                let of = (routing[38], hash(55) != NONE);
                let result = aliases.decide((position, now_ns, sender), of, &parsed, &fields);
                aliases.first.insert((sender, id), (sent_routing, fields, result, now_ns));
                aliases.versions.push((position, aliases.owners.clone()));
                (result, now_ns)
            }
        };
        let (number, claim) = result;
        let result = wire::AliasResult { id, result: number, claim, at_ns, position };
        aliases.commanded.insert(position, Commanded { participant: sender, result });
        self.rare.push(result_name(number).into());
        Ok(())
    }

    /// A look-up is on disk, or an order to what is nobody's.
    pub(super) fn looked_up(&mut self, position: u64, entry: &wire::Entry<'_>) -> Result<(), Violation> {
        let LookUp { sender, of, purpose, is_order, told, written } =
            named(journal::NAME, self.find_lookup(position, entry))?;
        let (routing, time_ns) = (entry.routing, self.time_ns);
        let (resolved_at, found_entry) = (wire::u64_at(routing, 51), wire::u64_at(routing, 59));
        let found = match &of {
            Sought::Alias(alias) => self.aliases.lead(resolved_at, alias, purpose),
            Sought::Account(code, account) => {
                let participant = self.codes.iter().position(|known| known == code);
                participant.and_then(|of| self.aliases.at_account(resolved_at, (of, account), found_entry))
            }
        };
        let is_right =
            (routing[50] != 0, found_entry) == (found.is_some(), found.as_ref().map_or(0, |found| found.entry));
        let finding =
            if is_right { Ok(()) } else { Err(format!("position {position}: who was looked up is not who it was")) };
        named(invariant::TRUE, finding)?;
        let user = (sender, wire::array(routing, 32));
        let is_granted = self.aliases.allowances.debit(time_ns, user, found.is_some());
        let id: Id = wire::array(routing, 0);
        match (is_granted, is_order) {
            (false, _) => drop(self.aliases.limited.insert((sender, id))),
            (true, true) => drop(self.aliases.missed.insert((sender, id))),
            (true, false) => {}
        }
        self.rare.push(told.into());
        self.rare.push(if is_granted { "look-up granted" } else { "look-up limited" }.into());
        let made = Made { participant: sender, id, is_granted, found, time_ns, purpose, written };
        let verified = made.name_shown(self.aliases.mask()).map_or("", |(verdict, _)| names::verdict::name(verdict));
        self.rare.extend((is_granted && !verified.is_empty()).then(|| verified.into()));
        self.aliases.made.insert(position, made);
        Ok(())
    }

    /// The look-up that was sent and became this entry.
    fn find_lookup(&mut self, position: u64, entry: &wire::Entry<'_>) -> Result<LookUp, String> {
        let routing = entry.routing;
        if routing.len() != 67 || entry.sealed_bytes > 0 {
            return Err(format!("position {position}: a look-up of the wrong length"));
        }
        let (sender, id, form) = (self.sender(entry)?, wire::array(routing, 0), routing[48]);
        let is_order = form == 3;
        let kind = if is_order { kind::ALIAS_TRANSFER } else { kind::ALIAS_LOOKUP };
        let sent = self.sent.get(&(kind, id)).into_iter().flatten().find(|sent| sent.sender == sender);
        let sent = sent.ok_or_else(|| format!("position {position} holds a look-up that nobody sent"))?;
        let (of, purpose, end_user, written) = if is_order {
            let alias = alias_of_order(&sent.routing, &sent.fields);
            (Sought::Alias(alias), purpose_of(&sent.routing), sent.fields[7].clone(), None)
        } else {
            let asked = wire::alias_lookup(&sent.routing).ok_or("a look-up of the wrong length")?;
            if (asked.form, asked.purpose) != (form, routing[49]) {
                return Err(format!("position {position}: a look-up of another form, or for another purpose"));
            }
            let of = match asked.alias_type {
                0 => Sought::Account(asked.participant, sent.fields[2].clone()),
                kind => Sought::Alias((kind, sent.fields[0].clone())),
            };
            (of, asked.purpose, sent.fields[1].clone(), (form == 2).then(|| sent.fields[3].clone()))
        };
        let hash = wire::array(routing, 16);
        match &of {
            Sought::Alias((kind, text)) => self.aliases.means(hash, "alias", &[&[*kind], text])?,
            Sought::Account(code, account) => self.aliases.means(hash, "account", &[code, account])?,
        }
        self.aliases.means(wire::array(routing, 32), "end user", &[sender.to_string().as_bytes(), &end_user])?;
        let told = match (&of, is_order, routing[50] != 0) {
            (_, true, _) => "order to nobody's alias",
            (Sought::Account(..), _, true) => "account verified",
            (Sought::Account(..), _, false) => "account not found",
            (_, _, true) => "alias found",
            (_, _, false) => "alias not found",
        };
        Ok(LookUp { sender, of, purpose, is_order, told, written })
    }

    /// An order to an alias, with the account that it was resolved to.
    pub(super) fn begin_by_alias(&mut self, position: u64, entry: &wire::Entry<'_>) -> Result<(), Violation> {
        let came = named(journal::NAME, self.find_order_to_alias(position, entry))?;
        let (id, resolved): (Id, _) = (wire::array(entry.routing, 0), resolution(entry.annotation));
        let user = (came.sender, resolved.end_user);
        if self.holds(id) {
            let is_same = self.payments.get(&id).is_some_and(|payment| payment.is_same(&came, false));
            if !is_same && resolved.alias != NONE {
                if !self.aliases.allowances.debit(self.time_ns, user, true) {
                    self.aliases.limited.insert((came.sender, id));
                    return Ok(());
                }
                let asked = alias_of_order(&came.as_sent, &came.fields);
                let (time_ns, participant, purpose) = (self.time_ns, came.sender, purpose_of(&came.as_sent));
                let found = self.aliases.lead(resolved.resolved_at, &asked, purpose);
                let made = Made { participant, id, is_granted: true, found, time_ns, purpose, written: None };
                self.aliases.made.insert(position, made);
            }
            self.repeat(id, kind::CREDIT_TRANSFER, &came);
            return Ok(());
        }
        let Resolution { alias, identity, default, resolved_at, .. } = resolved;
        let is_by_token = identity != NONE;
        let is_touched = |hash| self.aliases.is_touched(hash, resolved_at);
        let is_stale = is_touched(alias) || is_by_token && (is_touched(identity) || is_touched(default));
        if came.checked_through < self.floor || is_stale {
            self.rare.push(if is_stale { "order to be resolved again" } else { "order to be checked again" }.into());
            return Ok(());
        }
        if !self.aliases.allowances.debit(self.time_ns, user, true) {
            self.aliases.limited.insert((came.sender, id));
            self.rare.push("order limited".into());
            return Ok(());
        }
        let is_known = self.payments.contains_key(&id) || self.cases.contains_key(&super::Subject::Case(id));
        named(duplicates::NAME, if is_known { Err(hex(&id)) } else { Ok(()) })?;
        self.changed.push(id);
        let asked = alias_of_order(&came.as_sent, &came.fields);
        let owner = lead(&self.aliases.owners, &asked, purpose_of(&came.as_sent));
        let paid = self.check_owner(&came, owner.as_ref(), (resolved.entry, entry.sealed_bytes));
        let private = named(invariant::OWNER, paid)?;
        let order =
            wire::order(entry.routing).ok_or_else(|| format!("position {position}: an order of the wrong length"));
        let order = named(journal::NAME, order)?;
        let (time_ns, participant, purpose) = (self.time_ns, came.sender, purpose_of(&came.as_sent));
        let made = Made { participant, id, is_granted: true, found: owner, time_ns, purpose, written: None };
        self.aliases.made.insert(position, made);
        self.rare.push(if is_by_token { "payment by ID token" } else { "payment by alias" }.into());
        self.decide(&order, Came { private, ..came });
        if self.payments.get(&id).is_some_and(|payment| payment.end.is_none()) {
            self.aliases.allowances.paying.insert(id, user);
        }
        Ok(())
    }

    /// An order goes to whoever has its alias now, and nowhere else; gives what the payee provider is told beside.
    fn check_owner(
        &self,
        came: &Came<'_>,
        owner: Option<&Found>,
        (entry, sealed_bytes): (u64, usize),
    ) -> Result<Vec<u8>, String> {
        let position = came.position;
        let owner = owner.ok_or_else(|| format!("position {position}: a payment to an alias that is nobody's"))?;
        let right = wire::order_of_alias(&came.as_sent, &self.codes[owner.participant]);
        if right.as_deref() != Some(came.routing) || entry != owner.entry {
            return Err(format!("position {position}: a payment to somebody who does not have the alias"));
        }
        let [payer_name, payer_account, payee_name, end_to_end, remittance, extension, ..] = &came.fields[..] else {
            return Err(format!("position {position}: an order without its private part"));
        };
        let fields = [payer_name, payer_account, payee_name, &owner.account, end_to_end, remittance, extension];
        let private = wire::write_private(&fields.map(Clone::clone), 0);
        if private.len() + super::SEAL_BYTES != sealed_bytes {
            return Err(format!("position {position}: what is sealed of a payment is not its account"));
        }
        Ok(private)
    }

    /// The order that was sent and became this entry.
    fn find_order_to_alias<'e>(&mut self, position: u64, entry: &wire::Entry<'e>) -> Result<Came<'e>, String> {
        let sender = self.sender(entry)?;
        let id: Id = wire::array(entry.routing, 0);
        let sent = self.sent.get(&(kind::ALIAS_TRANSFER, id)).into_iter().flatten();
        let is_it = |sent: &&super::Sent| {
            let right = wire::order_of_alias(&sent.routing, &wire::array(entry.routing, 51));
            sent.sender == sender && right.as_deref() == Some(entry.routing)
        };
        let sent = sent.into_iter().find(is_it);
        let sent = sent.ok_or_else(|| format!("position {position} holds an order to an alias that nobody sent"))?;
        let came = Came {
            position,
            sender,
            checked_through: wire::u64_at(entry.annotation, 16),
            routing: entry.routing,
            as_sent: sent.routing.clone(),
            private: Vec::new(),
            fields: sent.fields.clone(),
        };
        let resolved = resolution(entry.annotation);
        let (asked, whose) = (alias_of_order(&came.as_sent, &came.fields), sender.to_string());
        self.aliases.means(resolved.alias, "alias", &[&[asked.0], &asked.1])?;
        self.aliases.means(resolved.end_user, "end user", &[whose.as_bytes(), &came.fields[7]])?;
        Ok(came)
    }

    /// The switch has made hashes anew, or all of them.
    pub(super) fn renewed(&mut self, position: u64, entry: &wire::Entry<'_>) -> Finding {
        let (routing, aliases) = (entry.routing, &mut self.aliases);
        if !aliases.is_rehashing || routing[0] != aliases.generation {
            return Err(format!("position {position}: hashes under a key that is not being gone over to"));
        }
        if entry.kind == kind::HASH_KEY {
            aliases.is_rehashing = false;
            let change = DirectoryChange { code: 2, detail: routing[0].into(), ..DirectoryChange::default() };
            self.scheme.directory_changed(kind::HASH_KEY, change);
            self.rare.push("hashes made anew".into());
            return Ok(());
        }
        let (generation, rows) = (routing[0], routing.get(3..).unwrap_or_default());
        if rows.len() % 80 != 0 || rows.len() / 80 != usize::from(wire::u16_at(routing, 1)) {
            return Err(format!("position {position}: rows of the wrong length"));
        }
        for row in rows.chunks(80) {
            let [alias_before, alias, identity_before, identity] = [0, 16, 32, 48].map(|at| wire::array(row, at));
            aliases.touch(&[alias_before, alias, identity_before, identity], position);
            if let Some(meaning) = aliases.meanings.get(&alias_before)
                && let [b'a', b'l', b'i', b'a', b's', 0, kind, 0, text @ ..] = &meaning[..]
            {
                aliases.go_over(&(*kind, text.to_vec()), generation);
            }
            for (before, now) in [(alias_before, alias), (identity_before, identity)] {
                // Under the new key they stand for the same.
                let meaning = aliases.meanings.get(&before).cloned().ok_or("a hash that nobody knows")?;
                let known = aliases.meanings.entry(now).or_insert_with(|| meaning.clone());
                if *known != meaning {
                    return Err(format!("position {position}: a new hash of something else"));
                }
            }
        }
        self.rare.push("portion of hashes made anew".into());
        Ok(())
    }
}

impl Aliases {
    /// The operator has all hashes made anew.
    fn begin_renewal(&mut self, body: &[u8]) -> Result<DirectoryChange, u16> {
        const RUNS: u16 = 82;
        let generation = body[0];
        if self.is_rehashing {
            return Err(RUNS);
        }
        if Some(generation) != self.generation.checked_add(1) || body[1] != 1 {
            return Err(MEANINGLESS);
        }
        (self.generation, self.is_rehashing) = (generation, true);
        Ok(DirectoryChange { code: 1, detail: generation.into(), ..DirectoryChange::default() })
    }

    /// Could this entry be of what was sent? Of commands with one id and different aliases the hashes tell.
    fn fits(&self, routing: &[u8], sent: &super::Sent) -> bool {
        let alias: Hash = wire::array(routing, 39);
        let meaning = [&b"alias"[..], &[routing[37]], &sent.fields[0]].join(&0);
        alias == NONE || self.meanings.get(&alias).is_none_or(|known| *known == meaning)
    }
}
