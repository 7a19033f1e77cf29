//! All that is set of one participant.

#![allow(clippy::disallowed_types, reason = "what serde makes to read a flattened row names floats; there are none")]

use serde::{Deserialize, Serialize};

use super::{AccountRow, CertificateRow, ParticipantRow, TermsRow};

/// A participant, with all that the operator has set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ParticipantView {
    /// As in a list.
    #[serde(flatten)]
    pub row: ParticipantRow,
    /// 0 where the switch's configuration holds.
    pub in_flight_max: u32,
    /// The same.
    pub orders_per_second: u32,
    /// The same.
    pub orders_burst: u32,
    /// In each currency.
    pub terms: Vec<TermsRow>,
    /// Those that are opened.
    pub accounts: Vec<AccountRow>,
    /// Those that are registered.
    pub certificates: Vec<CertificateRow>,
    /// May it connect with these alone? Before the first is registered, any of its name will do.
    pub is_bound: bool,
    /// For whom it may connect, the first of them.
    pub connects_for: Vec<String>,
    /// To whom it may send liquidity, the first of them.
    pub transfers_to: Vec<String>,
}
