//! The simulator in the gate: a few dozen seeds with everything going wrong, and what the simulator promises about itself. More seeds:
//! `switch simulate --seed 1 --seeds 1000`.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod seeds;

mod found;

mod promises;

mod command;
