//! The driver's side of KMDF, as a scenario plays it: it binds to WDFLDR.sys and calls the functions of its table.

use std::{
    mem::zeroed,
    ptr::null,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use irqlog_nt::{DriverObject, UnicodeString};

use super::Stage;
use crate::{
    mutex::lock,
    nt::io::{File, Requestor},
    service::load_library,
};

/// The bind structure of KMDF's loader (`testdata/kmdf-abi.json`).
#[repr(C)]
pub struct WdfBindInfo {
    pub size: u32,
    pub component: usize,
    pub version: [u32; 3],
    pub function_count: u32,
    pub function_table: *mut *const usize,
    pub module: usize,
}

/// WDF_OBJECT_CONTEXT_TYPE_INFO.
#[repr(C)]
pub struct WdfContextTypeInfo {
    pub size: u32,
    pub name: *const u8,
    pub context_size: usize,
    pub unique: usize,
    pub get_unique: usize,
}

/// WDF_OBJECT_ATTRIBUTES.
#[repr(C)]
pub struct WdfObjectAttributes {
    pub size: u32,
    pub callbacks: [usize; 2],
    pub level: i32,
    pub scope: i32,
    pub parent: usize,
    pub context_size_override: usize,
    pub context_type: *const WdfContextTypeInfo,
}

impl WdfObjectAttributes {
    /// As WDF_OBJECT_ATTRIBUTES_INIT makes them.
    pub const fn new() -> Self {
        Self {
            size: size_of::<Self>() as u32,
            callbacks: [0; 2],
            level: 1,
            scope: 1,
            parent: 0,
            context_size_override: 0,
            context_type: null(),
        }
    }
}

/// WDF_DRIVER_CONFIG, of a driver that is not for Plug and Play.
#[repr(C)]
pub struct WdfDriverConfig {
    pub size: u32,
    pub device_add: usize,
    pub unload: usize,
    pub flags: u32,
    pub pool_tag: u32,
}

/// WDF_FILEOBJECT_CONFIG.
#[repr(C)]
pub struct WdfFileObjectConfig {
    pub size: u32,
    pub callbacks: [usize; 3],
    pub auto_forward: i32,
    pub class: i32,
}

/// WDF_IO_QUEUE_CONFIG.
#[repr(C)]
pub struct WdfQueueConfig {
    pub size: u32,
    pub dispatch: i32,
    pub power_managed: i32,
    pub allow_zero_length: u8,
    pub default: u8,
    pub on_default_read_write: [usize; 3],
    pub on_device_control: usize,
    pub on_internal_device_control: usize,
    pub on_stop_resume_canceled: [usize; 3],
    pub presented: u32,
    pub driver: usize,
}

impl WdfQueueConfig {
    /// A parallel queue that calls `callback`.
    pub const fn parallel(callback: usize) -> Self {
        Self {
            size: size_of::<Self>() as u32,
            dispatch: 2,
            power_managed: 0,
            allow_zero_length: 0,
            default: 0,
            on_default_read_write: [0; 3],
            on_device_control: callback,
            on_internal_device_control: 0,
            on_stop_resume_canceled: [0; 3],
            presented: u32::MAX,
            driver: 0,
        }
    }

    /// A queue as the device's default queue.
    pub const fn default(callback: usize) -> Self {
        Self { default: 1, ..Self::parallel(callback) }
    }

    /// A manual queue.
    pub const fn manual() -> Self {
        Self { dispatch: 3, presented: 0, ..Self::parallel(0) }
    }
}

/// WDF_TIMER_CONFIG.
#[repr(C)]
pub struct WdfTimerConfig {
    pub size: u32,
    pub callback: usize,
    pub period: u32,
    pub automatic_serialization: u8,
    pub tolerable_delay: u32,
    pub high_resolution: u64,
}

/// WDFLDR.sys, bound to this process as to a driver.
pub struct Framework {
    /// The name of its device: each binding has one of its own.
    pub device_name: String,
    pub table: *const usize,
    pub globals: usize,
    pub functions: serde_json::Value,
}

/// The framework, for callbacks, which get no more than their arguments.
static BOUND: Mutex<(usize, usize)> = Mutex::new((0, 0));
static BINDINGS: AtomicUsize = AtomicUsize::new(0);

/// Table and globals of the last binding.
pub fn bound() -> (usize, usize) {
    *lock(&BOUND)
}

pub const SUCCESS: usize = 0;
pub const SERVICE: &str = r"\Registry\Machine\System\CurrentControlSet\Services\irqlog";

pub fn wide(text: &str) -> UnicodeString {
    let wide: &'static mut [u16] = text.encode_utf16().collect::<Vec<_>>().leak();
    let bytes = size_of_val(wide) as u16;
    UnicodeString { Length: bytes, MaximumLength: bytes, Buffer: wide.as_mut_ptr() }
}

/// The address of something, as an argument.
pub fn address<T>(of: &T) -> usize {
    std::ptr::from_ref(of) as usize
}

impl Framework {
    /// Loads WDFLDR.sys.
    pub fn load(stage: &Stage) -> Result<usize> {
        load_library(&stage.image("WDFLDR.sys"))?.export("WdfVersionBind").context("WdfVersionBind")
    }

    /// WdfVersionBind, with a version and a place for the table.
    pub fn try_bind(bind: usize, version: [u32; 3], function_count: u32, table: *mut *const usize) -> (i32, usize) {
        let mut info = WdfBindInfo {
            size: size_of::<WdfBindInfo>() as u32,
            component: 0,
            version,
            function_count,
            function_table: table,
            module: 0,
        };
        let path = wide(SERVICE);
        let mut globals = 0_usize;
        // SAFETY: the routine has this signature; the pointers are to our stack.
        let status = unsafe {
            let bind: extern "efiapi" fn(usize, usize, *mut WdfBindInfo, *mut usize) -> i32 = std::mem::transmute(bind);
            bind(0, address(&path), &raw mut info, &raw mut globals)
        };
        (status, globals)
    }

    /// Binds as irqlog.sys does.
    pub fn bind(bind: usize) -> Result<Self> {
        let mut table: *const usize = null();
        let (status, globals) = Self::try_bind(bind, [1, 31, 0], 458, &raw mut table);
        ensure!(status == 0 && !table.is_null(), "WdfVersionBind: {status:#x}");
        let facts: serde_json::Value = serde_json::from_str(include_str!("../../../../testdata/kmdf-abi.json"))?;
        let index = BINDINGS.fetch_add(1, Ordering::SeqCst);
        *lock(&BOUND) = (table as usize, globals);
        Ok(Self {
            device_name: format!(r"\Device\irqlog-rules-{index}"),
            table,
            globals,
            functions: facts["functions"].clone(),
        })
    }

    /// Calls a function of the table.
    pub fn call(&self, name: &str, arguments: &[usize]) -> usize {
        let index = self.functions[name].as_u64().unwrap_or_else(|| panic!("{name} is no function of KMDF"));
        // SAFETY: the table has an entry for each function of the list.
        let function = unsafe { *self.table.add(index as usize) };
        invoke(function, self.globals, arguments)
    }

    pub fn create_driver(
        &self,
        change: impl FnOnce(&mut WdfDriverConfig),
        attributes: Option<&WdfObjectAttributes>,
    ) -> usize {
        let mut config = WdfDriverConfig {
            size: size_of::<WdfDriverConfig>() as u32,
            device_add: 0,
            unload: 0,
            flags: 1,
            pool_tag: 0,
        };
        change(&mut config);
        // SAFETY: all-zero is a valid driver object.
        let object: &'static mut DriverObject = Box::leak(Box::new(unsafe { zeroed() }));
        let path = wide(SERVICE);
        let attributes = attributes.map_or(0, address);
        self.call("WdfDriverCreate", &[address(object), address(&path), attributes, address(&config), 0])
    }

    pub fn init(&self) -> usize {
        assert_eq!(self.create_driver(|_| (), None) as i32, 0, "WdfDriverCreate");
        let sddl = wide("D:P(A;;GA;;;SY)(A;;GA;;;BA)");
        let init = self.call("WdfControlDeviceInitAllocate", &[self.globals, address(&sddl)]);
        assert_ne!(init, 0, "WdfControlDeviceInitAllocate");
        init
    }

    pub fn assign_name(&self, init: usize, name: &UnicodeString) -> usize {
        self.call("WdfDeviceInitAssignName", &[init, address(name)])
    }

    pub fn device(&self) -> usize {
        let mut init = self.init();
        assert_eq!(self.assign_name(init, &wide(&self.device_name)), SUCCESS, "WdfDeviceInitAssignName");
        let files = WdfFileObjectConfig {
            size: size_of::<WdfFileObjectConfig>() as u32,
            callbacks: [0; 3],
            auto_forward: 2,
            class: 4,
        };
        self.call("WdfDeviceInitSetFileObjectConfig", &[init, address(&files), 0]);
        let mut device = 0_usize;
        let status = self.call("WdfDeviceCreate", &[(&raw mut init) as usize, 0, (&raw mut device) as usize]);
        assert_eq!(status as i32, 0, "WdfDeviceCreate");
        device
    }

    pub fn create_queue(
        &self,
        device: usize,
        config: &WdfQueueConfig,
        attributes: Option<&WdfObjectAttributes>,
    ) -> usize {
        let mut queue = 0_usize;
        let attributes = attributes.map_or(0, address);
        let status = self.call("WdfIoQueueCreate", &[device, address(config), attributes, (&raw mut queue) as usize]);
        assert_eq!(status as i32, 0, "WdfIoQueueCreate");
        queue
    }

    pub fn create_timer(&self, config: &WdfTimerConfig, attributes: Option<&WdfObjectAttributes>) -> usize {
        let mut timer = 0_usize;
        self.call("WdfTimerCreate", &[address(config), attributes.map_or(0, address), (&raw mut timer) as usize]);
        timer
    }

    pub fn finish(&self, device: usize) {
        self.call("WdfControlFinishInitializing", &[device]);
    }

    /// A device whose default queue calls `callback`, opened.
    pub fn served(&self, callback: usize, attributes: Option<&WdfObjectAttributes>) -> File {
        let device = self.device();
        self.create_queue(device, &WdfQueueConfig::default(callback), attributes);
        self.finish(device);
        File::open(&self.device_name, Requestor::Administrator).expect("the device opens")
    }
}

/// Calls a function of the framework.
pub fn invoke(function: usize, globals: usize, arguments: &[usize]) -> usize {
    let mut padded = [0_usize; 6];
    padded[..arguments.len()].copy_from_slice(arguments);
    // SAFETY: the functions of the table have the Windows calling convention, take the globals first, and ignore what
    // they have no parameter for.
    let function: extern "efiapi" fn(usize, usize, usize, usize, usize, usize, usize) -> usize =
        unsafe { std::mem::transmute(function) };
    function(globals, padded[0], padded[1], padded[2], padded[3], padded[4], padded[5])
}
