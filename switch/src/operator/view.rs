//! What operators look at: the engine's state, in bounded pages, from the hot loop of a running switch or from a replay. Looking changes nothing.

mod participant;

use serde::{Deserialize, Serialize};

pub use self::participant::ParticipantView;
use super::action::{TermsWords, number_of};
use super::directory::{self, AllowanceRow, DirectoryView};
use super::reference::Reference;
use super::tariff::TariffLine;
use super::{Refusal, letters};
use crate::engine::Engine;
use crate::engine::accounts::{AccountKind, signed};
use crate::engine::scheme::Model;
use crate::engine::scheme::members::Standing;
use crate::engine::scheme::money::{Level, Operation};
use crate::engine::scheme::settlement::{Cycle, CycleBook};
use crate::entry::ParticipantId;
use crate::limits::VIEW_ROWS_MAX;

/// What is looked at. Pages go on after what the page before them names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields say what they are")]
pub enum Question {
    /// All participants.
    Participants { after: u64 },
    /// One of them, with all that the operator has set.
    Participant { participant: String },
    /// Orders of money that are prepared.
    Orders { after: u64 },
    /// Settlement accounts, with floors and ceilings.
    Liquidity { currency: Option<String>, after: u64 },
    /// Windows that are open or not settled.
    Windows {},
    /// The nets of a window; 0: of the open one.
    Nets { currency: String, cycle: Cycle, window: u32, after: u64 },
    /// The tariff in force, and those to come.
    Tariffs {},
    /// What participants owe for fees, or are owed.
    FeeBalances { currency: String, after: u64 },
    /// The directory's rules, and the keys of ID systems that are trusted.
    Directory {},
    /// How many look-ups participants may make, and what is left of that.
    Allowances { after: u64 },
    /// Codes of participants, by their numbers, and the digits of currencies: for those who read the stream of events.
    Names { participants: Vec<u32> },
}

/// A page of what was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "as the questions")]
pub enum View {
    Participants(Page<ParticipantRow>),
    Participant(Box<ParticipantView>),
    Orders(Page<OrderRow>),
    Liquidity(Page<LiquidityRow>),
    Windows(Page<WindowRow>),
    Nets(Page<NetRow>),
    Tariffs(Page<TariffView>),
    FeeBalances(Page<BalanceRow>),
    Directory(Box<DirectoryView>),
    Allowances(Page<AllowanceRow>),
    Names(NamesView),
}

/// Rows, and after what the next page goes on; none where these are the last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// In order.
    pub rows: Vec<T>,
    /// Where to go on.
    pub next: Option<u64>,
}

/// A participant, in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ParticipantRow {
    /// Its code.
    pub participant: String,
    /// Where it stands with the scheme.
    pub standing: Standing,
    /// In tariffs; 0 for none.
    pub class: u8,
    /// Whose accounts it uses.
    pub sponsor: Option<String>,
    /// Does it only connect for others?
    pub is_technical: bool,
    /// Can it be paid?
    pub is_reachable: bool,
    /// Its payments in flight.
    pub in_flight: u32,
}

/// Terms in a currency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TermsRow {
    /// Its letters.
    pub currency: String,
    /// Digits after the point.
    pub minor_digits: u8,
    /// How payments settle.
    pub model: Model,
    /// In minor units.
    pub terms: TermsWords,
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountRow {
    /// Its kind's name.
    pub account: String,
    /// Its letters.
    pub currency: String,
    /// Digits after the point.
    pub minor_digits: u8,
    /// What stands on it, in minor units.
    #[serde(with = "minor_units")]
    pub balance: i128,
    /// What of that is held.
    #[serde(with = "minor_units")]
    pub held: i128,
}

/// A certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateRow {
    /// SHA-256 of its DER form, in hexadecimal digits.
    pub fingerprint: String,
    /// Seconds since 1970.
    pub not_before_s: u64,
    /// Seconds since 1970.
    pub not_after_s: u64,
}

/// An order of money that is prepared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderRow {
    /// Used once and for ever.
    pub reference: Reference,
    /// What it does.
    pub operation: Operation,
    /// Whose money.
    pub participant: String,
    /// Who receives it, where it names one.
    pub other: Option<String>,
    /// Its letters.
    pub currency: String,
    /// Digits after the point.
    pub minor_digits: u8,
    /// In minor units.
    #[serde(with = "minor_units")]
    pub amount: i128,
}

/// A settlement account, with floor and ceiling.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LiquidityRow {
    /// Whose.
    pub participant: String,
    /// Its letters.
    pub currency: String,
    /// Digits after the point.
    pub minor_digits: u8,
    /// What is available, in minor units.
    #[serde(with = "minor_units")]
    pub available: i128,
    /// What of that backs nothing else.
    #[serde(with = "minor_units")]
    pub free: i128,
    /// On the reserve account.
    #[serde(with = "minor_units")]
    pub reserve: i128,
    /// What the operator has set, if it has.
    pub rule: Option<RuleRow>,
}

/// Floor and ceiling, in minor units.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleRow {
    /// Below this, the operator is told.
    pub floor: u64,
    /// What a top-up, or a sweep, leaves.
    pub target: u64,
    /// Above this, the operator is told; 0 for none.
    pub ceiling: u64,
    /// Is the reserve used?
    pub is_automatic: bool,
    /// Where what is available stands to them, as it was told last.
    pub level: Level,
}

/// A window before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowState {
    /// What is posted belongs to it.
    Open,
    /// Its nets stand.
    Closed,
    /// They are being confirmed.
    Settling,
}

impl WindowState {
    /// Its name on screens.
    pub fn name(self) -> &'static str {
        match self {
            WindowState::Open => "open",
            WindowState::Closed => "closed",
            WindowState::Settling => "settling",
        }
    }
}

/// A window that is open or not settled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WindowRow {
    /// Its letters.
    pub currency: String,
    /// Digits after the point.
    pub minor_digits: u8,
    /// Which cycle.
    pub cycle: Cycle,
    /// Its number.
    pub window: u32,
    /// What can be done with it.
    pub state: WindowState,
    /// Journal time of its opening, or of its cut-off.
    pub since_ns: u64,
    /// When the calendar closes it, of an open one.
    pub closes_at_ns: Option<u64>,
    /// What its creditors get, of one that is not open.
    #[serde(with = "minor_units")]
    pub gross: i128,
    /// How many have a net.
    pub nets: usize,
    /// How many of these are settled.
    pub confirmed: usize,
}

/// A participant's net.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NetRow {
    /// The window's number.
    pub window: u32,
    /// Whose.
    pub participant: String,
    /// What it received less what it gave, in minor units.
    #[serde(with = "minor_units")]
    pub net: i128,
    /// Its letters.
    pub currency: String,
    /// Digits after the point.
    pub minor_digits: u8,
    /// Has it been settled?
    pub is_confirmed: bool,
}

/// A tariff.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TariffView {
    /// Its number.
    pub tariff: u32,
    /// Journal time from which it is in force.
    pub effective_at_ns: u64,
    /// Is it?
    pub is_in_force: bool,
    /// What it says.
    pub rows: Vec<TariffLine>,
}

/// What a participant is owed for fees, or owes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BalanceRow {
    /// Whose.
    pub participant: String,
    /// Its letters.
    pub currency: String,
    /// Digits after the point.
    pub minor_digits: u8,
    /// In minor units.
    #[serde(with = "minor_units")]
    pub balance: i128,
}

/// What numbers and letters stand for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamesView {
    /// In the order in which they were asked for.
    pub participants: Vec<Option<String>>,
    /// Letters, and digits after the point.
    pub currencies: Vec<(String, u8)>,
}

/// Sums as strings in minor units: they may be larger than what JSON numbers hold.
pub(super) mod minor_units {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::operator) fn serialize<S: Serializer>(minor_units: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(minor_units)
    }

    pub(in crate::operator) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The answer, of a state.
pub fn look(engine: &Engine, question: &Question) -> Result<View, Refusal> {
    let asked = Refusal::Asked;
    Ok(match question {
        Question::Participants { after } => View::Participants(participants(engine, *after)),
        Question::Participant { participant } => {
            let id = ParticipantId(number_of(engine, participant).map_err(asked)?);
            View::Participant(Box::new(participant_view(engine, id)))
        }
        Question::Orders { after } => View::Orders(orders(engine, *after)),
        Question::Liquidity { currency, after } => {
            let only = currency.as_deref().map(|currency| place_of(engine, currency)).transpose().map_err(asked)?;
            View::Liquidity(liquidity(engine, only, *after))
        }
        Question::Windows {} => View::Windows(Page { rows: windows(engine), next: None }),
        Question::Nets { currency, cycle, window, after } => {
            let place = place_of(engine, currency).map_err(asked)?;
            View::Nets(nets(engine, (place, *cycle, *window), *after).map_err(asked)?)
        }
        Question::Tariffs {} => View::Tariffs(Page { rows: tariffs(engine), next: None }),
        Question::FeeBalances { currency, after } => {
            let place = place_of(engine, currency).map_err(asked)?;
            let (currency, minor_digits) = currency_of(engine, place);
            let rows = engine.fee_balances(place).map(|(id, balance)| {
                let participant = name(engine, id);
                (id, BalanceRow { participant, currency: currency.clone(), minor_digits, balance })
            });
            View::FeeBalances(page_of_participants(rows, *after))
        }
        Question::Directory {} => View::Directory(Box::new(directory::directory(engine))),
        Question::Allowances { after } => View::Allowances(directory::allowances(engine, *after)),
        Question::Names { participants } => View::Names(NamesView {
            participants: participants
                .iter()
                .map(|number| engine.code_of(ParticipantId(*number)).map(ToString::to_string))
                .collect(),
            currencies: (0..engine.currencies().len()).map(|place| currency_of(engine, place)).collect(),
        }),
    })
}

/// Rows of participants behind the one with this number.
pub(super) fn page_of_participants<T>(rows: impl Iterator<Item = (ParticipantId, T)>, after: u64) -> Page<T> {
    let behind = rows.filter(|(id, _)| u64::from(id.0) > after).take(VIEW_ROWS_MAX);
    let (ids, rows): (Vec<ParticipantId>, Vec<T>) = behind.unzip();
    let next = if rows.len() == VIEW_ROWS_MAX { ids.last().map(|id| id.0.into()) } else { None };
    Page { rows, next }
}

fn name(engine: &Engine, id: ParticipantId) -> String {
    engine.code_of(id).map_or_else(|| "scheme".to_owned(), ToString::to_string)
}

/// A currency's letters and digits, by its number in the scheme.
fn currency_of(engine: &Engine, place: usize) -> (String, u8) {
    let rules = &engine.currencies()[place];
    (rules.currency.to_string(), rules.minor_digits)
}

fn place_of(engine: &Engine, currency: &str) -> Result<usize, String> {
    let letters = letters(currency)?;
    let place = engine.currencies().iter().position(|rules| rules.currency.bytes() == letters);
    place.ok_or_else(|| {
        let known: Vec<String> = engine.currencies().iter().map(|rules| rules.currency.to_string()).collect();
        format!("the scheme does not settle {currency}; it has {}", known.join(", "))
    })
}

fn participant_row(engine: &Engine, id: ParticipantId) -> ParticipantRow {
    let participant = engine.participant(id).unwrap_or_else(|| unreachable!("it was found, or counted"));
    ParticipantRow {
        participant: participant.code.to_string(),
        standing: participant.standing,
        class: participant.class,
        sponsor: participant.sponsor.map(|sponsor| name(engine, sponsor)),
        is_technical: participant.is_technical,
        is_reachable: participant.is_reachable(),
        in_flight: participant.in_flight,
    }
}

fn participants(engine: &Engine, after: u64) -> Page<ParticipantRow> {
    let first = u32::try_from(after).unwrap_or(u32::MAX).saturating_add(1);
    let ids = (first..=engine.participants_count()).map(ParticipantId).take(VIEW_ROWS_MAX);
    page_of_participants(ids.map(|id| (id, participant_row(engine, id))), after)
}

fn participant_view(engine: &Engine, id: ParticipantId) -> ParticipantView {
    let limits = engine.limits_of(id);
    let members = &engine.scheme().members;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let certificates = members.certificates_of(id).iter().map(|certificate| CertificateRow {
        fingerprint: hex(&certificate.fingerprint),
        not_before_s: certificate.not_before_s,
        not_after_s: certificate.not_after_s,
    });
    let receivers = engine.scheme().money.permissions().filter(|(from, _)| *from == id).map(|(_, to)| to);
    ParticipantView {
        row: participant_row(engine, id),
        in_flight_max: limits.in_flight_max,
        orders_per_second: limits.orders_per_second,
        orders_burst: limits.orders_burst,
        terms: (0..engine.currencies().len()).filter_map(|place| terms_row(engine, id, place)).collect(),
        accounts: (0..engine.currencies().len()).flat_map(|place| account_rows(engine, id, place)).collect(),
        certificates: certificates.collect(),
        is_bound: members.is_bound(id),
        connects_for: members.clients_of(id).take(VIEW_ROWS_MAX).map(|client| name(engine, client)).collect(),
        transfers_to: receivers.take(VIEW_ROWS_MAX).map(|to| name(engine, to)).collect(),
    }
}

fn terms_row(engine: &Engine, id: ParticipantId, place: usize) -> Option<TermsRow> {
    let rules = &engine.currencies()[place];
    let terms = engine.terms_of(id, rules.currency.bytes())?;
    let terms = TermsWords {
        is_offered: terms.is_offered,
        amount_max: terms.amount_max,
        intraday_max: terms.intraday_max,
        net_debit_cap: terms.net_debit_cap,
        sub_limit: terms.sub_limit,
    };
    let (currency, minor_digits) = currency_of(engine, place);
    Some(TermsRow { currency, minor_digits, model: rules.model, terms })
}

fn account_rows(engine: &Engine, id: ParticipantId, place: usize) -> Vec<AccountRow> {
    let letters = engine.currencies()[place].currency.bytes();
    let kinds = AccountKind::ALL.into_iter();
    let opened = kinds.filter_map(|kind| Some((kind, engine.find_account(id, letters, kind)?)));
    let rows = opened.map(|(kind, index)| {
        let account = engine.account(index);
        let (currency, minor_digits) = currency_of(engine, place);
        AccountRow {
            account: kind.name().to_owned(),
            currency,
            minor_digits,
            balance: account.balances().booked(),
            held: signed(account.debits_pending()),
        }
    });
    rows.collect()
}

/// Pages go on after so many.
fn orders(engine: &Engine, after: u64) -> Page<OrderRow> {
    let skipped = usize::try_from(after).unwrap_or(usize::MAX);
    let prepared = engine.prepared_orders().skip(skipped).take(VIEW_ROWS_MAX);
    let rows: Vec<OrderRow> = prepared
        .map(|(reference, order)| {
            let (currency, minor_digits) = currency_of(engine, order.currency);
            OrderRow {
                reference: Reference::of(reference),
                operation: order.operation,
                participant: name(engine, order.participant),
                other: engine.code_of(order.other).map(ToString::to_string),
                currency,
                minor_digits,
                amount: order.amount.minor_units().into(),
            }
        })
        .collect();
    let next = (rows.len() == VIEW_ROWS_MAX).then_some(after + rows.len() as u64);
    Page { rows, next }
}

fn liquidity(engine: &Engine, only: Option<usize>, after: u64) -> Page<LiquidityRow> {
    // A page has all currencies of so many participants.
    let first = u32::try_from(after).unwrap_or(u32::MAX).saturating_add(1);
    let last = engine.participants_count().min(first.saturating_add(VIEW_PARTICIPANTS_MAX - 1));
    let places: Vec<usize> =
        (0..engine.currencies().len()).filter(|place| only.is_none_or(|only| only == *place)).collect();
    let rows = (first..=last)
        .map(ParticipantId)
        .flat_map(|id| places.iter().filter_map(move |&place| liquidity_row(engine, id, place)).collect::<Vec<_>>());
    Page { rows: rows.collect(), next: (last < engine.participants_count()).then_some(last.into()) }
}

/// So many participants in a page in which each has a row in each currency.
const VIEW_PARTICIPANTS_MAX: u32 = 100;

fn liquidity_row(engine: &Engine, id: ParticipantId, place: usize) -> Option<LiquidityRow> {
    let letters = engine.currencies()[place].currency.bytes();
    let headroom = |kind| {
        let index = engine.find_account(id, letters, kind)?;
        engine.account(index).headroom()
    };
    let available = headroom(AccountKind::Settlement)?;
    let rule = engine.scheme().money.rule(place, id);
    let (currency, minor_digits) = currency_of(engine, place);
    Some(LiquidityRow {
        participant: name(engine, id),
        currency,
        minor_digits,
        available: signed(available),
        free: signed(engine.free_money(place, id)),
        reserve: signed(headroom(AccountKind::Reserve).unwrap_or(0)),
        rule: rule.map(|rule| RuleRow {
            floor: rule.floor,
            target: rule.target,
            ceiling: rule.ceiling,
            is_automatic: rule.is_automatic,
            level: rule.level,
        }),
    })
}

fn windows(engine: &Engine) -> Vec<WindowRow> {
    engine.scheme().settlement.cycles().iter().flat_map(|book| cycle_rows(engine, book)).collect()
}

/// The windows of a cycle that are not settled, the oldest first, and the open one behind them.
fn cycle_rows(engine: &Engine, book: &CycleBook) -> Vec<WindowRow> {
    let (currency, minor_digits) = currency_of(engine, book.currency as usize);
    let row = |window, state, since_ns| WindowRow {
        currency: currency.clone(),
        minor_digits,
        cycle: book.cycle,
        window,
        state,
        since_ns,
        closes_at_ns: None,
        gross: 0,
        nets: 0,
        confirmed: 0,
    };
    let closed = book.windows.iter().map(|window| WindowRow {
        gross: window.gross(),
        nets: window.nets.len(),
        confirmed: window.nets.iter().filter(|net| net.is_confirmed).count(),
        ..row(
            window.number,
            if window.is_settling { WindowState::Settling } else { WindowState::Closed },
            window.closed_at_ns,
        )
    });
    let open =
        WindowRow { closes_at_ns: book.next_cut_off_ns, ..row(book.open_number, WindowState::Open, book.opened_at_ns) };
    closed.chain([open]).collect()
}

fn nets(engine: &Engine, (place, cycle, window): (usize, Cycle, u32), after: u64) -> Result<Page<NetRow>, String> {
    let (currency, minor_digits) = currency_of(engine, place);
    let book = engine.scheme().settlement.cycle(place, cycle);
    let book = book.ok_or_else(|| format!("{currency} has had no window of {} yet", cycle.name()))?;
    let (window, nets) = if window == 0 || window == book.open_number {
        (book.open_number, engine.open_nets(book).0)
    } else {
        let found = book.windows.iter().find(|known| known.number == window);
        let found = found.ok_or_else(|| {
            format!(
                "{currency} has no window {window} of {} that is open or not settled: look at `settlement windows`",
                cycle.name()
            )
        })?;
        (window, found.nets.clone())
    };
    let rows = nets.into_iter().map(|net| {
        let id = ParticipantId(net.participant);
        let (participant, currency) = (name(engine, id), currency.clone());
        (id, NetRow { window, participant, net: net.net, currency, minor_digits, is_confirmed: net.is_confirmed })
    });
    Ok(page_of_participants(rows, after))
}

fn tariffs(engine: &Engine) -> Vec<TariffView> {
    let fees = &engine.scheme().fees;
    let in_force = fees.in_force().map(|tariff| (tariff, true));
    let all = in_force.into_iter().chain(fees.waiting().iter().map(|tariff| (tariff, false)));
    let view = all.map(|(tariff, is_in_force)| TariffView {
        tariff: tariff.number,
        effective_at_ns: tariff.effective_at_ns,
        is_in_force,
        rows: tariff.rows.iter().map(TariffLine::of).collect(),
    });
    view.collect()
}
