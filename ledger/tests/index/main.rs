//! The index: its answers against a naive model, its bytes, its crashes, its damages, its decisions at open.

mod model;
mod owner;
