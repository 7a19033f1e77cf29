//! What the simulated providers speak.

use std::path::Path;
use std::sync::Arc;

use adapters::message::ParticipantCode;
use adapters::native::tls;
use clap::ValueEnum;
use rustls::ClientConfig;

use crate::SetUpError;
use crate::connection::{IsoLine, Line, NativeLine};
use crate::plan::Plan;

/// What the simulated providers speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Frames over TLS (docs/formats/native.md)
    #[default]
    Native,
    /// ISO 20022 XML over HTTPS, one payment a message (docs/iso20022.md)
    Iso20022,
}

impl Protocol {
    /// In reports.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Native => "native",
            Protocol::Iso20022 => "iso20022",
        }
    }

    /// Can providers that speak this do what is planned?
    pub(crate) fn check(self, plan: &Plan) -> Result<(), SetUpError> {
        let wanted = [
            (plan.aliases.is_some(), "aliases and look-ups"),
            (plan.mix.request_percent > 0, "requests to pay"),
            (plan.mix.return_percent > 0, "returns"),
            (plan.mix.recall_percent > 0, "recalls"),
        ];
        let Some((_, what)) = wanted.into_iter().find(|(is_wanted, _)| *is_wanted && self == Protocol::Iso20022) else {
            return Ok(());
        };
        Err(SetUpError::new(format!(
            "--protocol iso20022: the simulated providers order and answer payments by ISO 20022, and the scenario has {what}; \
             run it with --protocol native"
        )))
    }

    /// A line of this participant, whose certificates lie there.
    pub(crate) fn line(self, code: ParticipantCode, pki: &Path) -> Result<Box<dyn Line>, SetUpError> {
        let tls = self.tls(code, pki)?;
        Ok(match self {
            Protocol::Native => Box::new(NativeLine::new(code, tls)),
            Protocol::Iso20022 => Box::new(IsoLine::new(code, tls)),
        })
    }

    /// What a connection of this participant shows and expects.
    pub(crate) fn tls(self, code: ParticipantCode, pki: &Path) -> Result<Arc<ClientConfig>, SetUpError> {
        let certificate = pki.join(format!("{code}.pem"));
        let tls = tls::client_config(&pki.join("ca.pem"), &certificate, &certificate.with_extension("key"));
        let mut tls = tls.map_err(SetUpError::new)?;
        if self == Protocol::Iso20022 {
            Arc::make_mut(&mut tls).alpn_protocols = vec![b"h2".to_vec()];
        }
        Ok(tls)
    }
}
