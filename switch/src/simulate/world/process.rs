//! The process's shell: what threads, sockets and timers do in production, done here one after the other in virtual time.

use adapters::limits::STALL_MAX_MS;
use ledger::journal::JournalFault;

use super::World;
use crate::history::HistoryFault;
use crate::limits::NS_PER_MS;
use crate::render::RenderFault;
use crate::session::{PeerCertificate, SessionKey};
use crate::simulate::auditor::{Auditor, Door, Scheme, Shown};
use crate::simulate::invariants::door::may_connect;
use crate::simulate::invariants::pauses::{TokenTimes, token_ns};
use crate::simulate::invariants::{self, Leaving, Turn, Violation};
use crate::simulate::machine::{Asking, Directing, Process, stop_of_history, stop_of_pipeline, stop_of_renderer};
use crate::simulate::network::{Connection, Taken};
use crate::simulate::plan::{NS_PER_S, Plan};
use crate::simulate::queue::{ConnectionId, Event};
use crate::simulate::wire::{self, Id, kind};

/// What a turn costs beside the disk.
const TURN_NS: u64 = 10_000;

/// What a turn costs at most while payments of a flood are open. What arrives meanwhile comes with the next: without that no answer is ever in the batch in
/// which its payment is overdue.
const FLOODED_TURN_NS_MAX: u64 = 5 * NS_PER_MS;

/// The longest that an answer of the history is under way. Meanwhile outcomes leave memory, and what it says may be too old.
const SLOW_ANSWER_NS_MAX: u64 = 400 * NS_PER_MS;

/// How long the thread of keys takes.
const KEY_NS: u64 = 2 * NS_PER_MS;

/// While the directory has not come as far as a question asks for, it is looked at again after so long.
const LOOK_NS: u64 = 100_000;

/// Frames that one turn wrote for one connection.
type Written = (ConnectionId, Vec<u8>, bool);

impl World<'_> {
    /// One turn, as the hot loop makes it.
    pub(super) fn turn(&mut self) -> Result<(), Violation> {
        if self.turn_at_ns != Some(self.now_ns) {
            return Ok(());
        }
        self.turn_at_ns = None;
        if self.armed.is_some() && self.plan.is_left_alone(self.now_ns) {
            self.disarm();
        }
        let journal_ns = self.machine.journal_ns(self.now_ns);
        let through_before = self.auditor.through();
        self.receive(journal_ns)?;
        self.take_keys(journal_ns);
        if let Err(fault) = self.take_rendered() {
            return self.stop(&stop_of_renderer(&fault));
        }
        if let Err(fault) = self.take_history_answers()? {
            return self.stop(&stop_of_history(&fault));
        }
        self.take_directory()?;
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        if let Err(fault) = process.pipeline.tick(journal_ns) {
            return self.stop(&stop_of_pipeline(&fault));
        }
        if let Some(stop) = self.look_at_snapshots()? {
            return self.stop(&stop);
        }
        self.ask_renderer();
        self.ask_history();
        self.ask_directory();
        self.ask_for_keys(journal_ns);
        let spent_ns = self.machine.disk.take_spent_ns() + self.machine.history_disk.take_spent_ns();
        // A thread writes snapshots: nobody waits for that.
        self.machine.snapshot_disk.take_spent_ns();
        let flooded_ns = if self.plan.is_flooded(self.now_ns) { self.random.below(FLOODED_TURN_NS_MAX) } else { 0 };
        self.busy_until_ns = self.now_ns + spent_ns + TURN_NS + flooded_ns;
        let records = self.audit()?;
        self.take_operated()?;
        self.check_presence(journal_ns)?;
        let changed = self.auditor.take_changed();
        self.replies.clear();
        let alone = self.with_one_connection();
        self.transmit(through_before)?;
        self.check_replies(&alone)?;
        self.check_each_second(journal_ns, through_before)?;
        self.check_turn(&records, &changed)?;
        self.wake_again()
    }

    /// The thread of the history's files does its next portion, while the rest goes on.
    pub(super) fn write_history(&mut self, start: u64) -> Result<(), Violation> {
        let Some(process) = self.machine.process.as_mut().filter(|_| start == self.starts) else { return Ok(()) };
        let worked = process.pipeline.write_history();
        process.is_writing_history = worked.as_ref().is_ok_and(|has_worked| *has_worked);
        if let Err(fault) = worked {
            process.is_writing_history = true;
            return self.stop(&stop_of_history(&fault));
        }
        if process.is_writing_history {
            self.coverage.count("portion of the history's files written");
        }
        let took_ns = self.machine.history_disk.take_spent_ns() + self.random.around(self.plan.write_gap_ns);
        self.queue.add(self.now_ns + took_ns + 1, Event::WriteHistory(start));
        Ok(())
    }

    /// Keys that connections wait for come after a while.
    fn ask_for_keys(&mut self, journal_ns: u64) {
        let Some(process) = &mut self.machine.process else { return };
        while let Some(code) = process.pipeline.take_key_wanted() {
            process.keys_wanted.push_back((journal_ns + KEY_NS, code));
        }
    }

    fn take_keys(&mut self, journal_ns: u64) {
        let Some(process) = &mut self.machine.process else { return };
        while process.keys_wanted.front().is_some_and(|(at_ns, _)| *at_ns <= journal_ns) {
            let Some((_, code)) = process.keys_wanted.pop_front() else { return };
            process.pipeline.rekey(code, self.machine.keys.data_key(code));
            process.key_holders.insert(code);
            let place = self.plan.providers.iter().position(|provider| provider.code == code).unwrap_or(usize::MAX);
            let (auditor, connections) = (&self.auditor, &self.network.connections);
            let may_connect =
                |id| connections.get(&id).is_some_and(|of| may_connect(auditor.scheme(), of, journal_ns / NS_PER_S));
            self.deliveries.key_came(place, auditor.told_counts(place), may_connect);
            self.coverage.count("connection waited for its key");
        }
    }

    /// Reads every connection that the pipeline wants to hear.
    fn receive(&mut self, journal_ns: u64) -> Result<(), Violation> {
        let tokens: Vec<TokenTimes> = (0..self.providers.len()).map(|place| self.token_times(place)).collect();
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        let mut ids: Vec<ConnectionId> = self.network.connections.keys().copied().collect();
        let first = self.random.index(ids.len());
        ids.rotate_left(first);
        for id in ids {
            let Some(connection) = self.network.connections.get_mut(&id) else { continue };
            let Some(key) = connection.key.filter(|_| connection.has_unread && !connection.is_ending) else { continue };
            let bytes_wanted = process.pipeline.bytes_wanted(key, journal_ns);
            let is_paused = process.pipeline.is_paused(key, journal_ns);
            let finding = invariants::pauses::check(connection.last_read, journal_ns, (is_paused, bytes_wanted));
            invariants::named(invariants::pauses::NAME, finding)?;
            if bytes_wanted == 0 {
                self.coverage.count(if is_paused { "connection paused" } else { "connection left unread" });
                continue;
            }
            let length = connection.inbound.len().min(bytes_wanted);
            connection.has_unread = length < connection.inbound.len();
            connection.last_read.begin(journal_ns, tokens[connection.provider]);
            let consumed = process.pipeline.receive(key, &connection.inbound[..length], journal_ns);
            note_taken(connection, consumed, self.auditor.through());
            let enqueued = self.auditor.told_counts(connection.provider);
            let door = door_of(connection, &self.plan, &self.auditor, process, journal_ns);
            self.deliveries.taken((connection.provider, id), door, &connection.inbound[..consumed], enqueued);
            connection.inbound.drain(..consumed);
        }
        Ok(())
    }

    /// In what time tokens come, as the scheme is now.
    fn token_times(&self, place: usize) -> TokenTimes {
        let configured = self.plan.limits.rate.per_second;
        let [_, set, _] = self.auditor.scheme().members[place].limits;
        let own = if set == 0 { configured } else { set };
        TokenTimes { unwelcomed_ns: token_ns(configured), own_ns: token_ns(own) }
    }

    fn take_rendered(&mut self) -> Result<(), RenderFault> {
        let (now_ns, keys) = (self.now_ns, &self.machine.keys);
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        while process.rendering.front().is_some_and(|(at_ns, _)| *at_ns <= now_ns) {
            let Some((_, request)) = process.rendering.pop_front() else { break };
            let rendered = process.renderer.render(&request, |id| keys.find(id));
            if let Err(RenderFault::Journal(JournalFault::Damaged { .. })) = &rendered {
                self.coverage.count("flip found by a reader");
            }
            process.pipeline.rendered(&rendered?);
            self.coverage.count("rendered from the journal");
        }
        Ok(())
    }

    /// A fault of the history stops the process; a violation ends the run.
    fn take_history_answers(&mut self) -> Result<Result<(), HistoryFault>, Violation> {
        let now_ns = self.now_ns;
        let Some(process) = &mut self.machine.process else { return Ok(Ok(())) };
        while process.asking.front().is_some_and(|asking| asking.at_ns <= now_ns) {
            let Some(Asking { question, answer, floor, .. }) = process.asking.pop_front() else { break };
            let answer = match answer.unwrap_or_else(|| process.asker.answer(question)) {
                Ok(answer) => answer,
                Err(fault) => return Ok(Err(fault)),
            };
            invariants::named(invariants::questions::NAME, invariants::questions::check(&answer, floor))?;
            self.coverage.count(if answer.outcome.is_some() {
                "outcome found in the history"
            } else {
                "history asked in vain"
            });
            process.pipeline.history_answered(answer);
        }
        Ok(Ok(()))
    }

    /// Whoever asks the history is another thread, too. Answers come in the order of the questions.
    fn ask_history(&mut self) {
        let Some(process) = &mut self.machine.process else { return };
        let floor = process.pipeline.engine().floor();
        if process.pipeline.watermarks().indexed < floor {
            self.coverage.count("history waits for its files");
        }
        while let Some(question) = process.pipeline.take_history_question() {
            let after_ns = process.asking.back().map_or(self.now_ns, |asking| asking.at_ns);
            // It looks at once, or just before it answers; now and then the answer is long under way.
            let most_ns = if self.random.percent(5) { SLOW_ANSWER_NS_MAX } else { 2_000_000 };
            let at_ns = after_ns + self.random.between(5_000, most_ns);
            let answer = self.random.percent(50).then(|| process.asker.answer(question));
            process.asking.push_back(Asking { question, answer, floor, at_ns });
        }
    }

    /// The renderer is another thread: what it makes is there a little later.
    fn ask_renderer(&mut self) {
        let Some(process) = &mut self.machine.process else { return };
        while let Some(request) = process.pipeline.take_render_request() {
            let after_ns = process.rendering.back().map_or(self.now_ns, |(at_ns, _)| *at_ns);
            process.rendering.push_back((after_ns + self.random.between(20_000, 3_000_000), request));
        }
    }

    /// The auditor learns what is on disk now.
    pub(super) fn audit(&mut self) -> Result<Vec<Vec<u8>>, Violation> {
        let records = self.machine.disk.take_durable();
        for record in &records {
            self.trace.update(record);
            let batch = wire::batch_of_record(record).ok_or("a record that is no batch".to_owned());
            self.auditor.take_batch(invariants::named(invariants::journal::NAME, batch)?)?;
        }
        for path in self.auditor.take_rare() {
            self.coverage.count(&path);
        }
        Ok(records)
    }

    /// One write to each connection that has something to send, each frame looked at.
    fn transmit(&mut self, through_before: u64) -> Result<(), Violation> {
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        let (by_session, network) = (&self.by_session, &self.network);
        let mut written: Vec<Written> = Vec::new();
        let id_of = |key: SessionKey| by_session.get(key.index()).copied().flatten();
        while process.pipeline.transmit(|key, frames, is_last| {
            let Some(id) = id_of(key) else { return 0 };
            written.push((id, frames.to_vec(), is_last));
            frames.len() + network.connections.get(&id).map_or(0, |connection| connection.waiting.len())
        }) {}
        for (id, frames, is_last) in written {
            self.leave(id, &frames, through_before)?;
            if let Some(connection) = self.network.connections.get_mut(&id) {
                connection.is_ending |= is_last;
                if !connection.is_cut {
                    connection.waiting.extend_from_slice(&frames);
                }
            }
        }
        invariants::named(invariants::outbox_numbers::NAME, self.deliveries.settle())?;
        for path in self.deliveries.take_rare() {
            self.coverage.count(path);
        }
        self.flush();
        Ok(())
    }

    /// Looks at every frame that leaves for a connection.
    fn leave(&mut self, id: ConnectionId, frames: &[u8], through_before: u64) -> Result<(), Violation> {
        self.trace.update(frames);
        let journal_ns = self.machine.journal_ns(self.now_ns);
        let Some(connection) = self.network.connections.get_mut(&id) else { return Ok(()) };
        let mut rest = frames;
        while !rest.is_empty() {
            let Some((frame, length)) = wire::frame(rest) else {
                let finding = Err("the switch sends what is no frame".to_owned());
                return invariants::named(invariants::told_the_truth::NAME, finding);
            };
            if frame.kind == kind::CASE_STATUS && frame.lane == 0 {
                let state = frame.routing[17];
                self.replies.push((connection.provider, wire::array(frame.routing, 0), frame.kind, state));
                self.coverage.count(match state {
                    1..=3 => "case told: open",
                    9 => "case told: unknown",
                    10 => "case told: duplicate",
                    _ => "case told: final, again",
                });
            }
            if frame.kind == kind::STATUS && frame.lane == 0 {
                self.replies.push((connection.provider, wire::array(frame.routing, 0), frame.kind, frame.routing[16]));
                self.coverage.count(match frame.routing[16] {
                    4 => "status told: in flight",
                    5 => "status told: unknown",
                    6 => "status told: duplicate",
                    _ => "status told: final, again",
                });
            }
            if frame.kind == kind::ERROR {
                let code = wire::u16_at(frame.routing, 0);
                connection.last_read.note_error(code);
                self.coverage.count(match code {
                    7 | 8 => "refused: busy",
                    10 => "connection refused: not the agent",
                    16 => "connection refused: certificate",
                    17 => "connection refused: participant closed",
                    15 => "refused: too many at once",
                    18 => "refused: nobody has the alias",
                    19 => "refused: too much was looked up",
                    20 => "refused: attestation",
                    6 => "refused: bad field",
                    12 => "connection replaced",
                    13 => "refused: too slow",
                    14 => "refused: bad number",
                    _ => "refused: not a frame",
                });
            }
            connection.last_read.is_welcomed |= frame.kind == kind::WELCOME;
            let left = self.deliveries.leaves((connection.provider, id), &frame);
            invariants::named(invariants::outbox_numbers::NAME, left)?;
            invariants::of_frame(&mut Leaving {
                frame,
                connection,
                auditor: &self.auditor,
                through_before,
                journal_ns,
            })?;
            rest = &rest[length..];
        }
        Ok(())
    }

    /// Providers that the switch knows one connection of: what they are told comes on that one.
    fn with_one_connection(&self) -> Vec<bool> {
        let known = |place| self.network.connections.values().filter(move |c| c.provider == place && c.key.is_some());
        (0..self.providers.len()).map(|place| known(place).count() == 1).collect()
    }

    fn check_replies(&mut self, alone: &[bool]) -> Result<(), Violation> {
        let due = self.auditor.take_replies_due();
        let finding = invariants::replies::check_due(&due, &self.replies, |provider| alone[provider]);
        invariants::named(invariants::replies::NAME, finding)?;
        for connection in self.network.connections.values_mut() {
            let finding = invariants::replies::check_owed(connection, &self.replies);
            invariants::named(invariants::replies::NAME, finding)?;
        }
        Ok(())
    }

    /// Hands the network what it takes, and ends what has nothing more to say.
    fn flush(&mut self) {
        let ids: Vec<ConnectionId> = self.network.connections.keys().copied().collect();
        for id in ids {
            let has_taken = self.network.flush_to_provider(id, self.busy_until_ns, &mut self.queue);
            let Some(connection) = self.network.connections.get_mut(&id) else { continue };
            let Some(key) = connection.key else { continue };
            if connection.waiting.is_empty() {
                connection.blocked_since_ns = None;
            } else if has_taken || connection.blocked_since_ns.is_none() {
                connection.blocked_since_ns = Some(self.now_ns);
            }
            let (waiting, is_over) = (connection.waiting.len(), connection.is_ending && connection.waiting.is_empty());
            if let Some(process) = &mut self.machine.process {
                process.pipeline.link_pending(key, waiting);
            }
            if is_over {
                self.detach(id);
                self.network.end(id, self.busy_until_ns, &mut self.queue);
            }
        }
    }

    /// Time-outs of connections, about once a second.
    fn check_each_second(&mut self, journal_ns: u64, through_before: u64) -> Result<(), Violation> {
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        if self.now_ns < process.next_check_ns {
            return Ok(());
        }
        process.next_check_ns = self.now_ns + NS_PER_S;
        process.pipeline.check_sessions(journal_ns);
        self.transmit(through_before)?;
        let is_stuck = |connection: &Connection| {
            let since_ns = connection.blocked_since_ns.unwrap_or(self.now_ns);
            connection.key.is_some() && self.now_ns - since_ns > STALL_MAX_MS * NS_PER_MS
        };
        let stuck: Vec<ConnectionId> =
            self.network.connections.iter().filter(|(_, c)| is_stuck(c)).map(|(id, _)| *id).collect();
        for id in stuck {
            self.coverage.count("connection takes nothing, and is ended");
            self.detach(id);
            self.network.end(id, self.now_ns, &mut self.queue);
        }
        Ok(())
    }

    fn check_presence(&mut self, journal_ns: u64) -> Result<(), Violation> {
        let observed = self.auditor.take_observed();
        let (both, times) = ((&self.auditor, &self.deliveries), self.plan.limits.presence);
        let finding = self.turns_before.presence.check(journal_ns, both, &observed, times);
        invariants::named(invariants::presence::NAME, finding)
    }

    fn check_turn(&mut self, records: &[Vec<u8>], changed: &[Id]) -> Result<(), Violation> {
        let journal_ns = self.machine.journal_ns(self.now_ns);
        let Some(process) = &self.machine.process else { return Ok(()) };
        let turn = Turn {
            pipeline: &process.pipeline,
            auditor: &self.auditor,
            deliveries: &self.deliveries,
            network: &self.network,
            history_disk: &self.machine.history_disk,
            limits: self.plan.limits,
            journal_ns,
            records,
            changed,
        };
        invariants::of_turn(&turn, &mut self.turns_before)
    }

    /// When to turn even if nothing arrives.
    fn wake_again(&mut self) -> Result<(), Violation> {
        let (now_ns, busy_until_ns) = (self.now_ns, self.busy_until_ns);
        let journal_ns = self.machine.journal_ns(now_ns);
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        let next_journal_ns = process.pipeline.next_turn_ns();
        let check_ns = process.next_check_ns;
        let rendered_ns = process.rendering.front().map(|(at_ns, _)| *at_ns);
        let answered_ns = process.asking.front().map(|asking| asking.at_ns);
        let directed_ns =
            process.directing.as_ref().and_then(Directing::next_ns).map(|at_ns| at_ns.max(now_ns + LOOK_NS));
        let key_ns = process.keys_wanted.front().map(|_| busy_until_ns + KEY_NS);
        let mut unread_ns = None;
        for connection in self.network.connections.values().filter(|c| c.has_unread && !c.is_ending) {
            let Some(key) = connection.key else { continue };
            if process.pipeline.is_paused(key, journal_ns) {
                let finding = invariants::pauses::check_wake(connection.last_read, next_journal_ns);
                invariants::named(invariants::pauses::NAME, finding)?;
            } else {
                // A full batch was left behind: the rest comes with the next turn.
                unread_ns = Some(busy_until_ns + NS_PER_MS);
            }
        }
        let timer_ns = next_journal_ns.map(|journal_ns| now_ns + self.machine.wait_ns(now_ns, journal_ns));
        let times = [Some(check_ns), rendered_ns, answered_ns, timer_ns, unread_ns, key_ns, directed_ns];
        if let Some(at_ns) = times.into_iter().flatten().min() {
            self.wake(at_ns.max(now_ns + 1));
        }
        Ok(())
    }

    /// A handshake is done.
    pub(super) fn opened(&mut self, id: ConnectionId) {
        let journal_ns = self.machine.journal_ns(self.now_ns);
        let Some(connection) = self.network.connections.get_mut(&id) else { return };
        let (certificate, shown) =
            certificate_of(&self.plan, self.auditor.scheme(), (connection.provider, id), journal_ns);
        connection.shown = shown;
        if certificate.holder != self.plan.providers[connection.provider].code {
            self.coverage.count("connection by a technical provider");
        }
        let process = self.machine.process.as_mut().filter(|_| !connection.is_cut);
        let accepting = process.filter(|process| process.pipeline.has_room_for(&certificate.holder));
        let Some(process) = accepting else {
            connection.is_cut = true;
            return self.queue.add(self.now_ns + NS_PER_MS, Event::ProviderLoses(id));
        };
        let key = process.pipeline.attach(certificate, self.machine.keys.data_key(certificate.holder), journal_ns);
        process.key_holders.insert(certificate.holder);
        connection.key = Some(key);
        if self.by_session.len() <= key.index() {
            self.by_session.resize(key.index() + 1, None);
        }
        self.by_session[key.index()] = Some(id);
        self.wake(self.now_ns);
    }

    /// The switch is done with a connection.
    pub(super) fn detach(&mut self, id: ConnectionId) {
        let Some(connection) = self.network.connections.get_mut(&id) else { return };
        if let Some(key) = connection.key.take() {
            self.by_session[key.index()] = None;
            self.deliveries.gone(connection.provider, id);
            if let Some(process) = &mut self.machine.process {
                process.pipeline.detach(key);
            }
        }
        self.network.forget(id);
    }
}

/// The certificate with which a provider connects this time, also as the auditor knows it: mostly one that is good, now and then any other, or its technical provider's.
fn certificate_of(
    plan: &Plan,
    scheme: &Scheme,
    (provider, id): (usize, ConnectionId),
    journal_ns: u64,
) -> (PeerCertificate, Shown) {
    /// One that no operator registers.
    const UNREGISTERED: [u8; 32] = [99; 32];
    let number = |place: usize| u32::try_from(place + 1).unwrap_or(u32::MAX);
    let (own, technical) = (number(provider), number(plan.providers.len()));
    let agent = plan.technical.filter(|_| if scheme.is_agent(technical, own) { id % 2 == 0 } else { id % 31 == 0 });
    let (holder, code) = agent.map_or((own, plan.providers[provider].code), |code| (technical, code));
    let good = scheme.good_certificate(holder, journal_ns / NS_PER_S);
    let fingerprint = match id % 16 {
        0 if plan.technical.is_some() => [u8::try_from(id / 16 % 40).unwrap_or(0); 32],
        _ => good.unwrap_or(UNREGISTERED),
    };
    (PeerCertificate { holder: code, fingerprint }, (holder, fingerprint))
}

/// Is this connection let in, if it says `Hello` now?
fn door_of(connection: &Connection, plan: &Plan, auditor: &Auditor, process: &Process, journal_ns: u64) -> Door {
    let has_key = process.key_holders.contains(&plan.providers[connection.provider].code);
    match (may_connect(auditor.scheme(), connection, journal_ns / NS_PER_S), has_key) {
        (false, _) => Door::Shut,
        (true, false) => Door::WaitsForKey,
        (true, true) => Door::Open,
    }
}

/// Remembers what the switch took from a connection: it is to be acknowledged, and what is acknowledged must be recorded.
fn note_taken(connection: &mut Connection, consumed: usize, through: u64) {
    let mut rest = &connection.inbound[..consumed];
    while !rest.is_empty() && !connection.is_garbled {
        match wire::frame(rest) {
            Some((frame, length)) if frame.kind <= kind::DIRECTORY_QUERY && length <= rest.len() => {
                let names_something = matches!(
                    frame.kind,
                    kind::CREDIT_TRANSFER
                        | kind::ANSWER
                        | kind::STATUS_REQUEST
                        | kind::RETURN
                        | kind::CASE_OPEN
                        | kind::CASE_ANSWER
                        | kind::CASE_CANCEL
                        | kind::ALIAS_COMMAND
                        | kind::ALIAS_LOOKUP
                        | kind::ALIAS_TRANSFER
                        | kind::DIRECTORY_QUERY
                );
                let is_sign = matches!(frame.kind, kind::SIGN_ON | kind::SIGN_OFF);
                if is_sign || names_something && frame.routing.len() >= 16 {
                    let id = if is_sign { wire::NO_ID } else { wire::array(frame.routing, 0) };
                    let decision = frame.routing.get(16).copied().unwrap_or(0);
                    connection.taken.push_back(Taken {
                        number: frame.number,
                        kind: frame.kind,
                        id,
                        decision,
                        through,
                        is_answered: false,
                    });
                } else if !matches!(frame.kind, 1 | kind::ACK | kind::ECHO) {
                    connection.is_garbled = true;
                }
                rest = &rest[length..];
            }
            _ => connection.is_garbled = true,
        }
    }
}
