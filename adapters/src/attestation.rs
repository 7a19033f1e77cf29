//! Attestations: what an ID system has signed about a person and an alias. A compact JWS (RFC 7515) with Ed25519 (RFC 8037) or ES256 (RFC 7518).
//!
//! What is checked here needs no memory: signature, audience, possession, form, time. Whether its nonce was used before, the directory knows. The claims stand in
//! `docs/directory-rules.md`.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::alias::{self, Alias, AliasFault};
use crate::directory::AliasType;
use crate::limits::ATTESTATION_BYTES_MAX;

/// The longest life of an attestation, in seconds: it is made when the person stands there.
const LIFE_S_MAX: u64 = 86_400;

/// How far an ID system's clock may be ahead, in seconds.
const SKEW_S: u64 = 60;

/// What the header of an attestation says that it is.
pub const TYPE: &str = "clearspan-attestation+jwt";

/// How an ID system signs. The numbers are in the journal.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `EdDSA` with Ed25519: a key of 32 bytes.
    Ed25519 = 1,
    /// `ES256`: a point of 65 bytes, uncompressed.
    Es256 = 2,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 2] = [Algorithm::Ed25519, Algorithm::Es256];

    /// The algorithm with this number.
    pub fn from_number(number: u8) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|&known| known as u8 == number)
    }

    /// The algorithm that a JWS calls so.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Length of its public keys.
    pub fn key_bytes(self) -> usize {
        match self {
            Algorithm::Ed25519 => 32,
            Algorithm::Es256 => 65,
        }
    }

    /// Can these bytes be a public key of it? Those of a P-256 key must be a point of the curve.
    pub fn takes(self, public_key: &[u8]) -> bool {
        let parsed = match self {
            Algorithm::Ed25519 => ParsedPublicKey::new(&ED25519, public_key),
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key),
        };
        public_key.len() == self.key_bytes() && parsed.is_ok()
    }

    /// Its name in a JWS.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Ed25519 => "EdDSA",
            Algorithm::Es256 => "ES256",
        }
    }
}

/// A key of an ID system whose attestations count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerKey {
    /// The ID system.
    pub issuer: String,
    /// Which of its keys.
    pub key_id: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Of the length of its algorithm.
    pub public_key: Vec<u8>,
    /// From when it counts, in seconds since 1970.
    pub not_before_s: u64,
    /// Through when.
    pub not_after_s: u64,
}

/// What an attestation must be for. It has no `Debug`, because a token stays out of logs.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The participant's code.
    pub audience: &'a str,
    /// The alias that the person was seen to possess; none of a random key, which nobody possesses yet.
    pub alias: Option<&'a Alias>,
    /// The token that is to be registered.
    pub subject: &'a str,
    /// Seconds since 1970.
    pub now_s: u64,
}

/// What an attestation says. It has no `Debug`, because who knows a nonce may be first to use it.
#[derive(Clone, PartialEq, Eq)]
pub struct Attestation {
    /// Who has signed.
    pub issuer: String,
    /// Used once.
    pub nonce: String,
    /// When it ends, in seconds since 1970.
    pub expires_at_s: u64,
}

/// Why an attestation does not hold, in the order in which it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttestationFault {
    /// No compact JWS, or too long.
    Malformed,
    /// Neither EdDSA nor ES256.
    Algorithm,
    /// No key of this ID system is trusted.
    IssuerUnknown,
    /// None with this id.
    KeyUnknown,
    /// The key's time has not come, or is over.
    KeyNotValidNow,
    /// The signature is of another key, or of something else.
    Signature,
    /// A claim is missing, or has not its form.
    Claims,
    /// It was made for another participant.
    Audience,
    /// It is about another person.
    Subject,
    /// The token could be an ID number itself, or is no token.
    Token(AliasFault),
    /// It is about another alias.
    Possession,
    /// Its time is over.
    Expired,
    /// It was issued in the future.
    IssuedInFuture,
    /// It would hold for more than a day.
    LivesTooLong,
}

impl std::fmt::Display for AttestationFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AttestationFault::Malformed => {
                "the attestation is no compact JWS of type clearspan-attestation+jwt and at most 2,048 bytes"
            }
            AttestationFault::Algorithm => "the attestation must be signed with EdDSA (Ed25519) or ES256",
            AttestationFault::IssuerUnknown => "the scheme trusts no such ID system",
            AttestationFault::KeyUnknown => "the scheme knows no such key of the ID system",
            AttestationFault::KeyNotValidNow => "the ID system's key is not valid now",
            AttestationFault::Signature => "the attestation's signature does not hold",
            AttestationFault::Claims => "a claim of the attestation is missing or has not its form",
            AttestationFault::Audience => "the attestation was made for another participant",
            AttestationFault::Subject => "the attestation is about another person than the command",
            AttestationFault::Token(fault) => return fault.fmt(f),
            AttestationFault::Possession => "the attestation is about another alias than the command",
            AttestationFault::Expired => "the attestation's time is over: ask the ID system for another",
            AttestationFault::IssuedInFuture => "the attestation was issued in the future: look at the clocks",
            AttestationFault::LivesTooLong => "an attestation holds for 24 hours at the most",
        })
    }
}

impl std::error::Error for AttestationFault {}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    /// What the JWS is for: a key that signs other things too must not be heard for them (RFC 8725, 3.11).
    typ: String,
    /// What must be understood and is not: whatever it holds, nothing included.
    #[serde(default, deserialize_with = "refused")]
    #[expect(dead_code, reason = "it is never there")]
    crit: (),
}

fn refused<'de, D: serde::Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(serde::de::Error::custom("no extension is understood"))
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    nonce: String,
    typ: Option<String>,
    val: Option<String>,
}

/// What is signed of a file of rows.
#[derive(Deserialize)]
struct FileClaims {
    iss: String,
    aud: String,
    exp: u64,
    iat: u64,
    nonce: String,
    file_sha256: String,
    rows: u64,
}

/// Checks an attestation of a person.
pub fn verify(jws: &[u8], expected: &Expected<'_>, keys: &[IssuerKey]) -> Result<Attestation, AttestationFault> {
    let claims = opened(jws, keys, expected.now_s)?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| AttestationFault::Claims)?;
    let attestation = Attestation { issuer: claims.iss, nonce: claims.nonce, expires_at_s: claims.exp };
    check_audience(&attestation, (&claims.aud, expected.audience))?;
    if claims.sub != expected.subject {
        return Err(AttestationFault::Subject);
    }
    alias::token(&claims.sub).map_err(AttestationFault::Token)?;
    let seen = match (claims.typ, claims.val) {
        (Some(kind), Some(value)) => {
            let kind = AliasType::ALL.iter().copied().find(|known| known.name() == kind);
            let seen = Alias::parse(kind.ok_or(AttestationFault::Claims)?, &value);
            Some(seen.ok().filter(|seen| seen.as_str() == value).ok_or(AttestationFault::Claims)?)
        }
        (None, None) => None,
        _ => return Err(AttestationFault::Claims),
    };
    if seen.as_ref() != expected.alias {
        return Err(AttestationFault::Possession);
    }
    check_time(claims.iat, claims.exp, expected.now_s)?;
    Ok(attestation)
}

/// Checks an attestation of a file of rows: of its SHA-256 and of how many they are.
pub fn verify_file(
    jws: &[u8],
    (audience, now_s): (&str, u64),
    (sha256, rows): (&[u8; 32], u64),
    keys: &[IssuerKey],
) -> Result<Attestation, AttestationFault> {
    let claims = opened(jws, keys, now_s)?;
    let claims: FileClaims = serde_json::from_slice(&claims).map_err(|_| AttestationFault::Claims)?;
    let attestation = Attestation { issuer: claims.iss, nonce: claims.nonce, expires_at_s: claims.exp };
    check_audience(&attestation, (&claims.aud, audience))?;
    let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    if !claims.file_sha256.eq_ignore_ascii_case(&hex) || claims.rows != rows {
        return Err(AttestationFault::Possession);
    }
    check_time(claims.iat, claims.exp, now_s)?;
    Ok(attestation)
}

fn check_audience(attestation: &Attestation, (named, expected): (&str, &str)) -> Result<(), AttestationFault> {
    if !alias::is_random_word(&attestation.nonce) {
        return Err(AttestationFault::Claims);
    }
    if named == expected { Ok(()) } else { Err(AttestationFault::Audience) }
}

fn check_time(issued_s: u64, expires_s: u64, now_s: u64) -> Result<(), AttestationFault> {
    if expires_s <= now_s {
        return Err(AttestationFault::Expired);
    }
    if issued_s > now_s.saturating_add(SKEW_S) {
        return Err(AttestationFault::IssuedInFuture);
    }
    if expires_s.saturating_sub(issued_s) > LIFE_S_MAX {
        return Err(AttestationFault::LivesTooLong);
    }
    Ok(())
}

/// The claims of a JWS whose signature is that of a key that counts now.
fn opened(jws: &[u8], keys: &[IssuerKey], now_s: u64) -> Result<Vec<u8>, AttestationFault> {
    if jws.len() > ATTESTATION_BYTES_MAX {
        return Err(AttestationFault::Malformed);
    }
    let mut parts = jws.split(|&byte| byte == b'.');
    let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(AttestationFault::Malformed);
    };
    let signed = &jws[..header.len() + 1 + claims.len()];
    let decoded = |part: &[u8]| URL_SAFE_NO_PAD.decode(part).map_err(|_| AttestationFault::Malformed);
    let (header, claims, signature) = (decoded(header)?, decoded(claims)?, decoded(signature)?);
    let header: Header = serde_json::from_slice(&header).map_err(|_| AttestationFault::Malformed)?;
    let algorithm = Algorithm::from_name(&header.alg).ok_or(AttestationFault::Algorithm)?;
    if header.typ != TYPE {
        return Err(AttestationFault::Malformed);
    }
    // Whose key it is stands in what the key is to open; it counts only once the signature holds.
    let named: serde_json::Value = serde_json::from_slice(&claims).map_err(|_| AttestationFault::Malformed)?;
    let issuer = named.get("iss").and_then(serde_json::Value::as_str).ok_or(AttestationFault::Claims)?;
    let mut of_issuer = keys.iter().filter(|key| key.issuer == issuer).peekable();
    of_issuer.peek().ok_or(AttestationFault::IssuerUnknown)?;
    let key = of_issuer.find(|key| key.key_id == header.kid).ok_or(AttestationFault::KeyUnknown)?;
    if !(key.not_before_s..=key.not_after_s).contains(&now_s) {
        return Err(AttestationFault::KeyNotValidNow);
    }
    if key.algorithm != algorithm {
        return Err(AttestationFault::Algorithm);
    }
    let verified = match algorithm {
        Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &key.public_key).verify(signed, &signature),
        Algorithm::Es256 => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.public_key).verify(signed, &signature)
        }
    };
    verified.map_err(|_| AttestationFault::Signature)?;
    Ok(claims)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;
    use proptest::prelude::*;

    use crate::sandbox::issuer::{DevelopmentIssuer, PersonClaims};
    use AttestationFault as F;

    const NOW_S: u64 = 1_800_000_000;
    const TOKEN: &str = "f3A9-kQ0_zzT81bbR7x";

    fn claims() -> PersonClaims<'static> {
        PersonClaims {
            audience: "ALPHA",
            subject: TOKEN,
            alias: Some(("MBNO", "+254712345678")),
            issued_at_s: NOW_S,
            expires_at_s: NOW_S + 600,
            nonce: "0123456789abcdef",
        }
    }

    fn check(issuer: &DevelopmentIssuer, claims: &PersonClaims<'_>) -> Result<(), AttestationFault> {
        verify_at(&issuer.attest(claims), &[issuer.key()], NOW_S)
    }

    fn verify_at(jws: &str, keys: &[IssuerKey], now_s: u64) -> Result<(), AttestationFault> {
        let alias = Alias::parse(AliasType::Mobile, "+254712345678").unwrap();
        let expected = Expected { audience: "ALPHA", alias: Some(&alias), subject: TOKEN, now_s };
        verify(jws.as_bytes(), &expected, keys).map(|_| ())
    }

    fn issuers() -> [DevelopmentIssuer; 2] {
        Algorithm::ALL.map(|algorithm| DevelopmentIssuer::generate("dev-id", "k1", algorithm))
    }

    #[test]
    fn each_fault_has_its_name() {
        for issuer in issuers() {
            assert_eq!(check(&issuer, &claims()), Ok(()));
            for (fault, claims) in [
                (F::Audience, PersonClaims { audience: "BETA", ..claims() }),
                (F::Subject, PersonClaims { subject: "another-token-00ab12", ..claims() }),
                (F::Possession, PersonClaims { alias: Some(("MBNO", "+254712345679")), ..claims() }),
                (F::Possession, PersonClaims { alias: None, ..claims() }),
                (F::Claims, PersonClaims { alias: Some(("XXXX", "+254712345679")), ..claims() }),
                (F::Claims, PersonClaims { nonce: "short", ..claims() }),
                (F::Expired, PersonClaims { expires_at_s: NOW_S, ..claims() }),
                (F::IssuedInFuture, PersonClaims { issued_at_s: NOW_S + 61, ..claims() }),
                (F::LivesTooLong, PersonClaims { expires_at_s: NOW_S + 86_401, ..claims() }),
            ] {
                assert_eq!(check(&issuer, &claims), Err(fault));
            }
            let jws = issuer.attest(&claims());
            let key = issuer.key();
            assert_eq!(verify_at(&jws, &[], NOW_S), Err(F::IssuerUnknown));
            let with = |change: fn(&mut IssuerKey)| {
                let mut key = key.clone();
                change(&mut key);
                verify_at(&jws, &[key], NOW_S)
            };
            assert_eq!(with(|key| key.issuer.push('x')), Err(F::IssuerUnknown));
            assert_eq!(with(|key| key.key_id.push('x')), Err(F::KeyUnknown));
            assert_eq!(with(|key| key.not_after_s = NOW_S - 1), Err(F::KeyNotValidNow));
            assert_eq!(with(|key| key.not_before_s = NOW_S + 1), Err(F::KeyNotValidNow));
            assert_eq!(with(|key| key.public_key[7] ^= 1), Err(F::Signature));
            let other = [Algorithm::Es256, Algorithm::Ed25519][usize::from(key.algorithm == Algorithm::Es256)];
            let other = IssuerKey { algorithm: other, ..key.clone() };
            assert_eq!(verify_at(&jws, &[other], NOW_S), Err(F::Algorithm));
        }
    }

    #[test]
    fn a_key_is_one_of_its_curve() {
        for issuer in issuers() {
            let IssuerKey { algorithm, mut public_key, .. } = issuer.key();
            assert!(algorithm.takes(&public_key));
            assert!(!algorithm.takes(&public_key[1..]));
            if algorithm == Algorithm::Es256 {
                *public_key.last_mut().unwrap() ^= 1;
                assert!(!algorithm.takes(&public_key), "it is beside the curve");
            }
        }
    }

    #[test]
    fn no_changed_byte_holds() {
        for issuer in issuers() {
            let jws = issuer.attest(&claims());
            for place in 0..jws.len() {
                for with in [b'A', b'.', b'z', 0] {
                    let mut changed = jws.clone().into_bytes();
                    if changed[place] == with {
                        continue;
                    }
                    changed[place] = with;
                    let alias = Alias::parse(AliasType::Mobile, "+254712345678").unwrap();
                    let expected = Expected { audience: "ALPHA", alias: Some(&alias), subject: TOKEN, now_s: NOW_S };
                    assert!(verify(&changed, &expected, &[issuer.key()]).is_err(), "byte {place} as {with}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_jws_of_ours_is_refused() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims = part(r#"{"iss":"dev-id"}"#);
        let right = r#"{"alg":"EdDSA","typ":"clearspan-attestation+jwt","kid":"k1"}"#;
        let keys = [issuers()[0].key()];
        let refused = |jws: &str, fault: F| assert_eq!(verify_at(jws, &keys, NOW_S), Err(fault), "{jws}");

        for (header, fault) in [
            (right, F::Signature),
            (r#"{"alg":"none","typ":"clearspan-attestation+jwt","kid":"k1"}"#, F::Algorithm),
            (r#"{"alg":"None","typ":"clearspan-attestation+jwt","kid":"k1"}"#, F::Algorithm),
            (r#"{"alg":"HS256","typ":"clearspan-attestation+jwt","kid":"k1"}"#, F::Algorithm),
            (r#"{"alg":"RS256","typ":"clearspan-attestation+jwt","kid":"k1"}"#, F::Algorithm),
            // One of ours, and not that of the key.
            (r#"{"alg":"ES256","typ":"clearspan-attestation+jwt","kid":"k1"}"#, F::Algorithm),
            (r#"{"alg":"EdDSA","typ":"clearspan-attestation+jwt"}"#, F::Malformed),
            (r#"{"alg":"EdDSA","kid":"k1"}"#, F::Malformed),
            (r#"{"alg":"EdDSA","typ":"JWT","kid":"k1"}"#, F::Malformed),
            (r#"{"alg":"EdDSA","typ":"clearspan-attestation+jwt","kid":"k1","crit":["b64"]}"#, F::Malformed),
            (r#"{"alg":"EdDSA","typ":"clearspan-attestation+jwt","kid":"k1","crit":[]}"#, F::Malformed),
            (r#"{"alg":"EdDSA","typ":"clearspan-attestation+jwt","kid":"k1","crit":null}"#, F::Malformed),
            (r#"{"alg":"EdDSA","alg":"none","typ":"clearspan-attestation+jwt","kid":"k1"}"#, F::Malformed),
            (r#"["EdDSA"]"#, F::Malformed),
        ] {
            refused(&format!("{}.{claims}.AAAA", part(header)), fault);
        }
        let header = part(right);
        refused("", F::Malformed);
        refused("a.b", F::Malformed);
        refused("a.b.c.d", F::Malformed);
        refused(&"x".repeat(3_000), F::Malformed);
        refused(&format!("{header}.{}.AAAA", part("[]")), F::Claims);
        refused(&format!("{header}.{}.AAAA", part("{")), F::Malformed);
        refused(&format!("{header}=.{claims}.AAAA"), F::Malformed);
        // Two texts for the same bytes would be two attestations.
        refused(&format!("{header}.{claims}.AB"), F::Malformed);
    }

    #[test]
    fn claims_are_said_once() {
        let [issuer, _] = issuers();
        let body = |more: &str| {
            format!(
                r#"{{"iss":"dev-id","sub":"{TOKEN}","aud":"ALPHA","exp":{},"iat":{NOW_S},"nonce":"0123456789abcdef","typ":"MBNO","val":"+254712345678"{more}}}"#,
                NOW_S + 600
            )
        };
        let check = |more: &str| verify_at(&issuer.sign_text(&body(more)), &[issuer.key()], NOW_S);
        assert_eq!(check(""), Ok(()));
        assert_eq!(check(r#","acr":"high""#), Ok(()), "what an ID system says beside is its own");
        for twice in [r#","aud":"ALPHA""#, r#","sub":"another-token-00ab12""#, r#","iss":"dev-id""#, r#","exp":1"#] {
            assert_eq!(check(twice), Err(F::Claims), "{twice}");
        }
    }

    proptest! {
        #[test]
        fn nothing_near_an_attestation_holds(place: prop::sample::Index, with: u8, kind in 0..3) {
            for issuer in issuers() {
                let jws = issuer.attest(&claims());
                let mut changed = jws.clone().into_bytes();
                let place = place.index(changed.len());
                match kind {
                    0 => changed[place] = with,
                    1 => changed.insert(place, with),
                    _ => changed.truncate(place),
                }
                let alias = Alias::parse(AliasType::Mobile, "+254712345678").unwrap();
                let expected = Expected { audience: "ALPHA", alias: Some(&alias), subject: TOKEN, now_s: NOW_S };
                let holds = verify(&changed, &expected, &[issuer.key()]).is_ok();
                prop_assert_eq!(holds, changed == jws.as_bytes());
            }
        }

        #[test]
        fn nothing_stops_the_check(jws: Vec<u8>) {
            let expected = Expected { audience: "ALPHA", alias: None, subject: TOKEN, now_s: NOW_S };
            prop_assert!(verify(&jws, &expected, &[]).is_err());
        }
    }

    /// RFC 8037, appendix A.4: the signature of another program.
    #[test]
    fn the_example_of_the_standard_verifies() {
        let key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let key = URL_SAFE_NO_PAD.decode(key).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(UnparsedPublicKey::new(&ED25519, &key).verify(signed.as_bytes(), &signature).is_ok());
    }

    #[test]
    fn a_file_is_attested_as_a_whole() {
        let [issuer, _] = issuers();
        let jws = issuer.attest_file("ALPHA", (&[7; 32], 10), (NOW_S, NOW_S + 60), "0123456789abcdef");
        let check = |audience, file, now_s| {
            verify_file(jws.as_bytes(), (audience, now_s), file, &[issuer.key()]).map(|_| ()).err()
        };
        assert_eq!(check("ALPHA", (&[7; 32], 10), NOW_S), None);
        assert_eq!(check("BETA", (&[7; 32], 10), NOW_S), Some(F::Audience));
        assert_eq!(check("ALPHA", (&[8; 32], 10), NOW_S), Some(F::Possession));
        assert_eq!(check("ALPHA", (&[7; 32], 11), NOW_S), Some(F::Possession));
        assert_eq!(check("ALPHA", (&[7; 32], 10), NOW_S + 60), Some(F::Expired));
    }
}
