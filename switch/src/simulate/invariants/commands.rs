//! Commands of the operator are answered once, when they are durable, and as the auditor has decided them.

use super::Finding;
use crate::pipeline::Operated;
use crate::simulate::auditor::Auditor;

pub(in super::super) const NAME: &str = "commands answered as decided";

pub(in super::super) fn check(auditor: &Auditor, was_given: bool, operated: &Operated) -> Finding {
    if !was_given {
        return Err(format!("an answer that nobody waits for: {operated:?}"));
    }
    let decided = operated.as_ref().map_err(|refusal| format!("a command did not get into the journal: {refusal}"))?;
    let answered = decided.refused.as_ref().map_or(0, |refused| refused.number);
    match auditor.scheme().answer(decided.position) {
        Some(right) if right == answered => Ok(()),
        right => Err(format!("the command at {} is answered {answered}, it is {right:?}", decided.position)),
    }
}
