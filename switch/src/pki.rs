//! A development PKI, and what a certificate says about its owner. A scheme in production has its own authority; only the reading of names
//! is used there.

pub use adapters::native::tls::participant_of;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use adapters::attestation::Algorithm;
use adapters::message::ParticipantCode;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::session::PeerCertificate;

/// Why a certificate could not be made.
#[derive(Debug)]
pub enum PkiError {
    /// The file could not be written.
    File(PathBuf, std::io::Error),
    /// The certificate could not be built.
    Certificate(rcgen::Error),
}

impl std::fmt::Display for PkiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PkiError::File(path, error) => write!(f, "{}: {error}", path.display()),
            PkiError::Certificate(error) => write!(f, "certificate: {error}"),
        }
    }
}

impl std::error::Error for PkiError {}

/// A development authority that writes what it issues into one directory.
pub struct Authority {
    directory: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority: `ca.pem` and `ca.key`.
    pub fn create(directory: &Path) -> Result<Authority, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Clearspan development authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(PkiError::Certificate)?;
        let key_pem = key.serialize_pem();
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(PkiError::Certificate)?;
        let authority = Authority { directory: directory.to_owned(), issuer };
        authority.write("ca", &authority.issuer.pem(), &key_pem)?;
        Ok(authority)
    }

    /// Issues the switch's certificate: `server.pem` and `server.key`, for loopback.
    pub fn issue_server(&self) -> Result<(), PkiError> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let mut params = CertificateParams::new(names).map_err(PkiError::Certificate)?;
        params.distinguished_name.push(DnType::CommonName, "Clearspan switch");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue("server", params)
    }

    /// Issues a participant's certificate: `CODE.pem` and `CODE.key`.
    pub fn issue_participant(&self, code: &ParticipantCode) -> Result<(), PkiError> {
        self.issue_another(code, code.as_str())
    }

    /// Issues another certificate of a participant, under another file name.
    pub fn issue_another(&self, code: &ParticipantCode, name: &str) -> Result<(), PkiError> {
        self.issue(name, participant_params(code))
    }

    /// Issues a participant's certificate that has been out of date for years, under another file name.
    pub fn issue_expired_participant(&self, code: &ParticipantCode, name: &str) -> Result<(), PkiError> {
        let mut params = participant_params(code);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        self.issue(name, params)
    }

    fn issue(&self, name: &str, params: CertificateParams) -> Result<(), PkiError> {
        let key = KeyPair::generate().map_err(PkiError::Certificate)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(PkiError::Certificate)?;
        self.write(name, &certificate.pem(), &key.serialize_pem())
    }

    fn write(&self, name: &str, certificate: &str, key: &str) -> Result<(), PkiError> {
        for (extension, text, mode) in [("pem", certificate, 0o644), ("key", key, 0o600)] {
            let path = self.directory.join(format!("{name}.{extension}"));
            let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path);
            opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| PkiError::File(path, error))?;
        }
        Ok(())
    }
}

fn participant_params(code: &ParticipantCode) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, code.as_str());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// What is known of a connection by its verified certificate.
pub fn peer_certificate(certificate: &CertificateDer<'_>) -> Option<PeerCertificate> {
    Some(PeerCertificate { holder: participant_of(certificate)?, fingerprint: fingerprint_of(certificate) })
}

/// SHA-256 of a certificate's DER form.
fn fingerprint_of(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let digest = digest.as_ref().try_into();
    digest.unwrap_or_else(|_| unreachable!("SHA-256 has 32 bytes"))
}

/// What an operator registers of a certificate.
pub struct CertificateFacts {
    /// SHA-256 of its DER form.
    pub fingerprint: [u8; 32],
    /// Seconds since 1970, from which it is good.
    pub not_before_s: u64,
    /// Seconds since 1970, through which it is good.
    pub not_after_s: u64,
}

/// Fingerprint and validity; none of what is no certificate, or one of before 1970.
pub fn facts_of(certificate: &CertificateDer<'static>) -> Option<CertificateFacts> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = parsed.validity();
    Some(CertificateFacts {
        fingerprint: fingerprint_of(certificate),
        not_before_s: u64::try_from(validity.not_before.timestamp()).ok()?,
        not_after_s: u64::try_from(validity.not_after.timestamp()).ok()?,
    })
}

/// The public key in a file's bytes, PEM or DER (`SubjectPublicKeyInfo`, RFC 5280), in the form in which keys of ID systems are journaled; none where it is none of Ed25519 or P-256.
pub fn public_key_of(file: &[u8]) -> Option<(Algorithm, Vec<u8>)> {
    let pem = x509_parser::pem::parse_x509_pem(file).ok().map(|(_, pem)| pem);
    let der = match &pem {
        Some(pem) if pem.label == "PUBLIC KEY" => pem.contents.as_slice(),
        Some(_) => return None,
        None => file,
    };
    let (rest, parsed) = SubjectPublicKeyInfo::from_der(der).ok()?;
    let curve = parsed.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    let algorithm = match (parsed.algorithm.algorithm.to_id_string().as_str(), curve) {
        ("1.3.101.112", None) => Algorithm::Ed25519,
        ("1.2.840.10045.2.1", Some(curve)) if curve.to_id_string() == "1.2.840.10045.3.1.7" => Algorithm::Es256,
        _ => return None,
    };
    let key = parsed.subject_public_key.data.to_vec();
    (rest.is_empty() && key.len() == algorithm.key_bytes()).then_some((algorithm, key))
}

/// The participants whose certificates lie in a directory, in order of their codes.
pub fn participants_in(directory: &Path) -> std::io::Result<Vec<ParticipantCode>> {
    let mut codes = Vec::new();
    for file in std::fs::read_dir(directory)? {
        let path = file?.path();
        let is_pair =
            path.extension().is_some_and(|extension| extension == "pem") && path.with_extension("key").exists();
        if let Some(code) = path.file_stem().and_then(|stem| stem.to_str()).and_then(ParticipantCode::parse)
            && is_pair
        {
            codes.push(code);
        }
    }
    codes.sort();
    Ok(codes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_public_key_is_read_of_pem_and_of_der() {
        for (kind, algorithm) in
            [(&rcgen::PKCS_ED25519, Algorithm::Ed25519), (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::Es256)]
        {
            use rcgen::PublicKeyData;
            let pair = KeyPair::generate_for(kind).unwrap();
            let expected = Some((algorithm, pair.der_bytes().to_vec()));
            assert_eq!(public_key_of(pair.public_key_pem().as_bytes()), expected);
            let der = pair.subject_public_key_info();
            assert_eq!(public_key_of(&der), expected);
            assert_eq!(public_key_of(&der[..der.len() - 1]), None);
            assert_eq!(public_key_of(&[&der[..], &[0]].concat()), None, "nothing stands behind it");
            assert_eq!(public_key_of(pair.serialize_pem().as_bytes()), None, "a private key is none");
        }
        let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert_eq!(public_key_of(other.public_key_pem().as_bytes()), None);
        assert_eq!(public_key_of(b""), None);
    }

    #[test]
    fn a_certificate_names_its_participant_and_keys_are_private() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(directory.path()).unwrap();
        authority.issue_server().unwrap();
        let code = ParticipantCode::parse("ALPHA-1").unwrap();
        authority.issue_participant(&code).unwrap();
        let chain = adapters::native::tls::read_certificates(&directory.path().join("ALPHA-1.pem")).unwrap();
        assert_eq!(participant_of(&chain[0]), Some(code));
        let server = adapters::native::tls::read_certificates(&directory.path().join("server.pem")).unwrap();
        assert_eq!(participant_of(&server[0]), None);
        assert_eq!(participants_in(directory.path()).unwrap(), vec![code]);
        let mode = std::fs::metadata(directory.path().join("ALPHA-1.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
