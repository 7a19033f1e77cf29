//! The digest of a payment order: which payment this is, whatever envelope it came in. Keyed, so that the journal cannot be searched for
//! a name. The order of the fields is fixed in `docs/formats/entries.md`, section 3.

use adapters::check::CheckedTransfer;

/// Digests payment orders under one key, reusing one buffer.
pub struct OrderDigester {
    key: [u8; 32],
    fields: Vec<u8>,
}

impl OrderDigester {
    /// A digester under the edge's secret.
    pub fn new(key: [u8; 32]) -> OrderDigester {
        OrderDigester { key, fields: Vec::new() }
    }

    /// The first 128 bits of the keyed BLAKE3 of the order's business fields.
    pub fn digest(&mut self, order: &CheckedTransfer<'_>) -> [u8; 16] {
        let routing = order.routing();
        let fields = &mut self.fields;
        fields.clear();
        fields.extend_from_slice(&routing.payment_id);
        fields.extend_from_slice(&routing.payer);
        fields.extend_from_slice(&routing.payee);
        fields.extend_from_slice(&routing.amount.to_native().to_le_bytes());
        fields.extend_from_slice(&routing.currency);
        fields.extend_from_slice(&routing.accepted_at_ns.to_native().to_le_bytes());
        fields.extend_from_slice(&routing.purpose);
        for field in order.private_fields().unwrap_or([&[]; 7]) {
            let length = u32::try_from(field.len()).unwrap_or_else(|_| unreachable!("fields are bounded"));
            fields.extend_from_slice(&length.to_le_bytes());
            fields.extend_from_slice(field);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::keyed_hash(&self.key, fields).as_bytes()[..16]);
        digest
    }
}
