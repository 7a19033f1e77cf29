//! Where a participant stands: told to whoever asks about itself, of the engine's state. Nothing is journaled.

use adapters::message::{AccountReport, AccountStanding, MessageKind, PaymentId, Settlement};
use adapters::native::frame;
use ledger::journal::Storage;
use ledger::{Account, Currency};

use super::Pipeline;
use crate::engine::Engine;
use crate::engine::scheme::Model;
use crate::entry::ParticipantId;
use crate::session::{Session, SessionKey};

/// A question where a participant stands.
pub(super) struct AccountQuestion {
    pub(super) session: SessionKey,
    pub(super) query_id: PaymentId,
    pub(super) currency: Currency,
}

impl<S: Storage> Pipeline<S> {
    /// Answers who has asked. It comes after the batch, so that what arrived before the question is in the sums.
    pub(super) fn answer_account_questions(&mut self) {
        let engine = &self.decisions.engine;
        for AccountQuestion { session: key, query_id, currency } in self.account_questions.drain(..) {
            let Some(participant) = self.sessions.get(key).and_then(Session::participant) else { continue };
            let report = account_report(engine, participant, query_id, currency);
            self.sessions.write(key, |session| {
                let head = session.plain_head();
                frame::encode(session.outgoing(), MessageKind::AccountReport, head, &report, |_| {});
            });
        }
    }
}

/// Of an account that is another's, a participant learns nothing but that.
fn account_report(
    engine: &Engine,
    participant: ParticipantId,
    query_id: PaymentId,
    currency: Currency,
) -> AccountReport {
    let letters = currency.bytes();
    let index = engine.payment_account(participant, letters);
    let sponsor = engine.participant(participant).and_then(|asker| asker.sponsor);
    let standing = match (index, sponsor) {
        (None, _) => AccountStanding::None,
        (Some(_), None) => AccountStanding::Own,
        (Some(_), Some(_)) => AccountStanding::Sponsored,
    };
    let rules = engine.currencies().iter().find(|rules| rules.currency == currency).filter(|_| index.is_some());
    let shown = index.filter(|_| standing == AccountStanding::Own).map(|index| engine.account(index));
    let sum = |of: fn(&Account) -> u128| shown.map_or(0, of);
    AccountReport {
        query_id: query_id.bytes(),
        currency: letters,
        standing: standing as u8,
        settlement: rules.map_or(0, |rules| settlement_of(rules.model) as u8),
        at_ns: engine.time_ns(),
        position: engine.applied(),
        debits_pending: sum(Account::debits_pending),
        debits_posted: sum(Account::debits_posted),
        credits_pending: sum(Account::credits_pending),
        credits_posted: sum(Account::credits_posted),
        cap: u64::try_from(sum(Account::cap)).unwrap_or(u64::MAX),
        available: sum(Account::debit_available),
    }
}

fn settlement_of(model: Model) -> Settlement {
    match model {
        Model::Gross => Settlement::Gross,
        Model::Net => Settlement::Net,
    }
}
