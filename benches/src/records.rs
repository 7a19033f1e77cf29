//! Records as a ledger gives them to its index: random ids, two accounts each, in the order of a journal.

use ledger::index::IndexSchema;

use super::random::Random;

/// Bytes of a record.
pub const RECORD_BYTES: usize = 112;

/// Bytes of an id.
pub const ID_BYTES: usize = 16;

/// A record: id, both accounts, amount asked and moved, a reference, sequence, time.
pub struct Transfers;

const DEBIT_AT: usize = 16;
const CREDIT_AT: usize = 20;
const AMOUNT_AT: usize = 24;
/// Where the sequence number stands.
pub const SEQUENCE_AT: usize = 96;
const TIME_AT: usize = 104;

/// Of an account: pending and posted debits, pending and posted credits.
pub type Balances = [u128; 4];

/// Eight bytes of a record as a number.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn account_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")))
}

/// As the ledger has it.
impl IndexSchema for Transfers {
    const FORMAT: u32 = 1;
    const RECORD_BYTES: usize = RECORD_BYTES;
    type State = Balances;

    fn position(record: &[u8]) -> (u64, u64) {
        (u64_at(record, SEQUENCE_AT), u64_at(record, TIME_AT))
    }

    fn key(record: &[u8]) -> Option<[u8; ID_BYTES]> {
        record.first_chunk().copied()
    }

    fn groups(record: &[u8]) -> [Option<u64>; 2] {
        [Some(account_at(record, DEBIT_AT)), Some(account_at(record, CREDIT_AT))]
    }

    fn advance(state: &mut Balances, group: u64, record: &[u8]) {
        let side = if account_at(record, DEBIT_AT) == group { 1 } else { 3 };
        state[side] += u128::from(u64_at(record, AMOUNT_AT));
    }

    fn encode_state(state: &Balances, out: &mut Vec<u8>) {
        for balance in state {
            let bytes = balance.to_le_bytes();
            let length = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
            out.push(u8::try_from(length).expect("a u128 has 16 bytes"));
            out.extend_from_slice(&bytes[..length]);
        }
    }

    fn decode_state(mut bytes: &[u8]) -> Option<Balances> {
        let mut state = [0; 4];
        for balance in &mut state {
            let (length, rest) = bytes.split_first()?;
            let (digits, rest) = rest.split_at_checked(usize::from(*length))?;
            let mut wide = [0; 16];
            wide.get_mut(..digits.len())?.copy_from_slice(digits);
            (*balance, bytes) = (u128::from_le_bytes(wide), rest);
        }
        bytes.is_empty().then_some(state)
    }
}

/// Who makes the records, and knows the balances.
pub struct Maker {
    random: Random,
    /// Balances, and the run in which they were last given.
    accounts: Vec<(Balances, u32)>,
    /// Of the last record.
    pub sequence: u64,
    remembered_each: u64,
    /// Ids to be asked for.
    pub remembered: Vec<[u8; ID_BYTES]>,
}

/// Records, and what has to be said before some of them.
#[derive(Default)]
pub struct Batch {
    /// One after the other.
    pub records: Vec<u8>,
    /// Place of the record before which it is pushed, account, balances.
    pub states: Vec<(usize, u64, Balances)>,
    /// Sequence number of the last one.
    pub through: u64,
}

impl Maker {
    /// Records between so many accounts; of so many ids one is remembered.
    pub fn new(accounts: usize, remembered_each: u64) -> Maker {
        Maker {
            random: Random::new(1),
            accounts: vec![([0; 4], 0); accounts],
            sequence: 0,
            remembered_each,
            remembered: Vec::new(),
        }
    }

    /// The next batch, for a run of the index: the first time that an account is met in it, its balances are given.
    pub fn fill(&mut self, batch: &mut Batch, run: u32, records: usize) {
        batch.records.clear();
        batch.states.clear();
        for place in 0..records {
            let record = self.record();
            for account in Transfers::groups(&record).into_iter().flatten() {
                let at = usize::try_from(account).expect("an account is a place");
                let (balances, given_in) = &mut self.accounts[at];
                if *given_in != run {
                    *given_in = run;
                    batch.states.push((place, account, *balances));
                }
                Transfers::advance(balances, account, &record);
            }
            batch.records.extend_from_slice(&record);
        }
        batch.through = self.sequence;
    }

    fn record(&mut self) -> [u8; RECORD_BYTES] {
        self.sequence += 1;
        let (id, limit) = (self.random.bytes(), self.accounts.len());
        if self.sequence.is_multiple_of(self.remembered_each) {
            self.remembered.push(id);
        }
        let (debit, credit) = self.random.two_below(limit);
        let mut record = [0; RECORD_BYTES];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &id);
        put(DEBIT_AT, &u32::try_from(debit).expect("few accounts").to_le_bytes());
        put(CREDIT_AT, &u32::try_from(credit).expect("few accounts").to_le_bytes());
        // Asked, moved, and a reference that is as random as a payment's.
        let amount = (self.random.draw() % 100_000 + 1).to_le_bytes();
        put(AMOUNT_AT, &amount);
        put(AMOUNT_AT + 8, &amount);
        put(48, &self.random.bytes());
        put(SEQUENCE_AT, &self.sequence.to_le_bytes());
        put(TIME_AT, &(self.sequence * 1_000).to_le_bytes());
        record
    }
}
