#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| irqlog_fuzz_targets::export::every_format(bytes));
