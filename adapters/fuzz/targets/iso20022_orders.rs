#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::iso20022_orders(bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match fuzz::change(&data[..size], seed).filter(|message| !seed.is_multiple_of(8) && message.len() <= max_size) {
        Some(message) => {
            data[..message.len()].copy_from_slice(message.as_bytes());
            message.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
});
