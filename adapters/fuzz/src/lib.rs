//! What must hold for any bytes at each decoder of the adapters: beside "no panic", that what was read can be written, and reads the same again.
//!
//! Each function here is a target of its own, in `targets`. `make fuzz` runs them all. A fault that one finds becomes a test of the adapters, which opens with its story.

mod iso20022;
mod mutation;
mod native;

use adapters::alias::Alias;
use adapters::attestation::{self, Algorithm, Expected, IssuerKey};
use adapters::directory::AliasType;

pub use iso20022::{iso20022_cursor, iso20022_orders, iso20022_told};
pub use mutation::change;
pub use native::{native_frames, native_session};

/// An alias in its canonical form means itself. The first byte says its kind.
pub fn alias(bytes: &[u8]) {
    let Some((&kind, text)) = bytes.split_first() else { return };
    let (Some(kind), Ok(text)) = (AliasType::from_number(kind), std::str::from_utf8(text)) else { return };
    let Ok(alias) = Alias::parse(kind, text) else { return };
    assert_eq!(alias.kind(), kind);
    assert_eq!(
        Alias::parse(kind, alias.as_str()).map(|again| again.as_str().to_owned()),
        Ok(alias.as_str().to_owned())
    );
}

/// Nobody makes an attestation without the key.
pub fn attestation(bytes: &[u8]) {
    let key = |algorithm: Algorithm, key_id: &str| IssuerKey {
        issuer: "id.example".to_owned(),
        key_id: key_id.to_owned(),
        algorithm,
        public_key: vec![4; algorithm.key_bytes()],
        not_before_s: 0,
        not_after_s: u64::MAX,
    };
    let keys = [key(Algorithm::Ed25519, "one"), key(Algorithm::Es256, "two")];
    let expected = Expected { audience: "NORTHBANK", alias: None, subject: "k3J9xQ0aZ7mB2nL5", now_s: 1_795_422_600 };
    assert!(attestation::verify(bytes, &expected, &keys).is_err());
}
