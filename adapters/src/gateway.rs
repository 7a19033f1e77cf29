//! The gateway: an adapter as a process beside a provider. It keeps nothing: what it is asked for it has from the switch, and what it is told it has handed on before it says so.
//!
//! Exit status. 0: done. 1: a message is not accepted. 2: it could not start.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use rustls::pki_types::ServerName;
use tokio::net::TcpListener;

use crate::iso20022::document::Decoder;
use crate::iso20022::http::{Caller, Service};
use crate::iso20022::profile::Profile;
use crate::iso20022::refusal::Cause;
use crate::iso20022::{read_orders, read_told};
use crate::message::ParticipantCode;
use crate::native::client::{Remote, Route};
use crate::native::tls;

/// Beside a payment provider: speaks its protocol to it, and the native one to the switch.
#[derive(Parser)]
#[command(name = "gateway", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve ISO 20022 over HTTP on this machine
    ///
    /// Prints `ready iso20022=HOST:PORT` once it accepts. SIGTERM or Ctrl-C stops it.
    Iso20022(Iso20022),
    /// Say of messages whether the scheme accepts them and, if not, why
    ///
    /// Status 1: one of them is not accepted.
    Check(Check),
    /// Print the scheme's profile of ISO 20022 as a page
    Profile,
}

#[derive(clap::Args)]
struct Iso20022 {
    /// Where the switch is; of several the next is tried where one does not answer
    #[arg(long, value_name = "HOST:PORT", required = true, value_delimiter = ',')]
    switch: Vec<String>,
    /// The name in the switch's certificate, where that is not the first host's
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// The provider's certificate
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Its key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The scheme's certificate authority
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Where to listen. Without TLS, and so on this machine only; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7480")]
    listen: SocketAddr,
    /// The switch's name on messages
    #[arg(long, value_name = "NAME", default_value = "CLEARSPAN")]
    name: String,
}

#[derive(clap::Args)]
struct Check {
    /// Messages, one a file
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Also look whether this participant may send them
    #[arg(long = "as", value_name = "CODE")]
    sender: Option<String>,
}

/// Runs what the command line says.
pub fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Iso20022(arguments) => serve(&arguments).map(|()| true),
        Command::Check(arguments) => check(&arguments),
        Command::Profile => {
            let _ = write!(std::io::stdout(), "{}", crate::iso20022::page::profile(Profile::clearspan()));
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("gateway: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve(arguments: &Iso20022) -> Result<(), String> {
    if !arguments.listen.ip().is_loopback() {
        let address = arguments.listen;
        return Err(format!(
            "--listen {address}: only this machine may reach the gateway, which asks nobody who it is; choose 127.0.0.1"
        ));
    }
    let caller = caller_of(arguments)?;
    let tls = tls::client_config(&arguments.ca, &arguments.cert, &arguments.key).map_err(|error| error.to_string())?;
    let host = arguments.switch[0].rsplit_once(':').ok_or("--switch is HOST:PORT")?.0;
    let name = arguments.server_name.as_deref().unwrap_or(host.trim_matches(['[', ']'])).to_owned();
    let server_name =
        ServerName::try_from(name.clone()).map_err(|_| format!("--server-name {name}: not the name of a host"))?;
    let remote = Remote { addresses: arguments.switch.clone(), second_addresses: Vec::new(), server_name, tls };
    let service = Service::new(arguments.name.clone(), Arc::new(move |_: &Caller| Route::Remote(remote.clone())));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(accept(service, caller, arguments.listen))
}

/// Who the provider is: whom its certificate names.
fn caller_of(arguments: &Iso20022) -> Result<Caller, String> {
    let chain = tls::read_certificates(&arguments.cert).map_err(|error| error.to_string())?;
    let certificate = chain.first().ok_or("--cert: no certificate is in the file")?;
    let code =
        tls::participant_of(certificate).ok_or("--cert: the certificate's common name is no participant's code")?;
    // Nobody compares it: there is one certificate here.
    Ok(Caller { code, certificate: [0; 32] })
}

async fn accept(service: Arc<Service>, caller: Caller, address: SocketAddr) -> Result<(), String> {
    let listener = TcpListener::bind(address).await.map_err(|error| format!("--listen {address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mut stop = std::pin::pin!(stop().map_err(|error| error.to_string())?);
    let _ = writeln!(std::io::stdout(), "ready iso20022={address}").and_then(|()| std::io::stdout().flush());
    let mut rest = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            _ = rest.tick() => service.rest(),
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    let service = Arc::clone(&service);
                    // A client that goes away in the middle is no event.
                    tokio::spawn(async move { drop(service.serve(socket, caller).await) });
                }
                // Out of file descriptors, most likely: waiting is all there is to do.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
        }
    }
}

/// Ends when the process is told to.
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// One line a file. True where all are accepted.
fn check(arguments: &Check) -> Result<bool, String> {
    let sender = match &arguments.sender {
        Some(code) => Some(
            ParticipantCode::parse(code).ok_or_else(|| format!("--as {code}: a code has 1 to 35 of A-Z 0-9 - _"))?,
        ),
        None => None,
    };
    let mut decoder = Decoder::new(Profile::clearspan());
    let mut all_accepted = true;
    for file in &arguments.files {
        let name = file.display();
        let message = std::fs::read(file).map_err(|error| format!("{name}: {error}"))?;
        let said = match read_orders(&mut decoder, &message, sender) {
            Ok(read) => Ok(format!("{}, {} of them", read.message, read.orders.len())),
            // A provider does not send it: does the switch?
            Err(refusal) if refusal.cause == Cause::NotAllowed && sender.is_none() => read_told(&mut decoder, &message)
                .map(|told| match told.len() {
                    0 => "of the switch, the answer to a request".to_owned(),
                    count => format!("of the switch, {count} of them"),
                }),
            Err(refusal) => Err(refusal),
        };
        match said {
            Ok(said) => println!("{name}: accepted: {said}"),
            Err(refusal) => {
                all_accepted = false;
                println!("{name}: refused: {refusal}");
            }
        }
    }
    Ok(all_accepted)
}
