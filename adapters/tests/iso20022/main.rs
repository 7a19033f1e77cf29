//! ISO 20022 messages, from and to the canonical ones.

mod documents;
mod examples;
mod properties;
mod refusals;
mod there_and_back;
mod validity;
