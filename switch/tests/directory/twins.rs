//! What the plans at random leave out: commands that were hashed before a new key came and journaled behind it, and more commands than are remembered.

use adapters::directory::{AliasOutcome, Operation};
use switch::directory::hashes::KeyedHash;
use switch::directory::store::{MemoryStore, Space, Store};
use switch::directory::{Directory, DirectoryBatch, DirectoryLimits};
use switch::entry::{
    self, AliasCommanded, EntryHead, EntryKind, ParticipantId, RehashedRow, SLOT_KEY, Sender, write_rehashed,
};
use switch::limits::DIRECTORY_COMMANDS_KEPT;

use crate::edge::{account_hash, alias_hash, identity_hash};
use crate::memory::applied;

/// A command of a participant's first customer about alias 0; without the hash under the key before.
fn command(out: &mut Vec<u8>, operation: Operation, participant: u32, generation: u8, number: u64) {
    let mut command_id = [0; 16];
    command_id[..8].copy_from_slice(&number.to_le_bytes());
    let command = AliasCommanded {
        command_id,
        digest: [1; 16],
        participant,
        operation: operation as u8,
        alias_type: 1,
        generation,
        alias: alias_hash(0, generation),
        alias_before: [0; 16],
        identity: identity_hash(participant, 0, generation),
        identity_before: [0; 16],
        account: account_hash(participant, 0, generation),
        account_before: [0; 16],
        nonce: [0; 16],
        attested_until_ns: 0,
        defaults: 0,
        consent_purpose: 1,
        consent_until_ns: 1,
    };
    let seal_key = if operation == Operation::Register { number | SLOT_KEY } else { 0 };
    let sender = Sender::Participant(ParticipantId(participant));
    let head = EntryHead { kind: EntryKind::AliasCommanded, sender, seal_key };
    entry::write(out, head, &[], &command.bytes(), |_, _| {});
}

fn batch(first_sequence: u64, entries: u64, payload: Vec<u8>) -> DirectoryBatch {
    DirectoryBatch {
        first_sequence,
        last_sequence: first_sequence + entries,
        time_ns: 1_795_392_000_000_000_000,
        payload,
        limits: DirectoryLimits { per_identity: 5, per_account: 5 },
        outcomes: Vec::new(),
        lookups: Vec::new(),
    }
}

/// One alias, registered by participant 1 under one key and then by participant 2 under the other; the row comes. Gives what is to be destroyed.
fn check_twins(first_generation: u8, later_generation: u8) {
    let store = MemoryStore::default();
    let mut directory = Directory::open(store.clone()).unwrap();
    let mut payload = Vec::new();
    command(&mut payload, Operation::Register, 1, first_generation, 11);
    command(&mut payload, Operation::Register, 2, later_generation, 12);
    let results = applied(&mut directory, &batch(1, 2, payload));
    assert!(results.iter().all(|result| result.outcome == AliasOutcome::Done));
    assert_eq!(directory.entries(), 2, "nobody can tell that it is one alias");

    let of_row = if first_generation == 1 { 1 } else { 2 };
    let row = RehashedRow {
        alias_before: alias_hash(0, 1),
        alias: alias_hash(0, 2),
        identity_before: identity_hash(of_row, 0, 1),
        identity: identity_hash(of_row, 0, 2),
        account: account_hash(of_row, 0, 2),
    };
    let mut payload = Vec::new();
    write_rehashed(&mut payload, 2, &[row]);
    applied(&mut directory, &batch(4, 1, payload));

    let reader = directory.reader();
    assert_eq!(directory.entries(), 1);
    assert!(reader.find(KeyedHash(alias_hash(0, 1))).unwrap().is_none());
    let held = reader.find(KeyedHash(alias_hash(0, 2))).unwrap().unwrap();
    assert_eq!((held.participant, held.slot), (ParticipantId(1), 11));
    assert_eq!(directory.free_slots(10).unwrap(), [12]);
    assert_eq!(reader.aliases_of(KeyedHash(identity_hash(1, 0, 2))).unwrap().len(), 1);
    assert_eq!(reader.aliases_at(KeyedHash(account_hash(1, 0, 2))).unwrap().len(), 1);
    for generation in [1, 2] {
        assert!(reader.aliases_of(KeyedHash(identity_hash(2, 0, generation))).unwrap().is_empty());
        assert!(reader.aliases_at(KeyedHash(account_hash(2, 0, generation))).unwrap().is_empty());
    }
    assert_eq!(directory.digest(), directory.recount().unwrap());
}

#[test]
fn of_two_registrations_of_one_alias_the_first_stays() {
    check_twins(1, 2);
    check_twins(2, 1);
}

#[test]
fn the_oldest_result_leaves_for_a_new_one() {
    const AT_ONCE: u64 = 1 << 15;
    let store = MemoryStore::default();
    let mut directory = Directory::open(store.clone()).unwrap();
    let (mut sequence, mut outcomes) = (1, Vec::new());
    let mut give = |directory: &mut Directory<MemoryStore>, numbers: std::ops::Range<u64>, operation| {
        let (count, mut payload) = (numbers.end - numbers.start, Vec::new());
        numbers.for_each(|number| command(&mut payload, operation, 1, 1, number));
        let results = applied(directory, &batch(sequence, count, payload));
        sequence += count + 1;
        outcomes = results.into_iter().map(|result| result.outcome).collect();
        outcomes[0]
    };
    for first in (0..DIRECTORY_COMMANDS_KEPT).step_by(AT_ONCE as usize) {
        give(&mut directory, first..first + AT_ONCE, Operation::Pause);
    }
    // The first is still known: it stays what it was, though the alias is there now.
    let newest = DIRECTORY_COMMANDS_KEPT;
    assert_eq!(give(&mut directory, 0..1, Operation::Pause), AliasOutcome::AliasNotYours);
    assert_eq!(give(&mut directory, newest..newest + 1, Operation::Register), AliasOutcome::Done);
    assert_eq!(give(&mut directory, 1..2, Operation::Pause), AliasOutcome::AliasNotYours, "the second is still known");
    assert_eq!(give(&mut directory, 0..1, Operation::Pause), AliasOutcome::Done, "the first is not");
    assert_eq!(give(&mut directory, 1..2, Operation::Resume), AliasOutcome::Done, "nor is the second any more");
    for space in [Space::Commands, Space::CommandOrder] {
        let mut count = 0;
        store
            .scan(space, &[], &mut |_, _| {
                count += 1;
                true
            })
            .unwrap();
        assert_eq!(count, DIRECTORY_COMMANDS_KEPT);
    }
    assert_eq!(directory.digest(), directory.recount().unwrap());
}
