//! The running switch: threads around the pipeline.
//!
//! ```text
//!   accept thread   sockets, handshakes, keys of the day --+
//!                                                          v  bounded queue
//!   hot loop        all native sessions, sequencer, journal, engine, outboxes
//!                      |  ^  bounded queues
//!                      v  |
//!   render thread   frames of older messages, from history and journal
//!   history thread  looks up payments that have left memory
//!   desk threads    look payments up for operators
//!   admin threads   hand in what operators want done
//! ```
//!
//! The journal and the history each have a thread of their own that prepares and writes files.

mod accept;
mod admin;
mod asker;
mod desk;
mod directory;
mod hot_loop;
mod iso20022;
mod renderer;
mod socket;
mod status;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use adapters::message::ParticipantCode;
use adapters::native::link::UnregisteredLink;
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use ledger::journal::JournalReader;
use tokio::sync::{Notify, watch};

use crate::clerk::{Clerk, ClerkFault, Registrar};
use crate::clock::JournalClock;
use crate::config::Config;
use crate::data::{self, OpenData, OpenDirectory, OpenError, Recovered};
use crate::engine::PaymentCounts;
use crate::history::{HistoryAsker, HistoryFault};
use crate::limits::{
    ARRIVALS_MAX, CONNECTIONS_MAX, DESCRIPTORS_RESERVED, DIRECTORY_BATCHES_MAX, HANDSHAKES_MAX, HISTORY_WAITING_MAX,
    RENDER_REQUESTS_MAX,
};
use crate::pipeline::Fault;
use crate::render::{RenderFault, Renderer};
use crate::seal::{DataKey, SealFault};
use crate::session::PeerCertificate;
use accept::AcceptError;
pub use admin::AdminOffice;
pub use desk::Desk;
use hot_loop::Elsewhere;
use socket::LocalSocket;
pub use status::{Status, StatusFile};

/// Why the switch does not start, or stopped.
#[derive(Debug)]
pub enum ServerError {
    /// The data directory.
    Open(OpenError),
    /// Certificates or the address.
    Accept(AcceptError),
    /// The pipeline.
    Fault(Fault),
    /// Older messages cannot be made.
    Render(RenderFault),
    /// Payments that have left memory cannot be looked up.
    History(HistoryFault),
    /// The directory's store or vault cannot be read or written.
    Directory(ClerkFault),
    /// Keys for a new day cannot be made.
    Seal(SealFault),
    /// The system refuses a thread or a runtime.
    System(std::io::Error),
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ServerError::Open(error) => error.fmt(f),
            ServerError::Accept(error) => error.fmt(f),
            ServerError::Fault(fault) => fault.fmt(f),
            ServerError::Render(fault) => fault.fmt(f),
            ServerError::History(fault) => fault.fmt(f),
            ServerError::Directory(fault) => fault.fmt(f),
            ServerError::Seal(fault) => fault.fmt(f),
            ServerError::System(error) => write!(f, "the system refuses what the switch needs: {error}"),
        }
    }
}

impl std::error::Error for ServerError {}

/// What other threads tell the hot loop.
enum Message {
    /// A connection whose handshake is done.
    Arrived { link: Box<UnregisteredLink>, peer: SocketAddr, certificate: PeerCertificate, key: DataKey },
    /// A key for a new day, or one that was wanted.
    Rekey { code: ParticipantCode, key: DataKey },
    /// Somebody wants to see the books.
    Report(Sender<Report>),
    /// Somebody watches from outside.
    Status(Sender<Status>),
    /// An operator looks payments up.
    Memory(desk::Memory),
    /// An operator looks at the scheme, or changes it.
    Administer(admin::Administer),
    /// Something failed elsewhere: stop.
    Failed(ServerError),
    /// Finish what is open, then stop.
    Drain,
}

/// The way into the hot loop.
#[derive(Clone)]
struct HotLoopQueue {
    sender: Sender<Message>,
    wake: Arc<Notify>,
}

impl HotLoopQueue {
    /// Hands a message over; gives it back where the queue is full or the loop has ended.
    fn try_send(&self, message: Message) -> Result<(), Message> {
        let sent = self.sender.try_send(message);
        self.wake.notify_one();
        sent.map_err(|(TrySendError::Full(message) | TrySendError::Disconnected(message))| message)
    }

    /// Hands over what must not be lost; waits for room. A loop that has ended needs to know nothing more.
    fn send(&self, message: Message) {
        let _ = self.sender.send(message);
        self.wake.notify_one();
    }
}

/// What a participant holds in one currency, in minor units.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Holding {
    /// Whose.
    pub participant: String,
    /// In which currency.
    pub currency: String,
    /// Digits after the decimal point.
    pub minor_digits: u8,
    /// What stands on its settlement account, held or not; 0 where it has none of its own.
    pub settlement: u128,
    /// What it can pay.
    pub available: u128,
    /// What is reserved for open payments.
    pub reserved: u128,
}

/// The books at one moment.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// How many payments stand where.
    pub payments: PaymentCounts,
    /// Settlement accounts, by participant and currency.
    pub holdings: Vec<Holding>,
    /// Sums of both sides of all accounts by currency: (currency, debits, credits).
    pub totals: Vec<(String, u128, u128)>,
}

/// A running switch.
pub struct Server {
    address: SocketAddr,
    iso20022_address: Option<SocketAddr>,
    recovered: Recovered,
    queue: HotLoopQueue,
    stop_accepting: watch::Sender<bool>,
    hot_loop: JoinHandle<Result<(), ServerError>>,
    others: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the data directory, recovers, listens, and runs until `drain` or a fault.
    pub fn start(config: &Config) -> Result<Server, ServerError> {
        let OpenData { pipeline, ring, directory, storage, last_time_ns, recovered } =
            data::open(config).map_err(ServerError::Open)?;
        let clock = JournalClock::after(last_time_ns);
        let ring = Arc::new(Mutex::new(ring));
        let (connections_max, handshakes_max) = descriptors().map_err(ServerError::System)?;
        let door = accept::Door::new(Arc::clone(&ring), clock);
        let acceptor =
            accept::Acceptor::bind(config, Arc::clone(&door), handshakes_max).map_err(ServerError::Accept)?;
        let address = acceptor.address();

        let (sender, messages) = bounded(ARRIVALS_MAX);
        let queue = HotLoopQueue { sender, wake: Arc::new(Notify::new()) };
        let https =
            iso20022::HttpsListener::bind(config, &door, &queue, connections_max).map_err(ServerError::Accept)?;
        let iso20022_address = https.as_ref().map(iso20022::HttpsListener::address);
        let (requests, render_requests) = bounded(RENDER_REQUESTS_MAX);
        let (rendered_sender, rendered) = bounded(RENDER_REQUESTS_MAX);
        // Neither of these is ever full: the pipeline has no more questions open than they hold.
        let (questions, asker_questions) = bounded(HISTORY_WAITING_MAX);
        let (answers_sender, answers) = bounded(HISTORY_WAITING_MAX);
        // The pipeline lets only so much wait; room for all of it from the start would be 80 MB.
        let (clerk, clerk_work) = unbounded();
        let (registrar, registrar_questions) = unbounded();
        let (done_sender, done) = unbounded();
        let (batches, directory_batches) = bounded(DIRECTORY_BATCHES_MAX);
        let (results_sender, results) = unbounded();
        let (keys_wanted, keys_asked_for) = tokio::sync::mpsc::channel(ARRIVALS_MAX);
        let (stop_accepting, stop) = watch::channel(false);

        let sources =
            desk::Sources { history: pipeline.history_reader(), journal: storage.clone(), queue: queue.clone() };
        // Payments go on where nobody can look them up, or administer the switch.
        let bind = |visits: socket::Visits| {
            LocalSocket::bind(&config.directory, visits)
                .inspect_err(|reason| tracing::warn!(%reason, "no {} while the switch runs", visits.what))
        };
        let event_progress = pipeline.event_progress();
        let (desk, admin) = (bind(desk::VISITS), bind(admin::VISITS));
        let journal = JournalReader::open(storage).map_err(|fault| ServerError::Fault(Fault::Journal(fault)))?;
        let renderer = renderer::RenderThread {
            renderer: Renderer::new(journal, pipeline.history_reader()),
            ring: Arc::clone(&ring),
            requests: render_requests,
            rendered: rendered_sender,
            queue: queue.clone(),
        };
        let asker = asker::AskerThread {
            asker: HistoryAsker::new(pipeline.history_reader()),
            questions: asker_questions,
            answers: answers_sender,
            queue: queue.clone(),
        };
        let OpenDirectory { directory, vault, hashes } = directory;
        let clerk_thread = directory::ClerkThread {
            clerk: Clerk::new(hashes.clone(), vault.reader(), directory.reader())
                .with_ring(Box::new(Arc::clone(&ring))),
            work: clerk_work,
            done: done_sender.clone(),
            queue: queue.clone(),
        };
        let directory_thread = directory::DirectoryThread {
            vault: vault.reader(),
            directory,
            batches: directory_batches,
            results: results_sender,
            queue: queue.clone(),
        };
        let registrar_thread = directory::RegistrarThread {
            registrar: Registrar::new(hashes, vault).with_ring(Box::new(Arc::clone(&ring))),
            questions: registrar_questions,
            done: done_sender,
            queue: queue.clone(),
        };
        let hot_loop = hot_loop::HotLoop::new(
            pipeline,
            clock,
            messages,
            queue.wake.clone(),
            Elsewhere { requests, rendered, questions, answers, clerk, registrar, done, batches, results, keys_wanted },
            connections_max,
        );
        let mut others = vec![
            spawn("render", move || renderer.run())?,
            spawn("history", move || asker.run())?,
            spawn("clerk", move || clerk_thread.run())?,
            spawn("directory", move || directory_thread.run())?,
            spawn("registrar", move || registrar_thread.run())?,
            spawn("accept", {
                let (queue, stop) = (queue.clone(), stop.clone());
                move || acceptor.run(&queue, keys_asked_for, stop)
            })?,
        ];
        if let Some(https) = https {
            let (queue, stop) = (queue.clone(), stop.clone());
            others.push(spawn("iso20022", move || https.run(&queue, stop))?);
        }
        if let Ok(desk) = desk {
            let stop = stop.clone();
            others.push(spawn("desk", move || desk.run(stop, move |stream| desk::attend(stream, sources.clone())))?);
        }
        if let Ok(admin) = admin {
            let (queue, progress) = (queue.clone(), event_progress);
            let attend =
                move |stream: &std::os::unix::net::UnixStream| admin::attend(stream, &queue, progress.as_deref());
            others.push(spawn("admin", move || admin.run(stop, attend))?);
        }
        let hot_loop = spawn("hot-loop", move || hot_loop.run())?;
        Ok(Server { address, iso20022_address, recovered, queue, stop_accepting, hot_loop, others })
    }

    /// Where providers connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where providers send ISO 20022 messages over HTTPS, if they can.
    pub fn iso20022_address(&self) -> Option<SocketAddr> {
        self.iso20022_address
    }

    /// What was found at the start.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// The books, as of a batch end. None if the switch has stopped.
    pub fn report(&self) -> Option<Report> {
        let (sender, receiver) = bounded(1);
        self.queue.try_send(Message::Report(sender)).ok()?;
        receiver.recv().ok()
    }

    /// Writes one line of JSON about the switch to a file each second, for as long as the returned value lives.
    pub fn write_status(&self, path: &std::path::Path) -> std::io::Result<StatusFile> {
        StatusFile::start(self.queue.clone(), path)
    }

    /// Has it stopped by itself?
    pub fn has_stopped(&self) -> bool {
        self.hot_loop.is_finished()
    }

    /// Stops: no new connections and payments, open ones are finished as far as that goes in a few seconds, everything is
    /// marked as synced.
    pub fn drain(self) -> Result<(), ServerError> {
        self.stop_accepting.send_replace(true);
        self.queue.send(Message::Drain);
        self.wait()
    }

    /// Waits until it stops by itself, which only a fault makes it do.
    pub fn wait(self) -> Result<(), ServerError> {
        let ended = self.hot_loop.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.stop_accepting.send_replace(true);
        drop(self.queue);
        for thread in self.others {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        ended
    }
}

/// Asks for all file descriptors that the process may have, and says how many of them are for connections and for handshakes: a flood
/// of either must not take those of the journal.
fn descriptors() -> std::io::Result<(usize, usize)> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let granted = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    let granted = granted.map_or(usize::MAX, |granted| usize::try_from(granted).unwrap_or(usize::MAX));
    let half = granted.saturating_sub(DESCRIPTORS_RESERVED) / 2;
    if half == 0 {
        return Err(std::io::Error::other("file descriptors are too few: raise the limit (ulimit -n)"));
    }
    Ok((half.min(CONNECTIONS_MAX), half.min(HANDSHAKES_MAX)))
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, ServerError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(ServerError::System)
}

/// A queue's next message, if there is one. A queue whose other end is gone is empty.
fn take<T>(queue: &Receiver<T>) -> Option<T> {
    queue.try_recv().ok()
}
