//! What a provider says in ISO 20022: written by the product's own encoder.

use adapters::iso20022::profile::Profile;
use adapters::iso20022::{Addressed, Encoder, Order};
use adapters::message::{Note, Part, ParticipantCode, PaymentId, PaymentPrivate};
use bytes::Bytes;

use super::Said;
use crate::clock::Clock;

/// The switch by its usual name: it does not look at it.
const SWITCH: &str = "CLEARSPAN";

/// Writes messages of one provider.
pub(super) struct Writer {
    code: ParticipantCode,
    encoder: Encoder,
    clock: Clock,
    text: String,
}

/// The id of the message with this ticket.
pub(super) fn reference(ticket: u64) -> String {
    format!("LOAD-{ticket}")
}

/// A private part, from its bytes.
fn private_of(bytes: &[u8]) -> PaymentPrivate {
    let Some(private) = PaymentPrivate::read(bytes) else { unreachable!("private parts are made valid") };
    PaymentPrivate {
        payer_name: private.payer_name.to_vec(),
        payer_account: private.payer_account.to_vec(),
        payee_name: private.payee_name.to_vec(),
        payee_account: private.payee_account.to_vec(),
        end_to_end_id: private.end_to_end_id.to_vec(),
        remittance: private.remittance.to_vec(),
        extension: private.extension.to_vec(),
    }
}

impl Writer {
    pub(super) fn new(code: ParticipantCode) -> Writer {
        Writer { code, encoder: Encoder::new(Profile::clearspan()), clock: Clock::new(), text: String::new() }
    }

    /// The message that says this.
    pub(super) fn write(&mut self, ticket: u64, said: &Said<'_>) -> Bytes {
        let order = match said {
            Said::Order(order, private) => Order::CreditTransfer((*order).clone(), private_of(private)),
            Said::Answer(answer) => Order::Answer((*answer).clone(), Note::default()),
            Said::StatusRequest(id) => {
                let id = PaymentId::from_bytes(*id).unwrap_or_else(|| unreachable!("ids are made valid"));
                Order::StatusRequest(id)
            }
            Said::Return(_)
            | Said::CaseOpen(_)
            | Said::CaseAnswer(_)
            | Said::AliasOrder(..)
            | Said::AliasLookup(..) => unreachable!("a plan with these was refused (`Protocol::check`)"),
        };
        let message_id = reference(ticket);
        let addressed = Addressed {
            profile: Profile::clearspan(),
            message_id: &message_id,
            created_at_ns: self.clock.now_ns(),
            from: self.code.as_str(),
            to: SWITCH,
        };
        self.text.clear();
        let is_message = self.encoder.write_order(&addressed, &order, &mut self.text);
        assert!(is_message, "what is ordered here can be said");
        Bytes::copy_from_slice(self.text.as_bytes())
    }
}
