//! A directory that is filled row by row: what its benches begin with.

use adapters::directory::{AliasOutcome, AliasType, LookupPurpose, Operation};
use loadtest::aliases::{account_of, number_of, token_of};
use switch::directory::hashes::{HashKey, HashKeys, KeyedHash};
use switch::directory::machine::DirectoryLimits;
use switch::directory::store::Store;
use switch::directory::{CommandResult, Directory, DirectoryBatch};
use switch::engine::lookups::LookupMade;
use switch::entry::{self, AliasCommanded, EntryHead, EntryKind, ParticipantId, SLOT_KEY, Sender};

use crate::{Random, scheme};

/// Commands, or look-ups, of one batch.
pub const ENTRIES_PER_BATCH: u64 = 2_048;

/// Sealed alias, identity, account and name of an everyday entry, with nonce, tag and root.
const SEALED_BYTES: usize = 160;

/// The hash keys of every bench.
pub fn keys() -> HashKeys {
    HashKeys { current: HashKey { generation: 1, secret: [7; 32] }, before: None }
}

/// Whose customers a row is.
pub fn participant_of(row: u64) -> ParticipantId {
    ParticipantId(u32::try_from(row % scheme::PARTICIPANTS as u64).expect("few participants") + 1)
}

/// The hash of a row's alias.
pub fn alias_of(row: u64) -> KeyedHash {
    keys().alias(AliasType::Mobile as u8, number_of(row).as_bytes())
}

/// A directory that is filled row by row.
pub struct Filling<S: Store> {
    /// The directory.
    pub directory: Directory<S>,
    sequence: u64,
    /// Rows that were registered.
    pub rows: u64,
    random: Random,
    results: Vec<CommandResult>,
}

impl<S: Store> Filling<S> {
    /// An empty one.
    ///
    /// # Panics
    /// Where the store is not.
    pub fn new(store: S) -> Filling<S> {
        let directory = Directory::open(store).expect("an empty store");
        Filling { directory, sequence: 1, rows: 0, random: Random::new(1), results: Vec::new() }
    }

    /// A batch of commands of this operation about these rows.
    pub fn commands(&mut self, operation: Operation, rows: std::ops::Range<u64>) -> DirectoryBatch {
        let (hashes, mut payload) = (keys(), Vec::new());
        let count = rows.end - rows.start;
        for row in rows {
            let participant = participant_of(row);
            let code = scheme::code(participant.0 as usize - 1);
            let is_register = operation == Operation::Register;
            let is_new = is_register || operation == Operation::Import;
            let or_none = |hash: KeyedHash| if is_new { hash.0 } else { [0; 16] };
            let command = AliasCommanded {
                command_id: scheme::payment_id(&mut self.random).bytes(),
                digest: self.random.bytes(),
                participant: participant.0,
                operation: operation as u8,
                alias_type: AliasType::Mobile as u8,
                generation: 1,
                alias: alias_of(row).0,
                alias_before: [0; 16],
                identity: or_none(hashes.identity(&code, token_of(code.as_str(), row).as_bytes())),
                identity_before: [0; 16],
                account: or_none(hashes.account(&code, account_of(row).as_bytes())),
                account_before: [0; 16],
                nonce: if is_register { self.random.bytes() } else { [0; 16] },
                attested_until_ns: if is_new { u64::MAX } else { 0 },
                defaults: 0,
                consent_purpose: u8::from(is_new),
                consent_until_ns: if is_new { u64::MAX } else { 0 },
            };
            let seal_key = if is_new { row | SLOT_KEY } else { 0 };
            let head =
                EntryHead { kind: EntryKind::AliasCommanded, sender: Sender::Participant(participant), seal_key };
            entry::write(&mut payload, head, &[], &command.bytes(), |out, _| {
                out.resize(out.len() + if is_new { SEALED_BYTES } else { 0 }, 0x5a);
            });
        }
        self.batch(count, payload, Vec::new())
    }

    /// A batch of look-ups that were let pass.
    pub fn lookups(&mut self) -> DirectoryBatch {
        let first = self.sequence;
        let made = (1..=ENTRIES_PER_BATCH).map(|place| LookupMade {
            position: first + place,
            entry: 2 + self.random.draw() % self.rows,
            participant: ParticipantId(1),
            purpose: LookupPurpose::Payment as u8,
            time_ns: scheme::START_NS,
        });
        let made = made.collect();
        self.batch(ENTRIES_PER_BATCH, Vec::new(), made)
    }

    fn batch(&mut self, entries: u64, payload: Vec<u8>, lookups: Vec<LookupMade>) -> DirectoryBatch {
        let first_sequence = self.sequence;
        self.sequence += entries + 1;
        DirectoryBatch {
            first_sequence,
            last_sequence: self.sequence - 1,
            time_ns: scheme::START_NS + self.sequence,
            payload,
            limits: DirectoryLimits { per_identity: 20, per_account: 20 },
            outcomes: Vec::new(),
            lookups,
        }
    }

    /// Applies a batch.
    ///
    /// # Panics
    /// Where that fails.
    pub fn apply(&mut self, batch: &DirectoryBatch) {
        self.directory.apply(batch, &mut self.results).expect("the batch applies");
    }

    /// Everything was done.
    ///
    /// # Panics
    /// Where a command was refused.
    pub fn check(&mut self) {
        let outcomes = self.results.drain(..).map(|result| result.outcome);
        assert!(outcomes.into_iter().all(|outcome| outcome == AliasOutcome::Done), "no command is refused");
    }

    /// Registers the next rows; gives the batch, which is not applied.
    pub fn next_rows(&mut self) -> DirectoryBatch {
        self.next(Operation::Register, ENTRIES_PER_BATCH)
    }

    /// The same, of so many rows, by this operation.
    pub fn next(&mut self, operation: Operation, count: u64) -> DirectoryBatch {
        let rows = self.rows..self.rows + count;
        self.rows = rows.end;
        self.commands(operation, rows)
    }
}
