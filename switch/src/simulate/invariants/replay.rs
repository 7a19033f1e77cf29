//! The engine is a function of the journal: a replay comes by the state that the live process had, digest for digest.

use super::Finding;
use crate::simulate::machine::StateDigest;

pub(in super::super) const NAME: &str = "a replay gives the same state";

pub(in super::super) fn check(live: StateDigest, replayed: Option<StateDigest>) -> Finding {
    match replayed {
        Some(replayed) if replayed == live => Ok(()),
        Some(_) => Err(format!("the state after position {} has another digest", live.0)),
        None => Err(format!("the replay did not come by position {}", live.0)),
    }
}
