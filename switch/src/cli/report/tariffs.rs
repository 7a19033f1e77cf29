//! Which tariff was in force where in the journal.

use std::collections::BTreeMap;

use crate::books::{Books, Decided};
use crate::engine::Batch;
use crate::engine::scheme::events::EventKind;
use crate::engine::scheme::fees::Tariff;
use crate::engine::scheme::fees::prices::{Charge, PriceList, Purchase};
use crate::entry::{Body, Entries, Entry, TariffRow, tariff_rows};

/// All tariffs that were in force in what was read, or may be in what follows.
#[derive(Default)]
pub(super) struct Tariffs {
    rows: BTreeMap<u32, Vec<TariffRow>>,
    in_force: Option<Prices>,
}

/// The tariff in force.
struct Prices {
    tariff: u32,
    rows: Vec<TariffRow>,
    list: PriceList,
}

/// A charge, and what of a tariff it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Priced {
    pub(super) charge: Charge,
    pub(super) tariff: u32,
    /// Place of the row in its tariff, from 1.
    pub(super) row: u64,
}

/// What changes which tariff is in force, with its journal position.
pub(super) type Change = (u64, u32);

impl Tariffs {
    /// The period begins.
    pub(super) fn open(&mut self, books: &Books) {
        let fees = &books.engine().scheme().fees;
        fees.in_force().into_iter().chain(fees.waiting()).for_each(|tariff| self.note(tariff));
        if let Some(tariff) = fees.in_force() {
            self.enter(tariff.number);
        }
    }

    fn note(&mut self, tariff: &Tariff) {
        self.rows.insert(tariff.number, tariff.rows.clone());
    }

    /// The tariffs that came into force in a batch, where they did. To be entered one by one, each before what stands behind it is priced.
    pub(super) fn changes(&mut self, books: &Books, batch: &Batch<'_>) -> Vec<Change> {
        let told = books.engine().told();
        if told.events.iter().any(|event| event.kind == EventKind::TariffSet) {
            self.read(books, batch);
        }
        let in_force = told.events.iter().filter(|event| event.kind == EventKind::TariffInForce);
        in_force.map(|event| (event.position, event.detail)).collect()
    }

    /// Takes the rows of tariffs that were set in a batch: one of them can have come into force and gone within it.
    fn read(&mut self, books: &Books, batch: &Batch<'_>) {
        let commands = &books.engine().told().commands;
        for (position, entry) in (batch.first_sequence + 1..).zip(Entries::new(batch.payload)) {
            let is_taken = commands.iter().any(|(at, result)| *at == position && result.is_ok());
            if let Ok(Entry { body: Body::TariffSet(head, rows), .. }) = entry
                && let Some(rows) = tariff_rows(rows).filter(|_| is_taken)
            {
                self.rows.insert(head.tariff.to_native(), rows);
            }
        }
    }

    /// A tariff comes into force.
    pub(super) fn enter(&mut self, tariff: u32) {
        let rows = self.rows.remove(&tariff).unwrap_or_default();
        let list = PriceList::of(rows.iter().copied());
        self.in_force = Some(Prices { tariff, rows, list });
    }

    /// What a posting costs now, charge by charge.
    pub(super) fn price(&mut self, books: &Books, decided: &Decided) -> Vec<Priced> {
        let (Some(Prices { tariff, rows, list }), Some(purchase)) = (&mut self.in_force, purchase(books, decided))
        else {
            return Vec::new();
        };
        let mut priced = Vec::new();
        list.each_charge(&purchase, |charge, terms| {
            let place = rows.iter().position(|row| row == terms);
            let row = place.map_or(0, |place| place as u64 + 1);
            priced.push(Priced { charge, tariff: *tariff, row });
        });
        priced
    }
}

/// A posting between two as something that has a price.
pub(super) fn purchase(books: &Books, decided: &Decided) -> Option<Purchase> {
    let Decided { flow, payer, payee: Some(payee), currency: Some(currency), amount, .. } = *decided else {
        return None;
    };
    let class = |participant| books.engine().participant(participant).map_or(0, |participant| participant.class);
    let (payer_class, payee_class) = (class(payer), class(payee));
    Some(Purchase { flow, currency: currency.bytes(), payer_class, payee_class, amount })
}
