//! Participants in a snapshot (`docs/formats/engine-snapshot.md`, section 4).

use std::io::Read;

use adapters::message::{OUTBOX_LANES, ParticipantCode};
use ledger::capture::CaptureSection;

use super::{Participant, Participants};
use crate::engine::scheme::members::{Limits, Standing};
use crate::engine::snapshot::{Fields, Part, RestoreFault, Table, Writer, ensure, length, read_items};
use crate::entry::ParticipantId;

/// A participant in a snapshot.
pub(super) const PARTICIPANT_BYTES: usize = 116;

/// Flags of a participant in a snapshot.
const SIGNED_OFF: u8 = 1;
const ABSENT: u8 = 2;
const TECHNICAL: u8 = 4;

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

    /// The participants that a snapshot has.
    pub(in crate::engine) fn restore(count: u32, body: &mut impl Read) -> Result<Participants, RestoreFault> {
        let mut participants = Participants::default();
        read_items(body, Part::Participant, count, |_, bytes| {
            let mut fields = Fields::new(bytes);
            let code = ParticipantCode::from_bytes(fields.take()).ok_or("the code is none")?;
            ensure(participants.find(&code).is_none(), "the code is taken")?;
            let (in_flight, cases_open) = (fields.u32(), fields.u32());
            let [enqueued, acknowledged] = [(); 2].map(|()| [fields.u64(), fields.u64(), fields.u64()]);
            let [flags] = fields.take();
            ensure(flags & !(SIGNED_OFF | ABSENT | TECHNICAL) == 0, "flags that have no meaning")?;
            let [is_signed_off, is_absent, is_technical] =
                [SIGNED_OFF, ABSENT, TECHNICAL].map(|flag| flags & flag != 0);
            let [standing, class] = fields.take();
            let standing = Standing::from_number(standing).ok_or("a standing that does not exist")?;
            fields.take::<1>();
            let sponsor = Some(ParticipantId(fields.u32())).filter(|sponsor| sponsor.0 != 0);
            ensure(sponsor.is_none_or(|sponsor| sponsor < participants.next_id()), "a sponsor that comes later")?;
            let [in_flight_max, orders_per_second, orders_burst, incoming] = [(); 4].map(|()| fields.u32());
            ensure((0..OUTBOX_LANES).all(|lane| acknowledged[lane] <= enqueued[lane]), "more acknowledged than sent")?;
            let participant = Participant {
                code,
                standing,
                class,
                sponsor,
                is_technical,
                limits: Limits { in_flight_max, orders_per_second, orders_burst },
                in_flight,
                incoming,
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
        capture.hand_out_next(bytes_max, &mut sink, |place| participant_bytes(&list[place as usize]))
    }

    fn end_capture(&mut self) {
        self.capture = None;
    }
}

fn participant_bytes(participant: &Participant) -> [u8; PARTICIPANT_BYTES] {
    let Participant {
        code,
        standing,
        class,
        sponsor,
        is_technical,
        limits,
        in_flight,
        incoming,
        cases_open,
        enqueued,
        acknowledged,
        is_signed_off,
        is_absent,
    } = participant;
    let flags = [(is_signed_off, SIGNED_OFF), (is_absent, ABSENT), (is_technical, TECHNICAL)];
    let flags = flags.into_iter().filter(|(is_set, _)| **is_set).fold(0, |all, (_, flag)| all | flag);
    let Limits { in_flight_max, orders_per_second, orders_burst } = limits;
    let mut bytes = Writer::new();
    bytes.put(code.bytes()).put(&in_flight.to_le_bytes()).put(&cases_open.to_le_bytes());
    for number in enqueued.iter().chain(acknowledged) {
        bytes.put(&number.to_le_bytes());
    }
    bytes.put(&[flags, *standing as u8, *class, 0]).put(&sponsor.map_or(0, |sponsor| sponsor.0).to_le_bytes());
    for count in [in_flight_max, orders_per_second, orders_burst, incoming] {
        bytes.put(&count.to_le_bytes());
    }
    bytes.put(&[0; 1]);
    bytes.finish()
}
