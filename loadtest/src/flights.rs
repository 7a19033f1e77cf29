//! Payments that are not over yet.
//!
//! A payment's id says where its record lies, so that there is nothing to search: the last four bytes are the place, hidden by a hash of the other
//! twelve. The first eight are random, and the four after them say, to who knows the run's number, that it is a payment of this run. To everybody
//! else it is a random version-4 UUID like any other. Three bits of the first byte say whether it is the payment itself, one of its returns or one of its
//! cases.

use adapters::message::Outcome;

use crate::draw::Draw;
use crate::limits::{FLIGHTS_MAX, HELD_MAX};
use crate::sequel::{Progress, Sequel};
use crate::tally::Class;

/// The bytes of a payment's id, as printed.
pub(crate) type Id = [u8; 16];

/// No payment has it: it is no version-4 UUID.
const FREE: Id = [0; 16];

/// A payment, or what belongs to one. The numbers are in ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kin {
    Payment = 0,
    /// The return, or the first of two.
    Return = 1,
    SecondReturn = 2,
    /// The case that asks for it.
    Request = 3,
    /// The case that asks for it back.
    Recall = 4,
}

impl Kin {
    const ALL: [Kin; 5] = [Kin::Payment, Kin::Return, Kin::SecondReturn, Kin::Request, Kin::Recall];

    /// Where the number stands in the first byte.
    const MASK: u8 = 0b111;

    fn of(id: &Id) -> Option<Kin> {
        Kin::ALL.get(usize::from(id[0] & Kin::MASK)).copied()
    }

    pub(crate) fn is_return(self) -> bool {
        matches!(self, Kin::Return | Kin::SecondReturn)
    }

    /// Which of two returns.
    pub(crate) fn part(self) -> usize {
        usize::from(self == Kin::SecondReturn)
    }
}

/// One payment. It is over once both providers were told the same by number, and what belongs to it is over too.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flight {
    /// `FREE` where the place is free.
    pub(crate) id: Id,
    /// When it was to be sent: its latencies count from here.
    pub(crate) intended_ns: u64,
    /// Of the payer's session.
    pub(crate) ticket: u64,
    /// In minor units.
    pub(crate) amount: u64,
    /// Place of the payer's connection.
    pub(crate) payer: u32,
    /// Place of the payee's connection.
    pub(crate) payee: u32,
    /// Which of the payer's connections, counted from 1, sent it first.
    pub(crate) first_sent_on: u32,
    /// With this code a repetition of it was refused.
    pub(crate) refused_again: Option<u16>,
    /// Whose figures it is in.
    pub(crate) class: Class,
    /// Its payee provider asks for it first.
    pub(crate) is_requested: bool,
    /// It names its payee by an alias.
    pub(crate) is_by_alias: bool,
    /// What is to follow once it is committed.
    pub(crate) sequel: Sequel,
    /// Its order was submitted again: if the one is refused, the other may yet be taken.
    pub(crate) is_repeated: bool,
    /// The switch has it on disk.
    pub(crate) is_accepted: bool,
    /// It has reached the payee provider.
    pub(crate) is_forwarded: bool,
    /// What the payer provider heard first, in whatever way.
    pub(crate) outcome: Option<Outcome>,
    /// What the payer provider was told by number.
    pub(crate) payer_told: Option<Outcome>,
    /// What the payee provider was told by number.
    pub(crate) payee_told: Option<Outcome>,
}

impl Flight {
    /// Has everybody heard what there is to hear? A payee provider that was never asked hears nothing of a payment that was rejected.
    fn is_over(&self) -> bool {
        let payee_must_hear = self.is_forwarded || self.outcome != Some(Outcome::Rejected);
        self.outcome.is_some() && self.payer_told.is_some() && (self.payee_told.is_some() || !payee_must_hear)
    }
}

/// All of them: at most `max` without an outcome, and those whose providers have not both been told.
pub(crate) struct Flights {
    places: Vec<Flight>,
    /// By the same places, as far as one of them needed it.
    progress: Vec<Progress>,
    /// Last in, first out: few places are used again and again, and stay in the cache.
    free: Vec<u32>,
    max: u32,
    /// Have an outcome, and somebody has still to hear it.
    ended: usize,
    /// Of those without an outcome, these fell due before a time.
    watched_before_ns: u64,
    watched: usize,
    /// The switch has not acknowledged them.
    unaccepted: usize,
    run: RunNumber,
}

/// Tells payments of this run from all others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunNumber(u64);

impl RunNumber {
    pub(crate) fn new(draw: &mut Draw) -> RunNumber {
        RunNumber(draw.next())
    }

    /// Is it a payment of this run? Wrong for one of a thousand million others.
    pub(crate) fn made(self, id: &Id) -> bool {
        id[8..12] == self.tag(id)
    }

    /// Bytes 8 to 11 of an id, from those before; RFC 9562's variant is in the first.
    fn tag(self, id: &Id) -> [u8; 4] {
        let [a, b, c, d, e, f, g, h, ..] = *id;
        let mixed = (u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let [_, _, _, _, first, rest @ ..] = mixed.to_le_bytes();
        [first & 0x3f | 0x80, rest[0], rest[1], rest[2]]
    }
}

impl Flights {
    pub(crate) fn new(max: u32, run: RunNumber) -> Flights {
        assert!((1..=FLIGHTS_MAX).contains(&max));
        Flights {
            places: Vec::new(),
            progress: Vec::new(),
            free: Vec::new(),
            max,
            ended: 0,
            watched_before_ns: 0,
            watched: 0,
            unaccepted: 0,
            run,
        }
    }

    /// What tells payments of this run from all others.
    pub(crate) fn run(&self) -> RunNumber {
        self.run
    }

    /// How many there are.
    pub(crate) fn held(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// How many have no outcome.
    pub(crate) fn open(&self) -> usize {
        self.held() - self.ended
    }

    /// Is there room for one more?
    pub(crate) fn has_room(&self) -> bool {
        self.open() < self.max as usize && self.held() < HELD_MAX as usize
    }

    /// A new payment, and its place.
    pub(crate) fn begin(&mut self, draw: &mut Draw, order: Order) -> (u32, &mut Flight) {
        assert!(self.has_room());
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Flight { id: FREE, ..Flight::default() });
            u32::try_from(self.places.len() - 1).unwrap_or_else(|_| unreachable!("places are bounded"))
        });
        let Order { intended_ns, payer, payee, amount, class } = order;
        self.watched += usize::from(intended_ns < self.watched_before_ns);
        self.unaccepted += usize::from(class != Class::Flood);
        let id = id_of(place, self.run, draw);
        let flight = &mut self.places[place as usize];
        *flight = Flight { id, intended_ns, payer, payee, amount, class, ..Flight::default() };
        (place, flight)
    }

    /// The place of a payment, if it is not over yet.
    pub(crate) fn find(&self, id: &Id) -> Option<u32> {
        let place = place_of(id);
        self.places.get(place as usize).filter(|flight| flight.id == *id && *id != FREE).map(|_| place)
    }

    /// The id of what belongs to the payment at this place.
    pub(crate) fn relative(&self, place: u32, kin: Kin) -> Id {
        relative(self.places[place as usize].id, kin, (place, self.run))
    }

    /// The place of the payment to which this return or this case belongs, and what it is.
    pub(crate) fn find_kin(&self, id: &Id) -> Option<(u32, Kin)> {
        let kin = Kin::of(id).filter(|&kin| kin != Kin::Payment)?;
        let place = place_of(id);
        let flight = self.places.get(place as usize)?;
        (flight.id != FREE && self.relative(place, kin) == *id).then_some((place, kin))
    }

    /// How far what belongs to a payment has come.
    pub(crate) fn progress(&mut self, place: u32) -> &mut Progress {
        let place = place as usize;
        if self.progress.len() <= place {
            self.progress.resize(place + 1, Progress::default());
        }
        &mut self.progress[place]
    }

    /// More than the order and its answer belongs to it.
    pub(crate) fn enlarge(&mut self, place: u32, is_requested: bool, sequel: Sequel) {
        let flight = &mut self.places[place as usize];
        (flight.is_requested, flight.sequel) = (is_requested, sequel);
        *self.progress(place) = Progress::default();
    }

    /// Is all over that belongs to it?
    fn is_all_over(&self, place: u32) -> bool {
        let flight = &self.places[place as usize];
        let sequel = if flight.outcome == Some(Outcome::Committed) { flight.sequel } else { Sequel::Nothing };
        if !flight.is_requested && sequel == Sequel::Nothing {
            return true;
        }
        let progress = self.progress.get(place as usize).copied().unwrap_or_default();
        (!flight.is_requested || progress.request.is_over()) && progress.is_over(sequel)
    }

    /// Is the payment at this place the one that this payer ordered with this ticket?
    pub(crate) fn is_order(&self, place: u32, payer: u32, ticket: u64) -> bool {
        let flight = &self.places[place as usize];
        flight.id != FREE && flight.payer == payer && flight.ticket == ticket
    }

    /// What is at a place.
    pub(crate) fn at(&mut self, place: u32) -> &mut Flight {
        &mut self.places[place as usize]
    }

    /// The switch has it on disk.
    pub(crate) fn accept(&mut self, place: u32) {
        let flight = &mut self.places[place as usize];
        let was_accepted = std::mem::replace(&mut flight.is_accepted, true);
        self.unaccepted -= usize::from(!was_accepted && flight.class != Class::Flood);
    }

    /// How many the switch has not acknowledged, but for those of a flood: what floods is to wait.
    pub(crate) fn unaccepted(&self) -> usize {
        self.unaccepted
    }

    /// It has its outcome.
    pub(crate) fn end(&mut self, place: u32, outcome: Outcome) {
        let flight = &mut self.places[place as usize];
        assert!(flight.outcome.is_none(), "a payment ends once");
        flight.outcome = Some(outcome);
        self.accept(place);
        self.ended += 1;
        let flight = &self.places[place as usize];
        self.watched -= usize::from(flight.intended_ns < self.watched_before_ns);
    }

    /// Frees the place of a payment that is over. Says whether it is.
    pub(crate) fn release(&mut self, place: u32) -> bool {
        let flight = &self.places[place as usize];
        let is_over = flight.id != FREE && flight.is_over() && self.is_all_over(place);
        if is_over {
            self.ended -= 1;
            self.places[place as usize].id = FREE;
            self.free.push(place);
        }
        is_over
    }

    /// For the switch it never was.
    pub(crate) fn forget(&mut self, place: u32) {
        let flight = &mut self.places[place as usize];
        assert!(flight.id != FREE && flight.outcome.is_none(), "a payment ends once");
        flight.id = FREE;
        let Flight { intended_ns, is_accepted, class, .. } = *flight;
        self.unaccepted -= usize::from(!is_accepted && class != Class::Flood);
        self.watched -= usize::from(intended_ns < self.watched_before_ns);
        self.free.push(place);
    }

    /// From now on `watched` counts those that fell due before this.
    pub(crate) fn watch(&mut self, before_ns: u64) {
        self.watched_before_ns = before_ns;
        self.watched = self.open_ones().filter(|flight| flight.intended_ns < before_ns).count();
    }

    /// How many without an outcome fell due before the time that is watched.
    pub(crate) fn watched(&self) -> usize {
        self.watched
    }

    /// Those without an outcome.
    pub(crate) fn open_ones(&self) -> impl Iterator<Item = &Flight> {
        self.places.iter().filter(|flight| flight.id != FREE && flight.outcome.is_none())
    }

    /// Those with an outcome of which somebody has not been told.
    pub(crate) fn untold(&self) -> impl Iterator<Item = &Flight> {
        self.places.iter().filter(|flight| flight.id != FREE && flight.outcome.is_some() && !flight.is_over())
    }

    /// Those of which both have been told, and whose returns or cases are not over.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = &Flight> {
        self.places.iter().filter(|flight| flight.id != FREE && flight.is_over())
    }
}

/// What a payment begins with.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    pub(crate) intended_ns: u64,
    pub(crate) payer: u32,
    pub(crate) payee: u32,
    pub(crate) amount: u64,
    pub(crate) class: Class,
}

/// A new id, in which a place is hidden.
pub(crate) fn id_of(place: u32, run: RunNumber, draw: &mut Draw) -> Id {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&draw.next().to_le_bytes());
    // Version 4.
    id[6] = id[6] & 0x0f | 0x40;
    relative(id, Kin::Payment, (place, run))
}

/// With the first eight bytes of a payment's id, what belongs to it.
fn relative(mut id: Id, kin: Kin, (place, run): (u32, RunNumber)) -> Id {
    id[0] = id[0] & !Kin::MASK | kin as u8;
    let tag = run.tag(&id);
    id[8..12].copy_from_slice(&tag);
    let hidden = place ^ hash_of(&id);
    id[12..].copy_from_slice(&hidden.to_le_bytes());
    id
}

/// The place that is hidden in an id.
pub(crate) fn place_of(id: &Id) -> u32 {
    u32::from_le_bytes([id[12], id[13], id[14], id[15]]) ^ hash_of(id)
}

/// Of the first twelve bytes.
fn hash_of(id: &Id) -> u32 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *id;
    let words = (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u32::from_le_bytes([i, j, k, l]));
    let mixed = (words.0 ^ u64::from(words.1).rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [_, _, _, _, upper @ ..] = mixed.to_le_bytes();
    u32::from_le_bytes(upper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapters::message::PaymentId;

    fn order(intended_ns: u64) -> Order {
        Order { intended_ns, payer: 3, payee: 4, amount: 5, class: Class::Retail }
    }

    /// Takes a payment through to its end.
    fn end(flights: &mut Flights, place: u32) {
        flights.end(place, Outcome::Committed);
        assert!(!flights.release(place), "nobody was told");
        flights.at(place).payer_told = Some(Outcome::Committed);
        assert!(!flights.release(place), "the payee provider was not told");
        flights.at(place).payee_told = Some(Outcome::Committed);
        assert!(flights.release(place));
    }

    #[test]
    fn ids_are_valid_and_lead_to_their_payment() {
        let mut flights = Flights::new(1_000, RunNumber(1));
        let mut draw = Draw::new();
        let ids: Vec<Id> = (0..1_000).map(|index| flights.begin(&mut draw, order(index)).1.id).collect();
        assert!(!flights.has_room());
        for (index, id) in (0..).zip(&ids) {
            assert!(PaymentId::from_bytes(*id).is_some());
            assert!(RunNumber(1).made(id) && !RunNumber(2).made(id));
            let place = flights.find(id).expect("it is open");
            assert_eq!(flights.at(place).intended_ns, index);
        }
        let place = flights.find(&ids[500]).expect("it is open");
        end(&mut flights, place);
        assert_eq!((flights.find(&ids[500]), flights.open(), flights.held()), (None, 999, 999));
        // Its place is used again, and the old id does not lead there any more.
        let again = flights.begin(&mut draw, order(7)).0;
        assert_eq!((again, flights.find(&ids[500])), (place, None));
        assert_eq!(Flights::new(1, RunNumber(1)).find(&FREE), None);
        let first = flights.find(&ids[0]).expect("it is open");
        flights.forget(first);
        assert_eq!(flights.find(&FREE), None);
    }

    #[test]
    fn a_payment_keeps_its_place_until_what_belongs_to_it_is_over() {
        let mut flights = Flights::new(10, RunNumber(1));
        let mut draw = Draw::new();
        let place = flights.begin(&mut draw, order(1)).0;
        flights.enlarge(place, false, Sequel::Return);
        let id = flights.relative(place, Kin::Return);
        assert!(PaymentId::from_bytes(id).is_some() && RunNumber(1).made(&id));
        assert_eq!((flights.find_kin(&id), flights.find(&id)), (Some((place, Kin::Return)), None));
        let payment = flights.at(place).id;
        assert_eq!((flights.find(&payment), flights.find_kin(&payment)), (Some(place), None));
        flights.end(place, Outcome::Committed);
        flights.at(place).payer_told = Some(Outcome::Committed);
        flights.at(place).payee_told = Some(Outcome::Committed);
        assert!(!flights.release(place), "it is to be returned");
        assert_eq!((flights.untold().count(), flights.unfinished().count()), (0, 1));
        let progress = flights.progress(place);
        (progress.returned[0], progress.received[0]) = (true, true);
        assert!(flights.release(place) && !flights.release(place), "once");
        assert_eq!(flights.find_kin(&id), None);
    }

    #[test]
    fn a_payee_that_was_never_asked_need_not_be_told_of_a_rejection() {
        let mut flights = Flights::new(10, RunNumber(1));
        let mut draw = Draw::new();
        for (is_forwarded, is_over) in [(false, true), (true, false)] {
            let place = flights.begin(&mut draw, order(1)).0;
            flights.at(place).is_forwarded = is_forwarded;
            flights.end(place, Outcome::Rejected);
            flights.at(place).payer_told = Some(Outcome::Rejected);
            assert_eq!(flights.release(place), is_over);
        }
        assert_eq!((flights.open(), flights.held(), flights.untold().count()), (0, 1, 1));
    }

    #[test]
    fn what_fell_due_before_a_time_is_watched() {
        let mut flights = Flights::new(10, RunNumber(1));
        let mut draw = Draw::new();
        let [first, second] = [5, 15].map(|ns| flights.begin(&mut draw, order(ns)).0);
        flights.watch(10);
        assert_eq!(flights.watched(), 1);
        let late = flights.begin(&mut draw, order(8)).0;
        assert_eq!(flights.watched(), 2);
        end(&mut flights, first);
        end(&mut flights, second);
        assert_eq!(flights.watched(), 1);
        flights.forget(late);
        assert_eq!(flights.watched(), 0);
    }
}
