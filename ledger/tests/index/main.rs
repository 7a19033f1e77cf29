//! The index: its answers against a naive model, its bytes, its crashes, its damages, its decisions at open.

mod crash;
mod damage;
mod decisions;
mod disk;
mod format;
mod hand;
mod model;
mod owner;
