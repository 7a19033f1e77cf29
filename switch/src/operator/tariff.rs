//! Rows of a tariff, as people write them: what `fees show` prints and `fees set` takes.

use serde::{Deserialize, Serialize};

use crate::entry::TariffRow;

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum FlowWord {
    /// A payment.
    Payment = 1,
    /// A return.
    Return = 2,
}

/// How a fee is rounded to the minor unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum RoundingWord {
    /// Half a unit up.
    #[default]
    HalfUp = 1,
    /// Half a unit to the even one.
    HalfEven = 2,
    /// Down.
    Down = 3,
    /// Up.
    Up = 4,
}

/// Who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum BearerWord {
    /// The payer's provider.
    Payer = 1,
    /// The payee's provider.
    Payee = 2,
    /// Both.
    Shared = 3,
}

/// Who is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ReceiverWord {
    /// The scheme.
    Scheme = 1,
    /// The other provider.
    Other = 2,
}

/// A row (`docs/scheme-rules.md`, Fees). Amounts in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TariffLine {
    /// Of which postings.
    pub flow: FlowWord,
    /// Of the payer's provider; 0 for any.
    #[serde(default)]
    pub payer_class: u8,
    /// Of the payee's provider; 0 for any.
    #[serde(default)]
    pub payee_class: u8,
    /// ISO 4217.
    pub currency: String,
    /// The least amount.
    pub from: u64,
    /// The greatest.
    pub through: u64,
    /// For each posting.
    #[serde(default)]
    pub fixed: u64,
    /// Millionths of the amount.
    #[serde(default)]
    pub parts_per_million: u32,
    /// To the minor unit.
    #[serde(default)]
    pub rounding: RoundingWord,
    /// The least fee.
    #[serde(default)]
    pub fee_min: u64,
    /// The greatest; 0 for none.
    #[serde(default)]
    pub fee_max: u64,
    /// Who pays.
    pub bearer: BearerWord,
    /// Who is paid.
    pub to: ReceiverWord,
}

/// A file of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TariffFile {
    /// In any order.
    pub row: Vec<TariffLine>,
}

impl TariffLine {
    /// As it is journaled.
    pub fn entry_row(&self) -> Result<TariffRow, String> {
        Ok(TariffRow {
            flow: self.flow as u8,
            payer_class: self.payer_class,
            payee_class: self.payee_class,
            currency: super::letters(&self.currency)?,
            from: self.from,
            through: self.through,
            fixed: self.fixed,
            parts_per_million: self.parts_per_million,
            rounding: self.rounding as u8,
            fee_min: self.fee_min,
            fee_max: self.fee_max,
            bearer: self.bearer as u8,
            to: self.to as u8,
        })
    }

    /// A row that the engine has taken.
    pub fn of(row: &TariffRow) -> TariffLine {
        TariffLine {
            flow: if row.flow == 2 { FlowWord::Return } else { FlowWord::Payment },
            payer_class: row.payer_class,
            payee_class: row.payee_class,
            currency: String::from_utf8_lossy(&row.currency).into_owned(),
            from: row.from,
            through: row.through,
            fixed: row.fixed,
            parts_per_million: row.parts_per_million,
            rounding: match row.rounding {
                2 => RoundingWord::HalfEven,
                3 => RoundingWord::Down,
                4 => RoundingWord::Up,
                _ => RoundingWord::HalfUp,
            },
            fee_min: row.fee_min,
            fee_max: row.fee_max,
            bearer: match row.bearer {
                2 => BearerWord::Payee,
                3 => BearerWord::Shared,
                _ => BearerWord::Payer,
            },
            to: if row.to == 2 { ReceiverWord::Other } else { ReceiverWord::Scheme },
        }
    }
}
