//! probe
#![no_std]
use wdk_alloc::WdkAllocator;
extern crate wdk_panic;
use wdk_sys::{DRIVER_OBJECT, NTSTATUS, PCUNICODE_STRING, ULONG, WDF_DRIVER_CONFIG, call_unsafe_wdf_function_binding};
#[global_allocator]
static A: WdkAllocator = WdkAllocator;
/// x
/// # Safety
/// x
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(driver: &mut DRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
    let mut c = WDF_DRIVER_CONFIG { Size: core::mem::size_of::<WDF_DRIVER_CONFIG>() as ULONG, ..Default::default() };
    unsafe { wdk_sys::ntddk::KfRaiseIrql(15) };
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            driver,
            path,
            core::ptr::null_mut(),
            &mut c,
            core::ptr::null_mut()
        )
    }
}
