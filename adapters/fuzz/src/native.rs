//! The native protocol: frames, what is in them, and the session that takes them.

use adapters::check::{self, Checked, Request};
use adapters::message::{
    AliasCommandPrivate, AliasLookupPrivate, AliasTransferPrivate, DirectoryItems, MessageKind, Note, Part,
    ParticipantCode, PaymentPrivate, Welcome,
};
use adapters::native::frame::{self, Decoded, Head};
use adapters::native::session::{ClientSession, Resume};
use rkyv::rancor::{Failure, Strategy};

/// A frame is the bytes that its parts make, and what passed the check reads the same when it was written again.
pub fn native_frames(bytes: &[u8]) {
    let mut rest = bytes;
    let mut named = frame::peek_payments(bytes);
    loop {
        match frame::decode(rest) {
            Decoded::Frame(frame, length) => {
                let mut again = Vec::new();
                frame::encode_raw(&mut again, frame.kind, frame.head, frame.routing, frame.private);
                assert_eq!(again, rest[..length]);
                if let Some(id) = rest[frame::HEADER_BYTES..length].first_chunk::<16>() {
                    assert_eq!(named.next(), Some((frame.kind, *id)));
                }
                if let Ok(request) = check::request(&frame) {
                    check_request(&request, frame.private);
                }
                rest = &rest[length..];
            }
            // Who looks ahead sees what is refused, too.
            Decoded::Refused { length, .. } => {
                assert!((frame::HEADER_BYTES..=rest.len()).contains(&length));
                rest = &rest[length..];
                named = frame::peek_payments(rest);
            }
            Decoded::Incomplete | Decoded::Lost(_) => return,
        }
    }
}

fn check_request(request: &Request<'_>, private: &[u8]) {
    match request {
        Request::CreditTransfer(order) => check_private::<_, PaymentPrivate>(order, private),
        Request::Answer(answer) => check_private::<_, Note>(answer, private),
        Request::Return(message) => check_private::<_, Note>(message, private),
        Request::CaseOpen(opened) => check_private::<_, PaymentPrivate>(opened, private),
        Request::CaseAnswer(answer) => check_private::<_, Note>(answer, private),
        Request::CaseCancel(cancel) => check_private::<_, Note>(cancel, private),
        Request::AliasCommand(command) => check_private::<_, AliasCommandPrivate>(command, private),
        Request::AliasLookup(lookup) => check_private::<_, AliasLookupPrivate>(lookup, private),
        Request::AliasTransfer(order) => check_private::<_, AliasTransferPrivate>(order, private),
        Request::DirectoryQuery(query) => check_private::<_, DirectoryItems>(query, private),
        Request::Hello { .. }
        | Request::Ack(_)
        | Request::Echo { .. }
        | Request::StatusRequest(_)
        | Request::AccountQuery { .. }
        | Request::SignOn
        | Request::SignOff => assert!(private.is_empty()),
    }
}

/// The private part as values is the private part as fields.
fn check_private<M: Part, P>(checked: &Checked<'_, M>, private: &[u8])
where
    P: Part + PartialEq + std::fmt::Debug,
    P::Archived: rkyv::Deserialize<P, Strategy<(), Failure>>,
{
    let mut bytes = 0;
    checked.each_private_field(|field| bytes += field.len());
    assert!(bytes <= private.len(), "the fields stand in the part, each for itself");
    if private.is_empty() {
        return;
    }
    let value = read::<P>(private);
    let mut again = Vec::new();
    value.write(&mut again);
    assert_eq!(read::<P>(&again), value);
}

fn read<P: Part>(bytes: &[u8]) -> P
where
    P::Archived: rkyv::Deserialize<P, Strategy<(), Failure>>,
{
    let archived = P::read(bytes).expect("it was checked");
    rkyv::api::low::deserialize::<P, Failure>(archived).expect("byte vectors fit in memory")
}

/// However the bytes are cut, a session says and sends the same. The first byte says how.
pub fn native_session(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    let whole = feed(std::iter::once(bytes));
    assert_eq!(feed(bytes.chunks(1 + usize::from(cut))), whole);
}

/// What a session that was welcomed makes of these bytes, in words.
fn feed<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let code = ParticipantCode::parse("NORTHBANK").expect("a code");
    let mut session = ClientSession::new(code, Resume::FROM_THE_START);
    session.connected();
    let welcome = Welcome {
        lineage: [7; 16],
        resumed_after: [0; 3],
        enqueued: [0; 3],
        time_ns: 0,
        frame_bytes_max: 12_288,
        in_flight_max: 64,
    };
    let mut welcomed = Vec::new();
    frame::encode(&mut welcomed, MessageKind::Welcome, Head::PLAIN, &welcome, |_| {});
    session.receive(&welcomed, &mut |_| {}).expect("it is a good welcome");
    let mut events = 0;
    let mut result = Ok(());
    for piece in pieces {
        result = session.receive(piece, &mut |_| events += 1);
        if result.is_err() {
            break;
        }
    }
    let sent = std::mem::take(session.outgoing());
    format!(
        "{events} events, {result:?}, {:?}, {} unacknowledged, {sent:?}",
        session.resume(),
        session.unacknowledged()
    )
}
