//! The index: its answers against a naive model, its bytes, its crashes, its damages, its decisions at open, its keys in
//! memory.

mod crash;
mod damage;
mod decisions;
mod disk;
mod format;
mod hand;
mod model;
mod overview;
mod owner;
mod recent;
