//! An ID system for development: it attests whatever it is told. Its keys are generated, and no scheme trusts them that was not told to.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::attestation::{Algorithm, IssuerKey, TYPE};

/// What is attested of a person.
#[derive(Clone, Copy, Debug)]
pub struct PersonClaims<'a> {
    /// For which participant.
    pub audience: &'a str,
    /// The token of the person, made for that participant.
    pub subject: &'a str,
    /// The alias that the person was seen to possess: its type's code, and its text.
    pub alias: Option<(&'a str, &'a str)>,
    /// Seconds since 1970.
    pub issued_at_s: u64,
    /// Seconds since 1970.
    pub expires_at_s: u64,
    /// 16 to 64 letters and digits.
    pub nonce: &'a str,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
}

/// An ID system that signs.
pub struct DevelopmentIssuer {
    issuer: String,
    key_id: String,
    pair: Pair,
}

impl DevelopmentIssuer {
    /// One with a new key.
    ///
    /// # Panics
    /// When the system gives no random numbers.
    pub fn generate(issuer: &str, key_id: &str, algorithm: Algorithm) -> DevelopmentIssuer {
        let pair = match algorithm {
            Algorithm::Ed25519 => Ed25519KeyPair::generate().map(Pair::Ed25519),
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Es256),
        };
        let pair = pair.unwrap_or_else(|_| panic!("the system gives no random numbers"));
        DevelopmentIssuer { issuer: issuer.to_owned(), key_id: key_id.to_owned(), pair }
    }

    /// One whose Ed25519 key follows from a seed: for a simulation, or to be the same after a restart.
    pub fn of_seed(issuer: &str, key_id: &str, seed: &[u8; 32]) -> DevelopmentIssuer {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        let pair = Pair::Ed25519(pair.unwrap_or_else(|_| unreachable!("any 32 bytes are a seed")));
        DevelopmentIssuer { issuer: issuer.to_owned(), key_id: key_id.to_owned(), pair }
    }

    /// Its public key, which counts at any time.
    pub fn key(&self) -> IssuerKey {
        let (algorithm, public_key) = match &self.pair {
            Pair::Ed25519(pair) => (Algorithm::Ed25519, pair.public_key().as_ref().to_vec()),
            Pair::Es256(pair) => (Algorithm::Es256, pair.public_key().as_ref().to_vec()),
        };
        let (issuer, key_id) = (self.issuer.clone(), self.key_id.clone());
        IssuerKey { issuer, key_id, algorithm, public_key, not_before_s: 0, not_after_s: u64::MAX }
    }

    /// The token by which it names a person to one participant: two participants cannot see that theirs are of the same person.
    pub fn token_of(&self, person: &str, audience: &str) -> String {
        let text = [&self.issuer, person, audience].map(|part| format!("{}:{part}", part.len())).concat();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        URL_SAFE_NO_PAD.encode(&hash.as_ref()[..18])
    }

    /// An attestation of a person.
    pub fn attest(&self, claims: &PersonClaims<'_>) -> String {
        let mut body = json!({
            "iss": self.issuer,
            "sub": claims.subject,
            "aud": claims.audience,
            "exp": claims.expires_at_s,
            "iat": claims.issued_at_s,
            "nonce": claims.nonce,
        });
        if let Some((kind, value)) = claims.alias {
            body["typ"] = kind.into();
            body["val"] = value.into();
        }
        self.sign(&body)
    }

    /// An attestation of a file of rows, by its SHA-256 and how many they are; `times_s` are from when and until when.
    pub fn attest_file(
        &self,
        audience: &str,
        (sha256, rows): (&[u8; 32], u64),
        (issued_at_s, expires_at_s): (u64, u64),
        nonce: &str,
    ) -> String {
        let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        self.sign(&json!({
            "iss": self.issuer,
            "aud": audience,
            "exp": expires_at_s,
            "iat": issued_at_s,
            "nonce": nonce,
            "file_sha256": hex,
            "rows": rows,
        }))
    }

    fn sign(&self, claims: &serde_json::Value) -> String {
        self.sign_text(&claims.to_string())
    }

    /// Claims as they stand here, right or not.
    pub(crate) fn sign_text(&self, claims: &str) -> String {
        let algorithm = match self.pair {
            Pair::Ed25519(_) => Algorithm::Ed25519,
            Pair::Es256(_) => Algorithm::Es256,
        };
        let header = json!({ "alg": algorithm.name(), "kid": self.key_id, "typ": TYPE });
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(&header.to_string()), part(claims));
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Pair::Es256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), signed.as_bytes());
                signature.unwrap_or_else(|_| panic!("the system gives no random numbers")).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
