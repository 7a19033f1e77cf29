//! Payments without an outcome yet.
//!
//! A payment's id says where its record lies, so that there is nothing to search: the last four bytes are the place, hidden by a hash of the other
//! twelve, which are random. To everybody else it is a random version-4 UUID like any other.

use crate::draw::Draw;
use crate::limits::FLIGHTS_MAX;

/// The bytes of a payment's id, as printed.
pub(crate) type Id = [u8; 16];

/// No payment has it: it is no version-4 UUID.
const FREE: Id = [0; 16];

/// One payment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flight {
    /// `FREE` where the place is free.
    pub(crate) id: Id,
    /// When it was to be sent: its latencies count from here.
    pub(crate) intended_ns: u64,
    /// Of the payer's session.
    pub(crate) ticket: u64,
    /// Place of the payer's connection.
    pub(crate) payer: u32,
    /// Which of the payer's connections, counted from 1, sent it first.
    pub(crate) first_sent_on: u32,
    /// With this code a repetition of it was refused.
    pub(crate) refused_again: Option<u16>,
    /// It has reached the payee provider.
    pub(crate) is_forwarded: bool,
}

/// All of them, at most `max`.
pub(crate) struct Flights {
    places: Vec<Flight>,
    /// Last in, first out: few places are used again and again, and stay in the cache.
    free: Vec<u32>,
    max: u32,
}

impl Flights {
    pub(crate) fn new(max: u32) -> Flights {
        assert!((1..=FLIGHTS_MAX).contains(&max));
        Flights { places: Vec::new(), free: Vec::new(), max }
    }

    /// How many have no outcome.
    pub(crate) fn open(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Is there room for one more?
    pub(crate) fn has_room(&self) -> bool {
        self.open() < self.max as usize
    }

    /// A new payment, and its place.
    pub(crate) fn begin(&mut self, draw: &mut Draw, intended_ns: u64, payer: u32) -> (u32, &mut Flight) {
        assert!(self.has_room());
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Flight { id: FREE, ..Flight::default() });
            u32::try_from(self.places.len() - 1).unwrap_or_else(|_| unreachable!("places are bounded"))
        });
        let id = id_of(place, draw);
        let flight = &mut self.places[place as usize];
        *flight = Flight { id, intended_ns, payer, ..Flight::default() };
        (place, flight)
    }

    /// The place of a payment, if it has no outcome yet.
    pub(crate) fn find(&self, id: &Id) -> Option<u32> {
        let place = place_of(id);
        self.places.get(place as usize).filter(|flight| flight.id == *id && *id != FREE).map(|_| place)
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

    /// It has its outcome.
    pub(crate) fn end(&mut self, place: u32) -> Flight {
        let flight = self.places[place as usize];
        assert!(flight.id != FREE, "a payment ends once");
        self.places[place as usize].id = FREE;
        self.free.push(place);
        flight
    }

    /// Those without an outcome.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Flight> {
        self.places.iter().filter(|flight| flight.id != FREE)
    }
}

fn id_of(place: u32, draw: &mut Draw) -> Id {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&draw.next().to_le_bytes());
    id[8..].copy_from_slice(&draw.next().to_le_bytes());
    // Version 4 of the RFC 9562 variant.
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    let hidden = place ^ hash_of(&id);
    id[12..].copy_from_slice(&hidden.to_le_bytes());
    id
}

fn place_of(id: &Id) -> u32 {
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

    #[test]
    fn ids_are_valid_and_lead_to_their_payment() {
        let mut flights = Flights::new(1_000);
        let mut draw = Draw::new();
        let ids: Vec<Id> = (0..1_000).map(|index| flights.begin(&mut draw, index, 3).1.id).collect();
        assert!(!flights.has_room());
        for (index, id) in (0..).zip(&ids) {
            assert!(PaymentId::from_bytes(*id).is_some());
            let place = flights.find(id).expect("it is open");
            assert_eq!(flights.at(place).intended_ns, index);
        }
        let place = flights.find(&ids[500]).expect("it is open");
        assert_eq!(flights.end(place).id, ids[500]);
        assert_eq!((flights.find(&ids[500]), flights.open()), (None, 999));
        // Its place is used again, and the old id does not lead there any more.
        let again = flights.begin(&mut draw, 7, 1).0;
        assert_eq!((again, flights.find(&ids[500])), (place, None));
        assert_eq!(Flights::new(1).find(&FREE), None);
        let first = flights.find(&ids[0]).expect("it is open");
        flights.end(first);
        assert_eq!(flights.find(&FREE), None);
    }
}
