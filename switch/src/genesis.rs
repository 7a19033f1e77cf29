//! The first batch of a journal: rules, currencies, participants and their money, as the operator's commands.

use adapters::message::ParticipantCode;

use crate::config::{Genesis, GenesisCurrency, GenesisDirectory, GenesisParticipant, GenesisRules};
use crate::engine::scheme::settlement::Cycle;
use crate::entry::{
    ActivateRules, CalendarSet, CurrencyOpened, DirectoryRulesSet, EntryKind, FundsIn, LookupCategorySet,
    ParticipantOpened, TermsSet, write_command,
};
use crate::limits::{CUT_OFFS_PER_DAY_MAX, HOLIDAYS_MAX, NS_PER_MS};

/// The entries of a genesis that was checked, in order: each element appends one.
pub fn commands(genesis: &Genesis) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    let mut add = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut entry = Vec::new();
        write(&mut entry);
        entries.push(entry);
    };
    let rules = scheme_rules(&genesis.rules);
    add(&|out| write_command(out, EntryKind::ActivateRules, &rules));
    if let Some(directory) = &genesis.directory {
        add(&|out| write_command(out, EntryKind::DirectoryRulesSet, &directory_rules(directory)));
        for issuer in &directory.issuer {
            let key = issuer.key().unwrap_or_else(|_| unreachable!("the genesis was checked"));
            add(&|out| write_command(out, EntryKind::IssuerKeySet, &key));
        }
    }
    for currency in &genesis.currency {
        let (minor_digits, amount_max) = (currency.minor_digits, currency.amount_max);
        let command =
            CurrencyOpened { currency: letters(&currency.code), minor_digits, amount_max, model: currency.model as u8 };
        add(&|out| write_command(out, EntryKind::CurrencyOpened, &command));
        if let Some(calendar) = calendar_of(currency) {
            add(&|out| write_command(out, EntryKind::CalendarSet, &calendar));
        }
    }
    for (participant, spec) in (1u32..).zip(&genesis.participant) {
        let code = ParticipantCode::parse(&spec.code).unwrap_or_else(|| unreachable!("the genesis was checked"));
        let sponsor = (1u32..).zip(&genesis.participant).find(|(_, other)| spec.sponsor.as_ref() == Some(&other.code));
        let command = ParticipantOpened {
            participant,
            code: *code.bytes(),
            standing: 2,
            class: spec.class,
            sponsor: sponsor.map_or(0, |(number, _)| number),
            is_technical: u8::from(spec.technical),
        };
        add(&|out| write_command(out, EntryKind::ParticipantOpened, &command));
        if let Some(category) = spec.lookup_category() {
            let command = LookupCategorySet { participant, category };
            add(&|out| write_command(out, EntryKind::LookupCategorySet, &command));
        }
        for currency in &genesis.currency {
            if let Some(terms) = terms_of(participant, spec, &currency.code) {
                add(&|out| write_command(out, EntryKind::TermsSet, &terms));
            }
        }
        for (number, (currency, &amount)) in (1u32..).zip(&spec.funds) {
            // Never all zeros, and never a version-4 UUID: it cannot be a payment's id.
            let mut reference = *b"genesis\0\0\0\0\0\0\0\0\0";
            reference[8..12].copy_from_slice(&participant.to_be_bytes());
            reference[12..].copy_from_slice(&number.to_be_bytes());
            let command = FundsIn { participant, currency: letters(currency), amount, reference };
            add(&|out| write_command(out, EntryKind::FundsIn, &command));
        }
    }
    entries
}

/// When windows of a currency close by themselves, where they do.
fn calendar_of(currency: &GenesisCurrency) -> Option<CalendarSet> {
    let minutes = currency.cut_off_minutes().unwrap_or_else(|_| unreachable!("the genesis was checked"));
    let mut times_min = [u16::MAX; CUT_OFFS_PER_DAY_MAX];
    times_min[..minutes.len()].copy_from_slice(&minutes);
    (!minutes.is_empty()).then(|| CalendarSet {
        currency: letters(&currency.code),
        cycle: Cycle::Payments as u8,
        weekdays: 0x7f,
        from_ns: 0,
        times_min,
        holidays: [0; HOLIDAYS_MAX],
    })
}

/// What a participant may do in a currency, where that is not what everybody may.
fn terms_of(participant: u32, spec: &GenesisParticipant, currency: &str) -> Option<TermsSet> {
    let (cap, sub_limit) = (spec.net_debit_cap.get(currency), spec.sub_limit.get(currency));
    (cap.is_some() || sub_limit.is_some()).then(|| TermsSet {
        participant,
        currency: letters(currency),
        is_offered: 1,
        amount_max: 0,
        intraday_max: 0,
        net_debit_cap: cap.copied().unwrap_or(0),
        sub_limit: sub_limit.copied().unwrap_or(0),
    })
}

/// Rules of the directory as they are journaled.
pub fn directory_rules(rules: &GenesisDirectory) -> DirectoryRulesSet {
    DirectoryRulesSet {
        cost_found: rules.cost_found,
        cost_missed: rules.cost_missed,
        payment_gives_back: rules.payment_gives_back,
        end_user_capacity: rules.end_user_capacity,
        end_user_per_minute: rules.end_user_per_minute,
        category_capacity: rules.category_capacity,
        category_per_minute: rules.category_per_minute,
        aliases_per_identity: rules.aliases_per_identity,
        aliases_per_account: rules.aliases_per_account,
        mask: rules.mask,
    }
}

/// Rules as they are journaled.
pub fn scheme_rules(rules: &GenesisRules) -> ActivateRules {
    ActivateRules {
        rules_version: rules.version,
        timeout_ns: rules.timeout_ms * NS_PER_MS,
        payee_share_ns: rules.payee_share_ms * NS_PER_MS,
        skew_ns: rules.skew_ms * NS_PER_MS,
        outcomes_kept: rules.outcomes_kept,
        bulk_timeout_ns: rules.bulk_timeout_ms * NS_PER_MS,
        posting_follow_up_ns: rules.posting_follow_up_ms * NS_PER_MS,
        recall_window_ns: rules.recall_window_ms * NS_PER_MS,
        recall_answer_ns: rules.recall_answer_ms * NS_PER_MS,
        information_answer_ns: rules.information_answer_ms * NS_PER_MS,
        request_expiry_max_ns: rules.request_expiry_max_ms * NS_PER_MS,
        bulk_purposes: rules.bulk_purposes().unwrap_or_else(|_| unreachable!("the genesis was checked")),
        has_self_payments: u8::from(rules.self_payments),
    }
}

fn letters(code: &str) -> [u8; 3] {
    code.as_bytes().try_into().unwrap_or_else(|_| unreachable!("the genesis was checked"))
}
