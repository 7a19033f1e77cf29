//! Load for a switch, and a verdict on what became of it.
//!
//! `loadtest run` plays all payment providers of a scheme from one thread, over real mutual TLS, in a process apart from the switch. It offers payments
//! either on a schedule that nothing can delay (open loop: a stall of the switch shows in every payment that fell due meanwhile), or as many as are
//! answered (closed loop: the highest rate, which says little about latency). It then waits until every payment has an outcome, asks for those that
//! have none, and lets `switch ledger verify` recompute the books from the journal.
//!
//! Read `generator` first: one turn of it is the whole of the load. `tally` holds what is counted, `report` what is printed.
//!
//! What it costs itself: 0.9 us of a core for each payment in a closed loop (release profile; payer's and payee's side together), so on two cores the
//! switch is what is measured. How exactly the schedule is kept stands in every report (`sent_us`); see `timer` for how.
//!
//! What this is not: a client library (that is `adapters::native::Client`, which is slower and easier), and not a simulator of faults.

#[cfg(not(target_os = "linux"))]
compile_error!("loadtest measures through timerfd and /proc: Linux only");

pub mod agreement;
mod audit;
pub mod cli;
mod clock;
pub mod compare;
mod connection;
mod draw;
mod error;
pub mod faults;
pub mod fill;
mod flights;
pub mod generator;
pub mod interrupts;
pub mod limits;
pub mod machine;
pub mod maximum;
mod orders;
pub mod plan;
pub mod report;
pub mod samples;
pub mod scenario;
pub mod schedule;
mod spawn;
pub mod tally;
mod timer;
pub mod view;

pub use error::SetUpError;
