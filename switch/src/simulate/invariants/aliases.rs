//! What is told of aliases is what the auditor says, and is told only of what is on disk: results of commands, answers to look-ups, refusals of orders. The auditor itself finds
//! the rest in the journal: who was looked up, and who is paid.

use super::{Finding, Leaving};
use crate::simulate::auditor::OwnTold;
use crate::simulate::provider::hex;
use crate::simulate::wire::{self, kind};

/// One owner for each entry: commands end as the auditor says, and are told so.
pub(in super::super) const COMMANDS: &str = "one owner for each alias";

/// Who asks is told nothing that was not debited before.
pub(in super::super) const DEBITED: &str = "no answer without a debit";

/// What was found at a position is what was there.
pub(in super::super) const TRUE: &str = "look-ups true";

/// Whoever has an alias when a payment to it is sequenced is paid, and nobody who had it before.
pub(in super::super) const OWNER: &str = "no payment to an old owner";

/// Who asks about its own entries is told what was there, and nothing of others.
pub(in super::super) const OWN: &str = "everyone is told of its own entries";

/// The directory is a function of the journal.
pub(in super::super) const REPLAY: &str = "the directory is what the journal makes it";

const ALIAS_NOT_FOUND: u16 = 18;
const LOOKUP_LIMITED: u16 = 19;

pub(super) fn check_result(leaving: &Leaving<'_>) -> Finding {
    let frame = &leaving.frame;
    if frame.kind != kind::ALIAS_RESULT {
        return Ok(());
    }
    let said = wire::alias_result(frame.routing).ok_or("a result of the wrong length")?;
    let right = leaving.auditor.aliases().commanded_at(said.position);
    let is_right = right.is_some_and(|right| right.participant == leaving.connection.provider && right.result == said);
    if is_right { Ok(()) } else { Err(format!("{said:?} is told, right is {:?}", right.map(|right| right.result))) }
}

pub(super) fn check_answer(leaving: &Leaving<'_>) -> Finding {
    let (frame, provider, aliases) = (&leaving.frame, leaving.connection.provider, leaving.auditor.aliases());
    if frame.kind == kind::ERROR {
        let (code, id) = (wire::u16_at(frame.routing, 0), wire::array(frame.routing, 16));
        let is_right = match code {
            ALIAS_NOT_FOUND => aliases.was_missed(provider, id),
            LOOKUP_LIMITED => aliases.was_limited(provider, id),
            _ => true,
        };
        return if is_right { Ok(()) } else { Err(format!("{} is refused with {code}, and was not", hex(&id))) };
    }
    if frame.kind != kind::ALIAS_FOUND {
        return Ok(());
    }
    let said = wire::alias_found(frame.routing).ok_or("an answer of the wrong length")?;
    if said.result == 3 {
        let is_right = aliases.was_limited(provider, said.id) && frame.private.is_empty();
        return if is_right { Ok(()) } else { Err(format!("{} is limited, and was not", hex(&said.id))) };
    }
    let made = aliases.made_at(said.position);
    let made = made.filter(|made| made.participant == provider && made.id == said.id && made.is_granted);
    let made = made.ok_or_else(|| format!("{said:?} is told, and nothing was debited at its position"))?;
    let private = wire::private_fields(frame.private, 2);
    let (account, name) = (&private[0], String::from_utf8_lossy(&private[1]));
    let is_right = match &made.found {
        None => said.result == 2 && said.participant == [0; 35] && frame.private.is_empty(),
        Some(found) => {
            let participant = leaving.auditor.code_of(found.participant);
            let of = (said.result, said.participant, said.owned_since_ns);
            let is_name_right = made.name_shown(aliases.mask()) == Some((said.name_match, &name));
            of == (1, participant, found.owned_since_ns) && *account == found.account && is_name_right
        }
    };
    if is_right { Ok(()) } else { Err(format!("{said:?} is told of what is otherwise")) }
}

pub(super) fn check_own(leaving: &Leaving<'_>) -> Finding {
    let frame = &leaving.frame;
    if frame.kind != kind::DIRECTORY_ANSWER {
        return Ok(());
    }
    let answer = wire::directory_answer(frame.routing).ok_or("an answer of the wrong length")?;
    let items = wire::private_fields(frame.private, 1).swap_remove(0);
    let told = OwnTold { to: leaving.connection.provider, answer, items: &items, since: leaving.through_before };
    leaving.auditor.check_told(&told).map_err(|what| format!("{answer:?}: {what}"))
}
