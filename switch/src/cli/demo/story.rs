//! What the demo shows after its payments: one of them goes back, one is made because somebody asked for it, and one goes to a mobile number that was looked up.

use adapters::message::{CaseState, Decision, PaymentId, Reason};
use adapters::sandbox::{CaseLeg, Leg, Observation, Observed, RequestOrder};
use ledger::Amount;

use super::super::Failure;
use super::super::print::money;
use super::{CURRENCY, PATIENCE, PROVIDERS, Show, Step, account, because, print_steps, say};

/// What is asked for, and up to what the first customer of each provider pays such requests, in minor units.
const REQUEST_MINOR: u64 = 12_500;
pub(super) const PAID_ON_REQUEST_MINOR: u64 = 50_000;

impl Show {
    /// Lets both happen, and prints them step by step. Without a committed payment there is nothing to return.
    pub(super) async fn tell_stories(&mut self) -> Result<(), Failure> {
        if let Some((id, trace)) = self.shown.clone() {
            self.tell_return(id, (trace.from, trace.to), trace.amount_minor).await?;
        }
        self.tell_request().await?;
        self.tell_alias().await
    }

    async fn tell_return(
        &mut self,
        id: PaymentId,
        (payer, payee): (usize, usize),
        amount_minor: u64,
    ) -> Result<(), Failure> {
        let provider = &self.providers[payee];
        let sent = provider.sandbox.return_payment(id, None, Reason::of(b"CUST")).await;
        let return_id = sent.map_err(|error| Failure::fault(format!("a return: {error}")))?;
        let step = |place, what: &Observed| match what {
            Observed::Payment(of, Leg::Submitted) if *of == return_id => {
                Some(("returns it: its customer does not want it (CUST)".to_owned(), false))
            }
            Observed::Payment(of, Leg::Acknowledged) if *of == return_id => {
                Some(("hears that the return is recorded, durably".to_owned(), false))
            }
            Observed::Payment(of, leg @ Leg::Final(..)) if *of == return_id => Some((say(*leg), place == payee)),
            Observed::Payment(of, leg @ Leg::Returned(_)) if *of == id => Some((say(*leg), place == payer)),
            _ => None,
        };
        let steps = self.watch(2, step).await?;
        let amount = money(amount_minor.into(), 2);
        println!(
            "\nThe same payment goes back: {CURRENCY} {amount} from {} to {}",
            provider_name(payee),
            provider_name(payer)
        );
        println!("  {return_id}");
        print_steps(&steps);
        Ok(())
    }

    async fn tell_request(&mut self) -> Result<(), Failure> {
        let (payer, payee) = (0, 1);
        let order = RequestOrder {
            payee_account: account(self.providers[payee].code, 0),
            payer: self.providers[payer].code,
            payer_account: account(self.providers[payer].code, 0),
            amount: Amount::new(REQUEST_MINOR).ok_or_else(|| Failure::start("the demo's amounts"))?,
            remittance: "Invoice 17".to_owned(),
        };
        let asked = self.providers[payee].sandbox.request(&order).await;
        let case = asked.map_err(|error| Failure::fault(format!("a request to pay: {error}")))?;
        let step = |_, what: &Observed| match what {
            Observed::Payment(_, leg) => Some((say(*leg), false)),
            // Each of the two hears how it ended.
            Observed::Case(of, leg) if *of == case => {
                Some((say_case(*leg), matches!(leg, CaseLeg::Stands(state, _) if state.is_final())))
            }
            _ => None,
        };
        let steps = self.watch(2, step).await?;
        let amount = money(REQUEST_MINOR.into(), 2);
        let (asks, pays) = (PROVIDERS[payee].2[0], PROVIDERS[payer].2[0]);
        println!(
            "\n{asks} at {} asks {pays} at {} to pay {CURRENCY} {amount}",
            provider_name(payee),
            provider_name(payer)
        );
        println!("  {case}");
        print_steps(&steps);
        Ok(())
    }

    /// What the providers see from now on, until so many steps were the last of their provider. `step` says a step in words, and whether it is such a one;
    /// none where it is of something else.
    pub(super) async fn watch(
        &mut self,
        until: u32,
        step: impl Fn(usize, &Observed) -> Option<(String, bool)>,
    ) -> Result<Vec<Step>, Failure> {
        let (mut steps, mut over) = (Vec::new(), 0);
        while over < until {
            let observed = tokio::time::timeout(PATIENCE, self.observe()).await;
            let (place, Observation { at, what }) = observed.map_err(|_| Failure::fault("the story is stuck"))?;
            if let Some((text, is_last)) = step(place, &what) {
                over += u32::from(is_last);
                steps.push((at, place, text));
            }
        }
        steps.sort_by_key(|&(at, ..)| at);
        Ok(steps)
    }
}

fn provider_name(place: usize) -> &'static str {
    PROVIDERS[place].1
}

fn say_case(leg: CaseLeg) -> String {
    match leg {
        CaseLeg::Opened(_) => "asks for the payment".to_owned(),
        CaseLeg::NotTaken => "is told that the switch did not take the request".to_owned(),
        CaseLeg::Asked(_) => "is asked to have the payment made".to_owned(),
        CaseLeg::Answered(Decision::Reject, reason) => format!("refuses the request{}", because(reason)),
        CaseLeg::Answered(..) => "accepts the request".to_owned(),
        CaseLeg::Stands(CaseState::Open, _) => "hears that the request is open, durably".to_owned(),
        CaseLeg::Stands(state, reason) => format!("is told of the request: {}{}", state.name(), because(reason)),
    }
}
