//! Aliases in the demo: customers register their mobile numbers, which an ID system for development attests, and are paid under them.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use adapters::alias::Alias;
use adapters::directory::{AliasOutcome, AliasType, LookupResult};
use adapters::message::PaymentId;
use adapters::sandbox::issuer::{DevelopmentIssuer, PersonClaims};
use adapters::sandbox::{AliasLeg, AliasPayOrder, Observation, Observed, Registration};
use ledger::Amount;

use super::super::Failure;
use super::super::print::money;
use super::{CURRENCY, PATIENCE, PROVIDERS, Show, account, print_steps, say};
use crate::config::GenesisIssuer;
use crate::seal::{create_key_file, read_key_file};

/// What is paid to a number.
const PAID_MINOR: u64 = 4_250;

/// How long an attestation holds, in seconds.
const ATTESTED_S: u64 = 600;

/// The ID system of the demo. It attests whatever the demo says; its key lies beside the other development keys.
pub(super) struct IdSystem(DevelopmentIssuer);

fn key_file(data: &Path) -> PathBuf {
    data.join("pki/dev-id.key")
}

impl IdSystem {
    /// A new one, for a data directory that is to be made.
    pub(super) fn create(data: &Path) -> Result<IdSystem, Failure> {
        std::fs::create_dir_all(data.join("pki")).map_err(Failure::start)?;
        let path = key_file(data);
        if !path.exists() {
            create_key_file(&path).map_err(Failure::start)?;
        }
        IdSystem::open(data)
    }

    /// That of a data directory.
    pub(super) fn open(data: &Path) -> Result<IdSystem, Failure> {
        let seed = read_key_file(&key_file(data)).map_err(Failure::start)?;
        Ok(IdSystem(DevelopmentIssuer::of_seed("dev-id", "demo", &seed)))
    }

    /// For a scheme that is to trust it.
    pub(super) fn trusted(&self) -> GenesisIssuer {
        let key = self.0.key();
        GenesisIssuer::of(key.issuer, key.key_id, key.algorithm as u8, &key.public_key)
    }

    /// The number of a customer, attested for its provider.
    fn attest(&self, place: usize, customer: usize) -> Registration {
        let (code, _, names) = PROVIDERS[place];
        let (identity, alias) = (self.0.token_of(names[customer], code), mobile(place, customer));
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let attestation = self.0.attest(&PersonClaims {
            audience: code,
            subject: &identity,
            alias: Some((alias.kind().name(), alias.as_str())),
            issued_at_s: now_s,
            expires_at_s: now_s + ATTESTED_S,
            nonce: &PaymentId::random().to_string(),
        });
        let account = format!("{code}-{:04}", customer + 1);
        Registration { account, alias, identity, attestation }
    }
}

/// The mobile number of a customer.
pub(super) fn mobile(place: usize, customer: usize) -> Alias {
    let number = format!("+25470000{place}{customer}00");
    Alias::parse(AliasType::Mobile, &number).unwrap_or_else(|_| unreachable!("a number of E.164"))
}

impl Show {
    /// Everybody registers their number.
    pub(super) async fn register_all(&mut self, id_system: &IdSystem) -> Result<(), Failure> {
        let failed = |error| Failure::fault(format!("a registration: {error}"));
        let (mut waiting, mut registered, mut known) = (Vec::new(), 0, 0);
        for (place, (.., names)) in PROVIDERS.iter().enumerate() {
            for customer in 0..names.len() {
                let registration = id_system.attest(place, customer);
                waiting.push(self.providers[place].sandbox.register(&registration).await.map_err(failed)?);
            }
        }
        while !waiting.is_empty() {
            let observed = tokio::time::timeout(PATIENCE, self.observe()).await;
            let (_, Observation { what, .. }) = observed.map_err(|_| Failure::fault("registrations are stuck"))?;
            let Observed::Alias(id, leg) = what else { continue };
            match leg {
                AliasLeg::Registered(AliasOutcome::Done, _) => registered += 1,
                AliasLeg::Registered(AliasOutcome::AliasTakenHere, _) => known += 1,
                AliasLeg::Sent => continue,
                other => return Err(Failure::fault(format!("a registration: {other:?}"))),
            }
            waiting.retain(|of| *of != id);
        }
        if registered > 0 {
            println!(
                "{registered} customers have registered their mobile numbers, as a development ID system attests."
            );
        }
        if known > 0 {
            println!("{known} customers have registered their mobile numbers before.");
        }
        Ok(())
    }

    /// One looks a number up, and pays to it.
    pub(super) async fn tell_alias(&mut self) -> Result<(), Failure> {
        let (payer, payee, customer) = (0, 2, 1);
        let payer_account = account(self.providers[payer].code, 0);
        let alias = mobile(payee, customer);
        let sent = self.providers[payer].sandbox.look_up(&payer_account, &alias).await;
        let lookup = sent.map_err(|error| Failure::fault(format!("a look-up: {error}")))?;
        let step = |_, what: &Observed| match what {
            Observed::Alias(of, leg) if *of == lookup => say_alias(leg).map(|text| (text, *leg != AliasLeg::Sent)),
            _ => None,
        };
        let mut steps = self.watch(1, step).await?;
        let order = AliasPayOrder {
            payer_account,
            alias: alias.clone(),
            payee_name: String::new(),
            amount: Amount::new(PAID_MINOR).ok_or_else(|| Failure::start("the demo's amounts"))?,
            remittance: "Lunch".to_owned(),
        };
        let sent = self.providers[payer].sandbox.pay_alias(&order).await;
        let payment = sent.map_err(|error| Failure::fault(format!("a payment to a number: {error}")))?;
        let step = |place, what: &Observed| match what {
            Observed::Payment(of, leg) if *of == payment => Some((say(*leg), super::is_last_of(*leg, place == payer))),
            _ => None,
        };
        steps.extend(self.watch(2, step).await?);
        let (who, amount) = (PROVIDERS[payer].2[0], money(PAID_MINOR.into(), 2));
        println!("\n{who} at {} looks {} up, and pays {CURRENCY} {amount} to it", PROVIDERS[payer].1, alias.as_str());
        println!("  {payment}");
        print_steps(&steps);
        Ok(())
    }
}

/// None where there is nothing to say.
fn say_alias(leg: &AliasLeg) -> Option<String> {
    Some(match leg {
        AliasLeg::Sent => "asks whose number that is".to_owned(),
        AliasLeg::Found(found) if found.result == LookupResult::Found => {
            let name = String::from_utf8_lossy(&found.name).into_owned();
            let participant = found.participant.map(|code| code.to_string()).unwrap_or_default();
            format!("hears: {name}, at {participant}; the buckets of both were debited, and the look-up is on record")
        }
        AliasLeg::Found(found) => format!("hears: {}", found.result.name()),
        AliasLeg::Registered(outcome, _) => outcome.name().to_owned(),
        AliasLeg::NotTaken(why) => format!("is told: {why}"),
    })
}
