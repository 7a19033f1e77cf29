//! The engine is a function of the journal: a replay comes by the state that the live process had, digest for digest, and tells participants what they
//! were told, number for number.

use super::Finding;
use crate::engine::effect::{Delivery, Effect, News, Status};
use crate::simulate::auditor::{Auditor, Told};
use crate::simulate::machine::StateDigest;
use crate::simulate::wire;

pub(in super::super) const NAME: &str = "a replay gives the same state and effects";

pub(in super::super) fn check(live: StateDigest, replayed: Option<StateDigest>) -> Finding {
    match replayed {
        Some(replayed) if replayed == live => Ok(()),
        Some(_) => Err(format!("the state after position {} has another digest", live.0)),
        None => Err(format!("the replay did not come by position {}", live.0)),
    }
}

/// The numbered effects of a replay of the whole journal are what the auditor says that everybody is told, no more and no less.
pub(in super::super) fn check_effects(effects: &[Effect], auditor: &Auditor) -> Finding {
    let mut told: Vec<u64> = auditor.accounts().iter().map(|_| 0).collect();
    for effect in effects {
        let Delivery::Outbox { number, .. } = effect.delivery else { continue };
        let place = effect.participant.0 as usize - 1;
        told[place] += 1;
        let right = auditor.told(place, number).filter(|right| number == told[place] && is_same(effect, right));
        right.ok_or_else(|| format!("a replay tells provider {place} as number {}: {effect:?}", told[place]))?;
    }
    match (0..told.len()).find(|&place| told[place] != auditor.told_count(place)) {
        None => Ok(()),
        Some(place) => {
            Err(format!("a replay tells provider {place} {} of {} messages", told[place], auditor.told_count(place)))
        }
    }
}

fn is_same(effect: &Effect, right: &Told) -> bool {
    let id = effect.id.bytes();
    match (effect.news, right) {
        (News::Forward { deadline_ns }, Told::Forward { routing, .. }) => {
            wire::array(routing, 0) == id && wire::u64_at(routing, routing.len() - 8) == deadline_ns
        }
        (News::Status(Status { outcome, reason, field, decided_at_ns, position }), Told::Status { status, .. }) => {
            let (outcome, reason, field) = (outcome as u8, reason.bytes(), field as u8);
            *status == wire::Status { id, outcome, reason, field, decided_at_ns, position }
        }
        _ => false,
    }
}
