//! Load for a switch, and a verdict on what became of it.
//!
//! `loadtest run` plays all payment providers of a scheme from one thread, over real mutual TLS, by the native protocol or by ISO 20022, in a process apart from the switch. It offers payments
//! either on a schedule that nothing can delay (open loop: a stall of the switch shows in every payment that fell due meanwhile), or as many as are
//! answered (closed loop: the highest rate, which says little about latency). It then waits until every payment has an outcome of which both providers
//! were told, asks for those that have none, and compares what they heard with what an audit of the journal says, payment by payment.
//!
//! Read `generator` first: one turn of it is the whole of the load. What is to happen is decided before it begins (`scenario`, `plan`, `schedule`,
//! `faults`); `tally` holds what is counted, `agreement` and `audit` are the verdict, `report` is what is printed and drawn. `maximum` searches for the
//! highest rate that holds a service level, `fill` makes a large history without providers, `compare` sets two reports side by side.
//!
//! What it costs itself stands in every report, apart from the switch, with a warning where it was the limit; so does how exactly the schedule was kept
//! (`sent_us`; see `timer` for how). Reading /proc and showing progress are another thread's business (`samples`).
//!
//! What this is not: a client library (that is `adapters::native::Client`, which is slower and easier), and not a simulator: faults here happen to real
//! processes and sockets, so no seed brings them back.

#[cfg(not(target_os = "linux"))]
compile_error!("loadtest measures through timerfd and /proc: Linux only");

pub mod agreement;
pub mod aliases;
mod audit;
pub mod cli;
mod clock;
mod closing;
pub mod compare;
mod connection;
mod draw;
mod error;
pub mod faults;
pub mod fill;
mod flights;
mod flood;
pub mod generator;
mod idle;
pub mod interrupts;
pub mod limits;
mod lookups;
pub mod machine;
pub mod maximum;
mod orders;
pub mod plan;
pub mod protocol;
mod ready;
mod recount;
mod remembered;
pub mod report;
pub mod samples;
pub mod scenario;
pub mod schedule;
mod sequel;
mod spawn;
pub mod tally;
mod timer;
pub mod view;

pub use error::SetUpError;
