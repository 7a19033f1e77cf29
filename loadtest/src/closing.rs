//! Windows that are closed by order while payments flow: what an operator does with `switch admin settlement cut-off`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use switch::engine::scheme::settlement::Cycle;
use switch::operator::{Action, Decided, Request};
use switch::server::AdminOffice;
use tokio::time::{Instant, sleep_until};

use crate::connection::CURRENCY;

/// Orders of cut-offs, spread evenly over a run.
pub(crate) struct Closing {
    data: PathBuf,
    every: Duration,
    left: u32,
    /// How many were carried out.
    pub(crate) carried_out: u64,
    /// Why one was not.
    pub(crate) failure: Option<String>,
}

impl Closing {
    /// So many for the switch of a data directory, in a run of this length.
    pub(crate) fn new(data: &Path, orders: u32, run: Duration) -> Closing {
        // As long before the first as after the last, so that each is in the middle of the load.
        Closing { data: data.to_owned(), every: run / (orders + 1), left: orders, carried_out: 0, failure: None }
    }

    /// Gives them, from now on. Never ends by itself.
    pub(crate) async fn serve(&mut self) {
        let mut at = Instant::now();
        while self.left > 0 && self.failure.is_none() {
            at += self.every;
            sleep_until(at).await;
            let data = self.data.clone();
            // A socket and an answer to wait for: not on the thread that keeps the schedule.
            match tokio::task::spawn_blocking(move || order(&data)).await {
                Ok(Ok(())) => self.carried_out += 1,
                Ok(Err(problem)) => self.failure = Some(format!("a cut-off could not be ordered: {problem}")),
                Err(panicked) => self.failure = Some(format!("a cut-off could not be ordered: {panicked}")),
            }
            self.left -= 1;
        }
        std::future::pending::<()>().await;
    }
}

fn order(data: &Path) -> Result<(), String> {
    let currency = String::from_utf8_lossy(&CURRENCY).into_owned();
    let request = Request {
        operator: "loadtest".to_owned(),
        approver: None,
        reason: "cut-off under load".to_owned(),
        action: Action::CutOff { currency, cycle: Cycle::Payments },
    };
    match AdminOffice::of(data).give(request).map_err(|trouble| trouble.to_string())? {
        Decided { refused: Some(refused), .. } => Err(format!("refused with {}: {}", refused.number, refused.text)),
        Decided { refused: None, .. } => Ok(()),
    }
}
