//! TLS from files: what a provider, and the switch, load once at the start.
//!
//! One crypto provider (aws-lc-rs), TLS 1.3 only, and no resumption: a resumed session would skip the check for revocation.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::message::ParticipantCode;

/// A file that TLS needs cannot be used. Says which one, why, and what to do.
#[derive(Debug)]
pub struct TlsFileError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Certificates(pem::Error),
    NoCertificate,
    Key(pem::Error),
    Authority(rustls::Error),
    Pair { key: PathBuf, error: rustls::Error },
}

impl TlsFileError {
    /// The file to look at.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            Problem::Certificates(error) => {
                write!(f, "cannot read certificates from {path}: {error}; give a PEM file that this process may read")
            }
            Problem::NoCertificate => {
                write!(f, "{path} holds no certificate; it must have at least one `BEGIN CERTIFICATE` section")
            }
            Problem::Key(error) => write!(
                f,
                "cannot read a private key from {path}: {error}; give a PEM file with one unencrypted `BEGIN PRIVATE KEY` \
                 section that this process may read"
            ),
            Problem::Authority(error) => {
                write!(
                    f,
                    "{path} holds a certificate that cannot be an authority: {error}; give the scheme's CA certificate"
                )
            }
            Problem::Pair { key, error } => write!(
                f,
                "the certificate {path} and the key {} do not work together: {error}; give the key that the certificate \
                 was issued for",
                key.display()
            ),
        }
    }
}

impl std::error::Error for TlsFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Certificates(error) | Problem::Key(error) => Some(error),
            Problem::Authority(error) | Problem::Pair { error, .. } => Some(error),
            Problem::NoCertificate => None,
        }
    }
}

/// A provider's TLS: trusts the authority in `ca`, and shows the certificate chain in `certificate`.
pub fn client_config(ca: &Path, certificate: &Path, key: &Path) -> Result<Arc<ClientConfig>, TlsFileError> {
    let roots = Arc::new(read_roots(ca)?);
    let chain = read_certificates(certificate)?;
    let pair = |error| TlsFileError { path: certificate.into(), problem: Problem::Pair { key: key.into(), error } };
    let mut config = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(pair)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, read_key(key)?)
        .map_err(pair)?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The one crypto provider of this codebase.
pub fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The authorities in a PEM file.
pub fn read_roots(path: &Path) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsFileError { path: path.into(), problem: Problem::Authority(error) })?;
    }
    Ok(roots)
}

/// The participant that a certificate names: its subject's common name. Whether it can be trusted is for TLS to say.
pub fn participant_of(certificate: &CertificateDer<'_>) -> Option<ParticipantCode> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    if names.next().is_some() {
        return None;
    }
    ParticipantCode::parse(name)
}

/// The certificates in a PEM file, at least one.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let failed = |problem| TlsFileError { path: path.into(), problem };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(|sections| sections.collect::<Result<Vec<_>, _>>())
        .map_err(|error| failed(Problem::Certificates(error)))?;
    if certificates.is_empty() { Err(failed(Problem::NoCertificate)) } else { Ok(certificates) }
}

/// The first private key in a PEM file.
pub fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| TlsFileError { path: path.into(), problem: Problem::Key(error) })
}
