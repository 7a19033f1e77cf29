//! Who may connect is let in, and nobody else: no connection goes on whose certificate was revoked or is over, or whose participant has left, and nobody is turned away who may come.

use super::{Finding, Leaving, Turn};
use crate::simulate::auditor::Scheme;
use crate::simulate::network::Connection;
use crate::simulate::plan::NS_PER_S;
use crate::simulate::wire::{self, kind};

pub(in super::super) const NAME: &str = "who may connect is let in, and nobody else";

/// Certificates whose time is over are looked for once a second, in the machine's time, which may be a little off journal time.
const LATE_MAX_S: u64 = 3;

/// Codes that turn somebody away at the door.
const TURNED_AWAY: [u16; 3] = [10, 16, 17];

/// A turn is over, at this journal time.
pub(super) fn check(turn: &Turn<'_>) -> Finding {
    let scheme = turn.auditor.scheme();
    let now_s = turn.journal_ns / NS_PER_S;
    for (id, connection) in &turn.network.connections {
        let Some(key) = connection.key.filter(|_| !connection.is_ending) else { continue };
        let is_live = turn.pipeline.lane_watermarks(key).is_some();
        if is_live && !(now_s - LATE_MAX_S..=now_s).any(|at_s| may_connect(scheme, connection, at_s)) {
            let (shown, provider) = (connection.shown.0, connection.provider + 1);
            return Err(format!("connection {id} of {provider}, with a certificate of {shown}, goes on"));
        }
    }
    Ok(())
}

/// A frame leaves, at this journal time.
pub(super) fn check_frame(leaving: &Leaving<'_>) -> Finding {
    let Leaving { frame, connection, auditor, journal_ns, .. } = leaving;
    let is_error = frame.kind == kind::ERROR && TURNED_AWAY.contains(&wire::u16_at(frame.routing, 0));
    if is_error && may_connect(auditor.scheme(), connection, journal_ns / NS_PER_S) {
        let (shown, provider) = (connection.shown.0, connection.provider + 1);
        return Err(format!("{provider}, with a certificate of {shown}, is turned away, and may connect"));
    }
    Ok(())
}

/// May this connection's provider connect with what it has shown, at this second?
pub(in super::super) fn may_connect(scheme: &Scheme, connection: &Connection, now_s: u64) -> bool {
    let participant = u32::try_from(connection.provider + 1).unwrap_or(u32::MAX);
    scheme.may_connect(connection.shown, participant, now_s)
}
