//! What the switch calls indexed, no crash takes away: a file of the history that has its name is on disk, content and name, before anybody builds on
//! it; and a start finds the files reach as far as they did when the process ended. A file that fell short would be found out by its check values and
//! made again from the journal, which hides the fault for as long as the journal is there: so it is looked for here, at its root.

use super::{Finding, Turn};

pub(in super::super) const NAME: &str = "what is indexed is on disk";

/// The end of a file's name as long as it is being written.
const PREPARING: &str = ".preparing";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    let name = turn.history_disk.name_at_risk(|name| !name.ends_with(PREPARING));
    name.map_or(Ok(()), |name| Err(format!("a power cut would take something of the history's {name}")))
}

/// A start after any crash, where no bit has turned and nothing was removed. `indexed` is what the process said last, `covered` what the files have now.
pub(in super::super) fn check_start(indexed: u64, covered: u64) -> Finding {
    if covered >= indexed {
        return Ok(());
    }
    Err(format!("position {indexed} was indexed, and after the start the files end at {covered}"))
}
