//! The journal: a durable, ordered, hash-chained log of batches on disk.
//!
//! It knows nothing of what it carries. What goes in: a payload with a time and a number of entries. What comes out: a
//! sequence number at once, and a [`Durable`] once it is on disk. Its form, and what recovery decides when, stand in
//! `docs/formats/journal.md`.
//!
//! It must never: report as durable what a crash can take away; cut off what may have been durable; retry a sync; draw a random
//! number or look at a clock.
//!
//! ```text
//!   RecordBuffer --append--> Journal --sync--> Durable
//!                               |
//!                            Storage: DiskStorage | FaultyStorage
//!                               |
//!   Journal::open (recovery), scan (verify), JournalReader
//!                               |
//!   closed segments: compress, archive, restore, as a RetentionPolicy says
//! ```

mod archive;
mod compressed;
mod fault;
pub mod faulty;
mod place;
mod prepare;
mod prepared;
mod reader;
mod record;
mod recovery;
mod retention;
mod segment;
mod storage;
mod truncate;
mod window;
mod writer;

pub use archive::{archive, restore};
pub use compressed::compress;
pub use fault::{Damage, JournalFault, PlaceDoubt};
pub use place::JournalPlace;
pub use reader::JournalReader;
pub use record::{Batch, BatchHead, HEADER_BYTES, Lineage, RecordBuffer, chain_digest};
pub use recovery::{ScanReport, Torn, check_place, lineage_of, scan, scan_after, scan_with_archive};
pub use retention::{RetentionPlan, RetentionPolicy};
pub use segment::{Position, SegmentFile, SegmentForm, compressed_segment_name, list_segments, segment_name};
pub use storage::{Access, DiskStorage, FileEntry, Storage};
pub use writer::{Appended, Durable, Journal, JournalOptions, Preparation};
