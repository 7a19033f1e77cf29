//! The journal: its bytes, its crashes, its damages, on faulty storage and on real files.

mod archive;
mod beside;
mod compressed;
mod crash;
mod damage;
mod decisions;
mod disk;
mod faults;
mod format;
mod hand;
mod place;
mod retention;
mod truncate;
