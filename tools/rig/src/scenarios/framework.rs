//! The rules of KMDF, shown alive: each is broken by a child process, as a driver would break it, and the framework of
//! `tools/kmdf` has to end that process and name the rule.
//!
//! The scenario is the driver here: it binds to WDFLDR.sys and calls the functions of its table.

use std::{mem::zeroed, ptr::null};

use anyhow::{Context, Result, ensure};
use irqlog_nt::{
    DriverObject, UnicodeString,
    framework::{self, FrameworkRule, RULES},
    irql::DISPATCH_LEVEL,
};

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process, guards::in_child};
use crate::{
    images,
    nt::{
        io::{ControlCall, File, Requestor},
        machine::current,
        registry::{self, RegistryValue},
        report::EXIT_BROKEN,
    },
    service::load_library,
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "refusal",
        processors: DEFAULT_PROCESSORS,
        about: "a KMDF function that is not implemented is refused by name",
        run: refusal,
    },
    Scenario {
        name: "kmdf-rules",
        processors: DEFAULT_PROCESSORS,
        about: "each rule of KMDF is broken once, and the framework names it",
        run: rules,
    },
];

/// The bind structure of KMDF's loader (`testdata/kmdf-abi.json`).
#[repr(C)]
struct BindInfo {
    size: u32,
    component: usize,
    version: [u32; 3],
    function_count: u32,
    function_table: *mut *const usize,
    module: usize,
}

/// WDF_OBJECT_CONTEXT_TYPE_INFO.
#[repr(C)]
struct ContextType {
    size: u32,
    name: *const u8,
    context_size: usize,
    unique: usize,
    get_unique: usize,
}

/// WDF_OBJECT_ATTRIBUTES.
#[repr(C)]
struct Attributes {
    size: u32,
    callbacks: [usize; 2],
    level: i32,
    scope: i32,
    parent: usize,
    context_size_override: usize,
    context_type: *const ContextType,
}

impl Attributes {
    /// As WDF_OBJECT_ATTRIBUTES_INIT makes them.
    const fn new() -> Self {
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
struct DriverConfig {
    size: u32,
    device_add: usize,
    unload: usize,
    flags: u32,
    pool_tag: u32,
}

/// WDF_FILEOBJECT_CONFIG.
#[repr(C)]
struct FileConfig {
    size: u32,
    callbacks: [usize; 3],
    auto_forward: i32,
    class: i32,
}

/// WDF_IO_QUEUE_CONFIG.
#[repr(C)]
struct QueueConfig {
    size: u32,
    dispatch: i32,
    power_managed: i32,
    allow_zero_length: u8,
    default: u8,
    on_default_read_write: [usize; 3],
    on_device_control: usize,
    on_internal_device_control: usize,
    on_stop_resume_canceled: [usize; 3],
    presented: u32,
    driver: usize,
}

impl QueueConfig {
    /// A parallel queue that calls `callback`.
    const fn parallel(callback: usize) -> Self {
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
    const fn default(callback: usize) -> Self {
        Self { default: 1, ..Self::parallel(callback) }
    }

    /// A manual queue.
    const fn manual() -> Self {
        Self { dispatch: 3, presented: 0, ..Self::parallel(0) }
    }
}

/// WDF_TIMER_CONFIG.
#[repr(C)]
struct TimerConfig {
    size: u32,
    callback: usize,
    period: u32,
    automatic_serialization: u8,
    tolerable_delay: u32,
    high_resolution: u64,
}

/// WDFLDR.sys, bound to this process as to a driver.
struct Framework {
    table: *const usize,
    globals: usize,
    functions: serde_json::Value,
}

/// The framework, for callbacks, which get no more than their arguments.
static BOUND: std::sync::OnceLock<(usize, usize)> = std::sync::OnceLock::new();

const SUCCESS: usize = 0;
const SERVICE: &str = r"\Registry\Machine\System\CurrentControlSet\Services\irqlog";
const DEVICE_NAME: &str = r"\Device\irqlog-rules";

fn wide(text: &str) -> UnicodeString {
    let wide: &'static mut [u16] = text.encode_utf16().collect::<Vec<_>>().leak();
    let bytes = size_of_val(wide) as u16;
    UnicodeString { Length: bytes, MaximumLength: bytes, Buffer: wide.as_mut_ptr() }
}

/// The address of something, as an argument.
fn address<T>(of: &T) -> usize {
    std::ptr::from_ref(of) as usize
}

impl Framework {
    /// Loads WDFLDR.sys.
    fn load(stage: &Stage) -> Result<usize> {
        load_library(&stage.image("WDFLDR.sys"))?.export("WdfVersionBind").context("WdfVersionBind")
    }

    /// WdfVersionBind, with a version and a place for the table.
    fn try_bind(bind: usize, version: [u32; 3], function_count: u32, table: *mut *const usize) -> (i32, usize) {
        let mut info = BindInfo {
            size: size_of::<BindInfo>() as u32,
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
            let bind: extern "efiapi" fn(usize, usize, *mut BindInfo, *mut usize) -> i32 = std::mem::transmute(bind);
            bind(0, address(&path), &raw mut info, &raw mut globals)
        };
        (status, globals)
    }

    /// Binds as irqlog.sys does.
    fn bind(bind: usize) -> Result<Self> {
        let mut table: *const usize = null();
        let (status, globals) = Self::try_bind(bind, [1, 31, 0], 458, &raw mut table);
        ensure!(status == 0 && !table.is_null(), "WdfVersionBind: {status:#x}");
        let facts: serde_json::Value = serde_json::from_str(include_str!("../../../../testdata/kmdf-abi.json"))?;
        let _first = BOUND.set((table as usize, globals));
        Ok(Self { table, globals, functions: facts["functions"].clone() })
    }

    /// Calls a function of the table.
    fn call(&self, name: &str, arguments: &[usize]) -> usize {
        let index = self.functions[name].as_u64().unwrap_or_else(|| panic!("{name} is no function of KMDF"));
        // SAFETY: the table has an entry for each function of the list.
        let function = unsafe { *self.table.add(index as usize) };
        invoke(function, self.globals, arguments)
    }

    fn create_driver(&self, change: impl FnOnce(&mut DriverConfig), attributes: Option<&Attributes>) -> usize {
        let mut config =
            DriverConfig { size: size_of::<DriverConfig>() as u32, device_add: 0, unload: 0, flags: 1, pool_tag: 0 };
        change(&mut config);
        // SAFETY: all-zero is a valid driver object.
        let object: &'static mut DriverObject = Box::leak(Box::new(unsafe { zeroed() }));
        let path = wide(SERVICE);
        let attributes = attributes.map_or(0, address);
        self.call("WdfDriverCreate", &[address(object), address(&path), attributes, address(&config), 0])
    }

    fn init(&self) -> usize {
        assert_eq!(self.create_driver(|_| (), None) as i32, 0, "WdfDriverCreate");
        let sddl = wide("D:P(A;;GA;;;SY)(A;;GA;;;BA)");
        let init = self.call("WdfControlDeviceInitAllocate", &[self.globals, address(&sddl)]);
        assert_ne!(init, 0, "WdfControlDeviceInitAllocate");
        init
    }

    fn assign_name(&self, init: usize, name: &UnicodeString) -> usize {
        self.call("WdfDeviceInitAssignName", &[init, address(name)])
    }

    fn device(&self) -> usize {
        let mut init = self.init();
        assert_eq!(self.assign_name(init, &wide(DEVICE_NAME)), SUCCESS, "WdfDeviceInitAssignName");
        let files = FileConfig { size: size_of::<FileConfig>() as u32, callbacks: [0; 3], auto_forward: 2, class: 4 };
        self.call("WdfDeviceInitSetFileObjectConfig", &[init, address(&files), 0]);
        let mut device = 0_usize;
        let status = self.call("WdfDeviceCreate", &[(&raw mut init) as usize, 0, (&raw mut device) as usize]);
        assert_eq!(status as i32, 0, "WdfDeviceCreate");
        device
    }

    fn create_queue(&self, device: usize, config: &QueueConfig, attributes: Option<&Attributes>) -> usize {
        let mut queue = 0_usize;
        let attributes = attributes.map_or(0, address);
        let status = self.call("WdfIoQueueCreate", &[device, address(config), attributes, (&raw mut queue) as usize]);
        assert_eq!(status as i32, 0, "WdfIoQueueCreate");
        queue
    }

    fn create_timer(&self, config: &TimerConfig, attributes: Option<&Attributes>) -> usize {
        let mut timer = 0_usize;
        self.call("WdfTimerCreate", &[address(config), attributes.map_or(0, address), (&raw mut timer) as usize]);
        timer
    }

    fn finish(&self, device: usize) {
        self.call("WdfControlFinishInitializing", &[device]);
    }

    /// A device whose default queue calls `callback`, opened.
    fn served(&self, callback: usize, attributes: Option<&Attributes>) -> File {
        let device = self.device();
        self.create_queue(device, &QueueConfig::default(callback), attributes);
        self.finish(device);
        File::open(DEVICE_NAME, Requestor::Administrator).expect("the device opens")
    }
}

/// Calls a function of the framework.
fn invoke(function: usize, globals: usize, arguments: &[usize]) -> usize {
    let mut padded = [0_usize; 6];
    padded[..arguments.len()].copy_from_slice(arguments);
    // SAFETY: the functions of the table have the Windows calling convention, take the globals first, and ignore what
    // they have no parameter for.
    let function: extern "efiapi" fn(usize, usize, usize, usize, usize, usize, usize) -> usize =
        unsafe { std::mem::transmute(function) };
    function(globals, padded[0], padded[1], padded[2], padded[3], padded[4], padded[5])
}

fn timer_config() -> TimerConfig {
    TimerConfig {
        size: size_of::<TimerConfig>() as u32,
        callback: does_nothing(),
        period: 0,
        automatic_serialization: 0,
        tolerable_delay: 0,
        high_resolution: 0,
    }
}

/// A callback that does nothing.
fn does_nothing() -> usize {
    extern "efiapi" fn nothing(_: usize) {}
    nothing as *const () as usize
}

/// EvtIoDeviceControl that completes with more than the output has room for.
fn exaggerates() -> usize {
    exaggerate as *const () as usize
}

extern "efiapi" fn exaggerate(_queue: usize, request: usize, output: usize, _input: usize, _code: u32) {
    const WDF_REQUEST_COMPLETE_WITH_INFORMATION: usize = 265;
    let (table, globals) = *BOUND.get().expect("bound");
    // SAFETY: the table has an entry for each function.
    let function = unsafe { *(table as *const usize).add(WDF_REQUEST_COMPLETE_WITH_INFORMATION) };
    invoke(function, globals, &[request, SUCCESS, output + 1]);
}

/// A control code with METHOD_BUFFERED.
const CODE: u32 = 0x0022_2000;

fn send(file: &File) {
    file.control(ControlCall { code: CODE, internal: false, input: &[], output: 8 }, &|| false);
}

/// Sets the level of the processor that runs this.
fn at(irql: u8) {
    current().expect("a simulated thread").processor().irql.store(irql, std::sync::atomic::Ordering::SeqCst);
}

/// A rule, what breaks it, and the misdeed.
type Case = (FrameworkRule, &'static str, fn(&Framework));

const CASES: &[Case] = &[
    (framework::STRUCTURE_SIZE, "WDF_DRIVER_CONFIG without a size", |framework| {
        framework.create_driver(|config| config.size = 0, None);
    }),
    (framework::STRUCTURE_SIZE, "WDF_OBJECT_ATTRIBUTES of another size", |framework| {
        framework.create_driver(|_| (), Some(&Attributes { size: 48, ..Attributes::new() }));
    }),
    (framework::STRUCTURE_SIZE, "WDF_OBJECT_CONTEXT_TYPE_INFO without a size", |framework| {
        let of = ContextType { size: 0, name: c"x".as_ptr().cast(), context_size: 8, unique: 0, get_unique: 0 };
        framework.create_driver(|_| (), Some(&Attributes { context_type: &raw const of, ..Attributes::new() }));
    }),
    (framework::STRUCTURE_SIZE, "WDF_FILEOBJECT_CONFIG without a size", |framework| {
        let init = framework.init();
        let files = FileConfig { size: 0, callbacks: [0; 3], auto_forward: 2, class: 4 };
        framework.call("WdfDeviceInitSetFileObjectConfig", &[init, address(&files), 0]);
    }),
    (framework::STRUCTURE_SIZE, "WDF_IO_QUEUE_CONFIG without a size", |framework| {
        let device = framework.device();
        framework.create_queue(device, &QueueConfig { size: 0, ..QueueConfig::manual() }, None);
    }),
    (framework::STRUCTURE_SIZE, "WDF_TIMER_CONFIG without a size", |framework| {
        let parent = framework.device();
        framework.create_timer(
            &TimerConfig { size: 0, ..timer_config() },
            Some(&Attributes { parent, ..Attributes::new() }),
        );
    }),
    (framework::ATTRIBUTES_RANGE, "zeroed attributes with a size: ExecutionLevel 0", |framework| {
        framework.create_driver(|_| (), Some(&Attributes { level: 0, ..Attributes::new() }));
    }),
    (framework::ATTRIBUTES_RANGE, "SynchronizationScope 5", |framework| {
        framework.create_driver(|_| (), Some(&Attributes { scope: 5, ..Attributes::new() }));
    }),
    (framework::ATTRIBUTES_PARENT, "requests with a parent", |framework| {
        let parent = framework.device();
        let init = framework.call("WdfControlDeviceInitAllocate", &[framework.globals, 0]);
        framework
            .call("WdfDeviceInitSetRequestAttributes", &[init, address(&Attributes { parent, ..Attributes::new() })]);
    }),
    (framework::ATTRIBUTES_PARENT, "a timer without a parent", |framework| {
        framework.device();
        framework.create_timer(&timer_config(), Some(&Attributes::new()));
    }),
    (framework::ATTRIBUTES_PARENT, "a timer without attributes", |framework| {
        framework.device();
        framework.create_timer(&timer_config(), None);
    }),
    (framework::ATTRIBUTES_LEVEL, "requests with an execution level", |framework| {
        let init = framework.init();
        framework
            .call("WdfDeviceInitSetRequestAttributes", &[init, address(&Attributes { level: 2, ..Attributes::new() })]);
    }),
    (framework::ATTRIBUTES_SCOPE, "a timer with a synchronization scope", |framework| {
        let parent = framework.device();
        framework.create_timer(&timer_config(), Some(&Attributes { parent, scope: 2, ..Attributes::new() }));
    }),
    (framework::CONTEXT_TYPE, "a context without a name", |framework| {
        let size = size_of::<ContextType>() as u32;
        let of = ContextType { size, name: null(), context_size: 8, unique: 0, get_unique: 0 };
        framework.create_driver(|_| (), Some(&Attributes { context_type: &raw const of, ..Attributes::new() }));
    }),
    (framework::CONTEXT_TYPE, "an override without a type", |framework| {
        framework.create_driver(|_| (), Some(&Attributes { context_size_override: 8, ..Attributes::new() }));
    }),
    (framework::ONE_DRIVER, "WdfDriverCreate twice", |framework| {
        framework.create_driver(|_| (), None);
        framework.create_driver(|_| (), None);
    }),
    (framework::NO_DEVICE_ADD, "EvtDriverDeviceAdd of a driver without devices", |framework| {
        framework.create_driver(|config| config.device_add = does_nothing(), None);
    }),
    (framework::DRIVER_FLAGS, "DriverInitFlags 0x80", |framework| {
        framework.create_driver(|config| config.flags = 0x80, None);
    }),
    (framework::DEFAULT_QUEUE_BEFORE, "a default queue after WdfControlFinishInitializing", |framework| {
        let device = framework.device();
        framework.finish(device);
        framework.create_queue(device, &QueueConfig::default(exaggerates()), None);
    }),
    (framework::ONE_DEFAULT_QUEUE, "two default queues", |framework| {
        let device = framework.device();
        framework.create_queue(device, &QueueConfig::default(exaggerates()), None);
        framework.create_queue(device, &QueueConfig::default(exaggerates()), None);
    }),
    (framework::QUEUE_HANDLE, "a manual queue whose handle nobody takes", |framework| {
        let device = framework.device();
        framework.call("WdfIoQueueCreate", &[device, address(&QueueConfig::manual()), 0, 0]);
    }),
    (framework::MANUAL_QUEUE, "a manual queue with EvtIoDeviceControl", |framework| {
        let device = framework.device();
        let on_device_control = exaggerates();
        framework.create_queue(device, &QueueConfig { on_device_control, ..QueueConfig::manual() }, None);
    }),
    (framework::MANUAL_QUEUE, "a manual queue with NumberOfPresentedRequests", |framework| {
        let device = framework.device();
        framework.create_queue(device, &QueueConfig { presented: u32::MAX, ..QueueConfig::manual() }, None);
    }),
    (framework::QUEUE_CALLBACK, "a parallel queue without a callback", |framework| {
        let device = framework.device();
        framework.create_queue(device, &QueueConfig::parallel(0), None);
    }),
    (framework::FIND_IN_MANUAL, "WdfIoQueueFindRequest in a parallel queue", |framework| {
        let device = framework.device();
        let queue = framework.create_queue(device, &QueueConfig::parallel(exaggerates()), None);
        let mut found = 0_usize;
        framework.call("WdfIoQueueFindRequest", &[queue, 0, 0, 0, (&raw mut found) as usize]);
    }),
    (framework::FIND_IN_MANUAL, "WdfIoQueueRetrieveFoundRequest from a parallel queue", |framework| {
        let device = framework.device();
        let queue = framework.create_queue(device, &QueueConfig::parallel(exaggerates()), None);
        let mut found = 0_usize;
        framework.call("WdfIoQueueRetrieveFoundRequest", &[queue, 0, (&raw mut found) as usize]);
    }),
    (framework::UNICODE_STRING, "a device name of an odd length", |framework| {
        let init = framework.init();
        framework.assign_name(init, &UnicodeString { Length: 7, ..wide(DEVICE_NAME) });
    }),
    (framework::UNICODE_STRING, "a device name that is longer than its MaximumLength", |framework| {
        let init = framework.init();
        framework.assign_name(init, &UnicodeString { MaximumLength: 2, ..wide(DEVICE_NAME) });
    }),
    (framework::UNICODE_STRING, "a symbolic link without a buffer", |framework| {
        let device = framework.device();
        let link = UnicodeString { Buffer: std::ptr::null_mut(), ..wide(DEVICE_NAME) };
        framework.call("WdfDeviceCreateSymbolicLink", &[device, address(&link)]);
    }),
    (framework::PASSIVE_LEVEL, "WdfDriverCreate at DISPATCH_LEVEL", |framework| {
        at(DISPATCH_LEVEL);
        framework.create_driver(|_| (), None);
    }),
    (framework::PASSIVE_LEVEL, "WdfTimerStop that waits at DISPATCH_LEVEL", |framework| {
        let parent = framework.device();
        let timer = framework.create_timer(&timer_config(), Some(&Attributes { parent, ..Attributes::new() }));
        at(DISPATCH_LEVEL);
        framework.call("WdfTimerStop", &[timer, 1]);
    }),
    (framework::VALUE_ROOM, "a string without room for a value", |framework| {
        const READ: usize = 0x2_0019;
        registry::set_parameter("irqlog", "Engine", RegistryValue::Text("shared".into()));
        framework.init();
        let mut key = 0_usize;
        let driver = driver_handle(framework);
        let status = framework.call("WdfDriverOpenParametersRegistryKey", &[driver, READ, 0, (&raw mut key) as usize]);
        assert_eq!(status as i32, 0, "WdfDriverOpenParametersRegistryKey");
        let mut room = UnicodeString { Length: 0, MaximumLength: 0, Buffer: std::ptr::null_mut() };
        let name = wide("Engine");
        framework.call("WdfRegistryQueryUnicodeString", &[key, address(&name), 0, (&raw mut room) as usize]);
    }),
    (framework::INFORMATION, "a completion with one byte more than the output has", |framework| {
        send(&framework.served(exaggerates(), None));
    }),
    (framework::PASSIVE_QUEUE, "a request at DISPATCH_LEVEL for a queue with execution level passive", |framework| {
        let file = framework.served(exaggerates(), Some(&Attributes { level: 2, ..Attributes::new() }));
        at(DISPATCH_LEVEL);
        send(&file);
    }),
];

/// WDFDRIVER: the first word of the globals.
fn driver_handle(framework: &Framework) -> usize {
    // SAFETY: WDF_DRIVER_GLOBALS begins with the driver's handle.
    unsafe { *(framework.globals as *const usize) }
}

fn rules(stage: &Stage) -> Result<()> {
    as_process(|| {
        let bind = Framework::load(stage)?;
        let mut table: *const usize = null();
        let binding: [(&str, [u32; 3], u32, *mut *const usize); 2] = [
            ("458 functions of version 1.29", [1, 29, 0], 458, &raw mut table),
            ("no place for the table", [1, 31, 0], 458, std::ptr::null_mut()),
        ];
        for (what, version, count, table) in binding {
            break_rule(framework::BINDING, what, || {
                Framework::try_bind(bind, version, count, table);
            })?;
        }
        let framework = Framework::bind(bind)?;
        for (rule, what, misdeed) in CASES {
            break_rule(*rule, what, || misdeed(&framework))?;
        }
        for rule in RULES {
            let has_case = *rule == framework::BINDING || CASES.iter().any(|(of, _, _)| of == rule);
            ensure!(has_case, "no case breaks the rule {:?}", rule.name);
        }
        println!("{} rules, {} ways to break them", RULES.len(), CASES.len() + 2);
        Ok(())
    })
}

/// Breaks a rule in a child, and prints it with its source.
fn break_rule(rule: FrameworkRule, what: &str, misdeed: impl FnOnce()) -> Result<()> {
    let (name, source) = (rule.name.to_str()?, rule.source.to_str()?);
    let (status, said) = in_child(misdeed)?;
    ensure!(status == EXIT_BROKEN, "{what}: exit status {status}, said {said}");
    ensure!(said.contains(&format!("rule {name} is broken")), "{what}: the framework does not name {name}:\n{said}");
    println!("{name:22} {what} ({source})");
    Ok(())
}

/// Binds once more, and gives what calls a function that the small KMDF does not have: a bug check 0x10D.
///
/// # Errors
/// If WDFLDR.sys is not loaded, or does not bind.
pub fn missing_function() -> Result<impl Fn()> {
    let image = images::find("WDFLDR.sys").context("WDFLDR.sys is loaded")?;
    let framework = Framework::bind(image.export("WdfVersionBind").context("WdfVersionBind")?)?;
    Ok(move || {
        framework.call("WdfChildListCreate", &[]);
    })
}

fn refusal(stage: &Stage) -> Result<()> {
    as_process(|| {
        let framework = Framework::bind(Framework::load(stage)?)?;
        // SAFETY: the table has 458 entries; index 0 is WdfChildListCreate.
        let first = unsafe { *framework.table };
        ensure!(images::is_code(first), "the table's first entry is no code");
        let (status, said) = in_child(|| {
            framework.call("WdfChildListCreate", &[]);
        })?;
        ensure!(status == EXIT_BROKEN, "exit status {status}");
        ensure!(said.contains("WdfChildListCreate is not implemented") && said.contains("bug check 0x10d"), "{said}");
        Ok(())
    })
}
