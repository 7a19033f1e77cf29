//! A provider's line to the switch: what it can say and hear, whichever protocol carries it.
//!
//! A line keeps what was said until its fate is known, over connections that break and are made again; who speaks does not see which message or frame it becomes. There are two:
//! `native` and `iso`.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use adapters::message::{
    AliasLookup, AliasLookupPrivate, AliasTransfer, AliasTransferPrivate, Answer, CaseAnswer, CaseOpen, CreditTransfer,
    Return,
};

use super::hearing::Hearing;
use crate::flights::Id;

/// What a provider says.
pub(crate) enum Said<'a> {
    /// A payment order, with its private part.
    Order(&'a CreditTransfer, &'a [u8]),
    /// A payment order that names an alias.
    AliasOrder(&'a AliasTransfer, &'a AliasTransferPrivate),
    /// The answer to a payment.
    Answer(&'a Answer),
    /// What became of this payment?
    StatusRequest(Id),
    /// Money goes back.
    Return(&'a Return),
    /// A case is opened.
    CaseOpen(&'a CaseOpen),
    /// A case is answered.
    CaseAnswer(&'a CaseAnswer),
    /// Whose account is it?
    AliasLookup(&'a AliasLookup, &'a AliasLookupPrivate),
}

/// What it was said for: told again with its fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It orders the payment at this place.
    Order(u32),
    /// It is an errand for the payment at this place.
    Errand(u32),
    /// It is the look-up at this place.
    Lookup(u32),
    /// Whatever else.
    Beside,
}

/// For reading, the same memory for all lines.
pub(crate) struct Buffers {
    /// For reading from sockets.
    pub(crate) scratch: Vec<u8>,
    /// For what was read.
    pub(crate) plaintext: Vec<u8>,
}

/// Why a line's connection is gone, or could not be made.
pub(crate) type Lost = String;

/// A line. Submissions have tickets: numbers that rise.
pub(crate) trait Line {
    /// Has the switch taken the provider in?
    fn is_open(&self) -> bool;

    /// Is a connection being made?
    fn is_connecting(&self) -> bool;

    /// Would a payment order be taken?
    fn has_room(&self) -> bool;

    /// Submits it, and gives its ticket; none where there is no room.
    fn say(&mut self, said: &Said<'_>, purpose: Purpose) -> Option<u64>;

    /// Is the fate of this submission known, and of all before it?
    fn is_settled(&self, ticket: u64) -> bool;

    /// Begins to connect.
    fn begin_connecting(&mut self, address: SocketAddr);

    /// When it has something to do even if nothing arrives; `u64::MAX` where never.
    fn wake_at_ns(&self) -> u64;

    /// Cuts the connection without a goodbye. What has no fate is said again on the next one.
    fn cut(&mut self);

    /// Tells what is there. Ready if anything happened; an error ends the connection.
    fn receive(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
        hearing: &mut Hearing<'_>,
        now: &dyn Fn() -> u64,
    ) -> Poll<Result<(), Lost>>;

    /// Sends what was said. True if the connection is broken and must be asked.
    fn transmit(&mut self, cx: &mut Context<'_>, now_ns: u64) -> bool;

    /// Acknowledges what was received, if nothing else has.
    fn acknowledge(&mut self);

    /// Looks after silence and stalls, about once a second. An error ends the connection.
    fn check(&mut self, now_ns: u64) -> Result<(), Lost>;

    /// Says goodbye, so that the switch does not report a lost connection.
    fn close(&mut self, cx: &mut Context<'_>);
}
