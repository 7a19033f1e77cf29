//! The journal: its bytes, its crashes, its damages, on faulty storage and on real files.

mod beside;
mod crash;
mod damage;
mod decisions;
mod disk;
mod faults;
mod format;
mod hand;
