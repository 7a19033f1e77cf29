//! The directory: aliases, and whose accounts they are. The second state machine on the journal.
//!
//! It is a function of the journal: it reads no clock and no key, and knows aliases, identities and accounts only by keyed hashes; what they are lies sealed in its entries. Its
//! store is on disk, beside the journal, and can be made again from it. The rules are `docs/directory-rules.md`, the bytes `docs/formats/directory.md`.
//!
//! `machine.rs` decides commands, `store.rs` keeps entries, `reader.rs` is how other threads read them, `looked_up.rs` has who looked up what, `vault.rs` has the secrets that open what is sealed, `hashes.rs` makes the
//! hashes. What stands between these and providers is `clerk.rs`, beside this folder.

pub mod counters;
pub mod hashes;
mod looked_up;
pub mod machine;
pub mod reader;
pub mod record;
pub mod store;
pub mod vault;

pub use looked_up::LookupsPage;
pub use machine::{CommandResult, Directory, DirectoryBatch, DirectoryLimits};
pub use reader::{DirectoryProgress, DirectoryReader};
pub use record::Record;
