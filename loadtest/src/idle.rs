//! Providers that only wait: what a long poll costs a switch while nothing is told.
//!
//! Connections are made, each asks once where it stands and then waits; the switch's memory before and after, and its processor time while all of them wait, is the report. Polls that end for
//! want of messages are asked again, as a provider would.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use adapters::message::ParticipantCode;
use rustls::ClientConfig;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::SetUpError;
use crate::connection::iso::http::{Answered, Http, connect};
use crate::limits::{CONNECTING_MAX, IDLE_WAIT_S};
use crate::machine::{CpuTicks, Machine, resident_kib};
use crate::protocol::Protocol;
use crate::report::{command, date};

/// How long connections are left alone before anything is measured: what was needed to make them is freed, and the switch's own housekeeping is over.
const SETTLE: Duration = Duration::from_secs(3);

/// What is to be held.
pub(crate) struct Idle {
    pub(crate) address: SocketAddr,
    pub(crate) pki: PathBuf,
    pub(crate) connections: usize,
    /// For how long is measured.
    pub(crate) duration: Duration,
    /// The switch.
    pub(crate) process: u32,
}

/// What it cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IdleReport {
    connections: usize,
    participants: usize,
    duration_s: u64,
    /// How long it took to make them.
    connected_in_s: f64,
    /// Long polls that were answered, all without a message, while it was measured.
    polls_answered: u64,
    /// Processor time of the switch, of one core.
    switch_cpu_percent: f64,
    switch_kib_before: u64,
    switch_kib: u64,
    /// What a connection, its TLS and HTTP, and its part in a participant's session take.
    kib_per_connection: f64,
    date: String,
    machine: Machine,
    commit: String,
    command: String,
}

impl IdleReport {
    /// For people.
    pub(crate) fn summary(&self) -> String {
        let IdleReport { connections, participants, duration_s, switch_cpu_percent, kib_per_connection, .. } = self;
        format!(
            "{connections} long polls of {participants} participants waited for {duration_s} s\n\
             switch     {switch_cpu_percent:.1} % of a core, {kib_per_connection:.1} KiB a connection\n"
        )
    }
}

impl Idle {
    /// Makes the connections, lets them wait, and says what that cost.
    pub(crate) async fn hold(&self) -> Result<IdleReport, SetUpError> {
        let codes = switch::pki::participants_in(&self.pki).map_err(SetUpError::new)?;
        if codes.is_empty() {
            return Err(SetUpError::new(format!("{} holds no certificates of participants", self.pki.display())));
        }
        let kib_before = resident_kib(self.process).ok_or_else(gone)?;
        let began = Instant::now();
        let mut waiting = self.connect(&codes).await?;
        let connected_in_s = began.elapsed().as_secs_f64();
        tokio::time::sleep(SETTLE).await;
        let kib = resident_kib(self.process).ok_or_else(gone)?;
        let before = CpuTicks::of(self.process).ok_or_else(gone)?;
        let mut polls_answered = 0;
        let until = tokio::time::Instant::now() + self.duration;
        while let Ok(Some(ended)) = tokio::time::timeout_at(until, waiting.join_next()).await {
            let poll = ended.map_err(SetUpError::new)??;
            polls_answered += 1;
            waiting.spawn(poll.wait());
        }
        let used = CpuTicks::of(self.process).ok_or_else(gone)?.seconds_since(before);
        Ok(IdleReport {
            connections: self.connections,
            participants: codes.len().min(self.connections),
            duration_s: self.duration.as_secs(),
            connected_in_s,
            polls_answered,
            switch_cpu_percent: percent(used, self.duration),
            switch_kib_before: kib_before,
            switch_kib: kib,
            kib_per_connection: ratio(kib.saturating_sub(kib_before), self.connections),
            date: date(),
            machine: Machine::read(),
            commit: env!("CLEARSPAN_COMMIT").to_owned(),
            command: command(),
        })
    }

    /// All of them, a few handshakes at a time; the participants in turn.
    async fn connect(&self, codes: &[ParticipantCode]) -> Result<JoinSet<Result<Waiting, SetUpError>>, SetUpError> {
        let handshakes = Arc::new(Semaphore::new(CONNECTING_MAX));
        let tls = |code: &ParticipantCode| Protocol::Iso20022.tls(*code, &self.pki);
        let configs = codes.iter().take(self.connections).map(tls).collect::<Result<Vec<_>, _>>()?;
        let mut connecting = JoinSet::new();
        for number in 0..self.connections {
            let (handshakes, tls) = (Arc::clone(&handshakes), Arc::clone(&configs[number % configs.len()]));
            let address = self.address;
            connecting.spawn(async move {
                let _permit = handshakes.acquire().await;
                Waiting::begin(address, tls).await
            });
        }
        let mut waiting = JoinSet::new();
        while let Some(connected) = connecting.join_next().await {
            waiting.spawn(connected.map_err(SetUpError::new)??.wait());
        }
        Ok(waiting)
    }
}

/// A connection with a long poll on it.
struct Waiting {
    http: Http,
    cursor: String,
}

impl Waiting {
    /// Connects, and asks where the participant stands.
    async fn begin(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<Waiting, SetUpError> {
        let http = connect(address, tls).await.map_err(SetUpError::new)?;
        http.read("end", 0, 1);
        let mut waiting = Waiting { http, cursor: String::new() };
        waiting.answer().await?;
        Ok(waiting)
    }

    /// One long poll.
    async fn wait(mut self) -> Result<Waiting, SetUpError> {
        self.http.read(&self.cursor, IDLE_WAIT_S, 1);
        self.answer().await?;
        Ok(self)
    }

    async fn answer(&mut self) -> Result<(), SetUpError> {
        let mut answers: Vec<Answered> = Vec::new();
        let lost = poll_fn(|cx| match self.http.inbox.take(cx.waker(), &mut answers) {
            None if answers.is_empty() => Poll::Pending,
            lost => Poll::Ready(lost),
        });
        if let Some(why) = lost.await {
            return Err(SetUpError::new(format!("a connection was lost: {why}")));
        }
        match answers.pop() {
            Some(Answered { status: 204, cursor: Some(cursor), .. }) => {
                self.cursor = cursor;
                Ok(())
            }
            answered => {
                let status = answered.map_or(0, |answered| answered.status);
                Err(SetUpError::new(format!("a long poll was answered with status {status} where nothing waits")))
            }
        }
    }
}

fn gone() -> SetUpError {
    SetUpError::new("the switch stopped by itself")
}

#[allow(clippy::float_arithmetic, reason = "a figure of the report")]
fn percent((user_s, sys_s): (f64, f64), of: Duration) -> f64 {
    100.0 * (user_s + sys_s) / of.as_secs_f64()
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a figure of the report")]
fn ratio(kib: u64, connections: usize) -> f64 {
    kib as f64 / connections as f64
}
