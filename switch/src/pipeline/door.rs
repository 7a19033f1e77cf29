//! Who may come in, in which place, and who must go.
//!
//! TLS has proved a certificate of the scheme's authority. Whether its holder may connect, and for whom, the engine knows: participants' standings, registered
//! certificates and their validity, technical providers (`docs/scheme-rules.md`, Participants). It is asked at `Hello`, again when the operator has changed any of that, and
//! once a second, for certificates whose time is over. Who may not go on is told why before anything else that the same batch has decided.
//!
//! ```text
//!   attach --> EXPECT HELLO --Hello--> may it, now? --no--> CLOSING
//!                                        | yes                  ^
//!                    its key is here     |   it is not          | no
//!                 +----------------------+------> EXPECT KEY ---+
//!                 v                                   | rekey: may it, now?
//!               LIVE <--------------------------------+ yes
//! ```
//!
//! What a technical provider sends for a participant is sealed under that participant's key, so `Hello` may have to wait for one.

use std::collections::VecDeque;

use adapters::check::Refusal;
use adapters::limits::{CONNECTION_SLOTS, FRAME_BYTES_MAX};
use adapters::message::{Cursors, ErrorCode, OUTBOX_LANES, ParticipantCode, Welcome};
use ledger::journal::Storage;

use super::Pipeline;
use super::fairness::NS_PER_S;
use crate::engine::scheme::events::EventKind;
use crate::engine::scheme::members::ConnectionReject;
use crate::entry::ParticipantId;
use crate::limits::{
    CONNECTIONS_PER_CLIENT_MAX, CONNECTIONS_PER_PARTICIPANT_MAX, CONNECTIONS_PER_TECHNICAL_PROVIDER_MAX,
};
use crate::seal::{DataKey, Sealer};
use crate::session::{Greeting, PeerCertificate, Phase, Session, SessionKey};

/// Connections whose `Hello` waits for a key: an entry each, in the order of their `Hello`, for as long as they wait.
#[derive(Default)]
pub(super) struct KeysWanted {
    waiting: Vec<(SessionKey, Greeting)>,
    /// Whose keys are to be asked for.
    unasked: VecDeque<ParticipantCode>,
}

impl KeysWanted {
    /// A connection waits. Whose key somebody waits for already was asked for.
    fn add(&mut self, session: SessionKey, greeting: Greeting) {
        if self.waiting.iter().all(|(_, other)| other.participant != greeting.participant) {
            self.unasked.push_back(greeting.participant);
        }
        self.waiting.push((session, greeting));
    }

    /// A connection waits no longer.
    fn forget(&mut self, session: SessionKey) {
        self.waiting.retain(|(other, _)| *other != session);
    }

    /// Those that a participant's key lets in.
    fn take(&mut self, code: &ParticipantCode) -> Vec<(SessionKey, Greeting)> {
        self.waiting.extract_if(.., |(_, greeting)| greeting.participant == *code).collect()
    }
}

impl<S: Storage> Pipeline<S> {
    /// A connection that has shown this certificate, and the key that seals what its holder sends.
    pub fn attach(&mut self, certificate: PeerCertificate, key: DataKey, now_ns: u64) -> SessionKey {
        self.rekey(certificate.holder, key);
        self.sessions.add(Session::new(certificate, now_ns))
    }

    /// From now on this key seals what the participant sends. A key that is in use already goes on with its counter.
    pub fn rekey(&mut self, code: ParticipantCode, key: DataKey) {
        if self.sealers.get(&code).is_none_or(|sealer| sealer.key_id() < key.id()) {
            self.sealers.insert(code, Sealer::new(key));
        }
        for (session, greeting) in self.keys_wanted.take(&code) {
            self.hello(session, greeting);
        }
    }

    /// Whose key is wanted next, for what a technical provider will send for it: `rekey` brings it.
    pub fn take_key_wanted(&mut self) -> Option<ParticipantCode> {
        self.keys_wanted.unasked.pop_front()
    }

    /// May the holder of a certificate open another connection? A technical provider has room for each participant that it connects for.
    pub fn has_room_for(&self, holder: &ParticipantCode) -> bool {
        let engine = &self.decisions.engine;
        let clients = engine.find_participant(holder).map_or(0, |id| engine.scheme().members.clients_of(id).count());
        let room = (CONNECTIONS_PER_CLIENT_MAX * clients)
            .clamp(CONNECTIONS_PER_PARTICIPANT_MAX, CONNECTIONS_PER_TECHNICAL_PROVIDER_MAX);
        let sessions = self.sessions.keys().into_iter().filter_map(|key| self.sessions.get(key));
        let open = sessions.filter(|session| session.certificate.holder == *holder).count();
        open < room
    }

    /// For whom a connection speaks: whom its certificate names, until its `Hello` names another.
    pub fn code_of(&self, key: SessionKey) -> Option<ParticipantCode> {
        self.sessions.get(key).map(|session| session.code)
    }

    /// The technical provider that a connection is of; none where its certificate is the participant's own.
    pub fn agent_of(&self, key: SessionKey) -> Option<ParticipantCode> {
        let session = self.sessions.get(key)?;
        let holder = session.certificate.holder;
        (holder != session.code).then_some(holder)
    }

    /// A provider says who it is and what it has seen. Certificate and scheme have the last word on the former, the journal's lineage on the latter.
    pub(super) fn hello(&mut self, key: SessionKey, greeting: Greeting) {
        // A connection that was ended while it waited for its key is let in no more.
        let Some(session) = self.sessions.get(key).filter(|session| session.phase != Phase::Closing) else { return };
        let participant = match self.admit_connection(&session.certificate, &greeting.participant) {
            Ok(participant) => participant,
            Err(code) => return self.refuse(key, 0, Refusal::plain(code)),
        };
        let has_key = self.sealers.contains_key(&greeting.participant);
        if let Some(session) = self.sessions.get_mut(key) {
            session.code = greeting.participant;
            if !has_key {
                session.phase = Phase::ExpectKey;
                return self.keys_wanted.add(key, greeting);
            }
        }
        let resumed_after = self.take_place(key, participant, &greeting);
        let welcome = Welcome {
            lineage: self.log.lineage(),
            resumed_after,
            enqueued: self.decisions.outboxes.enqueued(participant),
            time_ns: self.decisions.engine.time_ns(),
            frame_bytes_max: u32::try_from(FRAME_BYTES_MAX).unwrap_or(u32::MAX),
            in_flight_max: self.in_flight_max_of(participant),
        };
        let (code, slot) = (greeting.participant, greeting.slot);
        self.sessions.write(key, |session| session.welcome(participant, slot, &welcome));
        self.fall_behind(participant);
        self.note_presence(participant, true, self.now_ns);
        self.note_cursors(participant);
        let agent = self.agent_of(key).map(tracing::field::display);
        tracing::info!(participant = %code, agent, slot, resumed_after = ?resumed_after, "provider connected");
    }

    /// May the holder of this certificate speak for that participant now? What is not the scheme's to know is told to nobody: who names somebody that it may not speak for does not
    /// learn whether there is such a participant.
    fn admit_connection(
        &self,
        certificate: &PeerCertificate,
        said: &ParticipantCode,
    ) -> Result<ParticipantId, ErrorCode> {
        let engine = &self.decisions.engine;
        let found = [&certificate.holder, said].map(|code| engine.find_participant(code));
        let [Some(holder), Some(participant)] = found else {
            let is_itself = certificate.holder == *said;
            return Err(if is_itself { ErrorCode::UnknownParticipant } else { ErrorCode::WrongParticipant });
        };
        let shown = (holder, &certificate.fingerprint);
        match engine.check_connection(shown, participant, self.now_ns / NS_PER_S) {
            Ok(()) => Ok(participant),
            Err(ConnectionReject::NotItsAgent) => Err(ErrorCode::WrongParticipant),
            Err(ConnectionReject::ParticipantClosed) => Err(ErrorCode::ParticipantClosed),
            Err(ConnectionReject::CertificateRefused) => Err(ErrorCode::CertificateRefused),
        }
    }

    /// Gives a connection its slot, and says after which numbers it goes on. The older one of the slot is replaced. So is the other one, where the provider has it no
    /// more: it says so, or it does not know what that one has sent. Then what the newer one says counts.
    fn take_place(&mut self, key: SessionKey, participant: ParticipantId, greeting: &Greeting) -> Cursors {
        let &Greeting { slot, is_alone, lineage, seen, .. } = greeting;
        if let Some(older) = self.feeds.of(participant).line(slot) {
            self.refuse(older, 0, Refusal::plain(ErrorCode::Replaced));
        }
        let is_ours = lineage == self.log.lineage();
        let feed = self.feeds.of(participant);
        if feed.is_live() && !is_alone && is_ours && feed.could_have_seen(seen) {
            return feed.join(slot, key, seen);
        }
        let others: [_; CONNECTION_SLOTS] = std::array::from_fn(|slot| feed.line(slot));
        for other in others.into_iter().flatten() {
            self.refuse(other, 0, Refusal::plain(ErrorCode::Replaced));
        }
        let enqueued = self.decisions.outboxes.enqueued(participant);
        // Where nothing old is wanted, the number means nothing else.
        let exists = |lane: usize| seen[lane] <= enqueued[lane] || seen[lane] == u64::MAX;
        let is_known = is_ours && (0..OUTBOX_LANES).all(exists);
        let resumed_after = std::array::from_fn(|lane| match seen[lane] {
            u64::MAX => enqueued[lane],
            number if is_known => number,
            _ => 0,
        });
        self.feeds.of(participant).start(slot, key, resumed_after);
        resumed_after
    }

    /// The operator may have changed in this batch who may connect: who may no longer is cut off.
    pub(super) fn end_barred(&mut self) {
        let told = &self.decisions.engine.told().events;
        let changes = |kind: EventKind| {
            matches!(kind, EventKind::StandingChanged | EventKind::AgencyChanged | EventKind::CertificateChanged)
        };
        if told.iter().any(|event| changes(event.kind)) {
            self.sessions.keys().into_iter().for_each(|key| self.end_if_barred(key));
        }
    }

    fn end_if_barred(&mut self, key: SessionKey) {
        let live = self.sessions.get(key).filter(|session| session.participant().is_some());
        let barred = live.and_then(|session| self.admit_connection(&session.certificate, &session.code).err());
        if let Some(code) = barred {
            self.refuse(key, 0, Refusal::plain(code));
        }
    }

    /// Looks after time-outs of connections, and after certificates whose time is over. To be called about once a second.
    pub fn check_sessions(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        for key in self.sessions.keys() {
            self.end_if_barred(key);
            let Some(session) = self.sessions.get(key) else { continue };
            let (slot, participant) = (session.slot, session.participant());
            self.sessions.write(key, |session| session.check_time(now_ns));
            let has_ended = self.sessions.get(key).is_some_and(|session| session.phase == Phase::Closing);
            if let Some(participant) = participant.filter(|_| has_ended) {
                self.leave_slot(participant, slot, key);
            }
        }
        for (participant, feed) in self.feeds.iter().filter(|(_, feed)| feed.is_live()) {
            let enqueued = self.decisions.outboxes.enqueued(participant);
            assert_eq!(
                enqueued,
                self.decisions.engine.enqueued(participant),
                "the outbox keeps what the engine has numbered"
            );
            feed.validate(enqueued);
        }
    }

    /// The connection is gone.
    pub fn detach(&mut self, key: SessionKey) {
        self.leave(key);
        self.sessions.remove(key);
    }

    /// From now on nothing is delivered to this connection.
    pub(super) fn leave(&mut self, key: SessionKey) {
        self.keys_wanted.forget(key);
        let Some(session) = self.sessions.get(key) else { return };
        let (slot, Some(participant)) = (session.slot, session.participant()) else { return };
        self.leave_slot(participant, slot, key);
    }

    /// As `leave`, of a connection that was this participant's in this slot.
    fn leave_slot(&mut self, participant: ParticipantId, slot: usize, key: SessionKey) {
        let Some(feed) = self.feeds.get_mut(participant).filter(|feed| feed.line(slot) == Some(key)) else { return };
        let has_more = feed.leave(slot);
        let is_live = feed.is_live();
        if has_more {
            self.is_cut = true;
            self.fall_behind(participant);
        }
        if !is_live {
            self.note_presence(participant, false, self.now_ns);
        }
    }
}
