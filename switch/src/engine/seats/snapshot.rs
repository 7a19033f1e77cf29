//! Seats in a snapshot (`docs/formats/engine-snapshot.md`, section 4).

use std::io::Read;

use ledger::AccountIndex;
use ledger::capture::CaptureSection;

use super::{Seat, Seats, Terms};
use crate::engine::snapshot::{Fields, Part, RestoreFault, Table, Writer, ensure, length, read_items};
use crate::entry::ParticipantId;

/// A seat in a snapshot.
const SEAT_BYTES: usize = 88;

/// What of the seats has not been taken yet.
pub(super) struct SeatsCapture {
    section: CaptureSection<SEAT_BYTES>,
    /// Currencies and participants when it began: what was opened since is no part of it.
    currencies: usize,
    participants: usize,
}

impl SeatsCapture {
    fn item(&self, currency: usize, place: usize) -> Option<u32> {
        let is_part = currency < self.currencies && place < self.participants;
        is_part.then(|| length(currency * self.participants + place))
    }
}

impl Seats {
    /// A seat is about to change.
    #[inline]
    pub(super) fn before_change(&mut self, currency: usize, place: usize) {
        if let Some(capture) = &mut self.capture
            && let Some(item) = capture.item(currency, place)
            && capture.section.awaits(item)
        {
            capture.section.take_early(item, seat_bytes(&self.by_currency[currency][place]));
        }
    }

    /// The seats that a snapshot has. `account` finds the one that a participant's payments move in a currency.
    pub(in crate::engine) fn restore(
        [currencies, participants]: [u32; 2],
        body: &mut impl Read,
        account: impl Fn(usize, ParticipantId) -> Result<Option<AccountIndex>, &'static str>,
    ) -> Result<Seats, RestoreFault> {
        let mut seats = Seats::default();
        for currency in 0..currencies as usize {
            let mut list = Vec::new();
            read_items(body, Part::Seat, participants, |item, bytes| {
                let account = account(currency, ParticipantId(item + 1))?;
                let seat = seat_of(bytes, account)?;
                ensure(seat_bytes(&seat) == *bytes, "the bytes are not canonical")?;
                list.push(seat);
                Ok(())
            })?;
            seats.open_currency(list);
        }
        Ok(seats)
    }
}

impl Table for Seats {
    fn begin_capture(&mut self, offset: u64) -> u64 {
        let (currencies, participants) = (self.by_currency.len(), self.by_currency.first().map_or(0, Vec::len));
        let section = CaptureSection::new(offset, length(currencies * participants));
        let end = section.end();
        self.capture = Some(Box::new(SeatsCapture { section, currencies, participants }));
        end
    }

    fn capture(&mut self, bytes_max: usize, mut sink: &mut dyn FnMut(u64, &[u8])) -> usize {
        let (Some(capture), seats) = (&mut self.capture, &self.by_currency) else { return 0 };
        let participants = capture.participants.max(1);
        let encode = |item: u32| seat_bytes(&seats[item as usize / participants][item as usize % participants]);
        capture.section.hand_out_next(bytes_max, &mut sink, encode)
    }

    fn end_capture(&mut self) {
        self.capture = None;
    }
}

fn seat_of(bytes: &[u8; SEAT_BYTES], account: Option<AccountIndex>) -> Result<Seat, &'static str> {
    let mut fields = Fields::new(bytes);
    let [held, sent, received] = [(); 3].map(|()| u128::from_le_bytes(fields.take()));
    let [amount_max, intraday_max, net_debit_cap, sub_limit] = [(); 4].map(|()| fields.u64());
    let is_offered = match fields.take() {
        [0] => false,
        [1] => true,
        _ => return Err("a flag that is neither 0 nor 1"),
    };
    let terms = Terms { is_offered, amount_max, intraday_max, net_debit_cap, sub_limit };
    Ok(Seat { account, terms, held, sent, received })
}

/// As in a snapshot. The account is found in the book: its id says whose it is.
fn seat_bytes(seat: &Seat) -> [u8; SEAT_BYTES] {
    let &Seat { account: _, terms, held, sent, received } = seat;
    let Terms { is_offered, amount_max, intraday_max, net_debit_cap, sub_limit } = terms;
    let mut bytes = Writer::new();
    for sum in [held, sent, received] {
        bytes.put(&sum.to_le_bytes());
    }
    for amount in [amount_max, intraday_max, net_debit_cap, sub_limit] {
        bytes.put(&amount.to_le_bytes());
    }
    bytes.put(&[u8::from(is_offered), 0, 0, 0, 0, 0, 0, 0]);
    bytes.finish()
}

impl Seat {
    /// Its bytes, as in a snapshot: what the engine's digest has of it.
    pub(in crate::engine) fn bytes(&self) -> [u8; SEAT_BYTES] {
        seat_bytes(self)
    }
}
