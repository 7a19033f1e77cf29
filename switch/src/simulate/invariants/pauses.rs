//! A connection that was refused for its rate, or for what is no message, is left alone for as long as tokens for so many frames take to come, and no longer. Any other is not left alone, and
//! when the time is over the switch turns.

use super::Finding;
use crate::limits::NS_PER_MS;

pub(in super::super) const NAME: &str = "who is refused pauses, for a while";

/// The longest pause, in milliseconds: the protocol's document says so.
const LONGEST_MS: u64 = 1;

/// How long a token takes to come: before a provider is welcomed, and of that participant.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct TokenTimes {
    pub(in super::super) unwelcomed_ns: u64,
    pub(in super::super) own_ns: u64,
}

/// In what time a token comes, of so many a second.
pub(in super::super) fn token_ns(per_second: u32) -> u64 {
    1_000_000_000_u64.checked_div(u64::from(per_second)).unwrap_or(0)
}

/// When a connection was last read, and what came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct LastRead {
    at_ns: u64,
    refused: u32,
    tokens: TokenTimes,
    /// The provider was welcomed, then or before.
    pub(in super::super) is_welcomed: bool,
}

impl LastRead {
    /// It is read now, in journal time.
    pub(in super::super) fn begin(&mut self, at_ns: u64, tokens: TokenTimes) {
        *self = LastRead { at_ns, refused: 0, tokens, is_welcomed: self.is_welcomed };
    }

    /// An error with this code leaves for it. `busy`, `shutting_down` and what the directory refuses are no reason for a pause.
    pub(in super::super) fn note_error(&mut self, code: u16) {
        self.refused += u32::from(!matches!(code, 7 | 8 | 18..=20));
    }

    /// When it may be read again.
    pub(in super::super) fn pause_ends_ns(&self) -> u64 {
        let refused = u64::from(self.refused);
        let token_ns = if self.is_welcomed { self.tokens.own_ns } else { self.tokens.unwelcomed_ns };
        self.at_ns + (refused * token_ns).min(LONGEST_MS * NS_PER_MS)
    }
}

/// Something of this connection could be read now, in journal time. Does the pipeline say that it is paused, and how much does it want of it?
pub(in super::super) fn check(last: LastRead, now_ns: u64, (is_paused, bytes_wanted): (bool, usize)) -> Finding {
    let ends_ns = last.pause_ends_ns();
    if is_paused != (now_ns < ends_ns) || is_paused && bytes_wanted > 0 {
        return Err(format!(
            "of {last:?} a connection pauses until {ends_ns}; at {now_ns} it is paused: {is_paused}, and {bytes_wanted} bytes are wanted"
        ));
    }
    Ok(())
}

/// Something of a paused connection lies unread: is the next turn due no later than the pause ends?
pub(in super::super) fn check_wake(last: LastRead, next_turn_ns: Option<u64>) -> Finding {
    let ends_ns = last.pause_ends_ns();
    if next_turn_ns.is_none_or(|next_ns| next_ns > ends_ns) {
        return Err(format!("a pause ends at {ends_ns}, and the next turn is due at {next_turn_ns:?}"));
    }
    Ok(())
}
