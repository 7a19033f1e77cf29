//! Seats: what each participant may do in each currency, and what it has done there since the last cut-off.
//!
//! A payment reads and writes two of them, so all that its checks need of the scheme stands here.

mod snapshot;

use ledger::AccountIndex;

use self::snapshot::SeatsCapture;
use crate::entry::ParticipantId;

/// What the operator allows a participant in a currency (`docs/scheme-rules.md`, Terms). Amounts in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// May it pay and be paid?
    pub is_offered: bool,
    /// The greatest payment; 0: the scheme's.
    pub amount_max: u64,
    /// What it may send between two cut-offs, held or posted; 0: no limit.
    pub intraday_max: u64,
    /// How far its position may go below zero.
    pub net_debit_cap: u64,
    /// How far what it sent may exceed what it was paid since the last cut-off; only of indirect participants.
    pub sub_limit: u64,
}

impl Terms {
    /// What holds as long as the operator has said nothing else.
    pub const UNSET: Terms = Terms { is_offered: true, amount_max: 0, intraday_max: 0, net_debit_cap: 0, sub_limit: 0 };
}

/// A participant in a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The account that its payments move: of its own, or of its sponsor. None for technical participants.
    pub account: Option<AccountIndex>,
    /// What it may do.
    pub terms: Terms,
    /// Minor units of its payments in flight as payer provider.
    pub held: u128,
    /// Minor units that it has paid or returned since the last cut-off.
    pub sent: u128,
    /// Minor units that it was paid, or got back, since the last cut-off.
    pub received: u128,
}

impl Seat {
    /// A seat on which nothing has happened.
    pub fn new(account: Option<AccountIndex>) -> Seat {
        Seat { account, terms: Terms::UNSET, held: 0, sent: 0, received: 0 }
    }

    /// May so much more be sent before the limit of the day is reached?
    pub fn is_within_intraday(&self, amount: u64) -> bool {
        let Terms { intraday_max, .. } = self.terms;
        intraday_max == 0 || self.held + self.sent + u128::from(amount) <= u128::from(intraday_max)
    }

    /// May so much more be sent on the sponsor's account?
    pub fn is_within_sub_limit(&self, amount: u64) -> bool {
        self.held + self.sent + u128::from(amount) <= self.received + u128::from(self.terms.sub_limit)
    }

    /// How much of a sub-limit is used: what was sent, or is held, beyond what was received since the last cut-off, in minor units.
    pub fn sub_limit_used(&self) -> u128 {
        (self.held + self.sent).saturating_sub(self.received)
    }

    /// A payment holds so much.
    pub fn hold(&mut self, amount: u64) {
        self.held += u128::from(amount);
    }

    /// It does so no longer.
    pub fn release(&mut self, amount: u64) {
        self.held -= u128::from(amount);
    }
}

/// All of them: those of each currency, in the order of the participants.
#[derive(Default)]
pub struct Seats {
    by_currency: Vec<Vec<Seat>>,
    /// What of a snapshot has not been taken yet.
    capture: Option<Box<SeatsCapture>>,
}

impl Seats {
    /// A currency is opened: with a seat for each participant, in their order.
    pub fn open_currency(&mut self, seats: Vec<Seat>) {
        self.by_currency.push(seats);
    }

    /// A participant is admitted: with a seat in each currency, in their order.
    pub fn admit(&mut self, seats: Vec<Seat>) {
        assert_eq!(seats.len(), self.by_currency.len(), "a seat in each currency");
        for (list, seat) in self.by_currency.iter_mut().zip(seats) {
            list.push(seat);
        }
    }

    /// The seat of a participant that exists.
    ///
    /// # Panics
    /// If there is none.
    #[inline]
    pub fn at(&self, currency: usize, participant: ParticipantId) -> &Seat {
        &self.by_currency[currency][participant.0 as usize - 1]
    }

    /// The seat of a participant that exists, to change it.
    ///
    /// # Panics
    /// If there is none.
    #[inline]
    pub fn at_mut(&mut self, currency: usize, participant: ParticipantId) -> &mut Seat {
        let place = participant.0 as usize - 1;
        self.before_change(currency, place);
        &mut self.by_currency[currency][place]
    }

    /// Those of a currency, in the order of the participants.
    pub fn of_currency(&self, currency: usize) -> impl Iterator<Item = (ParticipantId, &Seat)> {
        (1..).map(ParticipantId).zip(&self.by_currency[currency])
    }

    /// All, currency by currency.
    pub fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.by_currency.iter().flatten()
    }

    /// A cut-off of this currency: what was sent and received counts anew. What is held goes on.
    pub fn cut_off(&mut self, currency: usize) {
        for place in 0..self.by_currency[currency].len() {
            let seat = &self.by_currency[currency][place];
            if seat.sent != 0 || seat.received != 0 {
                self.before_change(currency, place);
                let seat = &mut self.by_currency[currency][place];
                (seat.sent, seat.received) = (0, 0);
            }
        }
    }
}
