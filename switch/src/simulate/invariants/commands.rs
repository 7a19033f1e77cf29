//! Commands of the operator are answered once, when they are durable, each with its own place in the journal, and as the auditor has decided it. That all are answered
//! is a matter of `progress.rs`.

use super::Finding;
use crate::pipeline::Operated;
use crate::simulate::auditor::{Auditor, Given};

pub(in super::super) const NAME: &str = "commands answered as decided";

pub(in super::super) fn check(auditor: &Auditor, given: Option<&Given>, operated: &Operated) -> Finding {
    let given = given.ok_or_else(|| format!("an answer that nobody waits for: {operated:?}"))?;
    let decided = operated.as_ref().map_err(|refusal| format!("a command did not get into the journal: {refusal}"))?;
    let position = auditor.scheme().position_of(given);
    if position != Some(decided.position) {
        return Err(format!("a command is answered as that at {}, it is at {position:?}", decided.position));
    }
    let answered = decided.refused.as_ref().map_or(0, |refused| refused.number);
    match auditor.scheme().answer(decided.position) {
        Some(right) if right == answered => Ok(()),
        right => Err(format!("the command at {} is answered {answered}, it is {right:?}", decided.position)),
    }
}
