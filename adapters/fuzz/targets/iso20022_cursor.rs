#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::iso20022_cursor(bytes));
