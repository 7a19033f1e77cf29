//! References of funds in a snapshot (`docs/formats/engine-snapshot.md`, section 5).

use std::io::Read;

use ledger::Amount;
use ledger::capture::CaptureSection;

use super::{FundsBooked, FundsReferences};
use crate::engine::scheme::money::Operation;
use crate::engine::snapshot::{Fields, Part, RestoreFault, Table, Writer, ensure, length, read_items};
use crate::entry::ParticipantId;

/// A reference in a snapshot.
pub(super) const FUNDS_BYTES: usize = 40;

impl FundsReferences {
    /// How many a snapshot will have.
    pub(in crate::engine) fn length(&self) -> u32 {
        length(self.booked.len())
    }

    /// The references that a snapshot has. `is_known` says whether there is such a participant and such a currency.
    pub(in crate::engine) fn restore(
        count: u32,
        body: &mut impl Read,
        is_known: impl Fn(&FundsBooked) -> bool,
    ) -> Result<FundsReferences, RestoreFault> {
        let mut funds = FundsReferences::default();
        read_items(body, Part::Funds, count, |_, bytes: &[u8; FUNDS_BYTES]| {
            let mut fields = Fields::new(bytes);
            let reference = fields.take();
            let (participant, currency) = (ParticipantId(fields.u32()), fields.u32() as usize);
            let amount = Amount::new(fields.u64()).ok_or("the amount is none")?;
            let other = ParticipantId(fields.u32());
            let [operation, zeros @ ..] = fields.take::<4>();
            let operation = Operation::from_number(operation).ok_or("the operation has no meaning")?;
            ensure(zeros == [0; 3], "no zeros")?;
            let booked = FundsBooked { operation, participant, other, currency, amount };
            ensure(is_known(&booked), "the participant or the currency does not exist")?;
            ensure(funds.find(reference).is_none(), "the reference is taken")?;
            funds.add(reference, booked);
            Ok(())
        })?;
        Ok(funds)
    }
}

impl Table for FundsReferences {
    fn begin_capture(&mut self, offset: u64) -> u64 {
        let section = CaptureSection::new(offset, self.length());
        let end = section.end();
        self.capture = Some(Box::new(section));
        end
    }

    fn capture(&mut self, bytes_max: usize, mut sink: &mut dyn FnMut(u64, &[u8])) -> usize {
        let (Some(capture), booked) = (&mut self.capture, &self.booked) else { return 0 };
        capture.hand_out_next(bytes_max, &mut sink, |place| funds_bytes(&booked[place as usize]))
    }

    fn end_capture(&mut self) {
        self.capture = None;
    }
}

fn funds_bytes((reference, booked): &([u8; 16], FundsBooked)) -> [u8; FUNDS_BYTES] {
    let FundsBooked { operation, participant, other, currency, amount } = booked;
    let mut bytes = Writer::new();
    bytes.put(reference).put(&participant.0.to_le_bytes()).put(&length(*currency).to_le_bytes());
    bytes.put(&amount.minor_units().to_le_bytes()).put(&other.0.to_le_bytes());
    bytes.put(&[*operation as u8, 0, 0, 0]);
    bytes.finish()
}
