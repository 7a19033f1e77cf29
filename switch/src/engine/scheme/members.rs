//! Participants beyond their payments: standing, class, sponsor, terms, limits, certificates, who connects for whom.

use rkyv::{Archive, Deserialize, Serialize};

use super::rejects::CommandReject;
use crate::engine::{Engine, Moment};
use crate::entry::{
    ArchivedAgencySet, ArchivedCertificateSet, ArchivedLimitsSet, ArchivedStandingSet, ArchivedTermsSet,
};

/// What the operator has set for participants.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct Members {}

impl Engine {
    pub(super) fn set_standing(&mut self, _: Moment, _: &ArchivedStandingSet) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    pub(super) fn set_limits(&mut self, _: Moment, _: &ArchivedLimitsSet) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    pub(super) fn set_terms(&mut self, _: Moment, _: &ArchivedTermsSet) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    pub(super) fn set_agency(&mut self, _: Moment, _: &ArchivedAgencySet) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    pub(super) fn set_certificate(&mut self, _: Moment, _: &ArchivedCertificateSet) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }
}
