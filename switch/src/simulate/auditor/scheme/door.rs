//! Who may connect, as `docs/scheme-rules.md` reads.

use super::commands::CLOSED;
use super::{Certificate, Scheme};

/// A certificate that a connection shows: the number of its holder, and its fingerprint.
pub(in super::super::super) type Shown = (u32, [u8; 32]);

impl Scheme {
    /// May who shows this certificate connect for that participant, at this second?
    pub(in super::super::super) fn may_connect(
        &self,
        (holder, fingerprint): Shown,
        participant: u32,
        now_s: u64,
    ) -> bool {
        let may_speak = holder == participant || self.agencies.contains(&(holder, participant));
        let is_good = |certificates: &Vec<Certificate>| {
            certificates.iter().any(|known| known.fingerprint == fingerprint && known.is_good(now_s))
        };
        let is_shown = self.certificates.get(&holder).is_none_or(is_good);
        may_speak && is_shown && [holder, participant].into_iter().all(|number| self.is_in_scheme(number))
    }

    /// Whether a technical provider may connect for it.
    pub(in super::super::super) fn is_agent(&self, technical: u32, participant: u32) -> bool {
        self.agencies.contains(&(technical, participant))
    }

    /// Can a participant connect by itself, at this second, with any certificate?
    pub(in super::super::super) fn can_connect(&self, participant: u32, now_s: u64) -> bool {
        let is_any_good = |certificates: &Vec<Certificate>| certificates.iter().any(|known| known.is_good(now_s));
        self.is_in_scheme(participant) && self.certificates.get(&participant).is_none_or(is_any_good)
    }

    /// The fingerprint of one of a participant's certificates that is good at this second; none where it has none that are registered.
    pub(in super::super::super) fn good_certificate(&self, participant: u32, now_s: u64) -> Option<[u8; 32]> {
        let mut certificates = self.certificates.get(&participant)?.iter();
        certificates.find(|known| known.is_good(now_s)).map(|known| known.fingerprint)
    }

    fn is_in_scheme(&self, number: u32) -> bool {
        self.members[number as usize - 1].standing != CLOSED
    }
}

impl Certificate {
    fn is_good(&self, now_s: u64) -> bool {
        let (from_s, through_s) = self.from_through_s;
        (from_s..=through_s).contains(&now_s)
    }
}
