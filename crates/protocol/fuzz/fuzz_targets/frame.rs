//! `checks::frame` for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| odradek_protocol_fuzz::checks::frame(data));
