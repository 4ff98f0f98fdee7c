//! nvmini: a driver of mine that logs what a storage miniport would log.
#![no_std]
extern crate alloc;
extern crate wdk_panic;

use alloc::{format, string::String, vec::Vec};
use core::ptr::null_mut;
use irqlog::{Guid, Status, Utf16, debug, error, info, trace, warn};
use wdk_sys::{
    _WDF_DRIVER_INIT_FLAGS::WdfDriverInitNonPnpDriver, DRIVER_OBJECT, GUID, NTSTATUS, PCUNICODE_STRING,
    STATUS_SUCCESS, WDF_DRIVER_CONFIG, WDF_NO_OBJECT_ATTRIBUTES, WDFDRIVER, call_unsafe_wdf_function_binding,
};

#[global_allocator]
static A: wdk_alloc::WdkAllocator = wdk_alloc::WdkAllocator;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State { Idle = 0, Running = 1, Resetting = 2 }

#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(driver: &mut DRIVER_OBJECT, registry_path: PCUNICODE_STRING) -> NTSTATUS {
    let connected = irqlog::connect("nvmini");
    let path = unsafe { &*registry_path };
    let path = unsafe { Utf16::from_unicode_string(path.Buffer, path.Length) };
    info!("DriverEntry({:p}, {path}) irqlog: {connected}", &raw const *driver, connected = Status(connected.map_or_else(irqlog::ConnectError::status, |_| 0)));

    // status codes
    error!("IoCallDriver failed: {}", Status(0xC000_0005_u32 as i32));
    error!("IoCallDriver failed: {} ({:#010x})", Status(0xC000_0010_u32 as i32), 0xC000_0010_u32);
    warn!("unknown status {}", Status(0xE012_3456_u32 as i32));
    info!("success {}, pending {}, timeout {}", Status(0), Status(0x103), Status(0x102));
    // GUID
    let guid = GUID { Data1: 0x53f56307, Data2: 0xb6bf, Data3: 0x11d0, Data4: [0x94, 0xf2, 0, 0xa0, 0xc9, 0x1e, 0xfb, 0x8b] };
    info!("interface {}", Guid::new(guid.Data1, guid.Data2, guid.Data3, guid.Data4));
    // hex dump
    let cdb = [0x28_u8, 0, 0, 0x12, 0x34, 0x56, 0, 0, 8, 0];
    debug!("CDB {:02x?}", &cdb[..]);
    debug!("CDB {:?}", &cdb[..]);
    let big: Vec<u8> = (0..=255_u8).cycle().take(1500).collect();
    debug!("{} bytes: {:02x?}", big.len(), &big[..]);
    // booleans, floats, chars, widths
    info!("enabled={} removed={:?}", true, false);
    info!("latency {:.3} ms, {:e} s, load {:>7.2}%", 1.23456_f64, 0.00012345_f64, 99.5_f32);
    info!("[{:<10}] [{:>10}] [{:^10}] [{:*^10}]", "left", "right", "mid", "star");
    info!("{0} {1} {0} {name}", 1, 2, name = "named");
    info!("char {} {:?} i128 {}", 'ß', '🦀', -170141183460469231731687303715884105728_i128);
    info!("u64 max {} {:#x} {:#b} {:o}", u64::MAX, u64::MAX, 0b1010_u8, 8);
    // strings that are long, have newlines, escapes, CRLF
    let long: String = (0..300).map(|i| format!("{i:03} ")).collect();
    info!("long: {}", long.as_str());
    info!("multi\nline\ttab {}", "and\r\nin the argument \x1b[31mred\x1b[0m \0 nul");
    info!("with percent 100% and braces {{}}");
    info!("");
    // UTF-16 with lone surrogate
    info!("utf16 {}", &[0x47_u16, 0xfc, 0x72, 0xd83e, 0xdd80, 0xd800, 0x21][..]);
    // enum
    let s = State::Resetting;
    info!("state {} -> {}", State::Idle as u8, s as u8);
    // option/pointers
    let p: *const u8 = 0xffff_a80c_1234_5678_u64 as *const u8;
    info!("srb {p:p} next {:p}", null_mut::<u8>());
    trace!("address as number {:#x}", p as usize);
    for i in 0..5_u32 { trace!("cmd {i}: lba {:#x} len {} flags {:08b}", u64::from(i) << 33, 4096 * i, i); }

    let mut config = WDF_DRIVER_CONFIG {
        Size: core::mem::size_of::<WDF_DRIVER_CONFIG>() as u32,
        EvtDriverUnload: Some(unload),
        DriverInitFlags: WdfDriverInitNonPnpDriver as u32,
        ..WDF_DRIVER_CONFIG::default()
    };
    let mut handle: WDFDRIVER = null_mut();
    let status = unsafe {
        call_unsafe_wdf_function_binding!(WdfDriverCreate, driver, registry_path, WDF_NO_OBJECT_ATTRIBUTES, &raw mut config, &raw mut handle)
    };
    info!("WdfDriverCreate: {}, driver {handle:p}", Status(status));
    if status != STATUS_SUCCESS { irqlog::disconnect(); }
    status
}

unsafe extern "C" fn unload(driver: WDFDRIVER) {
    warn!("unload of {driver:p}");
    irqlog::disconnect();
}
