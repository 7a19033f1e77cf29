//! What the operator has set for the directory, and what buckets hold.

use std::collections::BTreeMap;

use super::super::super::invariants::Finding;
use super::super::super::plan::{AliasPlan, ID_KEYS};
use super::super::super::wire::{self, kind};
use super::super::scheme::DirectoryChange;
use super::super::{Auditor, outcome};
use super::{Aliases, Hash, Id};

const NS_PER_MINUTE: u128 = 60_000_000_000;

/// Whoever is new is of the last category.
const LAST_CATEGORY: u8 = 7;

/// Of what a participant had so much is remembered: more than the batches of any turn.
const REMEMBERED_MAX: usize = 64;

/// Length of a `DirectoryRulesSet`; where its fields lie, as those of the other commands, `docs/formats/entries.md` says.
const RULES_BYTES: usize = 89;

/// Why a command that means nothing is refused.
pub(super) const MEANINGLESS: u16 = 3;

/// Capacity, and refill a minute.
type Size = (u32, u32);

/// What it holds, in fractions whose denominator is a minute: nothing is ever rounded.
#[derive(Clone, Copy)]
struct Bucket {
    parts: u128,
    at_ns: u64,
}

impl Bucket {
    fn full((capacity, _): Size, at_ns: u64) -> Bucket {
        Bucket { parts: u128::from(capacity) * NS_PER_MINUTE, at_ns }
    }

    fn pass(&mut self, (capacity, per_minute): Size, now_ns: u64) {
        let come = u128::from(now_ns - self.at_ns) * u128::from(per_minute);
        self.parts = (self.parts + come).min(u128::from(capacity) * NS_PER_MINUTE);
        self.at_ns = now_ns;
    }

    fn give(&mut self, (capacity, _): Size, tokens: u32) {
        let parts = self.parts + u128::from(tokens) * NS_PER_MINUTE;
        self.parts = parts.min(u128::from(capacity) * NS_PER_MINUTE);
    }

    fn holds(&self, tokens: u32) -> bool {
        u128::from(tokens) * NS_PER_MINUTE <= self.parts
    }

    fn take(&mut self, tokens: u32) {
        self.parts -= u128::from(tokens) * NS_PER_MINUTE;
    }

    /// Its size changes: it holds what it held, and one that was full is full.
    fn resize(&mut self, before: Size, now: Size, now_ns: u64) {
        self.pass(before, now_ns);
        if self.holds(before.0) {
            *self = Bucket::full(now, now_ns);
        }
    }
}

/// What a participant was left with: its level, capacity and refill a minute.
type Allowance = [u32; 3];

/// Rules, keys and buckets.
pub(super) struct Allowances {
    /// As the rules stand now; none where there is no directory.
    pub(super) rules: Option<AliasPlan>,
    /// Those that are not of the last.
    categories: BTreeMap<usize, u8>,
    users: BTreeMap<(usize, Hash), Bucket>,
    ours: BTreeMap<usize, Bucket>,
    /// By participant: from which position on it was so, newest last.
    remembered: Vec<Vec<(u64, Allowance)>>,
    /// Of each key of the ID system: whether it is trusted, and the position at which it last was no more.
    keys: [(bool, u64); ID_KEYS.len()],
    /// Payments by alias in flight: for whose end user.
    pub(super) paying: BTreeMap<Id, (usize, Hash)>,
}

impl Allowances {
    pub(super) fn new(rules: Option<AliasPlan>) -> Allowances {
        Allowances {
            rules,
            categories: BTreeMap::new(),
            users: BTreeMap::new(),
            ours: BTreeMap::new(),
            remembered: Vec::new(),
            keys: [(true, 0), (false, 0)],
            paying: BTreeMap::new(),
        }
    }

    fn size_of(&self, rules: &AliasPlan, participant: usize) -> Size {
        let category = self.categories.get(&participant).copied().unwrap_or(LAST_CATEGORY);
        rules.categories[usize::from(category)]
    }

    /// Takes the cost of an answer from both buckets, if both hold the dearest.
    pub(super) fn debit(&mut self, now_ns: u64, user: (usize, Hash), is_found: bool) -> bool {
        let Some(rules) = self.rules else { return false };
        let size = self.size_of(&rules, user.0);
        let ours = self.ours.entry(user.0).or_insert_with(|| Bucket::full(size, now_ns));
        let theirs = self.users.entry(user).or_insert_with(|| Bucket::full(rules.end_user, now_ns));
        ours.pass(size, now_ns);
        theirs.pass(rules.end_user, now_ns);
        if !ours.holds(rules.cost_missed) || !theirs.holds(rules.cost_missed) {
            return false;
        }
        let cost = if is_found { rules.cost_found } else { rules.cost_missed };
        ours.take(cost);
        theirs.take(cost);
        true
    }

    /// What a participant has now.
    fn now_of(&self, participant: usize, now_ns: u64) -> Allowance {
        let Some(rules) = self.rules else { return [0; 3] };
        let size = self.size_of(&rules, participant);
        let mut bucket = self.ours.get(&participant).copied().unwrap_or(Bucket::full(size, now_ns));
        bucket.pass(size, now_ns);
        [u32::try_from(bucket.parts / NS_PER_MINUTE).unwrap_or(u32::MAX), size.0, size.1]
    }

    /// Sets rules, or a category, and what is in buckets of participants is by that from then on.
    fn change(&mut self, now_ns: u64, change: impl FnOnce(&mut Allowances)) {
        let sizes = |of: &Allowances| -> Vec<(usize, Size)> {
            let Some(rules) = of.rules else { return Vec::new() };
            of.ours.keys().map(|&participant| (participant, of.size_of(&rules, participant))).collect()
        };
        let before = sizes(self);
        change(self);
        for ((participant, before), (_, now)) in before.into_iter().zip(sizes(self)) {
            if let Some(bucket) = self.ours.get_mut(&participant) {
                bucket.resize(before, now, now_ns);
            }
        }
    }

    /// Was this key trusted at any time since that position?
    pub(super) fn has_trusted(&self, key: usize, since: u64) -> bool {
        let (is_trusted, ended) = self.keys[key];
        is_trusted || since < ended
    }

    fn set_rules(&mut self, now_ns: u64, body: &[u8]) -> Result<DirectoryChange, u16> {
        let Some(rules) = self.rules.filter(|_| body.len() == RULES_BYTES) else { return Err(MEANINGLESS) };
        let number = |place: usize| wire::u32_at(body, place * 4);
        let rules = AliasPlan {
            cost_found: number(0),
            cost_missed: number(1),
            gives_back: number(2),
            end_user: (number(3), number(4)),
            categories: std::array::from_fn(|category| (number(5 + category), number(13 + category))),
            per_identity: wire::u16_at(body, 84),
            per_account: wire::u16_at(body, 86),
            mask: body[88],
            ..rules
        };
        // The simulated operator draws no other rules that mean nothing.
        if rules.cost_found == 0 {
            return Err(MEANINGLESS);
        }
        self.change(now_ns, |of| of.rules = Some(rules));
        Ok(DirectoryChange::default())
    }

    fn set_category(&mut self, now_ns: u64, body: &[u8], members: usize) -> Result<DirectoryChange, u16> {
        const PARTICIPANT_UNKNOWN: u16 = 1;
        let (participant, category) = (wire::u32_at(body, 0), body[4]);
        let place = (participant as usize).checked_sub(1).filter(|place| *place < members);
        let place = place.ok_or(PARTICIPANT_UNKNOWN)?;
        if category > LAST_CATEGORY {
            return Err(MEANINGLESS);
        }
        self.change(now_ns, |of| {
            of.categories.insert(place, category);
        });
        Ok(DirectoryChange { participant, code: category.into(), ..DirectoryChange::default() })
    }

    fn set_key(&mut self, position: u64, body: &[u8]) -> Result<DirectoryChange, u16> {
        const KEY_UNKNOWN: u16 = 81;
        let (not_before_s, not_after_s, is_valid) = (wire::u64_at(body, 194), wire::u64_at(body, 202), body[210] != 0);
        if not_after_s <= not_before_s {
            return Err(MEANINGLESS);
        }
        let name = &body[64..128];
        let is_it = |id: &str| name.starts_with(id.as_bytes()) && name[id.len()] == 0;
        let key = ID_KEYS.iter().position(|id| is_it(id)).ok_or(KEY_UNKNOWN)?;
        let (was_trusted, ended) = self.keys[key];
        if !is_valid && !was_trusted {
            return Err(KEY_UNKNOWN);
        }
        self.keys[key] = (is_valid, if is_valid { ended } else { position });
        Ok(DirectoryChange { code: is_valid.into(), ..DirectoryChange::default() })
    }
}

impl Aliases {
    /// A payment by alias is decided.
    pub(in super::super) fn decided(&mut self, now_ns: u64, id: Id, outcome: u8) {
        let of = &mut self.allowances;
        let (Some(rules), Some(user)) = (of.rules, of.paying.remove(&id)) else { return };
        if outcome != outcome::COMMITTED {
            return;
        }
        let size = of.size_of(&rules, user.0);
        if let Some(ours) = of.ours.get_mut(&user.0) {
            ours.pass(size, now_ns);
            ours.give(size, rules.gives_back);
        }
        if let Some(theirs) = of.users.get_mut(&user) {
            theirs.pass(rules.end_user, now_ns);
            theirs.give(rules.end_user, rules.gives_back);
        }
    }

    /// A batch is over: what so many participants have from here on.
    pub(in super::super) fn note_allowances(&mut self, (through, now_ns): (u64, u64), participants: usize) {
        let of = &mut self.allowances;
        of.remembered.resize(participants, Vec::new());
        for participant in 0..participants {
            let now = of.now_of(participant, now_ns);
            let remembered = &mut of.remembered[participant];
            if remembered.last().is_none_or(|(_, last)| *last != now) {
                remembered.push((through, now));
            }
            let left = remembered.len().saturating_sub(REMEMBERED_MAX);
            remembered.drain(..left);
        }
    }

    /// What a participant has.
    pub(in super::super::super) fn allowance(&self, participant: usize) -> Option<Allowance> {
        self.allowances.remembered.get(participant)?.last().map(|(_, now)| *now)
    }

    /// Had a participant this at any time since a position?
    pub(in super::super::super) fn had(&self, participant: usize, since: u64, allowance: Allowance) -> bool {
        let Some(remembered) = self.allowances.remembered.get(participant) else { return false };
        let first = remembered.partition_point(|(from, _)| *from <= since).saturating_sub(1);
        remembered[first..].iter().any(|(_, had)| *had == allowance)
    }
}

impl Auditor {
    /// A command of the operator about the directory is on disk.
    pub(in super::super) fn directory_command(&mut self, position: u64, entry: &wire::Entry<'_>) -> Finding {
        let (now_ns, members, body) = (self.time_ns, self.scheme.members.len(), entry.routing);
        let allowances = &mut self.aliases.allowances;
        let decided = match entry.kind {
            kind::DIRECTORY_RULES => allowances.set_rules(now_ns, body),
            kind::CATEGORY => allowances.set_category(now_ns, body, members),
            kind::ISSUER_KEY => allowances.set_key(position, body),
            kind::HASH_KEY => self.aliases.begin_renewal(body),
            kind => return Err(format!("position {position}: {kind} is no command about the directory")),
        };
        if entry.kind == kind::HASH_KEY && decided.is_ok() {
            self.rare.push("hash key renewed".into());
        }
        self.scheme.directory_commanded(entry, decided)
    }
}
