//! Damage is never taken: after a bit has turned at rest, a start either refuses the journal or ends it before the damage, and cuts nothing that
//! a later record vouches for.

use super::Finding;
use crate::simulate::auditor::Auditor;
use crate::simulate::disk::Flip;
use crate::simulate::disk::VirtualDisk;
use crate::simulate::machine::{Found, Stop};

pub(in super::super) const NAME: &str = "damage is never taken";

/// A start leaves nothing behind the log's end: what a crash has torn is gone, so that it can never be taken for a record.
pub(in super::super) fn check_remains(disk: &VirtualDisk) -> Finding {
    if disk.has_remains() { Err("what was torn still stands behind the journal's end".to_owned()) } else { Ok(()) }
}

pub(in super::super) fn check(
    auditor: &Auditor,
    (flip, is_witnessed): &(Flip, bool),
    found: &[Found],
    opened: &Result<(), Stop>,
) -> Finding {
    if !auditor.is_prefix(found) {
        return Err(format!("a batch was taken that is not what was durable: {flip:?}"));
    }
    match opened {
        Err(Stop::Damaged(_)) => Ok(()),
        Err(other) => Err(format!("{flip:?} is no damage but {other:?}")),
        Ok(()) if *is_witnessed => Err(format!("{flip:?} was not found")),
        // The last record of a single copy may be taken for a torn tail: the stated limit. No more than that one.
        Ok(()) if found.len() + 1 >= auditor.batches() => Ok(()),
        Ok(()) => Err(format!("{flip:?} has cost {} batches", auditor.batches() - found.len())),
    }
}
