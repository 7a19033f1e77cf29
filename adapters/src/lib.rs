//! What payment providers speak to the switch: the canonical messages and the protocols that carry them.
//!
//! A provider that accepts every payment to account `1001`, and rejects all others:
//!
//! ```no_run
//! use std::path::Path;
//!
//! use adapters::message::{Answer, Note, Outcome, ParticipantCode, Reason};
//! use adapters::native::client::{Client, ClientOptions, Incoming};
//! use adapters::native::tls;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tls = tls::client_config(Path::new("scheme-ca.pem"), Path::new("provider.pem"), Path::new("provider.key"))?;
//! let code = ParticipantCode::parse("NORTHBANK").ok_or("not a participant's code")?;
//! let (client, mut events) =
//!     Client::start(ClientOptions::new("switch.example:7400", "switch.example".try_into()?, code, tls));
//!
//! while let Some(batch) = events.next().await {
//!     for incoming in batch {
//!         match incoming {
//!             Incoming::Forward(forward) => {
//!                 let answer = match forward.private.payee_account.as_slice() {
//!                     b"1001" => Answer::accept(forward.payment_id),
//!                     _ => Answer::reject(forward.payment_id, Reason::of(b"AC01")),
//!                 };
//!                 client.answer(&answer, &Note::default()).await?;
//!             }
//!             // Only now may the customer have the money.
//!             Incoming::Status(status) if status.outcome == Outcome::Committed => println!("paid: {}", status.payment_id),
//!             Incoming::Disconnected(disconnected) => eprintln!("{}", disconnected.why),
//!             _ => {}
//!         }
//!     }
//!     // Store this with what was done about the batch, and give it to the next `ClientOptions`.
//!     let _resume = client.cursors();
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Two connections
//!
//! A provider whose line may break has two, each by a line of its own, or both to the same address:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use adapters::message::ParticipantCode;
//! # use adapters::native::client::{Client, ClientOptions, Events};
//! # fn start(code: ParticipantCode, tls: Arc<rustls::ClientConfig>) -> Result<(Client, Events), Box<dyn std::error::Error>> {
//! let options = ClientOptions::new("switch.example:7400", "switch.example".try_into()?, code, tls);
//! let (client, events) = Client::start(options.with_second("switch.second-line.example:7400"));
//! # Ok((client, events))
//! # }
//! ```
//!
//! Each is made again by itself when it breaks, and says so as `Connected` and `Disconnected`; `Client::connections` counts those that stand. While one does, the switch
//! finds the provider there (`Client::sign_off` says that it does not want to be). What comes is handed out once and in the order of its lane, whichever connection brings
//! it. What the switch has not acknowledged on a connection that broke is sent again on the other; what the provider sends over two has no order between them.
//! A sandbox takes the same options.
//!
//! # How it hangs together
//!
//! [`message`] has the canonical messages, which every protocol translates to and from, and the table of which message does what.
//! [`check`] is the one place where a provider's message is looked at; what passes is a type that nothing else can make.
//! [`native`] is the binary protocol over TLS, described byte by byte in `docs/formats/native.md`: `frame` is the codec, `session` the
//! provider's side as a state machine without I/O, `pair` one or two of them, `link` one TLS connection, and `client` all of it for those who build a
//! provider. [`sandbox`] is a small provider with customers, to try things with. [`limits`] has every bound, with its reason.
//!
//! # What this is not
//!
//! It decides nothing about a payment: that is the switch's. It keeps nothing on disk. It speaks the native protocol, version 0, and
//! no other.

pub mod alias;
pub mod attestation;
pub mod check;
pub mod directory;
pub mod gateway;
pub mod gathered;
pub mod iso20022;
pub mod limits;
pub mod message;
pub mod name;
pub mod native;
pub mod sandbox;
pub mod stages;
