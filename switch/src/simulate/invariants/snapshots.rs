//! A snapshot is the state of its position, and a start uses the newest that can be used: what was whole, is covered by the history's files and lies in
//! the journal is not passed over, and what is damaged, or ahead of the journal, is never used.

use ledger::snapshot::Snapshot;

use super::Finding;
use crate::simulate::machine::{Replayed, StateDigest};

pub(in super::super) const NAME: &str = "a snapshot is the state of its position";

/// Every snapshot that is whole has the bytes that the replay's engine would have put there.
pub(in super::super) fn check_content(whole: &[Snapshot], replayed: &Replayed) -> Finding {
    for snapshot in whole {
        let right = replayed.wanted.iter().find(|((position, _), _)| *position == snapshot.position);
        match right {
            Some((_, digest)) if *digest == snapshot.body_digest => {}
            Some(_) => return Err(format!("the snapshot of position {} holds another state", snapshot.position)),
            None => return Err(format!("a snapshot is of position {}, behind no batch", snapshot.position)),
        }
    }
    Ok(())
}

/// Whoever has started, from whatever, is where a replay of everything is.
pub(in super::super) fn check_start(from: Option<u64>, started: StateDigest, replayed: Option<StateDigest>) -> Finding {
    if replayed == Some(started) {
        return Ok(());
    }
    Err(format!("started from {from:?} at position {}, it is not what the whole journal gives", started.0))
}

/// The one that a start used is the newest of those that are whole and that the history's files cover, whether or not it says that it passed one over.
pub(in super::super) fn check_newest(from: Option<u64>, whole: &[u64], covered: u64) -> Finding {
    let newest = whole.iter().copied().filter(|position| *position <= covered).max();
    if from >= newest { Ok(()) } else { Err(format!("started from {from:?}, and the snapshot of {newest:?} is whole")) }
}

/// A file was not used, or was. `must_not`: it is damaged; `may_not`: there is a reason to pass it over.
pub(in super::super) fn check_use(name: &str, is_used: bool, must_not: bool, may_not: bool) -> Finding {
    match (is_used, must_not, may_not) {
        (true, true, _) => Err(format!("the switch has started from {name}, which is damaged")),
        (false, false, false) => Err(format!("{name} was passed over, and nothing is wrong with it")),
        _ => Ok(()),
    }
}
