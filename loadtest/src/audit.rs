//! The ledger's side of the verdict: walks the journal of a switch that has stopped, lets an engine of its own decide everything again, and adds up what
//! the providers must have been told.
//!
//! It believes nothing but the journal. What it needs no memory for it does not remember: payments are compared as sums, see `agreement`.

use std::collections::BTreeMap;
use std::path::Path;

use adapters::directory::LookupForm;
use adapters::message::ParticipantCode;
use ledger::Currency;
use ledger::journal::{DiskStorage, scan};
use switch::data::journal_directory;
use switch::engine::effect::{Delivery, Effect, News};
use switch::engine::scheme::Model;
use switch::engine::scheme::settlement::Cycle;
use switch::engine::{Batch, Engine, PaymentCounts};
use switch::entry::{Body, Entries, Entry, ParticipantId};

use crate::agreement::{self, Facts, Party};
use crate::connection::CURRENCY;
use crate::flights::RunNumber;
use crate::recount::{CutOffs, Recount, Windows};
use crate::tally::Tally;

/// What the journal says about the payments of one run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    /// What providers must have heard.
    pub(crate) facts: Facts,
    /// How its payments ended.
    pub(crate) committed: u64,
    pub(crate) rejected: u64,
    pub(crate) expired: u64,
    pub(crate) in_flight: u64,
    /// How its returns and cases ended.
    pub(crate) returned: u64,
    pub(crate) returns_rejected: u64,
    pub(crate) cases_open: u64,
    /// What each participant has received less what it has paid, in minor units.
    pub(crate) flows: BTreeMap<ParticipantCode, i128>,
    /// The same by the windows: what was netted in those that closed meanwhile and in the one that is open. Empty where nothing settles net.
    pub(crate) nets: BTreeMap<ParticipantCode, i128>,
    /// The windows, counted anew; none where nobody knows when they are to be closed.
    pub(crate) windows: Option<Windows>,
    /// Debits and credits are equal in every currency.
    pub(crate) is_balanced: bool,
    /// Others paid meanwhile, so counts and flows are not this run's alone.
    pub(crate) has_strangers: bool,
}

/// Walks the journal of a data directory. An error is a chain that is not whole, or a journal that cannot be read.
/// With `cut_offs` its windows are counted anew.
pub(crate) fn walk(data: &Path, run: RunNumber, cut_offs: Option<&CutOffs>) -> Result<Audit, String> {
    let storage = DiskStorage::open(&journal_directory(data)).map_err(|error| format!("the journal: {error}"))?;
    let mut walk = Walk {
        engine: Engine::new(),
        effects: Vec::new(),
        run,
        before: None,
        parties: Vec::new(),
        facts: Facts::default(),
        recount: cut_offs.map(|_| Recount::default()),
        has_strangers: false,
    };
    scan(&storage, |batch| {
        let batch = Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload };
        walk.take(batch).map_err(|inapplicable| inapplicable.to_string())
    })
    .map_err(|fault| fault.to_string())?;
    Ok(walk.finish(cut_offs))
}

/// The entry that an effect comes of, where it stands in the same batch.
pub(crate) fn entry_of<'a, 'b>(
    effect: &Effect,
    first_sequence: u64,
    entries: &'a [Entry<'b>],
) -> Option<&'a Entry<'b>> {
    // The batch has the first position, its entries those after it.
    let place = effect.source.checked_sub(first_sequence + 1).and_then(|place| usize::try_from(place).ok());
    place.and_then(|place| entries.get(place))
}

/// The books at a moment.
struct Books {
    counts: PaymentCounts,
    balances: BTreeMap<ParticipantCode, i128>,
    nets: BTreeMap<ParticipantCode, i128>,
}

struct Walk {
    engine: Engine,
    effects: Vec<Effect>,
    run: RunNumber,
    /// When the run's first payment came.
    before: Option<Books>,
    /// By participant number less one.
    parties: Vec<Party>,
    facts: Facts,
    recount: Option<Recount>,
    has_strangers: bool,
}

impl Walk {
    fn take(&mut self, batch: Batch<'_>) -> Result<(), switch::engine::Inapplicable> {
        // What cannot be read the engine refuses.
        let entries: Vec<Entry<'_>> = Entries::new(batch.payload).flatten().collect();
        if self.before.is_none() && entries.iter().any(|entry| self.is_ours(entry)) {
            self.before = Some(books(&self.engine));
            self.parties = self.engine.participants().map(|(_, code)| Party::new(code.bytes())).collect();
        }
        self.effects.clear();
        self.engine.apply(batch, &mut self.effects)?;
        if let Some(recount) = &mut self.recount {
            recount.take(batch, &entries, &self.effects, &self.engine.told().events);
        }
        if self.before.is_some() {
            for effect in std::mem::take(&mut self.effects) {
                self.hear(&effect, &entries, batch.first_sequence);
            }
        }
        Ok(())
    }

    fn is_ours(&self, entry: &Entry<'_>) -> bool {
        match entry.body {
            Body::CreditTransfer(order, _) => self.run.made(&order.payment_id),
            Body::CaseOpen(case, _) => self.run.made(&case.case_id),
            Body::AliasLookedUp(lookup) => self.run.made(&lookup.lookup_id),
            _ => false,
        }
    }

    /// What a provider is told by number.
    fn hear(&mut self, effect: &Effect, entries: &[Entry<'_>], first_sequence: u64) {
        if let News::LookedUp { is_granted: true, .. } = effect.news {
            return self.hear_lookup(effect, entries, first_sequence);
        }
        if !matches!(effect.delivery, Delivery::Outbox { .. }) {
            return;
        }
        let id = effect.id.bytes();
        if !self.run.made(&id) {
            self.has_strangers = true;
            return;
        }
        let entry = entry_of(effect, first_sequence, entries);
        match effect.news {
            News::Status(status) if status.outcome.is_final() => {
                self.facts.told.add(agreement::told(&id, self.party(effect), status.outcome));
            }
            News::Forward { .. } => {
                if let Some(Entry { body: Body::CreditTransfer(order, _), .. }) = entry {
                    let [payer, payee] = [&order.payer, &order.payee].map(Party::new);
                    let amount = order.amount.to_native();
                    self.facts.forwarded.add(agreement::forwarded(&id, payer, payee, amount, order.currency));
                }
            }
            News::Returned { total } => {
                if let Some(Entry { body: Body::Return(message, _), .. }) = entry {
                    let (party, amount) = (self.party(effect), message.amount.to_native());
                    self.facts.returned.add(agreement::returned(&id, &message.original_id, party, (amount, total)));
                }
            }
            News::CaseForward { .. } => {
                if let Some(Entry { body: Body::CaseOpen(message, _), .. }) = entry {
                    let parties = [&message.opener, &message.responder].map(Party::new);
                    let what = (message.kind, message.amount.to_native());
                    self.facts.asked.add(agreement::asked(&id, &message.original_id, parties, what));
                }
            }
            News::CaseStatus(news) => {
                self.facts.cases.add(agreement::case_told(&id, self.party(effect), news.state));
            }
            // Nothing that a provider is told for good.
            News::Status(_) | News::LookedUp { .. } | News::Recheck => {}
        }
    }

    /// What a provider is told of a look-up. A payment to an alias that nobody has is journaled as one, and refused.
    fn hear_lookup(&mut self, effect: &Effect, entries: &[Entry<'_>], first_sequence: u64) {
        let (id, Delivery::Reply { entry: place }) = (effect.id.bytes(), effect.delivery) else { return };
        let entry = (place as usize).checked_sub(1).and_then(|index| entries.get(index));
        if let Some(Entry { body: Body::AliasLookedUp(lookup), .. }) = entry
            && self.run.made(&id)
            && LookupForm::from_number(lookup.form).is_some()
        {
            let (is_found, position) = (lookup.is_found != 0, first_sequence + u64::from(place));
            self.facts.looked_up.add(agreement::looked_up(&id, self.party(effect), is_found, position));
        }
    }

    /// Who is told.
    fn party(&self, effect: &Effect) -> Party {
        self.parties[effect.participant.0 as usize - 1]
    }

    fn finish(self, cut_offs: Option<&CutOffs>) -> Audit {
        let now = books(&self.engine);
        let before = self.before.unwrap_or_else(|| books(&self.engine));
        let totals = self.engine.totals();
        let balance_before = |code| before.balances.get(code).copied().unwrap_or(0);
        Audit {
            facts: self.facts,
            committed: now.counts.committed - before.counts.committed,
            rejected: now.counts.rejected - before.counts.rejected,
            expired: now.counts.expired - before.counts.expired,
            in_flight: now.counts.in_flight,
            returned: now.counts.returned - before.counts.returned,
            returns_rejected: now.counts.returns_rejected - before.counts.returns_rejected,
            cases_open: now.counts.cases_open.saturating_sub(before.counts.cases_open),
            flows: now.balances.iter().map(|(code, balance)| (*code, balance - balance_before(code))).collect(),
            nets: now
                .nets
                .iter()
                .map(|(code, net)| (*code, net - before.nets.get(code).copied().unwrap_or(0)))
                .collect(),
            windows: self.recount.zip(cut_offs).map(|(recount, cut_offs)| recount.finish(cut_offs)),
            is_balanced: totals.iter().all(|t| t.debits == t.credits && t.debits_pending == t.credits_pending),
            has_strangers: self.has_strangers,
        }
    }
}

fn books(engine: &Engine) -> Books {
    let currency = Currency::parse(&CURRENCY).unwrap_or_else(|| unreachable!("the code for tests is a code"));
    let balance = |id| {
        let (available, reserved) = engine.balance_of(id, currency).unwrap_or((0, 0));
        i128::try_from(available + reserved).unwrap_or(i128::MAX)
    };
    let balances = engine.participants().map(|(id, code)| (code, balance(id))).collect();
    Books { counts: engine.counts(), balances, nets: nets(engine, currency) }
}

/// What each participant was netted in all windows of payments, the open one included.
fn nets(engine: &Engine, currency: Currency) -> BTreeMap<ParticipantCode, i128> {
    let number = engine.currencies().iter().position(|rules| rules.currency == currency && rules.model == Model::Net);
    let book = number.and_then(|number| engine.scheme().settlement.cycle(number, Cycle::Payments));
    let Some(book) = book else { return BTreeMap::new() };
    let mut nets: BTreeMap<ParticipantCode, i128> = engine.participants().map(|(_, code)| (code, 0)).collect();
    let (open, _) = engine.open_nets(book);
    for net in book.windows.iter().flat_map(|window| &window.nets).chain(&open) {
        if let Some(code) = engine.code_of(ParticipantId(net.participant)) {
            *nets.entry(*code).or_default() += net.net;
        }
    }
    nets
}

/// What the journal and the providers disagree about.
pub(crate) fn compare(audit: &Audit, tally: &Tally, codes: &[ParticipantCode]) -> Vec<String> {
    let mut problems = Vec::new();
    if !audit.is_balanced {
        problems.push("the books do not balance".to_owned());
    }
    for (what, in_journal, heard) in [
        ("forwarded payments", audit.facts.forwarded, tally.facts.forwarded),
        ("outcomes told", audit.facts.told, tally.facts.told),
        ("returns told", audit.facts.returned, tally.facts.returned),
        ("cases asked", audit.facts.asked, tally.facts.asked),
        ("states of cases told", audit.facts.cases, tally.facts.cases),
    ] {
        if in_journal != heard {
            problems.push(format!(
                "{what} differ: {} follow from the journal, the providers heard {}, and the payments are not the same",
                in_journal.count(),
                heard.count()
            ));
        }
    }
    let (in_journal, heard) = (audit.facts.looked_up, tally.facts.looked_up);
    // What was answered when a connection broke is asked again: then the journal holds more.
    let may_be_more = tally.reconnects > 0 && in_journal.count() >= heard.count();
    if in_journal != heard && !may_be_more {
        problems.push(format!(
            "look-ups differ: {} answers follow from the journal, the providers heard {}, and they are not the same",
            in_journal.count(),
            heard.count()
        ));
    }
    if audit.has_strangers {
        return problems;
    }
    let rows = [
        ("committed", audit.committed, tally.committed),
        // Of a request that was rejected no payment came.
        ("rejected", audit.rejected, tally.rejected - tally.sequels.requests_rejected),
        ("expired", audit.expired, tally.expired),
        ("in flight", audit.in_flight, 0),
    ];
    for (name, in_journal, told) in rows {
        if in_journal != told {
            problems.push(format!(
                "the journal holds {in_journal} payments {name}, the payer providers were told of {told}"
            ));
        }
    }
    let rows = [
        ("returns", audit.returned, tally.sequels.returns),
        ("returns rejected", audit.returns_rejected, tally.sequels.returns_rejected),
        ("open cases", audit.cases_open, 0),
    ];
    for (name, in_journal, told) in rows {
        if in_journal != told {
            problems.push(format!("the journal holds {in_journal} {name}, the providers know of {told}"));
        }
    }
    let netted = codes.iter().zip(&tally.flows).filter(|(code, flow)| audit.nets.get(*code) != Some(*flow)).count();
    if !audit.nets.is_empty() && netted > 0 {
        problems.push(format!("nets of {netted} participants over all windows are not what their payments sum to"));
    }
    let differing = codes.iter().zip(&tally.flows).filter(|(code, flow)| audit.flows.get(*code) != Some(*flow));
    let differing: Vec<&ParticipantCode> = differing.map(|(code, _)| code).collect();
    if let Some(first) = differing.first() {
        problems.push(format!(
            "the ledger moved other sums than the payments told: {} accounts differ, the first is {first}'s",
            differing.len()
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapters::message::Outcome;

    const A: Party = Party::SOME;

    fn codes() -> Vec<ParticipantCode> {
        ["PSP0001", "PSP0002"].iter().filter_map(|code| ParticipantCode::parse(code)).collect()
    }

    fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.forwarded.add(agreement::forwarded(&[7; 16], A, A, 5, CURRENCY));
        facts.told.add(agreement::told(&[7; 16], A, Outcome::Committed));
        facts
    }

    fn tally() -> Tally {
        Tally { committed: 1, flows: vec![-5, 5], facts: facts(), ..Tally::default() }
    }

    fn audit() -> Audit {
        let flows = codes().into_iter().zip([-5, 5]).collect();
        Audit { facts: facts(), committed: 1, flows, is_balanced: true, ..Audit::default() }
    }

    #[test]
    fn one_payment_that_differs_in_anything_is_noticed() {
        let problems = |audit: &Audit| compare(audit, &tally(), &codes()).join("; ");
        assert_eq!(problems(&audit()), "");
        assert!(problems(&Audit { is_balanced: false, ..audit() }).contains("do not balance"));
        assert!(problems(&Audit { committed: 2, ..audit() }).contains("holds 2 payments committed"));
        assert!(problems(&Audit { in_flight: 1, ..audit() }).contains("holds 1 payments in flight"));
        assert!(problems(&Audit { returned: 1, ..audit() }).contains("holds 1 returns, the providers know of 0"));
        assert!(problems(&Audit { cases_open: 1, ..audit() }).contains("holds 1 open cases"));
        let mut other = facts();
        other.returned.add(agreement::returned(&[8; 16], &[7; 16], A, (5, 5)));
        assert!(problems(&Audit { facts: other, ..audit() }).contains("returns told differ"));
        let mut other = facts();
        other.asked.add(agreement::asked(&[8; 16], &[7; 16], [A, A], (1, 5)));
        assert!(problems(&Audit { facts: other, ..audit() }).contains("cases asked differ"));
        let mut other = facts();
        other.looked_up.add(agreement::looked_up(&[8; 16], A, true, 7));
        assert!(problems(&Audit { facts: other, ..audit() }).contains("look-ups differ: 1 answers follow"));
        let broken = |facts| compare(&Audit { facts, ..audit() }, &Tally { reconnects: 1, ..tally() }, &codes());
        assert_eq!(broken(other), Vec::<String>::new(), "what a broken connection made to be asked again");
        let mut other = facts();
        other.cases.add(agreement::case_told(&[8; 16], A, adapters::message::CaseState::Open));
        assert!(problems(&Audit { facts: other, ..audit() }).contains("states of cases told differ"));
        let flows = codes().into_iter().zip([-6, 6]).collect();
        assert!(problems(&Audit { flows, ..audit() }).contains("2 accounts differ, the first is PSP0001's"));
        let nets = codes().into_iter().zip([-5, 4]).collect();
        assert!(problems(&Audit { nets, ..audit() }).contains("nets of 1 participants over all windows"));
        for altered in
            [agreement::told(&[7; 16], A, Outcome::Expired), agreement::told(&[8; 16], A, Outcome::Committed)]
        {
            let mut other = Facts { told: agreement::Sum::default(), ..facts() };
            other.told.add(altered);
            assert!(problems(&Audit { facts: other, ..audit() }).contains("outcomes told differ"));
        }
        let mut other = Facts { forwarded: agreement::Sum::default(), ..facts() };
        other.forwarded.add(agreement::forwarded(&[7; 16], A, A, 6, CURRENCY));
        assert!(problems(&Audit { facts: other, ..audit() }).contains("forwarded payments differ"));
    }

    #[test]
    fn what_others_did_meanwhile_is_not_held_against_a_run() {
        let others = Audit { committed: 9, has_strangers: true, ..audit() };
        assert_eq!(compare(&others, &tally(), &codes()), Vec::<String>::new());
    }
}
