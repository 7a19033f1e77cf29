//! References of orders of money, as people write them: a short text, or a UUID.

use serde::{Deserialize, Serialize};

use crate::books::TransferName;
use crate::engine::scheme::money::is_taken;
use crate::seal::random;

/// The longest reference that is text: its bytes are the reference.
const TEXT_BYTES: usize = 16;

/// A reference that an order of money can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference([u8; 16]);

impl Reference {
    /// One that nobody has used: a version-7 UUID, of this time.
    pub fn make(time_ns: u64) -> Reference {
        let mut bytes: [u8; 16] = random();
        bytes[..6].copy_from_slice(&(time_ns / 1_000_000).to_be_bytes()[2..]);
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Reference(bytes)
    }

    /// As an entry has it.
    pub fn of(bytes: [u8; 16]) -> Reference {
        Reference(bytes)
    }

    /// As an entry has it.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// As people write it.
    pub fn parse(text: &str) -> Result<Reference, String> {
        let is_text = |text: &str| (1..=TEXT_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let bytes = match uuid(text) {
            Some(bytes) => bytes,
            None if is_text(text) => {
                let mut bytes = [0; TEXT_BYTES];
                bytes[..text.len()].copy_from_slice(text.as_bytes());
                bytes
            }
            None => {
                let text = text.escape_debug();
                return Err(format!(
                    "reference `{text}`: expected 1 to {TEXT_BYTES} letters, digits and signs without blanks, or a UUID"
                ));
            }
        };
        if bytes == [0; 16] || is_taken(bytes) {
            return Err(format!(
                "reference `{text}`: UUIDs of versions 4 and 8 are those of payments and of the scheme itself: choose another"
            ));
        }
        Ok(Reference(bytes))
    }
}

/// 32 hexadecimal digits, with the hyphens of a UUID.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let has_form = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let digits = has_form.then(|| text.replace('-', ""))?;
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

impl std::fmt::Display for Reference {
    /// As it is parsed: text where it is some, else a UUID.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let (text, padding) = self.0.split_at(end);
        let is_text =
            !text.is_empty() && text.iter().all(u8::is_ascii_graphic) && padding.iter().all(|byte| *byte == 0);
        match std::str::from_utf8(text) {
            Ok(text) if is_text => f.write_str(text),
            _ => TransferName(self.0).fmt(f),
        }
    }
}

impl TryFrom<String> for Reference {
    type Error = String;

    fn try_from(text: String) -> Result<Reference, String> {
        Reference::parse(&text)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> String {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    #[test]
    fn what_is_printed_is_the_same_reference() {
        for text in ["R", "RTGS-2026/0001", "0123456789abcdef", "0192f0c1-aaaa-7bbb-8ccc-0123456789ab"] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!(Reference::of(reference.bytes()), reference);
        }
        let made = Reference::make(1_700_000_000_000_000_000);
        assert_ne!(made, Reference::make(1_700_000_000_000_000_000));
        assert_eq!(Reference::parse(&made.to_string()), Ok(made));
        assert_eq!(Reference::of(*b"genesis\0\0\0\0\x01\0\0\0\x01").to_string().len(), 36);
    }

    #[test]
    fn what_could_be_a_payment_is_no_reference() {
        let wrong = ["", "two words", "seventeen-letters", "\u{e4}", "5f3c1f0e-8f0b-4d5e-9f57-0a1b2c3d4e5f"];
        let more = ["5f3c1f0e-8f0b-8d5e-9f57-0a1b2c3d4e5f", "00000000-0000-0000-0000-000000000000"];
        for text in wrong.into_iter().chain(more) {
            assert!(Reference::parse(text).unwrap_err().starts_with("reference `"), "{text}");
        }
    }
}
