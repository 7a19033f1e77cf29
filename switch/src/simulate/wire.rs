//! Frames, journal records and entries read by offset, as `docs/formats/` gives them. Written from the documents alone: neither the codec nor the
//! journal has a hand in it, so what they get wrong together is seen here.

const FRAME_HEADER_BYTES: usize = 32;
const FRAME_BYTES_MAX: usize = 12_288;
const RECORD_HEADER_BYTES: usize = 128;
const RECORD_MAGIC: &[u8] = b"CLSPNJRN";
const BLOCK_BYTES: usize = 4_096;
const ENTRY_HEADER_BYTES: usize = 24;

/// Kinds of frames, `native.md`, section 3.
pub(super) mod kind {
    pub(in super::super) const HELLO: u8 = 1;
    pub(in super::super) const WELCOME: u8 = 2;
    pub(in super::super) const ACK: u8 = 3;
    pub(in super::super) const ERROR: u8 = 4;
    pub(in super::super) const ECHO: u8 = 5;
    pub(in super::super) const CREDIT_TRANSFER: u8 = 6;
    pub(in super::super) const FORWARD: u8 = 7;
    pub(in super::super) const ANSWER: u8 = 8;
    pub(in super::super) const STATUS: u8 = 9;
    pub(in super::super) const STATUS_REQUEST: u8 = 10;
    pub(in super::super) const RETURN: u8 = 11;
    pub(in super::super) const RETURNED: u8 = 12;
    pub(in super::super) const CASE_OPEN: u8 = 13;
    pub(in super::super) const CASE_FORWARD: u8 = 14;
    pub(in super::super) const CASE_ANSWER: u8 = 15;
    pub(in super::super) const CASE_CANCEL: u8 = 16;
    pub(in super::super) const CASE_STATUS: u8 = 17;
    pub(in super::super) const SIGN_ON: u8 = 18;
    pub(in super::super) const SIGN_OFF: u8 = 19;
    pub(in super::super) const ALIAS_COMMAND: u8 = 20;
    pub(in super::super) const ALIAS_RESULT: u8 = 21;
    pub(in super::super) const ALIAS_LOOKUP: u8 = 22;
    pub(in super::super) const ALIAS_FOUND: u8 = 23;
    pub(in super::super) const ALIAS_TRANSFER: u8 = 24;
    pub(in super::super) const DIRECTORY_QUERY: u8 = 25;
    pub(in super::super) const DIRECTORY_ANSWER: u8 = 26;
    pub(in super::super) const ACCOUNT_REPORT: u8 = 28;
    /// Of an entry.
    pub(in super::super) const DIRECTORY_RULES: u8 = 148;
    /// Of an entry.
    pub(in super::super) const CATEGORY: u8 = 149;
    /// Of an entry.
    pub(in super::super) const ISSUER_KEY: u8 = 150;
    /// Of an entry.
    pub(in super::super) const HASH_KEY: u8 = 151;
    /// Of an entry.
    pub(in super::super) const ALIAS_COMMANDED: u8 = 160;
    /// Of an entry.
    pub(in super::super) const ALIAS_LOOKED_UP: u8 = 161;
    /// Of an entry.
    pub(in super::super) const REHASHED: u8 = 162;
    /// Of an entry.
    pub(in super::super) const PRESENCE: u8 = 132;
    /// Of an entry.
    pub(in super::super) const ACKNOWLEDGED: u8 = 133;
}

/// Lanes of an outbox: payments, bulk, directory.
pub(super) const LANES: usize = 3;

/// Where a message names a payment or a case, and names none.
pub(super) const NO_ID: Id = [0; 16];

/// A payment's id, as on the wire.
pub(super) type Id = [u8; 16];

/// A frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) lane: u8,
    pub(super) acknowledged_lane: u8,
    pub(super) number: u64,
    pub(super) acknowledged: u64,
    pub(super) routing: &'a [u8],
    pub(super) private: &'a [u8],
}

/// The first frame of `bytes` and its length; none where it is not whole, or is no frame.
pub(super) fn frame(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let length = u32_at(bytes.get(..FRAME_HEADER_BYTES)?, 0) as usize;
    if !(FRAME_HEADER_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return None;
    }
    let whole = bytes.get(..length)?;
    let routing_end = FRAME_HEADER_BYTES + usize::from(u16_at(whole, 24));
    let frame = Frame {
        kind: whole[5],
        lane: whole[6],
        acknowledged_lane: whole[7],
        number: u64_at(whole, 8),
        acknowledged: u64_at(whole, 16),
        routing: whole.get(FRAME_HEADER_BYTES..routing_end)?,
        private: &whole[routing_end..],
    };
    Some((frame, length))
}

/// A `Status`, 38 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) id: Id,
    pub(super) outcome: u8,
    pub(super) reason: [u8; 4],
    pub(super) field: u8,
    pub(super) decided_at_ns: u64,
    pub(super) position: u64,
}

pub(super) fn status(routing: &[u8]) -> Option<Status> {
    (routing.len() == 38).then(|| Status {
        id: array(routing, 0),
        outcome: routing[16],
        reason: array(routing, 17),
        field: routing[21],
        decided_at_ns: u64_at(routing, 22),
        position: u64_at(routing, 30),
    })
}

impl Status {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = self.id.to_vec();
        out.push(self.outcome);
        out.extend_from_slice(&self.reason);
        out.push(self.field);
        out.extend_from_slice(&self.decided_at_ns.to_le_bytes());
        out.extend_from_slice(&self.position.to_le_bytes());
        out
    }
}

/// A `CaseStatus`, 39 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CaseStatus {
    pub(super) id: Id,
    pub(super) kind: u8,
    pub(super) state: u8,
    pub(super) reason: [u8; 4],
    pub(super) field: u8,
    pub(super) at_ns: u64,
    pub(super) position: u64,
}

pub(super) fn case_status(routing: &[u8]) -> Option<CaseStatus> {
    (routing.len() == 39).then(|| CaseStatus {
        id: array(routing, 0),
        kind: routing[16],
        state: routing[17],
        reason: array(routing, 18),
        field: routing[22],
        at_ns: u64_at(routing, 23),
        position: u64_at(routing, 31),
    })
}

impl CaseStatus {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = self.id.to_vec();
        out.extend_from_slice(&[self.kind, self.state]);
        out.extend_from_slice(&self.reason);
        out.push(self.field);
        out.extend_from_slice(&self.at_ns.to_le_bytes());
        out.extend_from_slice(&self.position.to_le_bytes());
        out
    }
}

/// A `Return`, 63 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Return {
    pub(super) id: Id,
    pub(super) original: Id,
    pub(super) case: Id,
    pub(super) amount: u64,
    pub(super) currency: [u8; 3],
}

pub(super) fn payment_return(routing: &[u8]) -> Option<Return> {
    (routing.len() == 63).then(|| Return {
        id: array(routing, 0),
        original: array(routing, 16),
        case: array(routing, 32),
        amount: u64_at(routing, 48),
        currency: array(routing, 56),
    })
}

/// A `CaseOpen`, 127 bytes. A `CaseForward` is the same, with the deadline in place of the last field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CaseOpen {
    pub(super) id: Id,
    pub(super) kind: u8,
    pub(super) original: Id,
    pub(super) opener: [u8; 35],
    pub(super) responder: [u8; 35],
    pub(super) amount: u64,
    pub(super) currency: [u8; 3],
    pub(super) form: u8,
    pub(super) reason: [u8; 4],
    pub(super) expires_at_ns: u64,
}

/// Where that last field begins.
pub(super) const CASE_EXPIRES_AT: usize = 119;

pub(super) fn case_open(routing: &[u8]) -> Option<CaseOpen> {
    (routing.len() == 127).then(|| CaseOpen {
        id: array(routing, 0),
        kind: routing[16],
        original: array(routing, 17),
        opener: array(routing, 33),
        responder: array(routing, 68),
        amount: u64_at(routing, 103),
        currency: array(routing, 111),
        form: routing[114],
        reason: array(routing, 115),
        expires_at_ns: u64_at(routing, CASE_EXPIRES_AT),
    })
}

/// The fields of a `CreditTransfer` that decide, from its 126 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: Id,
    pub(super) payer: [u8; 35],
    pub(super) payee: [u8; 35],
    pub(super) amount: u64,
    pub(super) currency: [u8; 3],
    pub(super) accepted_at_ns: u64,
    pub(super) purpose: [u8; 4],
    pub(super) lane: u8,
    pub(super) request: Id,
}

pub(super) fn order(routing: &[u8]) -> Option<Order> {
    (routing.len() == 126).then(|| Order {
        id: array(routing, 0),
        payer: array(routing, 16),
        payee: array(routing, 51),
        amount: u64_at(routing, 86),
        currency: array(routing, 94),
        accepted_at_ns: u64_at(routing, 97),
        purpose: array(routing, 105),
        lane: routing[109],
        request: array(routing, 110),
    })
}

/// An `AliasCommand`, 29 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AliasCommand {
    pub(super) id: Id,
    pub(super) operation: u8,
    pub(super) alias_type: u8,
    pub(super) defaults: u16,
}

pub(super) fn alias_command(routing: &[u8]) -> Option<AliasCommand> {
    (routing.len() == 29).then(|| AliasCommand {
        id: array(routing, 0),
        operation: routing[16],
        alias_type: routing[17],
        defaults: u16_at(routing, 18),
    })
}

/// An `AliasResult`, 34 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AliasResult {
    pub(super) id: Id,
    pub(super) result: u8,
    pub(super) claim: u8,
    pub(super) at_ns: u64,
    pub(super) position: u64,
}

pub(super) fn alias_result(routing: &[u8]) -> Option<AliasResult> {
    (routing.len() == 34).then(|| AliasResult {
        id: array(routing, 0),
        result: routing[16],
        claim: routing[17],
        at_ns: u64_at(routing, 18),
        position: u64_at(routing, 26),
    })
}

/// The fields of an `AliasLookup`, 54 bytes, that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AliasLookup {
    pub(super) id: Id,
    /// 1 look-up, 2 verification of a name.
    pub(super) form: u8,
    pub(super) purpose: u8,
    /// 0: by account.
    pub(super) alias_type: u8,
    pub(super) participant: [u8; 35],
}

pub(super) fn alias_lookup(routing: &[u8]) -> Option<AliasLookup> {
    (routing.len() == 54).then(|| AliasLookup {
        id: array(routing, 0),
        form: routing[16],
        purpose: routing[17],
        alias_type: routing[18],
        participant: array(routing, 19),
    })
}

/// A `DirectoryQuery`, 25 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DirectoryQuery {
    pub(super) id: Id,
    /// 1 existence, 2 look-ups, 3 buckets, 4 entries.
    pub(super) form: u8,
    pub(super) after: u64,
}

pub(super) fn directory_query(routing: &[u8]) -> Option<DirectoryQuery> {
    (routing.len() == 25).then(|| DirectoryQuery {
        id: array(routing, 0),
        form: routing[16],
        after: u64_at(routing, 17),
    })
}

/// A `DirectoryAnswer`, 26 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DirectoryAnswer {
    pub(super) id: Id,
    pub(super) form: u8,
    pub(super) has_more: u8,
    pub(super) after: u64,
}

pub(super) fn directory_answer(routing: &[u8]) -> Option<DirectoryAnswer> {
    (routing.len() == 26).then(|| DirectoryAnswer {
        id: array(routing, 0),
        form: routing[16],
        has_more: routing[17],
        after: u64_at(routing, 18),
    })
}

/// The fields of an `AccountReport`, 125 bytes, that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccountReport {
    pub(super) currency: [u8; 3],
    /// 1 own, 2 of a sponsor, 3 none.
    pub(super) standing: u8,
    pub(super) position: u64,
    pub(super) debits_pending: i128,
    pub(super) debits_posted: i128,
    pub(super) credits_posted: i128,
    pub(super) available: i128,
}

pub(super) fn account_report(routing: &[u8]) -> Option<AccountReport> {
    (routing.len() == 125).then(|| AccountReport {
        currency: array(routing, 16),
        standing: routing[19],
        position: u64_at(routing, 29),
        debits_pending: i128::from_le_bytes(array(routing, 37)),
        debits_posted: i128::from_le_bytes(array(routing, 53)),
        credits_posted: i128::from_le_bytes(array(routing, 85)),
        available: i128::from_le_bytes(array(routing, 109)),
    })
}

/// The fields of an `AliasFound`, 82 bytes, that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AliasFound {
    pub(super) id: Id,
    /// 1 found, 2 not found, 3 limited.
    pub(super) result: u8,
    /// 0 where no name was to be verified.
    pub(super) name_match: u8,
    pub(super) participant: [u8; 35],
    pub(super) owned_since_ns: u64,
    pub(super) position: u64,
}

pub(super) fn alias_found(routing: &[u8]) -> Option<AliasFound> {
    (routing.len() == 82).then(|| AliasFound {
        id: array(routing, 0),
        result: routing[16],
        name_match: routing[17],
        participant: array(routing, 18),
        owned_since_ns: u64_at(routing, 53),
        position: u64_at(routing, 74),
    })
}

/// The `CreditTransfer` that an `AliasTransfer` of 92 bytes becomes, for this payee.
pub(super) fn order_of_alias(routing: &[u8], payee: &[u8; 35]) -> Option<Vec<u8>> {
    (routing.len() == 92).then(|| [&routing[..51], payee, &routing[51..91]].concat())
}

/// The contents of a private part's fields, in the order of its cells: what it says, whatever its layout.
pub(super) fn private_fields(private: &[u8], cells: usize) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    let Some(root) = private.len().checked_sub(cells * 8) else { return vec![Vec::new(); cells] };
    for cell in (0..cells).map(|cell| root + cell * 8) {
        let offset = i64::from(i32::from_le_bytes(array(private, cell)));
        let start = i64::try_from(cell).ok().and_then(|cell| usize::try_from(cell + offset).ok()).unwrap_or(usize::MAX);
        let length = u32_at(private, cell + 4) as usize;
        let field = start.checked_add(length).and_then(|end| private.get(start..end));
        fields.push(field.unwrap_or_default().to_vec());
    }
    fields
}

/// A private part with these fields and so many unused bytes before each.
pub(super) fn write_private(fields: &[Vec<u8>], gap_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut starts = Vec::new();
    for field in fields {
        out.resize(out.len() + gap_bytes, 0xee);
        starts.push(out.len());
        out.extend_from_slice(field);
    }
    for (start, field) in starts.into_iter().zip(fields) {
        let back = i32::try_from(out.len() - start).unwrap_or(i32::MAX);
        out.extend_from_slice(&(-back).to_le_bytes());
        out.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    out
}

/// A batch of the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch<'a> {
    pub(super) first_sequence: u64,
    pub(super) count: u64,
    pub(super) time_ns: u64,
    pub(super) payload: &'a [u8],
}

/// The batch in a record's bytes; none for a mark, or for what is no record.
pub(super) fn batch_of_record(record: &[u8]) -> Option<Batch<'_>> {
    let is_batch = record.len() >= RECORD_HEADER_BYTES && record.starts_with(RECORD_MAGIC) && u16_at(record, 10) == 1;
    if !is_batch {
        return None;
    }
    let length = u32_at(record, 56) as usize;
    Some(Batch {
        first_sequence: u64_at(record, 32),
        count: u64::from(u32_at(record, 12)),
        time_ns: u64_at(record, 40),
        payload: record.get(RECORD_HEADER_BYTES..RECORD_HEADER_BYTES + length)?,
    })
}

/// Start and length (padding excluded) of every record of a segment, in order.
pub(super) fn records(segment: &[u8]) -> Vec<(usize, usize)> {
    let mut records = Vec::new();
    let mut start = 0;
    while segment.get(start..).is_some_and(|rest| rest.len() >= BLOCK_BYTES && rest.starts_with(RECORD_MAGIC)) {
        let bytes = RECORD_HEADER_BYTES + u32_at(segment, start + 56) as usize;
        records.push((start, bytes));
        start += bytes.next_multiple_of(BLOCK_BYTES);
    }
    records
}

/// An entry of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) kind: u8,
    /// 1 participant, 2 operator, 3 the switch.
    pub(super) sender_kind: u8,
    pub(super) sender: u32,
    pub(super) annotation: &'a [u8],
    pub(super) routing: &'a [u8],
    pub(super) sealed_bytes: usize,
}

/// The entries of a payload, in order; what is no entry ends them with an error.
pub(super) fn entries(payload: &[u8]) -> Result<Vec<Entry<'_>>, String> {
    let mut entries = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        let no_entry = || format!("entry {} of a batch is none", entries.len() + 1);
        let header = rest.get(..ENTRY_HEADER_BYTES).ok_or_else(no_entry)?;
        let length = u32_at(header, 0) as usize;
        let routing_start = ENTRY_HEADER_BYTES + usize::from(header[7]);
        let routing_end = routing_start + usize::from(u16_at(header, 12));
        if routing_end > length || length > rest.len() {
            return Err(no_entry());
        }
        let (entry, behind) = rest.split_at(length);
        entries.push(Entry {
            kind: entry[5],
            sender_kind: entry[6],
            sender: u32_at(entry, 8),
            annotation: &entry[ENTRY_HEADER_BYTES..routing_start],
            routing: &entry[routing_start..routing_end],
            sealed_bytes: length - routing_end,
        });
        rest = behind;
    }
    Ok(entries)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;
    use adapters::message::{ArchivedPaymentPrivate, Echo, MessageKind, Part, PaymentPrivate};
    use adapters::native::frame::{Head, encode};

    fn fields_of(private: &ArchivedPaymentPrivate) -> [&[u8]; 7] {
        [
            &private.payer_name,
            &private.payer_account,
            &private.payee_name,
            &private.payee_account,
            &private.end_to_end_id,
            &private.remittance,
            &private.extension,
        ]
    }

    /// The same fields in any layout are the same to the codec of the product, and to this one.
    #[test]
    fn a_private_part_says_the_same_in_any_layout() {
        let mut fields = vec![Vec::new(); 7];
        (fields[0], fields[5]) = (b"Amina Diallo".to_vec(), b"Invoice 117".to_vec());
        for gap_bytes in [0, 8, 24] {
            let private = write_private(&fields, gap_bytes);
            assert_eq!(private_fields(&private, 7), fields);
            let read = PaymentPrivate::read(&private).unwrap();
            assert_eq!(fields_of(read).map(<[u8]>::to_vec).to_vec(), fields);
        }
        assert_eq!(private_fields(&[], 7), vec![Vec::<u8>::new(); 7], "an empty part has empty fields");
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        let head = Head { number: 7, acknowledged: 5, ..Head::PLAIN };
        encode(&mut bytes, MessageKind::Echo, head, &Echo { token: 9, reply: 1 }, |_| {});
        let (read, length) = frame(&bytes).unwrap();
        assert_eq!((read.kind, read.number, read.acknowledged, length), (kind::ECHO, 7, 5, bytes.len()));
        assert_eq!((u64_at(read.routing, 0), read.routing[8]), (9, 1));
        assert!((0..bytes.len()).all(|shorter| frame(&bytes[..shorter]).is_none()));
    }
}
