//! What a provider does with aliases: it registers, moves, pauses and removes them, looks others up, and pays to them; often while somebody else moves them.

use std::collections::{BTreeMap, BTreeSet};

use adapters::message::{AliasCommand, AliasLookup, AliasTransfer, DirectoryQuery, Lane, MessageKind, NO_ID, Part};
use adapters::sandbox::issuer::PersonClaims;

use super::orders::new_id;
use super::{Around, Message, Provider, Ticket};
use crate::limits::NS_PER_MS;
use crate::simulate::names;
use crate::simulate::plan::{CURRENCIES, NS_PER_S, START_NS, id_system};
use crate::simulate::random::Random;
use crate::simulate::wire::{self, Id};

/// So few that they pass from hand to hand.
const NUMBERS: u64 = 6;
const TOKENS: u64 = 2;
const PEOPLE: u64 = 3;
const ACCOUNTS: u64 = 2;
const END_USERS: u64 = 3;

/// What it does with aliases. What it draws for that has a source of its own.
pub(super) struct AliasConduct {
    random: Random,
    next_ns: u64,
    /// What it has sent, and does not know what became of it.
    pub(super) open: BTreeMap<Id, Message>,
    /// To be sent again.
    pub(super) due: BTreeSet<(u64, Id)>,
    /// Commands of all time, newest last.
    commands: Vec<(Id, Message)>,
    /// Position of the newest of them that it knows the result of.
    commanded: u64,
}

impl AliasConduct {
    pub(super) fn new(seed: u64) -> AliasConduct {
        AliasConduct {
            random: Random::new(seed),
            next_ns: 0,
            open: BTreeMap::new(),
            due: BTreeSet::new(),
            commands: Vec::new(),
            commanded: 0,
        }
    }
}

/// A number, or an ID token.
fn draw_alias(random: &mut Random) -> (u8, String) {
    if random.percent(30) {
        (3, format!("SECRET-token-{}-of-all", random.below(TOKENS)))
    } else {
        (1, format!("+25470000000{}", random.below(NUMBERS)))
    }
}

impl Provider {
    /// Does something with aliases, now and then many things at once.
    pub(super) fn use_aliases_if_due(&mut self, around: &mut Around<'_>) {
        let Some(plan) = around.plan.aliases else { return };
        self.send_aliases_due(around);
        while around.now_ns >= self.aliases.next_ns && !around.is_draining {
            let random = &mut self.aliases.random;
            self.aliases.next_ns = around.now_ns + 1 + random.around(plan.gap_ns);
            let count = if random.percent(5) { random.between(3, 12) } else { 1 };
            for _ in 0..count {
                if *around.operations_left == 0 || !self.has_room() {
                    return;
                }
                *around.operations_left -= 1;
                match self.aliases.random.below(100) {
                    0..35 => self.command_alias(around),
                    35..40 => self.repeat_command(around),
                    40..50 => self.look_up(around),
                    50..57 => self.verify(around),
                    57..63 => self.ask_about_own(around),
                    _ => self.pay_alias(around),
                }
            }
        }
    }

    fn send_aliases_due(&mut self, around: &mut Around<'_>) {
        while let Some(&(at_ns, id)) = self.aliases.due.first() {
            if at_ns > around.now_ns || !self.has_room() {
                return;
            }
            self.aliases.due.pop_first();
            if let Some(message) = self.aliases.open.get(&id).cloned() {
                self.submit_message(&message, Ticket::Alias(id), around);
            }
        }
    }

    fn send_alias(&mut self, id: Id, message: Message, around: &mut Around<'_>) {
        self.submit_message(&message, Ticket::Alias(id), around);
        self.aliases.open.insert(id, message);
    }

    fn command_alias(&mut self, around: &mut Around<'_>) {
        let (code, place) = (self.plan.code, self.place);
        let random = &mut self.aliases.random;
        let operation = *random.pick(&[1, 1, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7]);
        let (id, (kind, alias), is_erasure) = (new_id(random), draw_alias(random), operation == 6);
        let person = format!("SECRET-person-{}-at-{place}", random.below(PEOPLE));
        let account = format!("SECRET-account-{}-at-{place}", random.below(ACCOUNTS));
        let (is_registration, is_sealed) = (operation == 1, matches!(operation, 1 | 2));
        let command = AliasCommand {
            command_id: id,
            operation,
            alias_type: if is_erasure { 0 } else { kind },
            defaults: if is_sealed { *random.pick(&[0, 0, 1, 2, 8]) } else { 0 },
            consent_purpose: u8::from(is_registration),
            consent_until_ns: if is_registration { u64::MAX >> 1 } else { 0 },
        };
        let mut fields = vec![Vec::new(); 5];
        if !is_erasure {
            fields[0] = alias.clone().into_bytes();
        }
        if is_sealed || is_erasure {
            fields[1] = person.clone().into_bytes();
        }
        if is_sealed {
            fields[2] = account.into_bytes();
            fields[3] = random.pick(&names::HELD).0.as_bytes().to_vec();
        }
        if is_registration {
            let journal_s = (START_NS + around.now_ns).saturating_add_signed(around.journal_lead_ns) / NS_PER_S;
            // Some are used twice, some end on their way.
            let nonce = format!(
                "nonce-{place}-{:016}",
                if random.percent(10) { random.below(20) } else { random.draw() >> 12 }
            );
            let until_s = journal_s + if random.percent(10) { 1 } else { 3_600 };
            // Trusted or not by now.
            let key = if random.percent(25) { 1 } else { 0 };
            let attestation = id_system(key).attest(&PersonClaims {
                audience: code.as_str(),
                subject: &person,
                alias: Some((if kind == 1 { "MBNO" } else { "NIDN" }, &alias)),
                issued_at_s: journal_s.saturating_sub(2),
                expires_at_s: until_s,
                nonce: &nonce,
            });
            around.auditor.attested(id, (&nonce, until_s, key));
            fields[4] = attestation.into_bytes();
        }
        let mut routing = Vec::new();
        command.write(&mut routing);
        let message = Message { kind: MessageKind::AliasCommand, routing, private: wire::write_private(&fields, 0) };
        self.aliases.commands.push((id, message.clone()));
        self.send_alias(id, message, around);
    }

    /// An earlier command once more, or another with its id.
    fn repeat_command(&mut self, around: &mut Around<'_>) {
        let aliases = &mut self.aliases;
        if aliases.commands.is_empty() {
            return;
        }
        let (id, mut message) = aliases.random.pick(&aliases.commands).clone();
        // Only one that is over: of two that are under way with one id nobody knows which is the first.
        if aliases.open.contains_key(&id) {
            return;
        }
        let other = match message.routing[16] {
            3 => Some(4),
            4 => Some(5),
            5 | 7 => Some(3),
            _ => None,
        };
        if let Some(other) = other.filter(|_| aliases.random.percent(30)) {
            message.routing[16] = other;
        }
        self.send_alias(id, message, around);
    }

    fn end_user(&mut self) -> Vec<u8> {
        format!("SECRET-end-user-{}-of-{}", self.aliases.random.below(END_USERS), self.place).into_bytes()
    }

    fn look_up(&mut self, around: &mut Around<'_>) {
        let end_user = self.end_user();
        let random = &mut self.aliases.random;
        let (id, (kind, alias)) = (new_id(random), draw_alias(random));
        let lookup = AliasLookup {
            lookup_id: id,
            form: 1,
            purpose: *random.pick(&[1, 1, 3]),
            alias_type: kind,
            participant: [0; 35],
        };
        let mut routing = Vec::new();
        lookup.write(&mut routing);
        let private = wire::write_private(&[alias.into_bytes(), end_user, Vec::new(), Vec::new()], 0);
        self.send_alias(id, Message { kind: MessageKind::AliasLookup, routing, private }, around);
    }

    /// Is this the name of whoever has the alias, or the account?
    fn verify(&mut self, around: &mut Around<'_>) {
        let end_user = self.end_user();
        let random = &mut self.aliases.random;
        let (id, (kind, alias)) = (new_id(random), draw_alias(random));
        let (written, _) = *random.pick(&names::WRITTEN);
        let (purpose, place) = (*random.pick(&[1, 2, 2, 3]), random.index(around.plan.providers.len()));
        let account = format!("SECRET-account-{}-at-{place}", random.below(ACCOUNTS));
        let is_by_account = random.percent(40);
        let (alias_type, participant) =
            if is_by_account { (0, *around.plan.providers[place].code.bytes()) } else { (kind, [0; 35]) };
        let mut routing = Vec::new();
        AliasLookup { lookup_id: id, form: 2, purpose, alias_type, participant }.write(&mut routing);
        let (alias, account) = if is_by_account { (String::new(), account) } else { (alias, String::new()) };
        let fields = [alias.into_bytes(), end_user, account.into_bytes(), written.as_bytes().to_vec()];
        let private = wire::write_private(&fields, 0);
        self.send_alias(id, Message { kind: MessageKind::AliasLookup, routing, private }, around);
    }

    /// Which aliases are its own, who has looked one up, what its bucket holds, what a holder has.
    fn ask_about_own(&mut self, around: &mut Around<'_>) {
        let (place, commanded) = (self.place, self.aliases.commanded);
        let random = &mut self.aliases.random;
        let (id, form) = (new_id(random), *random.pick(&[1, 2, 2, 3, 4]));
        let item = |(kind, alias): (u8, String)| {
            let length = u16::try_from(alias.len()).unwrap_or(u16::MAX);
            [&[kind][..], &length.to_le_bytes(), alias.as_bytes()].concat()
        };
        let items = match form {
            1 => {
                let nothing = random.percent(20).then(|| item((1, "nothing".to_owned())));
                let count = random.between(1, 5);
                (0..count).flat_map(|_| item(draw_alias(random))).chain(nothing.into_iter().flatten()).collect()
            }
            2 => item(draw_alias(random)),
            3 => Vec::new(),
            _ => format!("SECRET-person-{}-at-{place}", random.below(PEOPLE)).into_bytes(),
        };
        let mut routing = Vec::new();
        DirectoryQuery { query_id: id, form, after: 0 }.write(&mut routing);
        around.auditor.asks_about_own(place, id, commanded);
        let private = wire::write_private(&[items], 0);
        self.send_alias(id, Message { kind: MessageKind::DirectoryQuery, routing, private }, around);
    }

    /// Its question is answered; where there is more it asks on.
    pub(super) fn told_of_own(&mut self, id: Id, after: Option<u64>, around: &mut Around<'_>) {
        let Some(mut question) = self.aliases.open.remove(&id) else { return };
        around.coverage.count(match question.routing[16] {
            1 => "own aliases told",
            2 => "look-ups told",
            3 => "bucket told",
            _ => "entries told",
        });
        let Some(after) = after else { return };
        let id = new_id(&mut self.aliases.random);
        question.routing[..16].copy_from_slice(&id);
        question.routing[17..25].copy_from_slice(&after.to_le_bytes());
        around.coverage.count("look-ups asked on");
        around.auditor.asks_about_own(self.place, id, self.aliases.commanded);
        self.send_alias(id, question, around);
    }

    /// It knows what became of its command at this position.
    pub(super) fn alias_commanded(&mut self, position: u64) {
        self.aliases.commanded = self.aliases.commanded.max(position);
    }

    fn pay_alias(&mut self, around: &mut Around<'_>) {
        let end_user = self.end_user();
        let random = &mut self.aliases.random;
        let (id, (kind, alias)) = (new_id(random), draw_alias(random));
        let own_ns = (START_NS + around.now_ns).saturating_add_signed(self.plan.clock_offset_ns);
        let order = AliasTransfer {
            payment_id: id,
            payer: *self.plan.code.bytes(),
            amount: random.between(1, 800),
            currency: CURRENCIES[0],
            accepted_at_ns: own_ns / NS_PER_MS * NS_PER_MS,
            purpose: if random.percent(20) { *b"GOVT" } else { [0; 4] },
            lane: if random.percent(10) { Lane::Bulk } else { Lane::Payments } as u8,
            request_id: NO_ID,
            alias_type: kind,
        };
        let mut fields = vec![Vec::new(); 8];
        fields[0] = b"SECRET payer".to_vec();
        fields[4] = b"SECRET invoice".to_vec();
        (fields[6], fields[7]) = (alias.into_bytes(), end_user);
        let mut routing = Vec::new();
        order.write(&mut routing);
        let again = random.percent(5).then(|| around.now_ns + random.below(5_000) * NS_PER_MS);
        around.ids.push(id);
        let message = Message { kind: MessageKind::AliasTransfer, routing, private: wire::write_private(&fields, 0) };
        self.send_alias(id, message, around);
        self.aliases.due.extend(again.map(|at_ns| (at_ns, id)));
    }

    /// What became of something that it has sent about aliases is known.
    pub(super) fn alias_settled(&mut self, id: Id) {
        self.aliases.open.remove(&id);
    }

    /// A message about an alias was refused.
    pub(super) fn alias_refused(&mut self, id: Id, code: u16, around: &Around<'_>) -> Result<(), String> {
        // Nobody's, too much, an attestation that the switch's clock says is not of now.
        const FINAL: [u16; 3] = [18, 19, 20];
        // Busy, shutting down, too many at once.
        let is_busy = matches!(code, 7 | 8 | 15);
        let Some(message) = self.aliases.open.get(&id) else { return Ok(()) };
        match message.kind {
            MessageKind::AliasLookup | MessageKind::DirectoryQuery if is_busy => self.alias_settled(id),
            _ if is_busy => {
                let again_ns = around.now_ns + (50 + self.aliases.random.below(1_000)) * NS_PER_MS;
                self.aliases.due.insert((again_ns, id));
            }
            _ if FINAL.contains(&code) => self.alias_settled(id),
            kind => return Err(format!("{}: {kind:?} was refused with code {code}", self.plan.code)),
        }
        Ok(())
    }

    /// While everything comes to its end: what is not known is sent again; who has asked asks no more.
    pub(super) fn settle_aliases(&mut self, around: &Around<'_>) {
        let asks = |kind| matches!(kind, MessageKind::AliasLookup | MessageKind::DirectoryQuery);
        self.aliases.open.retain(|_, message| !asks(message.kind));
        let ids: Vec<Id> = self.aliases.open.keys().copied().collect();
        self.aliases.due.extend(ids.into_iter().map(|id| (around.now_ns, id)));
    }
}
