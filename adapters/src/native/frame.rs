//! The frame codec: bytes to frames and back, no more. What is inside a frame is `message`'s business.
//!
//! In: a buffer of received bytes. Out: frames that borrow from it. It never copies, allocates or waits.

use crate::limits::FRAME_BYTES_MAX;
use crate::message::{ErrorCode, Lane, MessageKind, Part};

/// Length of a frame's header.
pub const HEADER_BYTES: usize = 32;

/// The version that this code speaks.
pub const VERSION: u8 = 0;

/// What a frame's header says about streams. (lane, number) is a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The stream that `number` counts in.
    pub lane: Lane,
    /// Place of this frame in its lane; 0 where it is not numbered.
    pub number: u64,
    /// The stream that `acknowledged` counts in.
    pub acknowledged_lane: Lane,
    /// Everything up to here has arrived; 0 says nothing.
    pub acknowledged: u64,
}

impl Head {
    /// A frame without number that acknowledges nothing.
    pub const PLAIN: Head = Head { lane: Lane::Session, number: 0, acknowledged_lane: Lane::Session, acknowledged: 0 };
}

/// One received frame. Its kind is one that exists and its routing part has that kind's length; nothing else was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: MessageKind,
    /// Numbers and acknowledgements.
    pub head: Head,
    /// What the switch reads.
    pub routing: &'a [u8],
    /// What only providers read.
    pub private: &'a [u8],
}

/// The next thing in a buffer of received bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// More bytes are needed.
    Incomplete,
    /// A frame, and its length in the buffer.
    Frame(Frame<'a>, usize),
    /// A frame that is refused while framing is intact: its number, and its length in the buffer.
    Refused {
        /// Why.
        code: ErrorCode,
        /// The frame's number, 0 for none.
        number: u64,
        /// Its length in the buffer.
        length: usize,
    },
    /// Framing is lost: the connection must end.
    Lost(ErrorCode),
}

/// Decodes the first frame of `bytes`.
pub fn decode(bytes: &[u8]) -> Decoded<'_> {
    let Some((length_bytes, _)) = bytes.split_first_chunk::<4>() else { return Decoded::Incomplete };
    let length = u32::from_le_bytes(*length_bytes) as usize;
    if length < HEADER_BYTES {
        return Decoded::Lost(ErrorCode::BadFrame);
    }
    if length > FRAME_BYTES_MAX {
        return Decoded::Lost(ErrorCode::FrameTooLarge);
    }
    let Some(frame) = bytes.get(..length) else { return Decoded::Incomplete };
    decode_whole(frame)
}

/// Walks over the whole frames at the start of `bytes` that name a payment, without checking any: kind and payment id of each. For who wants to know early what
/// is coming; what is wrong with a frame, `decode` will say.
pub fn peek_payments(mut bytes: &[u8]) -> impl Iterator<Item = (MessageKind, [u8; 16])> {
    std::iter::from_fn(move || {
        loop {
            let length = u32::from_le_bytes(*bytes.first_chunk::<4>()?) as usize;
            let frame = bytes.get(..length).filter(|frame| frame.len() >= HEADER_BYTES)?;
            bytes = &bytes[length..];
            let kind = MessageKind::from_number(frame[5]);
            if let (Some(kind), Some(id)) = (kind, frame[HEADER_BYTES..].first_chunk::<16>()) {
                return Some((kind, *id));
            }
        }
    })
}

/// Decodes a frame that is all there.
fn decode_whole(frame: &[u8]) -> Decoded<'_> {
    let length = frame.len();
    let number = u64_at(frame, 8);
    let refused = |code| Decoded::Refused { code, number, length };
    if frame[4] != VERSION {
        return refused(ErrorCode::BadVersion);
    }
    let (Some(lane), Some(acknowledged_lane)) = (Lane::from_number(frame[6]), Lane::from_number(frame[7])) else {
        return refused(ErrorCode::BadMessage);
    };
    let routing_length = usize::from(u16::from_le_bytes([frame[24], frame[25]]));
    if frame[26..32] != [0; 6] || HEADER_BYTES + routing_length > length {
        return refused(ErrorCode::BadMessage);
    }
    let Some(kind) = MessageKind::from_number(frame[5]) else { return refused(ErrorCode::UnknownKind) };
    if routing_length != kind.conduct().routing_bytes {
        return refused(ErrorCode::BadMessage);
    }
    let (routing, private) = frame[HEADER_BYTES..].split_at(routing_length);
    let head = Head { lane, number, acknowledged_lane, acknowledged: u64_at(frame, 16) };
    Decoded::Frame(Frame { kind, head, routing, private }, length)
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(word)
}

/// Appends one frame. `write_private` appends the private part's bytes, if any.
///
/// # Panics
/// If the frame would be longer than `FRAME_BYTES_MAX`: who sends must keep to the limits of its parts.
pub fn encode<P: Part>(
    out: &mut Vec<u8>,
    kind: MessageKind,
    head: Head,
    routing: &P,
    write_private: impl FnOnce(&mut Vec<u8>),
) {
    let start = begin(out, kind, head);
    routing.write(out);
    let routing_length = out.len() - start - HEADER_BYTES;
    assert!(routing_length == kind.conduct().routing_bytes);
    write_private(out);
    finish(out, start);
}

/// Appends one frame from parts that are bytes already.
///
/// # Panics
/// As `encode`.
pub fn encode_raw(out: &mut Vec<u8>, kind: MessageKind, head: Head, routing: &[u8], private: &[u8]) {
    assert!(routing.len() == kind.conduct().routing_bytes);
    let start = begin(out, kind, head);
    out.extend_from_slice(routing);
    out.extend_from_slice(private);
    finish(out, start);
}

/// Appends a header whose length is still open, and returns where it starts.
fn begin(out: &mut Vec<u8>, kind: MessageKind, head: Head) -> usize {
    let start = out.len();
    let mut header = [0; HEADER_BYTES];
    header[4] = VERSION;
    header[5] = kind as u8;
    header[6] = head.lane as u8;
    header[7] = head.acknowledged_lane as u8;
    header[8..16].copy_from_slice(&head.number.to_le_bytes());
    header[16..24].copy_from_slice(&head.acknowledged.to_le_bytes());
    let routing_bytes = u16::try_from(kind.conduct().routing_bytes).unwrap_or(u16::MAX);
    header[24..26].copy_from_slice(&routing_bytes.to_le_bytes());
    out.extend_from_slice(&header);
    start
}

/// Fills in the length.
fn finish(out: &mut [u8], start: usize) {
    let length = out.len() - start;
    assert!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes is above the limit");
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Changes number and acknowledgement of a frame that was encoded before: what is sent again gets the new connection's numbers.
pub fn renumber(frame: &mut [u8], head: Head) {
    frame[6] = head.lane as u8;
    frame[7] = head.acknowledged_lane as u8;
    frame[8..16].copy_from_slice(&head.number.to_le_bytes());
    frame[16..24].copy_from_slice(&head.acknowledged.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Echo, StatusRequest};

    fn echo() -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, MessageKind::Echo, Head { number: 7, ..Head::PLAIN }, &Echo { token: 9, reply: 0 }, |_| {});
        out
    }

    fn altered(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = echo();
        change(&mut bytes);
        bytes
    }

    #[test]
    fn a_frame_comes_back_as_it_was() {
        let bytes = echo();
        let Decoded::Frame(frame, length) = decode(&bytes) else { panic!("no frame") };
        assert_eq!((frame.kind, frame.head.number, length), (MessageKind::Echo, 7, bytes.len()));
        assert_eq!(frame.private, b"");
    }

    #[test]
    fn payments_are_seen_ahead_up_to_what_is_no_frame() {
        let request = StatusRequest { payment_id: [7; 16] };
        let mut bytes = echo();
        encode(&mut bytes, MessageKind::StatusRequest, Head::PLAIN, &request, |_| {});
        let whole = bytes.len();
        bytes.extend_from_slice(&bytes.clone());
        let seen = |bytes: &[u8]| peek_payments(bytes).collect::<Vec<_>>();
        let expected = (MessageKind::StatusRequest, [7; 16]);
        assert_eq!(seen(&bytes), [expected, expected]);
        assert_eq!(seen(&bytes[..bytes.len() - 1]), [expected]);
        bytes[whole] = 31;
        assert_eq!(seen(&bytes), [expected], "a length that is none");
        bytes[3] = 0xff;
        assert_eq!(seen(&bytes), []);
    }

    #[test]
    fn every_prefix_is_incomplete() {
        let bytes = echo();
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), Decoded::Incomplete);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |code| Decoded::Refused { code, number: 7, length: 41 };
        assert_eq!(decode(&altered(|b| b[4] = 9)), refused(ErrorCode::BadVersion));
        assert_eq!(decode(&altered(|b| b[5] = 99)), refused(ErrorCode::UnknownKind));
        assert_eq!(decode(&altered(|b| b[5] = 0)), refused(ErrorCode::UnknownKind));
        assert_eq!(decode(&altered(|b| b[24] = 8)), refused(ErrorCode::BadMessage));
        assert_eq!(decode(&altered(|b| b[24] = 200)), refused(ErrorCode::BadMessage));
        assert_eq!(decode(&altered(|b| b[6] = 4)), refused(ErrorCode::BadMessage));
        assert_eq!(decode(&altered(|b| b[26] = 1)), refused(ErrorCode::BadMessage));
        assert_eq!(decode(&altered(|b| b[0] = 31)), Decoded::Lost(ErrorCode::BadFrame));
        assert_eq!(decode(&altered(|b| b[1] = 0xff)), Decoded::Lost(ErrorCode::FrameTooLarge));
    }
}
