//! What a provider says in ISO 20022: written by the product's own encoder.

use adapters::iso20022::profile::Profile;
use adapters::iso20022::{Addressed, Encoder, Order};
use adapters::message::{Note, ParticipantCode, PaymentId, owned_part};
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

impl Writer {
    pub(super) fn new(code: ParticipantCode) -> Writer {
        Writer { code, encoder: Encoder::new(Profile::clearspan()), clock: Clock::new(), text: String::new() }
    }

    /// The message that says this.
    pub(super) fn write(&mut self, ticket: u64, said: &Said<'_>) -> Bytes {
        let private_of = |bytes| owned_part(bytes).unwrap_or_else(|| unreachable!("private parts are made valid"));
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
