//! The digest of a payment order, a return or a case: which one this is, whatever envelope it came in. Keyed, so that the journal cannot be searched for
//! a name. The order of the fields is fixed in `docs/formats/entries.md`, section 3.

use adapters::check::Checked;
use adapters::message::Part;

/// Digests orders under one key, reusing one buffer.
pub struct OrderDigester {
    key: [u8; 32],
    fields: Vec<u8>,
}

impl OrderDigester {
    /// A digester under the edge's secret.
    pub fn new(key: [u8; 32]) -> OrderDigester {
        OrderDigester { key, fields: Vec::new() }
    }

    /// The first 128 bits of the keyed BLAKE3 of the message's business fields: all of its routing part, and each private field with its length.
    pub fn digest<M: Part>(&mut self, message: &Checked<'_, M>) -> [u8; 16] {
        let fields = &mut self.fields;
        fields.clear();
        fields.extend_from_slice(message.routing_bytes());
        message.each_private_field(|field| {
            let length = u32::try_from(field.len()).unwrap_or_else(|_| unreachable!("fields are bounded"));
            fields.extend_from_slice(&length.to_le_bytes());
            fields.extend_from_slice(field);
        });
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::keyed_hash(&self.key, fields).as_bytes()[..16]);
        digest
    }
}
