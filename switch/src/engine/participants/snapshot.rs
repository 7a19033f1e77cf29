//! Participants in a snapshot (`docs/formats/engine-snapshot.md`, section 3).

use std::io::Read;

use adapters::message::{OUTBOX_LANES, ParticipantCode};
use ledger::AccountIndex;
use ledger::capture::CaptureSection;

use super::{Participant, Participants};
use crate::engine::snapshot::{Fields, Part, RestoreFault, Table, Writer, ensure, length, read_items};
use crate::entry::ParticipantId;

/// A participant in a snapshot.
pub(super) const PARTICIPANT_BYTES: usize = 96;

/// Flags of a participant in a snapshot.
const SIGNED_OFF: u8 = 1;
const ABSENT: u8 = 2;

impl Participants {
    /// A participant is about to change.
    #[inline]
    pub(super) fn before_change(&mut self, place: usize) {
        if let Some(capture) = &mut self.capture
            && capture.awaits(length(place))
        {
            capture.take_early(length(place), participant_bytes(&self.list[place]));
        }
    }

    /// How many a snapshot will have.
    pub(in crate::engine) fn length(&self) -> u32 {
        length(self.list.len())
    }

    /// The participants that a snapshot has. `accounts` finds their settlement accounts.
    pub(in crate::engine) fn restore(
        count: u32,
        body: &mut impl Read,
        accounts: impl Fn(ParticipantId) -> Option<Vec<AccountIndex>>,
    ) -> Result<Participants, RestoreFault> {
        let mut participants = Participants::default();
        read_items(body, Part::Participant, count, |_, bytes| {
            let mut fields = Fields::new(bytes);
            let code = ParticipantCode::from_bytes(fields.take()).ok_or("the code is none")?;
            ensure(participants.find(&code).is_none(), "the code is taken")?;
            let (in_flight, cases_open) = (fields.u32(), fields.u32());
            let [enqueued, acknowledged] = [(); 2].map(|()| [fields.u64(), fields.u64(), fields.u64()]);
            let [flags] = fields.take();
            ensure(flags & !(SIGNED_OFF | ABSENT) == 0, "flags that have no meaning")?;
            let (is_signed_off, is_absent) = (flags & SIGNED_OFF != 0, flags & ABSENT != 0);
            ensure((0..OUTBOX_LANES).all(|lane| acknowledged[lane] <= enqueued[lane]), "more acknowledged than sent")?;
            let settlement_accounts = accounts(participants.next_id()).ok_or("an account is missing")?;
            let participant = Participant {
                code,
                settlement_accounts,
                in_flight,
                cases_open,
                enqueued,
                acknowledged,
                is_signed_off,
                is_absent,
            };
            ensure(participant_bytes(&participant) == *bytes, "the bytes are not canonical")?;
            participants.admit(participant);
            Ok(())
        })?;
        Ok(participants)
    }
}

impl Table for Participants {
    fn begin_capture(&mut self, offset: u64) -> u64 {
        let section = CaptureSection::new(offset, self.length());
        let end = section.end();
        self.capture = Some(Box::new(section));
        end
    }

    fn capture(&mut self, bytes_max: usize, mut sink: &mut dyn FnMut(u64, &[u8])) -> usize {
        let (Some(capture), list) = (&mut self.capture, &self.list) else { return 0 };
        let counted = capture.hand_out_next(bytes_max, &mut sink, |place| participant_bytes(&list[place as usize]));
        if capture.is_complete() {
            self.capture = None;
        }
        counted
    }

    fn is_capturing(&self) -> bool {
        self.capture.is_some()
    }

    fn abandon_capture(&mut self) {
        self.capture = None;
    }
}

fn participant_bytes(participant: &Participant) -> [u8; PARTICIPANT_BYTES] {
    // The accounts are found in the book: their ids say whose they are.
    let Participant {
        code,
        settlement_accounts: _,
        in_flight,
        cases_open,
        enqueued,
        acknowledged,
        is_signed_off,
        is_absent,
    } = participant;
    let flags = if *is_signed_off { SIGNED_OFF } else { 0 } | if *is_absent { ABSENT } else { 0 };
    let mut bytes = Writer::new();
    bytes.put(code.bytes()).put(&in_flight.to_le_bytes()).put(&cases_open.to_le_bytes());
    for number in enqueued.iter().chain(acknowledged) {
        bytes.put(&number.to_le_bytes());
    }
    bytes.put(&[flags]).put(&[0; 4]);
    bytes.finish()
}
