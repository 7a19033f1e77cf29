//! A provider with two connections over two lines, each of which can be cut: it misses nothing, hears nothing twice, and is there while one line stands.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use adapters::message::{Answer, CreditTransfer, Note, Outcome, PaymentId, PaymentPrivate};
use adapters::native::client::{Client, ClientOptions, Events, Incoming};

use crate::harness::{Data, PATIENCE, code};
use crate::presence::paid_until;
use crate::wire::{Wire, id_of, order};

/// A line to the switch that can be cut. While it is, who connects is turned away.
struct Cable {
    address: SocketAddr,
    state: Arc<Mutex<CableState>>,
    accepts: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct CableState {
    is_cut: bool,
    has_ended: bool,
    sockets: Vec<TcpStream>,
}

impl Cable {
    fn to(switch: SocketAddr) -> Cable {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(CableState::default()));
        let shared = Arc::clone(&state);
        let accepts = std::thread::spawn(move || {
            for socket in listener.incoming().map(Result::unwrap) {
                let mut state = shared.lock().unwrap();
                if state.has_ended {
                    return;
                }
                // Who connects to a cut line finds its socket closed.
                if !state.is_cut
                    && let Ok(far) = TcpStream::connect(switch)
                {
                    state.sockets.extend([socket.try_clone().unwrap(), far.try_clone().unwrap()]);
                    carry(socket.try_clone().unwrap(), far.try_clone().unwrap());
                    carry(far, socket);
                }
            }
        });
        Cable { address, state, accepts: Some(accepts) }
    }

    fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_cut = true;
        // One that has ended by itself cannot be ended again.
        state.sockets.drain(..).for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
    }

    fn mend(&self) {
        self.state.lock().unwrap().is_cut = false;
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.cut();
        self.state.lock().unwrap().has_ended = true;
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        let _ = self.accepts.take().map(JoinHandle::join);
    }
}

/// Carries bytes one way until either end is gone, and then ends both.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}

/// A provider that pays another, accepts what comes, and remembers all it hears.
struct Provider {
    client: Client,
    events: Events,
    ordered: Vec<PaymentId>,
    forwards: Vec<PaymentId>,
    /// How often each payment was told to be committed, under a number of the outbox.
    committed: BTreeMap<PaymentId, u32>,
    /// Losses that left a connection standing, and losses of the last one.
    losses: [u32; 2],
}

impl Provider {
    fn start(options: ClientOptions) -> Provider {
        let (client, events) = Client::start(options);
        let (ordered, forwards, committed) = (Vec::new(), Vec::new(), BTreeMap::new());
        Provider { client, events, ordered, forwards, committed, losses: [0; 2] }
    }

    async fn pay(&mut self, order: &CreditTransfer) {
        self.client.submit(order, &PaymentPrivate::default()).await.unwrap();
        self.ordered.push(id_of(order));
    }

    async fn turn(&mut self) {
        let mut batch = Vec::new();
        if let Ok(more) = tokio::time::timeout(Duration::from_millis(1), self.events.next_into(&mut batch)).await {
            assert!(more, "the client ended by itself");
        }
        for incoming in batch {
            match incoming {
                Incoming::Forward(forward) => {
                    self.forwards.push(forward.payment_id);
                    self.client.answer(&Answer::accept(forward.payment_id), &Note::default()).await.unwrap();
                }
                Incoming::Status(status) if status.numbered => {
                    assert_eq!(status.outcome, Outcome::Committed);
                    *self.committed.entry(status.payment_id).or_default() += 1;
                }
                Incoming::Connected(connected) => assert!(!connected.welcomed.numbers_restarted, "{connected:?}"),
                Incoming::Disconnected(lost) => self.losses[usize::from(lost.connections == 0)] += 1,
                // The second answer to an order that was sent again.
                Incoming::Status(_) | Incoming::Acknowledged { .. } => {}
                other => panic!("nobody does such a thing here: {other:?}"),
            }
        }
    }
}

fn options(data: &Data, number: usize, address: SocketAddr) -> ClientOptions {
    let tls = data.tls(code(number).as_str());
    ClientOptions::new(address.to_string(), "localhost".try_into().unwrap(), code(number), tls)
}

fn on_two(data: &Data, number: usize, cables: &[Cable; 2]) -> ClientOptions {
    options(data, number, cables[0].address).with_second(cables[1].address.to_string())
}

/// Turns of both until `is_so`, of the second.
async fn until(what: &str, pair: &mut [Provider; 2], is_so: impl Fn(&Provider) -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so(&pair[1]) {
        assert!(Instant::now() < until, "this did not happen within {PATIENCE:?}: {what}");
        for provider in &mut *pair {
            provider.turn().await;
        }
    }
}

/// Both pay each other so often.
async fn flood(pair: &mut [Provider; 2], count: usize) {
    for _ in 0..count {
        pair[0].pay(&order(1, 2, 1)).await;
        pair[1].pay(&order(2, 1, 1)).await;
    }
}

/// Cuts `cut` in the middle of a flood, and mends it.
async fn cut_in_the_middle(pair: &mut [Provider; 2], cut: &[&Cable]) {
    const HALF: usize = 1_000;
    flood(pair, HALF).await;
    let (heard, losses) = (pair[1].forwards.len(), pair[1].losses);
    until("it is in the middle", pair, |provider| provider.forwards.len() > heard).await;
    cut.iter().for_each(|cable| cable.cut());
    flood(pair, HALF).await;
    let place = cut.len() - 1;
    until("the loss is noticed", pair, |provider| provider.losses[place] > losses[place]).await;
    if cut.len() == 1 {
        let ordered = pair[1].ordered.len();
        until("one line is enough", pair, |provider| provider.committed.len() == 2 * ordered).await;
    }
    cut.iter().for_each(|cable| cable.mend());
    until("both stand again", pair, |provider| provider.client.connections() == 2).await;
}

#[test]
fn whichever_line_is_cut_in_a_flood_nothing_is_lost_and_nothing_comes_twice() {
    let data = Data::new();
    let switch = data.serve();
    let cables = [Cable::to(data.address()), Cable::to(data.address())];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ordered = runtime.block_on(async {
        let plain = Provider::start(options(&data, 1, data.address()));
        let paired = Provider::start(on_two(&data, 2, &cables));
        let mut pair = [plain, paired];
        until("both stand", &mut pair, |provider| provider.client.connections() == 2).await;
        let [first, second] = &cables;
        for cut in [&[first][..], &[second], &[first, second]] {
            cut_in_the_middle(&mut pair, cut).await;
        }
        let ordered = pair[0].ordered.len();
        until("all is decided", &mut pair, |provider| provider.committed.len() == 2 * ordered).await;
        let [plain, paired] = &mut pair;
        while plain.committed.len() < 2 * ordered {
            plain.turn().await;
        }
        assert_eq!(paired.forwards, plain.ordered, "each once, and in the order of its lane");
        let sorted = |ids: &[PaymentId]| ids.iter().copied().collect::<BTreeSet<_>>();
        // What was ordered over two connections comes in any order, but once.
        assert_eq!((plain.forwards.len(), sorted(&plain.forwards)), (ordered, sorted(&paired.ordered)));
        for provider in &pair {
            assert!(provider.committed.values().all(|times| *times == 1), "each once");
        }
        for provider in &pair {
            assert_eq!(provider.client.shutdown().await, 0, "nothing waits for an acknowledgement");
        }
        ordered
    });
    switch.stop();
    assert_eq!(data.committed(), 2 * ordered as u64);
}

/// Runs a provider that only listens, and tells how many of its connections stand at each change, until the switch ends and nobody listens to that.
fn watch(options: ClientOptions) -> Receiver<usize> {
    let (sender, stands) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_client, mut events) = Client::start(options);
            while let Some(batch) = events.next().await {
                let stand = |incoming: &Incoming| match incoming {
                    Incoming::Connected(connected) => Some(connected.connections),
                    Incoming::Disconnected(lost) => Some(lost.connections),
                    _ => None,
                };
                if !batch.iter().filter_map(stand).all(|stand| sender.send(stand).is_ok()) {
                    return;
                }
            }
        });
    });
    stands
}

fn wait_for(stands: &Receiver<usize>, count: usize) {
    while stands.recv_timeout(PATIENCE).unwrap() != count {}
}

#[test]
fn who_has_one_line_left_is_there_and_who_has_none_is_not() {
    const GRACE_MS: u64 = 300;
    let data = Data::new();
    data.set("switch.toml", "absence_grace_ms", GRACE_MS);
    data.set("switch.toml", "presence_settle_ms", 50);
    let switch = data.serve();
    let cables = [Cable::to(data.address()), Cable::to(data.address())];
    let stands = watch(on_two(&data, 2, &cables));
    let mut payer = Wire::open(&data, 1);
    wait_for(&stands, 2);
    paid_until(&mut payer, "it is there", false);
    cables[0].cut();
    wait_for(&stands, 1);
    // Longer than the grace of one that has no connection.
    let until = Instant::now() + Duration::from_millis(4 * GRACE_MS);
    while Instant::now() < until {
        let id = payer.pay(&order(1, 2, 1));
        payer.fence();
        assert_ne!(payer.ask(id).outcome, Outcome::Rejected, "one line is enough");
    }
    cables[1].cut();
    wait_for(&stands, 0);
    paid_until(&mut payer, "it is gone", true);
    cables[0].mend();
    paid_until(&mut payer, "it is back on one", false);
    drop(stands);
    switch.stop();
}
