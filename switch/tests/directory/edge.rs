//! What comes before the directory: plans of batches at random, and how they get hashes, slots, positions and bytes.
//!
//! Aliases, identities and accounts are small numbers here; a hash is a function of the number and the key's generation, as the edge's is of the text. As the
//! edge's, keys change between batches, and a key is given up when no entry is left under it.

use adapters::directory::Operation;
use adapters::message::Outcome;
use proptest::prelude::*;
use switch::directory::{DirectoryBatch, DirectoryLimits};
use switch::engine::lookups::LookupMade;
use switch::entry::{
    self, AliasCommanded, EntryHead, EntryKind, ParticipantId, RehashedRow, SLOT_KEY, Sender, write_rehashed,
};

use crate::model::Model;

pub(crate) const ALIASES: u8 = 6;
pub(crate) const PARTICIPANTS: u32 = 3;
pub(crate) const PEOPLE: u8 = 3;
pub(crate) const ACCOUNTS: u8 = 3;

pub(crate) const HOUR_NS: u64 = 3_600_000_000_000;

/// 2026-11-23.
const BEGIN_NS: u64 = 1_795_392_000_000_000_000;

/// What an alias is: kinds that pass to others, and kinds that stay.
pub(crate) fn kind_of(alias: u8) -> u8 {
    [1, 4, 2, 9, 10, 6][usize::from(alias)]
}

/// A hash, as the edge would make it.
pub(crate) fn hash(domain: u8, generation: u8, one: u32, other: u8) -> [u8; 16] {
    let mut hash = [domain; 16];
    // Orders by hash and by number must not agree.
    hash[0] = other.wrapping_mul(97) ^ generation.wrapping_mul(59) ^ domain;
    hash[1..5].copy_from_slice(&one.to_le_bytes());
    (hash[5], hash[6]) = (other, generation);
    hash
}

pub(crate) fn alias_hash(alias: u8, generation: u8) -> [u8; 16] {
    hash(1, generation, 0, alias)
}

pub(crate) fn identity_hash(participant: u32, identity: u8, generation: u8) -> [u8; 16] {
    hash(2, generation, participant, identity)
}

pub(crate) fn account_hash(participant: u32, account: u8, generation: u8) -> [u8; 16] {
    hash(3, generation, participant, account)
}

/// What a provider sends.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) id: [u8; 16],
    pub(crate) digest: [u8; 16],
    pub(crate) participant: u32,
    pub(crate) operation: Operation,
    pub(crate) alias: u8,
    pub(crate) identity: u8,
    pub(crate) account: u8,
    /// The nonce's hash, and until when the attestation holds.
    pub(crate) attested: Option<([u8; 16], u64)>,
    pub(crate) defaults: u16,
    pub(crate) consent_purpose: u8,
}

/// What a plan says of a command.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    participant: u32,
    operation: Operation,
    alias: u8,
    identity: u8,
    account: u8,
    /// Where it is one of a few that are used again and again.
    nonce: Option<u8>,
    holds_for_min: i64,
    defaults: u16,
    consent_purpose: u8,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Command(Wish),
    /// An earlier command once more, or another one with its id.
    Repeat {
        which: prop::sample::Index,
        is_other: bool,
    },
    /// Rows of these aliases, one a bit.
    Rehash(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyStep {
    None,
    Begin,
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) later_ns: u64,
    pub(crate) limits: (u16, u16),
    pub(crate) keys: KeyStep,
    pub(crate) steps: Vec<Step>,
    /// Of payments to an alias: committed or not.
    pub(crate) outcomes: Vec<(u8, bool)>,
    /// Who looks up which alias.
    pub(crate) lookups: Vec<(u32, u8, u8)>,
    pub(crate) is_persisted: bool,
    pub(crate) is_crash: bool,
    /// So many slots are destroyed.
    pub(crate) destroyed: usize,
    /// An earlier batch comes once more.
    pub(crate) again: prop::sample::Index,
}

fn wish() -> impl Strategy<Value = Wish> {
    let operation = prop_oneof![
        8 => Just(Operation::Register),
        4 => Just(Operation::Update),
        2 => Just(Operation::Pause),
        2 => Just(Operation::Resume),
        2 => Just(Operation::Remove),
        1 => Just(Operation::Erase),
        3 => Just(Operation::Report),
        2 => Just(Operation::Import),
    ];
    let who = (1..=PARTICIPANTS, 0..ALIASES, 0..PEOPLE, 0..ACCOUNTS);
    let nonce = prop_oneof![3 => Just(None), 1 => (0..3u8).prop_map(Some)];
    let holds_for_min = prop_oneof![1 => -60..1i64, 9 => 1..1_440i64];
    let defaults = prop_oneof![Just(0u16), Just(1), Just(2), Just(0b1001)];
    (operation, who, nonce, holds_for_min, defaults, 0..16u8).prop_map(
        |(operation, (participant, alias, identity, account), nonce, holds_for_min, defaults, consent_purpose)| Wish {
            participant,
            operation,
            alias,
            identity,
            account,
            nonce,
            holds_for_min,
            defaults,
            consent_purpose,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => wish().prop_map(Step::Command),
        3 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, is_other)| Step::Repeat { which, is_other }),
        2 => (0..1u8 << ALIASES).prop_map(Step::Rehash),
    ]
}

pub(crate) fn plan(steps_max: usize) -> impl Strategy<Value = Plan> {
    let later = prop_oneof![
        4 => 1..HOUR_NS,
        2 => Just(12 * HOUR_NS),
        2 => Just(24 * HOUR_NS),
        1 => Just(2 * 24 * HOUR_NS),
        1 => Just(170 * 24 * HOUR_NS),
    ];
    let keys = prop_oneof![3 => Just(KeyStep::None), 1 => Just(KeyStep::Begin), 1 => Just(KeyStep::End)];
    let limits = prop_oneof![4 => Just((3, 3)), 1 => Just((1, 2)), 1 => Just((2, 1)), 1 => Just((0, 0))];
    let outcomes = prop::collection::vec((0..ALIASES, any::<bool>()), 0..6);
    let lookups = prop::collection::vec((1..=PARTICIPANTS, 0..ALIASES, 1..5u8), 0..3);
    let copy = (prop::bool::weighted(0.4), prop::bool::weighted(0.2), 0..4usize, any::<prop::sample::Index>());
    let steps = prop::collection::vec(step(), 0..=steps_max);
    (later, limits, keys, steps, outcomes, lookups, copy).prop_map(
        |(later_ns, limits, keys, steps, outcomes, lookups, (is_persisted, is_crash, destroyed, again))| Plan {
            later_ns,
            limits,
            keys,
            steps,
            outcomes,
            lookups,
            is_persisted,
            is_crash,
            destroyed,
            again,
        },
    )
}

/// What the model is told of an entry.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Command { sent: Sent, slot: u64, sealed: Vec<u8> },
    Rehash(Vec<u8>),
}

/// What the model is told of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    pub(crate) time_ns: u64,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) limits: (u16, u16),
    pub(crate) generation: u8,
    pub(crate) is_rolling: bool,
    pub(crate) entries: Vec<Told>,
    /// Hashes of aliases are a number and a generation.
    pub(crate) outcomes: Vec<((u8, u8), bool)>,
    pub(crate) lookups: Vec<LookupMade>,
}

/// The edge, with what it must remember.
pub(crate) struct Edge {
    generation: u8,
    is_rolling: bool,
    sequence: u64,
    time_ns: u64,
    fresh: u64,
    /// All slots that were ever taken: 1 to this.
    pub(crate) slots: u64,
    sent: Vec<Sent>,
}

impl Edge {
    pub(crate) fn new() -> Edge {
        Edge { generation: 1, is_rolling: false, sequence: 0, time_ns: BEGIN_NS, fresh: 0, slots: 0, sent: Vec::new() }
    }

    /// The batch of a plan: for the directory, and for the model, whose state before it the rows of new hashes are of.
    pub(crate) fn batch(&mut self, plan: &Plan, before: &Model) -> (DirectoryBatch, Telling) {
        if plan.keys == KeyStep::Begin && !self.is_rolling && self.generation < u8::MAX {
            (self.generation, self.is_rolling) = (self.generation + 1, true);
        }
        self.time_ns += plan.later_ns;
        let first_sequence = self.sequence + 1;
        let mut telling = Telling {
            time_ns: self.time_ns,
            first_sequence,
            last_sequence: 0,
            limits: plan.limits,
            generation: self.generation,
            is_rolling: self.is_rolling,
            entries: Vec::new(),
            outcomes: Vec::new(),
            lookups: Vec::new(),
        };
        let mut payload = Vec::new();
        for step in &plan.steps {
            match step {
                Step::Command(wish) => {
                    let sent = self.send(wish);
                    self.sent.push(sent.clone());
                    self.command(sent, &mut payload, &mut telling);
                }
                Step::Repeat { which, is_other } if !self.sent.is_empty() => {
                    let mut sent = which.get(&self.sent).clone();
                    if *is_other {
                        (sent.digest[15], sent.alias) = (sent.digest[15] ^ 1, (sent.alias + 1) % ALIASES);
                    }
                    self.command(sent, &mut payload, &mut telling);
                }
                Step::Rehash(bits) if self.is_rolling => {
                    let aliases = (0..ALIASES).filter(|alias| bits & (1 << alias) != 0).collect();
                    self.rehash(aliases, before, &mut payload, &mut telling);
                }
                Step::Repeat { .. } | Step::Rehash(_) => {}
            }
        }
        if plan.keys == KeyStep::End && self.is_rolling {
            self.rehash((0..ALIASES).collect(), before, &mut payload, &mut telling);
            self.is_rolling = false;
        }
        self.sequence = first_sequence + telling.entries.len() as u64;
        telling.last_sequence = self.sequence;
        // As a payment was resolved before the batch.
        telling.outcomes = (plan.outcomes.iter())
            .map(|&(alias, is_committed)| {
                let generation = before.held.get(&alias).map_or(telling.generation, |held| held.generation);
                ((alias, generation), is_committed)
            })
            .collect();
        for (place, &(participant, alias, purpose)) in plan.lookups.iter().enumerate() {
            let Some(held) = before.held.get(&alias) else { continue };
            telling.lookups.push(LookupMade {
                position: self.sequence + 1 + place as u64,
                entry: held.entry,
                participant: ParticipantId(participant),
                purpose,
                time_ns: self.time_ns,
            });
        }
        self.sequence += plan.lookups.len() as u64;
        telling.last_sequence = self.sequence;
        let outcome = |is_committed| if is_committed { Outcome::Committed } else { Outcome::Rejected };
        let outcomes = telling.outcomes.iter();
        let outcomes = outcomes.map(|&((alias, generation), is)| (alias_hash(alias, generation), outcome(is)));
        let batch = DirectoryBatch {
            first_sequence,
            last_sequence: self.sequence,
            time_ns: self.time_ns,
            payload,
            limits: DirectoryLimits { per_identity: plan.limits.0, per_account: plan.limits.1 },
            outcomes: outcomes.collect(),
            lookups: telling.lookups.clone(),
        };
        (batch, telling)
    }

    fn send(&mut self, wish: &Wish) -> Sent {
        self.fresh += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.fresh.to_le_bytes());
        let has_alias = wish.operation != Operation::Erase;
        let attested = (wish.operation == Operation::Register).then(|| {
            let (domain, number) = wish.nonce.map_or((4, self.fresh as u32), |nonce| (5, u32::from(nonce)));
            let until_ns = self.time_ns.saturating_add_signed(wish.holds_for_min * 60_000_000_000);
            (hash(domain, 0, number, 0), until_ns)
        });
        Sent {
            id,
            digest: [self.fresh as u8; 16],
            participant: wish.participant,
            operation: wish.operation,
            alias: if has_alias { wish.alias } else { 0 },
            identity: wish.identity,
            account: wish.account,
            attested,
            defaults: wish.defaults,
            consent_purpose: wish.consent_purpose,
        }
    }

    fn command(&mut self, sent: Sent, payload: &mut Vec<u8>, telling: &mut Telling) {
        use Operation::{Erase, Import, Register, Update};
        let (generation, operation) = (self.generation, sent.operation);
        let is_sealed = matches!(operation, Register | Update | Import);
        let has_identity = matches!(operation, Register | Update | Import | Erase);
        let hashed = |is_there: bool, hash: &dyn Fn(u8) -> [u8; 16]| {
            let before = if is_there && self.is_rolling { hash(generation - 1) } else { [0; 16] };
            (if is_there { hash(generation) } else { [0; 16] }, before)
        };
        let (alias, alias_before) = hashed(operation != Erase, &|of| alias_hash(sent.alias, of));
        let (identity, identity_before) =
            hashed(has_identity, &|of| identity_hash(sent.participant, sent.identity, of));
        let (account, account_before) = hashed(is_sealed, &|of| account_hash(sent.participant, sent.account, of));
        let (nonce, attested_until_ns) = sent.attested.unwrap_or_default();
        let command = AliasCommanded {
            command_id: sent.id,
            digest: sent.digest,
            participant: sent.participant,
            operation: operation as u8,
            alias_type: if operation == Erase { 0 } else { kind_of(sent.alias) },
            generation,
            alias,
            alias_before,
            identity,
            identity_before,
            account,
            account_before,
            nonce,
            attested_until_ns,
            defaults: sent.defaults,
            consent_purpose: sent.consent_purpose,
            consent_until_ns: u64::from(sent.consent_purpose) * HOUR_NS,
        };
        self.slots += u64::from(is_sealed);
        let (slot, seal_key) = if is_sealed { (self.slots, self.slots | SLOT_KEY) } else { (0, 0) };
        let sealed = if is_sealed { vec![slot as u8; 1 + slot as usize % 5] } else { Vec::new() };
        let sender = match operation {
            Import => Sender::Operator,
            _ => Sender::Participant(ParticipantId(sent.participant)),
        };
        let head = EntryHead { kind: EntryKind::AliasCommanded, sender, seal_key };
        entry::write(payload, head, &[], &command.bytes(), |out, _| out.extend_from_slice(&sealed));
        telling.entries.push(Told::Command { sent, slot, sealed });
    }

    /// Also of what nobody has: it may have gone meanwhile.
    fn rehash(&self, aliases: Vec<u8>, before: &Model, payload: &mut Vec<u8>, telling: &mut Telling) {
        let rows: Vec<RehashedRow> = (aliases.iter())
            .map(|&alias| {
                let whose =
                    before.held.get(&alias).map_or((1, 0, 0), |held| (held.participant, held.identity, held.account));
                RehashedRow {
                    alias_before: alias_hash(alias, self.generation - 1),
                    alias: alias_hash(alias, self.generation),
                    identity_before: identity_hash(whose.0, whose.1, self.generation - 1),
                    identity: identity_hash(whose.0, whose.1, self.generation),
                    account: account_hash(whose.0, whose.2, self.generation),
                }
            })
            .collect();
        write_rehashed(payload, self.generation, &rows);
        telling.entries.push(Told::Rehash(aliases));
    }
}
