//! How providers ask where they stand.

use adapters::message::{AccountQuery, MessageKind, Part};

use super::orders::new_id;
use super::{Around, Provider};
use crate::simulate::plan::{CURRENCIES, NS_PER_S};
use crate::simulate::random::Random;

const SEED: u64 = 0x5747_414e_4445_5253;

/// When it asks again.
pub(super) struct StandingConduct {
    random: Random,
    next_ns: u64,
}

impl StandingConduct {
    pub(super) fn new(seed: u64) -> StandingConduct {
        StandingConduct { random: Random::new(seed ^ SEED), next_ns: 0 }
    }
}

impl Provider {
    /// About every three seconds; now and then of a currency that the scheme does not have.
    pub(super) fn ask_where_it_stands_if_due(&mut self, around: &mut Around<'_>) {
        if around.is_draining || around.now_ns < self.standing.next_ns || !self.has_room() {
            return;
        }
        let random = &mut self.standing.random;
        self.standing.next_ns = around.now_ns + 1 + random.around(3 * NS_PER_S);
        let currency = if random.percent(5) { *b"XXX" } else { *random.pick(&CURRENCIES) };
        let mut query = Vec::new();
        AccountQuery { query_id: new_id(random), currency }.write(&mut query);
        self.submit_question(MessageKind::AccountQuery, &query);
    }
}
