//! No private part reaches the disk unsealed: every one that is sent here says `SECRET`, and no record of the journal does.

use super::{Finding, Turn};

pub(in super::super) const NAME: &str = "private parts sealed";

const MARK: &[u8] = b"SECRET";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    let in_clear = |record: &Vec<u8>| record.windows(MARK.len()).any(|window| window == MARK);
    if turn.records.iter().any(in_clear) {
        return Err(format!("a record at or before {} holds a private part in clear", turn.auditor.through()));
    }
    Ok(())
}
