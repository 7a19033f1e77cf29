//! The journal: its bytes, its crashes, its damages, on faulty storage and on real files.

mod disk;
