//! Writing a snapshot: pieces of the body in any order, then everything that proves them.
//!
//! ```text
//!   page, page ... --> portion --> queue --> Job: write, sync, write, sync ...
//!   finish ----------------------> queue --> Job: read all back, checksums, head and foot, sync, rename, sync names,
//!                                            keep two
//! ```

use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::JoinHandle;

use super::fault::SnapshotFault;
use super::file::{Foot, HEAD_BYTES, Layout, PREPARING_NAME, encode_foot, encode_head};
use super::{Snapshot, SnapshotWork, Snapshots, snapshot_name};
use crate::journal::Storage;
use crate::limits::{
    CAPTURE_PIECE_BYTES, PREPARE_WRITE_BYTES, SNAPSHOT_PORTION_BYTES, SNAPSHOT_QUEUE_PORTIONS, to_usize,
};

/// Takes the body of a snapshot. Dropped before [`SnapshotWriter::finish`], it leaves nothing that counts.
pub struct SnapshotWriter<S: Storage> {
    /// Not yet handed over.
    portion: Portion,
    to: To<S>,
}

/// Pieces that travel together, because most are small.
struct Portion {
    bytes: Vec<u8>,
    /// Where each piece belongs in the body, and its length.
    pieces: Vec<(u64, usize)>,
}

impl Portion {
    /// With room for all that it will take, so that it never has to be moved.
    fn new() -> Portion {
        Portion { bytes: Vec::with_capacity(SNAPSHOT_PORTION_BYTES + CAPTURE_PIECE_BYTES), pieces: Vec::new() }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
    }
}

/// Who does the writing.
enum To<S: Storage> {
    /// Boxed, since the other one is small.
    Inline(Box<Job<S>>),
    Beside {
        queue: SyncSender<Portion>,
        thread: Thread,
    },
}

/// The thread, and what it comes to.
struct Thread {
    result: Receiver<Result<Snapshot, SnapshotFault>>,
    /// Written: their room is used again.
    portions_done: Receiver<Portion>,
    spare: Vec<Portion>,
    portions_waiting: usize,
    handle: Option<JoinHandle<()>>,
}

impl<S: Storage> SnapshotWriter<S> {
    pub(super) fn begin(snapshots: Snapshots<S>, snapshot: Snapshot) -> Result<SnapshotWriter<S>, SnapshotFault> {
        let work = snapshots.options.work;
        let storage = snapshots.storage.clone();
        let to = match work {
            SnapshotWork::Inline => To::Inline(Box::new(Job::begin(snapshots, snapshot)?)),
            SnapshotWork::Beside => {
                let (queue, portions) = sync_channel(SNAPSHOT_QUEUE_PORTIONS);
                let (finished, result) = channel();
                let (done, portions_done) = channel();
                // The file is made there, too: the owner touches no disk.
                let run = move || {
                    let result = Job::begin(snapshots, snapshot).and_then(|job| job.run(&portions, &done));
                    // Nobody may want to know any more: then the writer was dropped.
                    let _ = finished.send(result);
                };
                let handle = std::thread::Builder::new()
                    .name("snapshot-write".to_owned())
                    .spawn(run)
                    .map_err(SnapshotFault::on(&storage, "start a thread for", "."))?;
                let spare = Vec::new();
                let thread = Thread { result, portions_done, spare, portions_waiting: 0, handle: Some(handle) };
                To::Beside { queue, thread }
            }
        };
        Ok(SnapshotWriter { portion: Portion::new(), to })
    }

    /// How many bytes may be given now without waiting for the disk.
    pub fn room_bytes(&mut self) -> usize {
        match &mut self.to {
            To::Inline(_) => SNAPSHOT_PORTION_BYTES,
            // Whoever gives more will learn why nothing is taken.
            To::Beside { thread, .. } if thread.has_ended() => SNAPSHOT_PORTION_BYTES,
            To::Beside { thread, .. } => {
                let free = SNAPSHOT_QUEUE_PORTIONS - thread.waiting().min(SNAPSHOT_QUEUE_PORTIONS);
                (free * SNAPSHOT_PORTION_BYTES).saturating_sub(self.portion.bytes.len())
            }
        }
    }

    /// Takes a piece of the body. Every byte of it is to be given exactly once, in any order. Waits where there is no room.
    pub fn page(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SnapshotFault> {
        self.portion.bytes.extend_from_slice(bytes);
        self.portion.pieces.push((offset, bytes.len()));
        if self.portion.bytes.len() >= SNAPSHOT_PORTION_BYTES { self.hand_over() } else { Ok(()) }
    }

    /// The body is complete. What remains to be done (everything is read back once) is done beside the caller, where a thread
    /// writes.
    pub fn finish(mut self) -> SnapshotFinishing {
        if let Err(fault) = self.hand_over() {
            return SnapshotFinishing(Finishing::Done(Err(fault)));
        }
        SnapshotFinishing(match self.to {
            To::Inline(job) => Finishing::Done(job.complete_or_clear()),
            // Without its queue the thread knows that nothing more comes.
            To::Beside { thread, .. } => Finishing::Beside(thread),
        })
    }

    fn hand_over(&mut self) -> Result<(), SnapshotFault> {
        if self.portion.pieces.is_empty() {
            return Ok(());
        }
        match &mut self.to {
            To::Inline(job) => {
                job.write_or_clear(&self.portion)?;
                self.portion.clear();
                Ok(())
            }
            To::Beside { queue, thread } => {
                let next = thread.spare.pop().unwrap_or_else(Portion::new);
                let portion = core::mem::replace(&mut self.portion, next);
                thread.portions_waiting += 1;
                queue.send(portion).map_err(|_| thread.fault())
            }
        }
    }
}

impl Thread {
    fn waiting(&mut self) -> usize {
        for mut written in self.portions_done.try_iter() {
            written.clear();
            self.spare.push(written);
            self.portions_waiting -= 1;
        }
        self.portions_waiting
    }

    fn has_ended(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Why the thread has stopped taking portions.
    fn fault(&mut self) -> SnapshotFault {
        match self.result.recv() {
            Ok(Err(fault)) => fault,
            Ok(Ok(_)) => panic!("a snapshot was finished before it was complete"),
            Err(_) => panic!("the thread that writes the snapshot has panicked"),
        }
    }
}

impl Drop for Thread {
    /// Waits, so that a directory that is opened next is not written by the one before.
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            // A panic there has been reported there; here it changes nothing more.
            let _ = handle.join();
        }
    }
}

/// A snapshot whose body is complete. Dropped, it is waited for.
pub struct SnapshotFinishing(Finishing);

enum Finishing {
    Done(Result<Snapshot, SnapshotFault>),
    Beside(Thread),
}

impl SnapshotFinishing {
    /// What came of it, once it is known. Does not wait.
    pub fn poll(&mut self) -> Option<Result<Snapshot, SnapshotFault>> {
        if let Finishing::Beside(thread) = &self.0 {
            let result = match thread.result.try_recv() {
                Ok(result) => result,
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => panic!("the thread that writes the snapshot has panicked"),
            };
            self.0 = Finishing::Done(result);
        }
        match &self.0 {
            Finishing::Done(result) => Some(result.clone()),
            Finishing::Beside(_) => None,
        }
    }

    /// What came of it. With `Ok` the snapshot is durable.
    pub fn wait(mut self) -> Result<Snapshot, SnapshotFault> {
        match &mut self.0 {
            Finishing::Done(result) => result.clone(),
            Finishing::Beside(thread) => {
                thread.result.recv().expect("the thread that writes the snapshot has not panicked")
            }
        }
    }
}

/// The file that is being written.
struct Job<S: Storage> {
    snapshots: Snapshots<S>,
    file: S::File,
    snapshot: Snapshot,
    layout: Layout,
    given: Given,
    unsynced: u64,
}

/// What was given, whatever its order: when all of it is read back, the same must come out.
#[derive(Default)]
struct Given {
    bytes: u64,
    /// The linear CRC-32C of the body: the sum of what each piece adds to it by its place.
    crc: u32,
    behind: Zeros,
}

impl Given {
    fn add(&mut self, piece: &[u8], bytes_behind: u64) {
        self.bytes += piece.len() as u64;
        self.crc ^= self.behind.append(linear_crc(0, piece), bytes_behind);
    }
}

/// CRC-32C without the inversions at both ends, so that it is linear: of zeros it is 0, and of a sum of bodies the sum.
fn linear_crc(before: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!before, bytes)
}

/// What zeros behind a piece make of its linear CRC: linear too, so it is known from what 1, 2, 4, ... zeros make of each
/// bit. The library's way to combine two checksums works these out anew each time, at 100,000 instructions a piece.
struct Zeros {
    /// At n: what 2^n zeros make of each bit.
    of_powers: Box<[[u32; 32]; u64::BITS as usize]>,
}

impl Default for Zeros {
    fn default() -> Zeros {
        let mut of_powers = Box::new([[0; 32]; u64::BITS as usize]);
        of_powers[0] = core::array::from_fn(|bit| linear_crc(1 << bit, &[0]));
        for power in 1..of_powers.len() {
            let half = of_powers[power - 1];
            of_powers[power] = half.map(|crc| applied(&half, crc));
        }
        Zeros { of_powers }
    }
}

impl Zeros {
    /// The linear CRC of what has this one, and so many zeros behind it.
    fn append(&self, crc: u32, zeros: u64) -> u32 {
        let powers = self.of_powers.iter().enumerate().filter(|(power, _)| zeros >> power & 1 == 1);
        powers.fold(crc, |crc, (_, of_power)| applied(of_power, crc))
    }
}

/// The sum of what becomes of each bit that is set.
fn applied(of_bits: &[u32; 32], crc: u32) -> u32 {
    of_bits.iter().enumerate().fold(0, |sum, (bit, of_bit)| if crc >> bit & 1 == 1 { sum ^ of_bit } else { sum })
}

impl<S: Storage> Job<S> {
    fn begin(snapshots: Snapshots<S>, snapshot: Snapshot) -> Result<Job<S>, SnapshotFault> {
        let storage = &snapshots.storage;
        let names = storage.list().map_err(SnapshotFault::on(storage, "list", "."))?;
        if names.iter().any(|file| file.name == PREPARING_NAME) {
            storage.remove(PREPARING_NAME).map_err(SnapshotFault::on(storage, "remove", PREPARING_NAME))?;
        }
        // Empty: it grows as it is written, so that nothing is written twice.
        let file = storage.create(PREPARING_NAME, 0).map_err(SnapshotFault::on(storage, "create", PREPARING_NAME))?;
        let layout = Layout { body_bytes: snapshot.body_bytes };
        Ok(Job { snapshots, file, snapshot, layout, given: Given::default(), unsynced: 0 })
    }

    fn run(mut self, portions: &Receiver<Portion>, done: &Sender<Portion>) -> Result<Snapshot, SnapshotFault> {
        for portion in portions {
            self.write_or_clear(&portion)?;
            // Nobody may ask for room any more.
            let _ = done.send(portion);
        }
        self.complete_or_clear()
    }

    fn write_or_clear(&mut self, portion: &Portion) -> Result<(), SnapshotFault> {
        self.write(portion).inspect_err(|_| self.clear())
    }

    fn complete_or_clear(mut self) -> Result<Snapshot, SnapshotFault> {
        self.complete().inspect_err(|_| self.clear())?;
        Ok(self.snapshot)
    }

    /// Gives the space back. That it may fail as well changes nothing: the next one begins with it.
    fn clear(&self) {
        let _ = self.snapshots.storage.remove(PREPARING_NAME);
    }

    fn write(&mut self, portion: &Portion) -> Result<(), SnapshotFault> {
        let mut from = 0;
        for (offset, length) in &portion.pieces {
            let piece = &portion.bytes[from..from + length];
            let behind = self.layout.body_bytes.checked_sub(offset + *length as u64);
            self.given.add(piece, behind.expect("a piece lies in the body"));
            self.write_at(HEAD_BYTES as u64 + offset, piece)?;
            from += length;
        }
        Ok(())
    }

    /// Synced in portions, so that the journal's own sync never waits behind many of them.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SnapshotFault> {
        let storage = &self.snapshots.storage;
        storage.write_at(&self.file, offset, bytes).map_err(SnapshotFault::on(storage, "write", PREPARING_NAME))?;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= PREPARE_WRITE_BYTES { self.sync() } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<(), SnapshotFault> {
        let storage = &self.snapshots.storage;
        storage.sync_data(&self.file).map_err(SnapshotFault::on(storage, "sync", PREPARING_NAME))?;
        self.unsynced = 0;
        Ok(())
    }

    fn complete(&mut self) -> Result<(), SnapshotFault> {
        let (given, announced) = (self.given.bytes, self.layout.body_bytes);
        if given != announced {
            return Err(SnapshotFault::Incomplete { given, announced });
        }
        self.sync()?;
        let (table, body_digest) = self.read_back()?;
        self.snapshot.body_digest = body_digest;
        let Snapshots { lineage, options, .. } = self.snapshots;
        let (head, head_crc) = encode_head(&self.snapshot, lineage, options.format);
        let foot = encode_foot(&Foot { body_digest, head_crc, table_crc: crc32c::crc32c(&table) });
        self.write_at(0, &head)?;
        self.write_at(self.layout.table_at(), &table)?;
        self.write_at(self.layout.foot_at(), &foot)?;
        self.sync()?;
        self.check_frame(&head, &[&table[..], &foot].concat())?;
        self.publish()
    }

    /// The body as it is on disk, which must be what was given: a checksum for each page, and the digest of all.
    fn read_back(&self) -> Result<(Vec<u8>, [u8; 32]), SnapshotFault> {
        let storage = &self.snapshots.storage;
        storage.drop_cache(&self.file).map_err(SnapshotFault::on(storage, "drop the cache of", PREPARING_NAME))?;
        let mut hasher = blake3::Hasher::new();
        let mut table = Vec::with_capacity(to_usize(self.layout.table_bytes()));
        let mut bytes = Vec::new();
        let mut crc = 0;
        for page in 0..self.layout.pages() {
            bytes.resize(self.layout.page_bytes(page), 0);
            self.read_at(self.layout.page_at(page), &mut bytes)?;
            table.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
            hasher.update(&bytes);
            crc = linear_crc(crc, &bytes);
        }
        if crc != self.given.crc {
            return Err(SnapshotFault::NotAsWritten { path: storage.path_of(PREPARING_NAME) });
        }
        Ok((table, *hasher.finalize().as_bytes()))
    }

    fn check_frame(&self, head: &[u8], tail: &[u8]) -> Result<(), SnapshotFault> {
        let storage = &self.snapshots.storage;
        storage.drop_cache(&self.file).map_err(SnapshotFault::on(storage, "drop the cache of", PREPARING_NAME))?;
        for (offset, written) in [(0, head), (self.layout.table_at(), tail)] {
            let mut read = vec![0; written.len()];
            self.read_at(offset, &mut read)?;
            if read != written {
                return Err(SnapshotFault::NotAsWritten { path: storage.path_of(PREPARING_NAME) });
            }
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), SnapshotFault> {
        let storage = &self.snapshots.storage;
        storage.read_exact_at(&self.file, offset, into).map_err(SnapshotFault::on(storage, "read", PREPARING_NAME))
    }

    /// The content is durable; now the name. One that has it already is of the same position, and no better.
    fn publish(&self) -> Result<(), SnapshotFault> {
        let (storage, name) = (&self.snapshots.storage, snapshot_name(self.snapshot.position));
        if self.snapshots.files()?.iter().any(|(position, _)| *position == self.snapshot.position) {
            storage.remove(&name).map_err(SnapshotFault::on(storage, "remove", &name))?;
        }
        storage.rename(PREPARING_NAME, &name).map_err(SnapshotFault::on(storage, "rename", PREPARING_NAME))?;
        storage.sync_dir().map_err(SnapshotFault::on(storage, "sync", "."))?;
        self.snapshots.keep_two(self.snapshot.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_in_any_order_come_to_the_crc_of_the_whole() {
        let body: Vec<u8> = (0..10_000u32).map(|n| ((n * n) >> 5).to_le_bytes()[0]).collect();
        let cuts = [0, 1, 2, 130, 294, 4_096, 4_097, 9_999, 10_000];
        let mut given = Given::default();
        for ends in cuts.windows(2).rev() {
            given.add(&body[ends[0]..ends[1]], (body.len() - ends[1]) as u64);
        }
        assert_eq!((given.bytes, given.crc), (body.len() as u64, linear_crc(0, &body)));
        assert_ne!(given.crc, linear_crc(0, &[&[1], &body[1..]].concat()));
    }

    /// The library's combination is the reference: a body of terabytes included.
    #[test]
    fn zeros_behind_are_what_the_library_says() {
        let zeros = Zeros::default();
        for behind in [0, 1, 7, 4_096, 123_456_789, 1 << 33, (1 << 42) + 5] {
            for crc in [0, 1, 0x8000_0000, 0xdead_beef] {
                assert_eq!(zeros.append(crc, behind), crc32c::crc32c_combine(crc, 0, to_usize(behind)), "{behind}");
            }
        }
    }
}
