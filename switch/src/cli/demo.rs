//! `switch demo`: the switch at work on one machine. Three sandbox providers connect over real TLS sockets, and payments between their
//! customers cross the real pipeline into the real journal; then one goes back, one is made on request, and the settlement window is closed and settled. Nothing here is
//! faked: the demo is a client, and an operator, like any other.

mod aliases;
mod settlement;
mod story;

use std::collections::HashMap;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use adapters::message::{Outcome, ParticipantCode, PaymentId, Reason};
use adapters::native::client::ClientOptions;
use adapters::native::session::Resume;
use adapters::native::tls::client_config;
use adapters::sandbox::{
    AliasPayOrder, Customer, Leg, Observation, Observed, PayOrder, Sandbox, SandboxBook, SandboxOptions,
};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use ledger::{Amount, Currency};
use rustls::pki_types::ServerName;
use tokio::sync::mpsc;

use self::aliases::{IdSystem, mobile};
use super::print::{grouped, money};
use super::{Failure, config_path, init, listen_for_stop, start_logging};
use crate::config::Config;
use crate::engine::PaymentCounts;
use crate::engine::scheme::Model;
use crate::server::{Report, Server};

/// Runs a switch with three sandbox providers and shows payments crossing it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where the data lives: made if new, recovered if it exists
    #[arg(long, value_name = "DIR", default_value = "clearspan-demo")]
    data: PathBuf,
    /// How many payments to run
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    payments: u64,
    /// End after the payments instead of serving on
    #[arg(long)]
    exit: bool,
}

const CURRENCY: &str = "XTS";
const FUNDS_MINOR: u64 = 10_000_000_000;
const CUSTOMER_BALANCE_MINOR: u64 = 2_500_000_000;

/// The three providers: code, what people call it, customers.
const PROVIDERS: [(&str, &str, [&str; 2]); 3] = [
    ("ALPHBANK", "Alpha Bank", ["Amina Diallo", "Ben Okafor"]),
    ("BRAVPAYS", "Bravo Pay", ["Chidi Mensah", "Dora Lindqvist"]),
    ("CORALMFI", "Coral Microfinance", ["Efua Sarpong", "Farid Haddad"]),
];

/// Payments that are open at a time: enough to show batching, few enough for latencies of an unhurried switch.
const OPEN_MAX: usize = 64;

/// Of so many payments one goes to an account that does not exist, to show a reject.
const REJECT_EVERY: u64 = 50;

/// Of so many payments one goes to a mobile number.
const ALIAS_EVERY: u64 = 5;

/// A payment takes at most its ten seconds; this is when something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// Latencies above this count as this.
const LATENCY_US_MAX: u64 = 60_000_000;

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    start_logging(tracing::Level::WARN);
    let data = &arguments.data;
    let is_new = !config_path(data).exists();
    if is_new {
        let participants = PROVIDERS.iter().map(|(code, ..)| ((*code).to_owned(), FUNDS_MINOR)).collect();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (currency, model) = (CURRENCY.to_owned(), Model::Net);
        let issuers = vec![IdSystem::create(data)?.trusted()];
        init::make(data, &init::Plan { participants, currency, model, listen, listen_iso20022: None, issuers })?;
    }
    let config = Config::read(&config_path(data)).map_err(Failure::start)?;
    let server = Server::start(&config).map_err(Failure::start)?;
    introduce(&server, data, is_new);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::start)?;
    let shown = runtime.block_on(show(arguments, &config, &server));
    let stopped = if server.has_stopped() { server.wait() } else { server.drain() };
    stopped.map_err(Failure::fault)?;
    shown.map(|()| ExitCode::SUCCESS)
}

fn introduce(server: &Server, data: &Path, is_new: bool) {
    let data = data.display();
    if is_new {
        println!("Made {data}: scheme parameters, a development PKI, three providers with funded accounts.");
    } else {
        println!("Recovered {data}: {} journal batches replayed.", grouped(server.recovered().batches.into()));
        if let Some(torn) = &server.recovered().torn {
            println!("The journal ended in a torn record at {torn}, which nobody was told about; it was cut off.");
        }
    }
    println!("The switch accepts providers on {} (TLS 1.3, client certificates).", server.address());
}

async fn show(arguments: &Arguments, config: &Config, server: &Server) -> Result<(), Failure> {
    let pki = config.directory.join("pki");
    let mut providers = Vec::new();
    for (code, name, customers) in &PROVIDERS {
        let (code, book) = provider(code, customers)?;
        let tls =
            client_config(&pki.join("ca.pem"), &pki.join(format!("{code}.pem")), &pki.join(format!("{code}.key")));
        let name_of_switch = ServerName::try_from("localhost").map_err(Failure::start)?;
        let address = server.address().to_string();
        let mut client = ClientOptions::new(address, name_of_switch, code, tls.map_err(Failure::start)?);
        // The sandboxes' customers begin anew with each demo, so what happened before it is not theirs.
        client.resume = Resume::FROM_THE_END;
        let options =
            SandboxOptions { client, book, answering: adapters::sandbox::Answering::AtOnce, posts_after: None };
        let (sandbox, observations) = Sandbox::start(options);
        providers.push(Provider { name, code, sandbox, observations });
    }
    let mut show = Show::new(providers, arguments.payments);
    let id_system = IdSystem::open(&config.directory)?;
    let mut stop = std::pin::pin!(listen_for_stop().map_err(Failure::start)?);
    let interrupted = tokio::select! {
        run = show.run(&id_system) => { run?; false }
        () = &mut stop => true,
    };
    show.print_one();
    if !interrupted {
        show.tell_stories().await?;
        let data = config.directory.clone();
        let told = tokio::task::spawn_blocking(move || settlement::tell_settlement(&data));
        told.await.map_err(Failure::fault)??;
    }
    show.print_all();
    let report = server.report().ok_or_else(|| Failure::fault("the switch has stopped"))?;
    print_books(&report);
    if !arguments.exit && !interrupted {
        println!("\nServing on. Ctrl-C ends it; the same command goes on from here.");
        stop.await;
    }
    show.end().await;
    Ok(())
}

fn provider(code: &str, names: &[&str]) -> Result<(ParticipantCode, SandboxBook), Failure> {
    let code = ParticipantCode::parse(code).ok_or_else(|| Failure::start("a provider's code"))?;
    let customers = names
        .iter()
        .enumerate()
        .map(|(number, name)| Customer::new(name, &account(code, number), CUSTOMER_BALANCE_MINOR));
    let mut customers: Vec<Customer> = customers.collect();
    customers[0].pays_requests_up_to_minor = story::PAID_ON_REQUEST_MINOR;
    Ok((code, SandboxBook::new(code, currency()?, customers)))
}

fn account(code: ParticipantCode, number: usize) -> String {
    format!("{code}-{:04}", number + 1)
}

fn currency() -> Result<Currency, Failure> {
    Currency::parse(CURRENCY.as_bytes()).ok_or_else(|| Failure::start("the demo's currency"))
}

struct Provider {
    name: &'static str,
    code: ParticipantCode,
    sandbox: Sandbox,
    observations: mpsc::Receiver<Observation>,
}

/// What both providers saw of one payment.
#[derive(Clone, Default)]
struct Trace {
    from: usize,
    to: usize,
    amount_minor: u64,
    legs: Vec<(Instant, bool, Leg)>,
}

/// A step as it is printed: when, whose place among the providers, what.
type Step = (Instant, usize, String);

struct Show {
    providers: Vec<Provider>,
    payments: u64,
    open: HashMap<PaymentId, Trace>,
    finished: Totals,
    /// The one that is printed leg by leg: the last committed one, when everything is warm.
    shown: Option<(PaymentId, Trace)>,
}

#[derive(Default)]
struct Totals {
    committed: u64,
    rejected: u64,
    expired: u64,
    other: u64,
    latencies_us: Vec<u64>,
    took: Duration,
}

impl Show {
    fn new(providers: Vec<Provider>, payments: u64) -> Show {
        Show { providers, payments, open: HashMap::new(), finished: Totals::default(), shown: None }
    }

    async fn run(&mut self, id_system: &IdSystem) -> Result<(), Failure> {
        self.wait_until_connected().await?;
        self.register_all(id_system).await?;
        println!();
        let bar = progress_bar(self.payments);
        let began = Instant::now();
        let mut submitted = 0;
        while submitted < self.payments || !self.open.is_empty() {
            while submitted < self.payments && self.open.len() < OPEN_MAX {
                self.pay(submitted).await?;
                submitted += 1;
            }
            let observed = tokio::time::timeout(PATIENCE, self.observe()).await;
            let (place, observation) = observed.map_err(|_| Failure::fault("payments are stuck"))?;
            self.take(place, &observation);
            bar.set_position(submitted - self.open.len() as u64);
        }
        self.finished.took = began.elapsed();
        bar.finish_and_clear();
        Ok(())
    }

    async fn wait_until_connected(&mut self) -> Result<(), Failure> {
        let mut connected = vec![false; self.providers.len()];
        while connected.contains(&false) {
            let observed = tokio::time::timeout(PATIENCE, self.observe()).await;
            match observed.map_err(|_| Failure::fault("the providers cannot connect"))? {
                (place, Observation { what: Observed::Connected(_), .. }) => {
                    connected[place] = true;
                    let Provider { name, code, .. } = &self.providers[place];
                    println!("{name} ({code}) is connected.");
                }
                (_, Observation { what: Observed::Disconnected(lost), .. }) if lost.why.needs_attention() => {
                    return Err(Failure::fault(format!("a provider cannot connect: {:?}", lost.why)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The next thing that any provider sees, and which provider.
    async fn observe(&mut self) -> (usize, Observation) {
        std::future::poll_fn(|cx| {
            for (place, provider) in self.providers.iter_mut().enumerate() {
                if let std::task::Poll::Ready(Some(observation)) = provider.observations.poll_recv(cx) {
                    return std::task::Poll::Ready((place, observation));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }

    /// Submits payment number `number`: round robin over providers and customers, with amounts that differ.
    async fn pay(&mut self, number: u64) -> Result<(), Failure> {
        let step = usize::try_from(number).unwrap_or(0);
        let count = self.providers.len();
        let (from, to) = (step % count, (step + 1 + step / count % (count - 1)) % count);
        let payee = self.providers[to].code;
        let is_to_nobody = number % REJECT_EVERY == REJECT_EVERY - 1;
        let customer = step / 7 % 2;
        let amount_minor = 100 + number * 7_919 % 25_000;
        let amount = Amount::new(amount_minor).ok_or_else(|| Failure::start("the demo's amounts"))?;
        let payer_account = account(self.providers[from].code, step / 3 % 2);
        let payee_name = PROVIDERS[to].2[customer].to_owned();
        let remittance = format!("Invoice {:05}", number + 1);
        let sandbox = &self.providers[from].sandbox;
        let paid = if number % ALIAS_EVERY == 1 {
            let alias = mobile(to, customer);
            sandbox.pay_alias(&AliasPayOrder { payer_account, alias, payee_name, amount, remittance }).await
        } else {
            let payee_account = if is_to_nobody { format!("{payee}-9999") } else { account(payee, customer) };
            let order = PayOrder { payer_account, payee, payee_account, payee_name, amount, remittance };
            sandbox.pay(&order).await
        };
        let id = paid.map_err(|error| Failure::fault(format!("a payment: {error}")))?;
        self.open.insert(id, Trace { from, to, amount_minor, legs: Vec::new() });
        Ok(())
    }

    fn take(&mut self, place: usize, observation: &Observation) {
        let Observed::Payment(id, leg) = observation.what else { return };
        let Some(trace) = self.open.get_mut(&id) else { return };
        trace.legs.push((observation.at, place == trace.from, leg));
        if !trace.is_over() {
            return;
        }
        let Some(trace) = self.open.remove(&id) else { return };
        let totals = &mut self.finished;
        *match trace.outcome() {
            Some(Outcome::Committed) => &mut totals.committed,
            Some(Outcome::Rejected) => &mut totals.rejected,
            Some(Outcome::Expired) => &mut totals.expired,
            _ => &mut totals.other,
        } += 1;
        if let (Some(submitted), Some(ended)) = (trace.at(|leg| leg == Leg::Submitted), trace.at(is_final)) {
            let micros = ended.duration_since(submitted).as_micros();
            totals.latencies_us.push(u64::try_from(micros).unwrap_or(u64::MAX));
        }
        if trace.outcome() == Some(Outcome::Committed) {
            self.shown = Some((id, trace));
        }
    }

    fn print_one(&self) {
        if let Some((id, trace)) = &self.shown {
            print_trace(&self.providers, *id, trace);
        }
    }

    fn print_all(&self) {
        let Totals { committed, rejected, expired, other, latencies_us, took } = &self.finished;
        let count = committed + rejected + expired + other;
        println!("\nPayments in this run: {}", grouped(count.into()));
        println!(
            "  committed {}, rejected {}, expired {}",
            grouped((*committed).into()),
            grouped((*rejected).into()),
            grouped((*expired).into())
        );
        if *other > 0 {
            println!("  not taken by the switch {}", grouped((*other).into()));
        }
        if let (false, Ok(mut histogram)) =
            (latencies_us.is_empty(), Histogram::<u64>::new_with_bounds(1, LATENCY_US_MAX, 3))
        {
            for &latency_us in latencies_us {
                histogram.saturating_record(latency_us);
            }
            let millis = |quantile_percent: u8| {
                let us = histogram.value_at_percentile(quantile_percent.into());
                format!("{}.{:02} ms", us / 1_000, us % 1_000 / 10)
            };
            let (max, took_ms) = (histogram.max(), took.as_millis().max(1));
            println!(
                "  submit to final status: p50 {}, p90 {}, p99 {}, max {}.{:02} ms ({OPEN_MAX} open at a time)",
                millis(50),
                millis(90),
                millis(99),
                max / 1_000,
                max % 1_000 / 10
            );
            println!(
                "  {} payments/s, every one synced to disk before anyone was told",
                grouped(u128::from(count) * 1_000 / took_ms)
            );
        }
    }

    async fn end(self) {
        for provider in self.providers {
            provider.sandbox.shutdown().await;
        }
    }
}

fn is_final(leg: Leg) -> bool {
    matches!(leg, Leg::Final(..) | Leg::GivenBack)
}

/// Is it the last that this side of a committed payment hears?
fn is_last_of(leg: Leg, is_payer: bool) -> bool {
    if is_payer { is_final(leg) } else { matches!(leg, Leg::Settled(_)) }
}

impl Trace {
    fn at(&self, is_leg: impl Fn(Leg) -> bool) -> Option<Instant> {
        self.legs.iter().find(|&&(_, _, leg)| is_leg(leg)).map(|&(at, ..)| at)
    }

    fn outcome(&self) -> Option<Outcome> {
        self.legs.iter().find_map(|&(_, _, leg)| match leg {
            Leg::Final(outcome, _) => Some(outcome),
            _ => None,
        })
    }

    /// Has everyone been told who is told? A payee provider that said no itself waits for nothing.
    fn is_over(&self) -> bool {
        let has = |is_leg: fn(Leg) -> bool| self.legs.iter().any(|&(_, _, leg)| is_leg(leg));
        let is_told = match self.outcome() {
            Some(Outcome::Committed) => has(|leg| matches!(leg, Leg::Settled(_))),
            Some(_) => true,
            None => false,
        };
        has(|leg| leg == Leg::GivenBack) || is_told && has(|leg| leg == Leg::Acknowledged)
    }
}

fn progress_bar(payments: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} payments, {per_sec}");
    ProgressBar::new(payments).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn print_trace(providers: &[Provider], id: PaymentId, trace: &Trace) {
    let (payer, payee) = (&providers[trace.from], &providers[trace.to]);
    let amount = money(trace.amount_minor.into(), 2);
    println!("One payment, leg by leg: {CURRENCY} {amount} from {} to {}", payer.name, payee.name);
    println!("  {id}");
    let mut legs = trace.legs.clone();
    legs.sort_by_key(|&(at, ..)| at);
    let Some(&(began, ..)) = legs.first() else { return };
    for (at, is_payer, leg) in legs {
        let who = if is_payer { payer.name } else { payee.name };
        print_step(at.duration_since(began), who, &say(leg));
    }
}

/// Steps of a story, by when they happened.
fn print_steps(steps: &[Step]) {
    let Some(&(began, ..)) = steps.first() else { return };
    for (at, place, what) in steps {
        print_step(at.duration_since(began), PROVIDERS[*place].1, what);
    }
}

fn print_step(after: Duration, who: &str, what: &str) {
    let micros = after.as_micros();
    println!("  {:>4}.{:03} ms  {who:<19} {what}", micros / 1_000, micros % 1_000);
}

fn because(reason: Reason) -> String {
    if reason == Reason::NONE { String::new() } else { format!(" ({})", reason.as_str()) }
}

fn say(leg: Leg) -> String {
    match leg {
        Leg::Submitted => "submits the order".to_owned(),
        Leg::Acknowledged => "hears that the order is recorded, durably".to_owned(),
        Leg::PutOff => "is told that the switch is busy; will submit again".to_owned(),
        Leg::Returned(total_minor) => {
            let total = money(total_minor.into(), 2);
            format!("is told that {CURRENCY} {total} came back; its customer has the money")
        }
        Leg::GivenBack => "gives the money back: the switch did not take the order".to_owned(),
        Leg::Forwarded => "is asked whether it takes the payment".to_owned(),
        Leg::Answered(decision, reason) => format!("answers: {decision:?}{}", because(reason)).to_lowercase(),
        Leg::Final(outcome, reason) => format!("is told the outcome: {}{}", outcome.name(), because(reason)),
        Leg::Settled(Outcome::Committed) => "is told the outcome: committed; its customer has the money".to_owned(),
        Leg::Settled(outcome) => format!("is told the outcome: {}", outcome.name()),
    }
}

fn print_books(report: &Report) {
    let PaymentCounts { committed, rejected, expired, in_flight, returned, .. } = report.payments;
    println!(
        "\nThe books, over all runs: {} payments committed, {rejected} rejected, {expired} expired, {in_flight} in flight, \
         {returned} returned",
        grouped(committed.into())
    );
    println!(
        "  {:<20} {:>10} {:>22} {:>22} {:>14}",
        "participant", "currency", "settlement account", "can pay", "reserved"
    );
    for holding in &report.holdings {
        let [settlement, available, reserved] =
            [holding.settlement, holding.available, holding.reserved].map(|amount| money(amount, holding.minor_digits));
        let (participant, currency) = (&holding.participant, &holding.currency);
        println!("  {participant:<20} {currency:>10} {settlement:>22} {available:>22} {reserved:>14}");
    }
    for (currency, debits, credits) in &report.totals {
        let verdict = if debits == credits { "they balance" } else { "THEY DO NOT BALANCE" };
        println!("  {currency}: all debits {} = all credits {}: {verdict}", money(*debits, 2), money(*credits, 2));
    }
}
