//! The directory and its clerks: what three threads do in production, done here one after the other, each in virtual time of its own.

use super::World;
use crate::clerk::ClerkFault;
use crate::directory::store::MemoryStore;
use crate::directory::{Directory, DirectoryBatch};
use crate::entry::{
    DirectoryRulesSet, EntryKind, HashKeySet, IssuerKeySet, LookupCategorySet, Signature, write_signed_command,
};
use crate::limits::NS_PER_MS;
use crate::simulate::invariants::{self, Violation, aliases};
use crate::simulate::machine::{ClerkDone, ClerkWork, Directing};
use crate::simulate::plan::{ID_KEYS, NS_PER_S, Plan, id_system};
use crate::simulate::queue::Event;
use crate::simulate::random::Random;
use adapters::message::MessageKind;

/// Batches that wait for the directory; the others wait in the pipeline, which takes nothing new about aliases where they are many.
const BATCHES_WAITING_MAX: usize = 8;

/// Slots of the vault that are destroyed at once.
const SLOTS_AT_ONCE_MAX: usize = 8;

impl Directing {
    /// When there is something to do for any of them.
    pub(in super::super) fn next_ns(&self) -> Option<u64> {
        let fronts = [
            self.batches.front().map(|(at_ns, _)| *at_ns),
            self.for_clerk.front().map(|(at_ns, _)| *at_ns),
            self.for_registrar.front().map(|(at_ns, _)| *at_ns),
            self.said.first_key_value().map(|((at_ns, _), _)| *at_ns),
        ];
        fronts.into_iter().flatten().min()
    }

    fn say(&mut self, at_ns: u64, done: ClerkDone) {
        self.said_count += 1;
        self.said.insert((at_ns, self.said_count), done);
    }

    /// What waits is done from now on as fast as it goes.
    pub(in super::super) fn hurry(&mut self, now_ns: u64) {
        self.batches.iter_mut().for_each(|(at_ns, _)| *at_ns = now_ns.min(*at_ns));
        self.for_clerk.iter_mut().for_each(|(at_ns, _)| *at_ns = now_ns.min(*at_ns));
        self.for_registrar.iter_mut().for_each(|(at_ns, _)| *at_ns = now_ns.min(*at_ns));
    }

    /// What opened records that are gone is destroyed.
    fn destroy_slots(&mut self) -> Result<(), ClerkFault> {
        loop {
            let slots = self.directory.free_slots(SLOTS_AT_ONCE_MAX)?;
            if slots.is_empty() {
                return Ok(());
            }
            self.vault.destroy(&slots)?;
            self.directory.slots_destroyed(&slots)?;
        }
    }

    /// Does the oldest of what the clerk is given, if its time and the directory have come.
    fn work(&mut self, now_ns: u64) -> Result<Option<ClerkDone>, ClerkFault> {
        let Some((at_ns, work)) = self.for_clerk.front() else { return Ok(None) };
        let not_before = match work {
            ClerkWork::Question(question) => question.not_before,
            ClerkWork::Renewal(renewal) => renewal.not_before,
        };
        if *at_ns > now_ns || !self.clerk.has_come(not_before) {
            return Ok(None);
        }
        let Some((_, work)) = self.for_clerk.pop_front() else { return Ok(None) };
        Ok(Some(match work {
            ClerkWork::Question(question) => ClerkDone::Reply(question.ticket, Box::new(self.clerk.answer(&question)?)),
            ClerkWork::Renewal(renewal) => ClerkDone::Renewed(self.clerk.renew(&renewal)?),
        }))
    }
}

impl World<'_> {
    /// How long they take. One that takes longer than its batches are apart falls ever more behind; when faults are over it catches up.
    fn directory_delay_ns(&self) -> u64 {
        let planned = self.plan.aliases.map_or(0, |aliases| aliases.delay_ns);
        if self.drain_until_ns.is_some() { planned.min(NS_PER_MS) } else { planned }
    }

    /// What the directory and its clerks have done meanwhile.
    pub(super) fn take_directory(&mut self) -> Result<(), Violation> {
        let worked = self.direct().map_err(|fault| fault.to_string());
        invariants::named("the directory and its clerks go on", worked)
    }

    fn direct(&mut self) -> Result<(), ClerkFault> {
        let (now_ns, delay_ns, random) = (self.now_ns, self.directory_delay_ns(), &mut self.of_aliases);
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        let Some(directing) = &mut process.directing else { return Ok(()) };
        while directing.batches.front().is_some_and(|(at_ns, _)| *at_ns <= now_ns) {
            let Some((_, batch)) = directing.batches.pop_front() else { break };
            let mut results = Vec::new();
            directing.directory.apply(&batch, &mut results)?;
            results.into_iter().for_each(|result| process.pipeline.directory_decided(result));
            if random.percent(30) {
                directing.directory.persist()?;
                directing.destroy_slots()?;
            }
        }
        while directing.for_registrar.front().is_some_and(|(at_ns, _)| *at_ns <= now_ns) {
            let Some((_, question)) = directing.for_registrar.pop_front() else { break };
            let reply = directing.registrar.take(&question)?;
            directing.registrar.sync()?;
            directing.say(now_ns + random.around(delay_ns), ClerkDone::Reply(question.ticket, Box::new(reply)));
        }
        while let Some(done) = directing.work(now_ns)? {
            directing.say(now_ns + random.around(delay_ns), done);
        }
        while directing.said.first_key_value().is_some_and(|((at_ns, _), _)| *at_ns <= now_ns) {
            match directing.said.pop_first() {
                Some((_, ClerkDone::Reply(ticket, reply))) => process.pipeline.clerk_replied(ticket, *reply),
                Some((_, ClerkDone::Renewed(renewed))) => process.pipeline.renewed(renewed),
                None => {}
            }
        }
        Ok(())
    }

    /// They take what the pipeline has for them, in order.
    pub(super) fn ask_directory(&mut self) {
        let (now_ns, delay_ns, random) = (self.now_ns, self.directory_delay_ns(), &mut self.of_aliases);
        let Some(process) = &mut self.machine.process else { return };
        let Some(directing) = &mut process.directing else { return };
        let after = |last: Option<u64>, took_ns: u64| last.unwrap_or(now_ns).max(now_ns) + took_ns;
        while let Some(question) = process.pipeline.take_directory_question() {
            if question.kind == MessageKind::AliasCommand {
                let last_ns = directing.for_registrar.back().map(|(at_ns, _)| *at_ns);
                let at_ns = after(last_ns, random.around(delay_ns / 4 + 1));
                directing.for_registrar.push_back((at_ns, question));
            } else {
                let last_ns = directing.for_clerk.back().map(|(at_ns, _)| *at_ns);
                let at_ns = after(last_ns, random.around(delay_ns / 8 + 1));
                directing.for_clerk.push_back((at_ns, ClerkWork::Question(Box::new(question))));
            }
        }
        if let Some(renewal) = process.pipeline.take_renewal() {
            let last_ns = directing.for_clerk.back().map(|(at_ns, _)| *at_ns);
            let at_ns = after(last_ns, random.around(delay_ns / 8 + 1));
            directing.for_clerk.push_back((at_ns, ClerkWork::Renewal(renewal)));
        }
        while directing.batches.len() < BATCHES_WAITING_MAX
            && let Some(batch) = process.pipeline.take_directory_batch()
        {
            let last_ns = directing.batches.back().map(|(at_ns, _): &(u64, DirectoryBatch)| *at_ns);
            directing.batches.push_back((after(last_ns, random.around(delay_ns / 2 + 1)), batch));
        }
    }

    /// The operator sets something of the directory, or has all hashes made anew.
    pub(super) fn operate_directory(&mut self) -> Result<(), Violation> {
        let Some(gap_ns) = self.plan.aliases.and_then(|aliases| aliases.operator_gap_ns) else { return Ok(()) };
        if self.drain_until_ns.is_some() {
            return Ok(());
        }
        if self.machine.process.is_some() {
            let command = draw_command(&mut self.of_aliases, &self.plan, self.auditor.aliases().generation());
            self.give(command)?;
        }
        let next_ns = self.now_ns + NS_PER_S / 4 + self.of_aliases.around(gap_ns);
        self.queue.add(next_ns, Event::OperateDirectory);
        Ok(())
    }

    /// The directory comes to its end, and is compared with what the journal makes.
    pub(super) fn finish_directory(&mut self) -> Result<(), Violation> {
        if let Some(directing) = self.machine.process.as_mut().and_then(|process| process.directing.as_mut()) {
            for (_, batch) in std::mem::take(&mut directing.batches) {
                let applied = directing.directory.apply(&batch, &mut Vec::new()).map_err(|fault| fault.to_string());
                invariants::named(aliases::REPLAY, applied)?;
            }
        }
        let (replayed, _) = self.replay_whole(0)?;
        self.check_directory(&replayed.directory)
    }

    /// The directory as it runs, where it has come through everything, is one that is made from the whole journal, and has what the auditor has.
    pub(super) fn check_directory(&mut self, replayed: &Directory<MemoryStore>) -> Result<(), Violation> {
        let Some(process) = &self.machine.process else { return Ok(()) };
        let Some(directing) = &process.directing else { return Ok(()) };
        let of = |directory: &Directory<MemoryStore>| (directory.applied(), directory.digest(), directory.entries());
        let (live, right) = (of(&directing.directory), of(replayed));
        let recounted = directing.directory.recount().map_err(|fault| fault.to_string());
        let recounted = invariants::named(aliases::REPLAY, recounted)?;
        let finding = if live != right || recounted != live.1 {
            Err(format!(
                "at {} it has {} entries, the journal makes {} at {}, or another digest",
                live.0, live.2, right.2, right.0
            ))
        } else if live.2 != self.auditor.aliases().entries() {
            Err(format!("it has {} entries, {} are right", live.2, self.auditor.aliases().entries()))
        } else {
            self.check_looked_up(&directing.directory).and_then(|()| self.check_looked_up(replayed))
        };
        invariants::named(aliases::REPLAY, finding)
    }

    /// What is on record of look-ups is what was let pass.
    fn check_looked_up(&self, directory: &Directory<MemoryStore>) -> Result<(), String> {
        let reader = directory.reader();
        for (entry, right) in self.auditor.aliases().found() {
            let (made, _) = reader.lookups_of(entry, 0, usize::MAX).map_err(|fault| fault.to_string())?;
            let mut positions: Vec<u64> = made.iter().map(|made| made.position).collect();
            positions.reverse();
            if positions != right {
                return Err(format!(
                    "of the entry of {entry} look-ups at {positions:?} are on record, at {right:?} right"
                ));
            }
        }
        Ok(())
    }
}

/// A command about the directory, as it stands in the journal; now and then a wrong one, or one that comes too early.
fn draw_command(random: &mut Random, plan: &Plan, generation: u8) -> Vec<u8> {
    let mut signature = Signature { operator: [0; 35], approver: [0; 35], reason: [0; 140] };
    (signature.operator[0], signature.approver[0]) = (b'o', b'a');
    // No two commands are the same entry.
    let reason = format!("drill {:016x}", random.draw());
    signature.reason[..reason.len()].copy_from_slice(reason.as_bytes());
    let mut entry = Vec::new();
    match random.below(100) {
        0..35 => {
            let generation = generation.saturating_add(if random.percent(90) { 1 } else { 2 });
            let command = HashKeySet { generation, step: 1 };
            write_signed_command(&mut entry, EntryKind::HashKeySet, &signature, &command);
        }
        35..60 => {
            let command = draw_rules(random, plan);
            write_signed_command(&mut entry, EntryKind::DirectoryRulesSet, &signature, &command);
        }
        60..80 => {
            let participants = plan.providers.len() as u64;
            let beyond = if random.percent(5) { 3 } else { 0 };
            let participant = random.between(1, participants + beyond);
            let categories = if random.percent(95) { 8 } else { 9 };
            let category = u8::try_from(random.below(categories)).unwrap_or(0);
            let command = LookupCategorySet { participant: u32::try_from(participant).unwrap_or(0), category };
            write_signed_command(&mut entry, EntryKind::LookupCategorySet, &signature, &command);
        }
        _ => {
            let command = draw_key(random);
            write_signed_command(&mut entry, EntryKind::IssuerKeySet, &signature, &command);
        }
    }
    entry
}

/// Other costs and limits. Buckets of end users keep their size, for what is in them is not reckoned anew; and names are shown as before, for a clerk may answer by the rules of when it was asked.
fn draw_rules(random: &mut Random, plan: &Plan) -> DirectoryRulesSet {
    let Some(rules) = plan.aliases else { unreachable!("there is a directory") };
    let cost_missed = (*random.pick(&[2, 5, 20])).min(rules.end_user.0);
    let sizes =
        rules.categories.map(|_| (cost_missed * *random.pick(&[3, 5, 20, 50]), *random.pick(&[60, 300, 1_000])));
    DirectoryRulesSet {
        cost_found: if random.percent(95) { 1 } else { 0 },
        cost_missed,
        payment_gives_back: *random.pick(&[0, 1, 2]),
        end_user_capacity: rules.end_user.0,
        end_user_per_minute: rules.end_user.1,
        category_capacity: sizes.map(|(capacity, _)| capacity),
        category_per_minute: sizes.map(|(_, per_minute)| per_minute),
        aliases_per_identity: *random.pick(&[2, 4]),
        aliases_per_account: *random.pick(&[2, 4]),
        mask: rules.mask,
    }
}

/// One of the ID system's keys is trusted, or no more.
fn draw_key(random: &mut Random) -> IssuerKeySet {
    let place = random.index(ID_KEYS.len());
    let key = id_system(place).key();
    let padded = |text: &str| {
        let mut bytes = [0; 64];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    };
    let mut public_key = [0; 65];
    public_key[..key.public_key.len()].copy_from_slice(&key.public_key);
    IssuerKeySet {
        issuer: padded(&key.issuer),
        key_id: padded(&key.key_id),
        algorithm: key.algorithm as u8,
        public_key,
        not_before_s: key.not_before_s,
        not_after_s: if random.percent(95) { key.not_after_s } else { 0 },
        is_valid: u8::from(random.percent(70)),
    }
}
