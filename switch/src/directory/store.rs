//! Where the directory keeps its entries: keys and values in spaces, changed by atomic batches. Two stores: on disk, and in memory for the simulator.
//!
//! It knows bytes. What they mean, `docs/formats/directory.md` says, and `machine.rs` does.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use fjall::compaction::Leveled;
use fjall::config::{
    BlockSizePolicy, BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry, PartitioningPolicy, PinningPolicy,
};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::limits::{DIRECTORY_CACHE_BYTES, DIRECTORY_JOURNAL_BYTES, DIRECTORY_MEMTABLE_BYTES, DIRECTORY_TABLE_BYTES};

/// How much the store's own threads stand back for the others: with both cores busy they get a tenth of what one of those gets.
const WORKERS_NICE: i32 = 10;

/// A space of keys. The numbers go into the digest: never renumber, never reuse.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// How far the directory has come.
    Meta = 0,
    /// Entries, by the hash of their alias.
    Aliases = 1,
    /// What an identity has.
    Identities = 2,
    /// What leads to an account.
    Accounts = 3,
    /// Results of commands.
    Commands = 4,
    /// The same, in the order in which they came.
    CommandOrder = 5,
    /// Attestations that were used.
    Nonces = 6,
    /// The same, by when they end.
    NonceEnds = 7,
    /// Who has reported what.
    Reports = 8,
    /// What became of payments.
    Counters = 9,
    /// Who was erased.
    Erasures = 10,
    /// Slots of the vault that are to be destroyed.
    FreeSlots = 11,
    /// Who has looked up what: volumes.
    Lookups = 12,
    /// The same, what is in no volume yet.
    FreshLookups = 13,
}

impl Space {
    /// All of them, in the order of their numbers.
    pub const ALL: [Space; 14] = [
        Space::Meta,
        Space::Aliases,
        Space::Identities,
        Space::Accounts,
        Space::Commands,
        Space::CommandOrder,
        Space::Nonces,
        Space::NonceEnds,
        Space::Reports,
        Space::Counters,
        Space::Erasures,
        Space::FreeSlots,
        Space::Lookups,
        Space::FreshLookups,
    ];

    /// Is it part of the state that is digested? How far the directory has come, and what is still to be destroyed, are matters of one copy; look-ups decide nothing.
    pub fn is_state(self) -> bool {
        !matches!(self, Space::Meta | Space::FreeSlots | Space::Lookups | Space::FreshLookups)
    }

    fn name(self) -> &'static str {
        match self {
            Space::Meta => "meta",
            Space::Aliases => "aliases",
            Space::Identities => "identities",
            Space::Accounts => "accounts",
            Space::Commands => "commands",
            Space::CommandOrder => "command-order",
            Space::Nonces => "nonces",
            Space::NonceEnds => "nonce-ends",
            Space::Reports => "reports",
            Space::Counters => "counters",
            Space::Erasures => "erasures",
            Space::FreeSlots => "free-slots",
            Space::Lookups => "lookups",
            Space::FreshLookups => "fresh-lookups",
        }
    }
}

/// The store cannot be read or written. The switch stops; the directory can be made again from the journal.
#[derive(Debug)]
pub struct StoreFault {
    /// What was being done.
    doing: &'static str,
    /// What the store says.
    why: String,
}

impl StoreFault {
    fn of(doing: &'static str) -> impl FnOnce(fjall::Error) -> StoreFault {
        move |error| StoreFault { doing, why: error.to_string() }
    }

    /// The store has applied what the journal does not have.
    pub(crate) fn beyond(reached: u64, due: u64) -> StoreFault {
        let why = format!("it has come to position {reached}, and the journal has nothing for it behind {due}");
        StoreFault { doing: "opening", why }
    }

    /// The store holds what it cannot hold.
    pub(super) fn damaged(why: impl Into<String>) -> StoreFault {
        StoreFault { doing: "reading", why: why.into() }
    }
}

impl std::fmt::Display for StoreFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the directory's store: {} failed: {}; it is made again from the journal where the folder `directory` is removed",
            self.doing, self.why
        )
    }
}

impl std::error::Error for StoreFault {}

/// One change: the value of a key, or none to take it out.
pub struct Change {
    /// Where.
    pub space: Space,
    /// Which.
    pub key: Vec<u8>,
    /// What it is from now on.
    pub value: Option<Vec<u8>>,
}

/// A store. Its handles are cheap to copy and read from any thread.
pub trait Store: Clone + Send + 'static {
    /// The value of a key.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault>;

    /// Calls with keys and values from `from` on, in the order of keys, until it is told to stop.
    fn scan(&self, space: Space, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreFault>;

    /// The last key that is not behind `through`.
    fn last_through(&self, space: Space, through: &[u8]) -> Result<Option<Vec<u8>>, StoreFault>;

    /// Makes all these changes, or, where it is stopped in the middle, none.
    fn write(&self, changes: Vec<Change>) -> Result<(), StoreFault>;

    /// Everything that was written survives the machine.
    fn persist(&self) -> Result<(), StoreFault>;
}

/// The store on disk.
#[derive(Clone)]
pub struct DiskStore {
    database: Database,
    spaces: Arc<Vec<Keyspace>>,
}

impl DiskStore {
    /// Opens it, or makes an empty one. `path` is a directory of its own.
    pub fn open(path: &Path) -> Result<DiskStore, StoreFault> {
        let builder = Database::builder(path)
            .cache_size(DIRECTORY_CACHE_BYTES)
            .max_journaling_size(DIRECTORY_JOURNAL_BYTES)
            // One writes memtables to tables while others merge those: alone it would let memory grow for as long as a merge takes. Where all others merge the one spins, so there are more
            // than there is to merge at a time.
            .worker_threads(4);
        let opening = || {
            // Its threads inherit this one's place: they sort tables when nobody else wants the core. Where the machine refuses, they sort as before.
            let _ = rustix::process::nice(WORKERS_NICE);
            builder.open()
        };
        let opened = std::thread::scope(|scope| scope.spawn(opening).join());
        let opened = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let database = opened.map_err(StoreFault::of("opening"))?;
        let mut spaces = Vec::with_capacity(Space::ALL.len());
        for space in Space::ALL {
            let options = || {
                // Filters of the last level too: an alias that nobody has must cost no read of the disk.
                let filter = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
                // What every look-up goes through stays in memory: for 100 million entries 350 MB. Its entries are long; those of the others are short, and take three times in memory what is
                // counted of them.
                let is_pinned = space == Space::Aliases;
                let compaction = match space {
                    // What is new stands behind what is there: only the last table is ever merged, and the smaller that is the better.
                    Space::Lookups => Leveled::default(),
                    _ => Leveled::default().with_table_target_size(DIRECTORY_TABLE_BYTES),
                };
                KeyspaceCreateOptions::default()
                    .compaction_strategy(Arc::new(compaction))
                    .max_memtable_size(if is_pinned { DIRECTORY_MEMTABLE_BYTES } else { DIRECTORY_MEMTABLE_BYTES / 3 })
                    .manual_journal_persist(true)
                    .data_block_size_policy(BlockSizePolicy::all(4_096))
                    .filter_policy(FilterPolicy::all(filter))
                    .filter_block_pinning_policy(PinningPolicy::all(is_pinned))
                    .index_block_pinning_policy(PinningPolicy::all(is_pinned))
                    .filter_block_partitioning_policy(PartitioningPolicy::all(!is_pinned))
                    .index_block_partitioning_policy(PartitioningPolicy::all(!is_pinned))
                    .expect_point_read_hits(false)
            };
            spaces.push(database.keyspace(space.name(), options).map_err(StoreFault::of("opening"))?);
        }
        Ok(DiskStore { database, spaces: Arc::new(spaces) })
    }

    fn space(&self, space: Space) -> &Keyspace {
        &self.spaces[space as usize]
    }
}

impl Store for DiskStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        let value = self.space(space).get(key).map_err(StoreFault::of("reading"))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, space: Space, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreFault> {
        for item in self.space(space).range(from.to_vec()..) {
            let (key, value) = item.into_inner().map_err(StoreFault::of("reading"))?;
            if !visit(&key, &value) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn last_through(&self, space: Space, through: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        let last = self.space(space).range(..=through.to_vec()).next_back();
        let key = last.map(|item| item.key().map_err(StoreFault::of("reading"))).transpose()?;
        Ok(key.map(|key| key.to_vec()))
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), StoreFault> {
        let mut batch = self.database.batch();
        for Change { space, key, value } in changes {
            match value {
                Some(value) => batch.insert(self.space(space), key, value),
                None => batch.remove(self.space(space), key),
            }
        }
        batch.commit().map_err(StoreFault::of("writing"))
    }

    fn persist(&self) -> Result<(), StoreFault> {
        self.database.persist(PersistMode::SyncAll).map_err(StoreFault::of("syncing"))
    }
}

/// The simulator's store. What was written and not persisted is lost where it is told to forget.
#[derive(Clone, Default)]
pub struct MemoryStore {
    held: Arc<RwLock<Held>>,
}

#[derive(Default)]
struct Held {
    now: BTreeMap<(Space, Vec<u8>), Vec<u8>>,
    persisted: BTreeMap<(Space, Vec<u8>), Vec<u8>>,
    is_persisted: bool,
}

impl MemoryStore {
    /// The machine stops: what was not persisted is gone.
    pub fn forget_unpersisted(&self) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if !held.is_persisted {
            held.now = held.persisted.clone();
            held.is_persisted = true;
        }
    }
}

impl Store for MemoryStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        Ok(held.now.get(&(space, key.to_vec())).cloned())
    }

    fn scan(&self, space: Space, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreFault> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let entries = held.now.range((space, from.to_vec())..).take_while(|((of, _), _)| *of == space);
        for ((_, key), value) in entries {
            if !visit(key, value) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn last_through(&self, space: Space, through: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let last = held.now.range((space, Vec::new())..=(space, through.to_vec())).next_back();
        Ok(last.map(|((_, key), _)| key.clone()))
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), StoreFault> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.is_persisted = false;
        for Change { space, key, value } in changes {
            match value {
                Some(value) => held.now.insert((space, key), value),
                None => held.now.remove(&(space, key)),
            };
        }
        Ok(())
    }

    fn persist(&self) -> Result<(), StoreFault> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if !held.is_persisted {
            held.persisted = held.now.clone();
            held.is_persisted = true;
        }
        Ok(())
    }
}
