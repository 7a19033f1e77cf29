//! ISO 20022 over HTTPS: orders and answers are POSTs, what the switch tells comes by long poll.
//!
//! A message without a fate is kept as it was sent: on a new connection, and after a 503 or 504, the very same goes out again, which does no harm. The next long poll names the cursor of the
//! last, so what was told comes once, over cuts and kills too; nothing is sent before the first long poll of a connection was answered, because a participant that sends first wants nothing old.

pub(crate) mod http;
mod said;
mod told;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use adapters::iso20022::document::Decoder;
use adapters::iso20022::limits::{READ_MAX, STREAMS_MAX};
use adapters::iso20022::profile::Profile;
use adapters::iso20022::read_told;
use adapters::message::{NO_ID, ParticipantCode};
use adapters::native::client::Incoming;
use bytes::Bytes;
use rustls::ClientConfig;
use tokio::task::JoinHandle;

use self::http::{Answered, Http};
use self::said::Writer;
use self::told::{Fate, Told};
use super::hearing::{Forwarded, Hearing, Refused};
use super::line::{Buffers, Line, Lost, Purpose, Said};
use crate::limits::{ISO_ORDERS_MAX, ISO_POSTS_MAX, ISO_READ_IN_FULL_EVERY, ISO_SILENCE_NS, ISO_WAIT_S, NS_PER_S};
use crate::tally::Disagreement;

/// Requests under way on a connection; one more is the long poll.
const UNDER_WAY_MAX: usize = STREAMS_MAX as usize - 1;

/// Nothing old is wanted.
const FROM_THE_END: &str = "end";

/// The connection that there is at the time, and all that has no fate yet.
pub(crate) struct IsoLine {
    tls: Arc<ClientConfig>,
    state: State,
    /// The first long poll of this connection was answered.
    is_open: bool,
    writer: Writer,
    /// By ticket. What is behind the last has its fate.
    posts: BTreeMap<u64, Post>,
    last_ticket: u64,
    /// Are to be sent as soon as there is room.
    due: VecDeque<u64>,
    /// Are to be sent again, and when: in the order of time, as the switch always asks for the same.
    put_off: VecDeque<(u64, u64)>,
    under_way: usize,
    cursor: String,
    /// When the next long poll is to be sent; none while one waits.
    read_at_ns: Option<u64>,
    answers: Vec<Answered>,
    /// Messages that were read.
    read: u64,
    checker: Decoder,
    heard_ns: u64,
}

/// A message without a fate.
struct Post {
    message: Bytes,
    purpose: Purpose,
    /// It was sent more than once: one may have been recorded, and the other refused.
    is_again: bool,
}

enum State {
    Idle,
    Connecting(JoinHandle<Result<Http, String>>),
    Up(Box<Http>),
}

impl IsoLine {
    pub(crate) fn new(code: ParticipantCode, tls: Arc<ClientConfig>) -> IsoLine {
        IsoLine {
            tls,
            state: State::Idle,
            is_open: false,
            writer: Writer::new(code),
            posts: BTreeMap::new(),
            last_ticket: 0,
            due: VecDeque::new(),
            put_off: VecDeque::new(),
            under_way: 0,
            cursor: FROM_THE_END.to_owned(),
            read_at_ns: None,
            answers: Vec::new(),
            read: 0,
            checker: Decoder::new(Profile::clearspan()),
            heard_ns: 0,
        }
    }

    fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Takes what has come since the last turn.
    fn hear(&mut self, cx: &mut Context<'_>, hearing: &mut Hearing<'_>) -> Poll<Result<(), Lost>> {
        let State::Up(http) = &mut self.state else { return Poll::Pending };
        let mut answers = std::mem::take(&mut self.answers);
        let lost = http.inbox.take(cx.waker(), &mut answers);
        let is_busy = !answers.is_empty();
        if is_busy {
            self.heard_ns = hearing.now_ns;
        }
        let heard = answers.drain(..).try_for_each(|answered| match answered.ticket {
            Some(ticket) => self.posted(ticket, &answered, hearing),
            None => self.read(&answered, hearing),
        });
        self.answers = answers;
        heard?;
        match lost {
            Some(why) => Poll::Ready(Err(why)),
            None if is_busy => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }

    /// The answer to a message that was sent.
    fn posted(&mut self, ticket: u64, answered: &Answered, hearing: &mut Hearing<'_>) -> Result<(), Lost> {
        self.under_way -= 1;
        let retry_ns = answered.retry_after_s * NS_PER_S;
        if matches!(answered.status, 503 | 504) {
            *hearing.busy_until_ns = (*hearing.busy_until_ns).max(hearing.now_ns + retry_ns);
            self.put_off.push_back((hearing.now_ns + retry_ns, ticket));
            return Ok(());
        }
        let Some(post) = self.posts.remove(&ticket) else { return Ok(()) };
        let body = str::from_utf8(&answered.body).unwrap_or_default();
        match (answered.status, told::read_fate(body)) {
            (202, Some(Fate::Taken { reference })) if reference == said::reference(ticket) => {
                hearing.acknowledged(ticket, post.purpose);
            }
            (400..500, Some(Fate::Refused { code, .. })) => {
                if post.is_again {
                    hearing.may_be_recorded(ticket, post.purpose);
                }
                let purpose = post.purpose;
                let is_fatal = false;
                hearing.refused(Refused { code: code as u16, ticket, purpose, retry_ns, is_fatal });
            }
            (status, _) => {
                return Err(format!("the switch answered a message with {status} and {}", shown(body)));
            }
        }
        Ok(())
    }

    /// The answer to a long poll.
    fn read(&mut self, answered: &Answered, hearing: &mut Hearing<'_>) -> Result<(), Lost> {
        match answered.status {
            200 | 204 => {}
            503 => {
                self.read_at_ns = Some(hearing.now_ns + answered.retry_after_s * NS_PER_S);
                return Ok(());
            }
            status => {
                let body = str::from_utf8(&answered.body).unwrap_or_default();
                return Err(format!("the switch answered a long poll with {status} and {}", shown(body)));
            }
        }
        self.read_at_ns = Some(0);
        let cursor = answered.cursor.as_ref().ok_or("the switch answered a long poll without a cursor")?;
        cursor.clone_into(&mut self.cursor);
        if !self.is_open {
            self.is_open = true;
            hearing.welcomed(self.posts.len());
        }
        let Ok(body) = str::from_utf8(&answered.body) else {
            return Err("the switch answered a long poll with what is no UTF-8".to_owned());
        };
        told::messages(body).for_each(|message| self.take_message(message, hearing));
        Ok(())
    }

    fn take_message(&mut self, message: &str, hearing: &mut Hearing<'_>) {
        let told = told::read(message);
        self.read += 1;
        if self.read.is_multiple_of(ISO_READ_IN_FULL_EVERY) && !is_same(&mut self.checker, message, told.as_ref()) {
            hearing.tally.disagree(Disagreement::MessageMistaken, NO_ID);
        }
        match told {
            Some(Told::Forward { id, payer, payee, amount, currency, lane }) => hearing.forward(&Forwarded {
                id,
                payer: payer.bytes(),
                payee: payee.bytes(),
                amount,
                currency,
                lane: lane as u8,
                request_id: NO_ID,
                private: &[],
            }),
            Some(Told::Status { id, outcome, reason, is_numbered }) => hearing.status(id, outcome, reason, is_numbered),
            None => hearing.tally.disagree(Disagreement::MessageMistaken, NO_ID),
        }
    }

    /// What is to be sent again by now is due.
    fn take_put_off(&mut self, now_ns: u64) {
        while let Some(&(at_ns, ticket)) = self.put_off.front()
            && at_ns <= now_ns
        {
            self.put_off.pop_front();
            self.send_again(ticket);
        }
    }

    fn send_again(&mut self, ticket: u64) {
        if let Some(post) = self.posts.get_mut(&ticket) {
            post.is_again = true;
            self.due.push_back(ticket);
        }
    }
}

impl Line for IsoLine {
    fn is_open(&self) -> bool {
        self.is_open
    }

    fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting(_)) || (self.is_up() && !self.is_open)
    }

    fn has_room(&self) -> bool {
        self.posts.len() < ISO_ORDERS_MAX
    }

    fn say(&mut self, said: &Said<'_>, purpose: Purpose) -> Option<u64> {
        if self.posts.len() >= ISO_POSTS_MAX {
            return None;
        }
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        let message = self.writer.write(ticket, said);
        self.posts.insert(ticket, Post { message, purpose, is_again: false });
        self.due.push_back(ticket);
        Some(ticket)
    }

    fn is_settled(&self, ticket: u64) -> bool {
        self.posts.first_key_value().is_none_or(|(&first, _)| first > ticket)
    }

    fn begin_connecting(&mut self, address: SocketAddr) {
        self.state = State::Connecting(tokio::spawn(http::connect(address, Arc::clone(&self.tls))));
    }

    fn wake_at_ns(&self) -> u64 {
        let again_ns = self.put_off.front().map_or(u64::MAX, |(at_ns, _)| *at_ns);
        // 0 is past: that one leaves with this turn.
        let read_ns = self.read_at_ns.filter(|&at_ns| at_ns > 0).unwrap_or(u64::MAX);
        if self.is_up() { again_ns.min(read_ns) } else { u64::MAX }
    }

    fn cut(&mut self) {
        if let State::Connecting(connecting) = &self.state {
            connecting.abort();
        }
        self.state = State::Idle;
        (self.is_open, self.under_way) = (false, 0);
        self.put_off.clear();
        // What is due is so still; what was under way may or may not have arrived.
        let is_due: Vec<u64> = self.due.drain(..).collect();
        for (&ticket, post) in &mut self.posts {
            post.is_again |= is_due.binary_search(&ticket).is_err();
            self.due.push_back(ticket);
        }
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_>,
        _: &mut Buffers,
        hearing: &mut Hearing<'_>,
        now: &dyn Fn() -> u64,
    ) -> Poll<Result<(), Lost>> {
        hearing.now_ns = now();
        if let State::Connecting(connecting) = &mut self.state {
            let Poll::Ready(connected) = Pin::new(connecting).poll(cx) else { return Poll::Pending };
            self.state = State::Up(Box::new(connected.unwrap_or_else(|error| Err(error.to_string()))?));
            (self.read_at_ns, self.heard_ns) = (Some(0), hearing.now_ns);
        }
        self.hear(cx, hearing)
    }

    fn transmit(&mut self, _: &mut Context<'_>, now_ns: u64) -> bool {
        self.take_put_off(now_ns);
        let State::Up(http) = &self.state else { return false };
        while self.is_open
            && self.under_way < UNDER_WAY_MAX
            && let Some(ticket) = self.due.pop_front()
        {
            if let Some(post) = self.posts.get(&ticket) {
                http.post(ticket, post.message.clone());
                self.under_way += 1;
            }
        }
        if self.read_at_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            self.read_at_ns = None;
            // The first is answered at once: it only says where the participant goes on.
            http.read(&self.cursor, if self.is_open { ISO_WAIT_S } else { 0 }, READ_MAX);
        }
        false
    }

    /// The cursor of each long poll acknowledges.
    fn acknowledge(&mut self) {}

    fn check(&mut self, now_ns: u64) -> Result<(), Lost> {
        match now_ns.saturating_sub(self.heard_ns) > ISO_SILENCE_NS && self.is_up() {
            true => Err("the switch answers neither messages nor long polls".to_owned()),
            false => Ok(()),
        }
    }

    /// A participant that goes says nothing: it asks no more.
    fn close(&mut self, _: &mut Context<'_>) {
        self.state = State::Idle;
    }
}

/// Does the reader of the product, which checks everything, say the same of a message?
fn is_same(checker: &mut Decoder, message: &str, told: Option<&Told>) -> bool {
    let Ok(read) = read_told(checker, message.trim_end().as_bytes()) else { return false };
    match (read.as_slice(), told) {
        ([Incoming::Forward(forward)], Some(Told::Forward { id, payer, payee, amount, currency, lane })) => {
            (forward.payment_id.bytes(), forward.payer, forward.payee, forward.lane) == (*id, *payer, *payee, *lane)
                && (forward.amount.minor_units(), forward.currency.bytes()) == (*amount, *currency)
        }
        ([Incoming::Status(status)], Some(Told::Status { id, outcome, reason, .. })) => {
            (status.payment_id.bytes(), status.outcome, status.reason.bytes()) == (*id, *outcome, *reason)
        }
        _ => false,
    }
}

/// The beginning of an answer, for a person to read.
fn shown(body: &str) -> String {
    match told::read_fate(body) {
        Some(Fate::Refused { text, .. }) => text,
        _ => body.chars().take(80).collect(),
    }
}
