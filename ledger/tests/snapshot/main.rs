//! Snapshots: what is valid after crashes, damage and full disks, and books that go through them.

mod book;
mod crash;
mod damage;

use ledger::journal::Lineage;
use ledger::journal::Storage;
use ledger::journal::faulty::FaultyStorage;
use ledger::snapshot::{Snapshot, SnapshotFault, SnapshotOptions, SnapshotWork, Snapshots};

const LINEAGE: Lineage = Lineage([7; 16]);
const INLINE: SnapshotOptions = SnapshotOptions { format: 5, work: SnapshotWork::Inline };

fn snapshots(storage: &FaultyStorage) -> Snapshots<FaultyStorage> {
    Snapshots::open(storage.clone(), LINEAGE, INLINE)
}

/// A body that says which one it is, longer than a page.
fn body_of(position: u64, bytes: usize) -> Vec<u8> {
    let pages = (0u8..=255).flat_map(|page| [page; 1_000]).cycle();
    position.to_le_bytes().iter().copied().cycle().zip(pages).map(|(byte, page)| byte ^ page).take(bytes).collect()
}

/// Writes a snapshot, the second half of its body first.
fn write<S: Storage>(snapshots: &Snapshots<S>, position: u64, body: &[u8]) -> Result<Snapshot, SnapshotFault> {
    let mut writer = snapshots.begin(position, &position.to_le_bytes(), body.len() as u64)?;
    let half = body.len() / 2;
    for from in (half..body.len()).step_by(40_000).chain((0..half).step_by(40_000)) {
        let end = if from < half { half } else { body.len() };
        writer.page(from as u64, &body[from..end.min(from + 40_000)])?;
    }
    writer.finish().wait()
}

/// The position whose snapshot is used, checked to be what was written, and the number of those that are refused.
fn used<S: Storage>(snapshots: &mut Snapshots<S>, bytes: usize) -> (Option<u64>, usize) {
    let loaded = snapshots
        .load(u64::MAX, |snapshot, body| {
            let mut read = Vec::new();
            std::io::Read::read_to_end(body, &mut read).map_err(|error| error.to_string())?;
            Ok((snapshot.owner.clone(), read))
        })
        .expect("the directory can be listed");
    let position = loaded.found.map(|(snapshot, (owner, body))| {
        assert_eq!(owner, snapshot.position.to_le_bytes());
        assert!(body == body_of(snapshot.position, bytes), "the body of {}", snapshot.position);
        assert_eq!(snapshot.body_digest, *blake3::hash(&body).as_bytes());
        snapshot.position
    });
    (position, loaded.refused.len())
}
