//! The engine is a function of the journal: a replay comes by the state that the live process had, digest for digest, and tells participants what they
//! were told, number for number.

use super::Finding;
use super::agreement::as_told;
use crate::engine::effect::{Delivery, Effect, News, Status};
use crate::simulate::auditor::{Auditor, Told};
use crate::simulate::machine::StateDigest;
use crate::simulate::wire::{self, LANES, kind};

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
    let mut told: Vec<[u64; LANES]> = vec![[0; LANES]; auditor.participants()];
    for effect in effects {
        let Delivery::Outbox { lane, number, .. } = effect.delivery else { continue };
        let (place, lane) = (effect.participant.0 as usize - 1, lane as usize - 1);
        told[place][lane] += 1;
        let count = told[place][lane];
        let right = auditor.told(place, lane, number).filter(|right| number == count && is_same(effect, right));
        right.ok_or_else(|| format!("a replay tells provider {place} as number {count}: {effect:?}"))?;
    }
    match (0..told.len()).find(|&place| told[place] != auditor.told_counts(place)) {
        None => Ok(()),
        Some(place) => {
            let right = auditor.told_counts(place);
            Err(format!("a replay tells provider {place} {:?} of {right:?} messages", told[place]))
        }
    }
}

fn is_same(effect: &Effect, right: &Told) -> bool {
    let (id, routing) = (effect.id.bytes(), &right.routing);
    let ends_with = |number: u64, from_end: usize| {
        wire::array(routing, 0) == id && wire::u64_at(routing, routing.len() - from_end) == number
    };
    match (effect.news, right.kind) {
        (News::Forward { deadline_ns }, kind::FORWARD) | (News::CaseForward { deadline_ns }, kind::CASE_FORWARD) => {
            ends_with(deadline_ns, 8)
        }
        (News::Returned { total }, kind::RETURNED) => ends_with(total, 24),
        (News::Status(Status { outcome, reason, field, decided_at_ns, position }), kind::STATUS) => {
            let (outcome, reason, field) = (outcome as u8, reason.bytes(), field as u8);
            *routing == wire::Status { id, outcome, reason, field, decided_at_ns, position }.bytes()
        }
        (News::CaseStatus(news), kind::CASE_STATUS) => *routing == as_told(id, &news).bytes(),
        _ => false,
    }
}
