//! The rules of KMDF, shown alive: each is broken by a child process, as a driver would break it, and the framework of
//! `tools/kmdf` has to end that process and name the rule.
//!
//! The scenario is the driver here: it binds to WDFLDR.sys and calls the functions of its table.

use std::ptr::null;

use anyhow::{Context, Result, ensure};
use irqlog_nt::{
    UnicodeString,
    framework::{self, FrameworkRule, RULES},
    irql::DISPATCH_LEVEL,
};

use super::{
    DEFAULT_PROCESSORS, Scenario, Stage, as_process,
    guards::in_child,
    kmdf_behaviour::{self, at, complete, kernel, send},
    kmdf_driver::{
        Framework, WdfContextTypeInfo, WdfFileObjectConfig, WdfObjectAttributes, WdfQueueConfig, WdfTimerConfig,
        address, wide,
    },
};
use crate::{
    images,
    nt::{
        registry::{self, RegistryValue},
        report::EXIT_BROKEN,
    },
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
        about: "each rule of KMDF is broken once, and the framework names it; what it does besides is shown",
        run: rules,
    },
];

fn timer_config() -> WdfTimerConfig {
    WdfTimerConfig {
        size: size_of::<WdfTimerConfig>() as u32,
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
    complete(request, output + 1);
}

/// EvtIoDeviceControl that returns at DISPATCH_LEVEL.
extern "efiapi" fn stay_raised(_queue: usize, request: usize, _output: usize, _input: usize, _code: u32) {
    complete(request, 0);
    at(DISPATCH_LEVEL);
}

/// EvtIoDeviceControl that leaves a critical region which it did not enter.
extern "efiapi" fn leave_region(_queue: usize, request: usize, _output: usize, _input: usize, _code: u32) {
    complete(request, 0);
    kernel("KeLeaveCriticalRegion");
}

/// A rule, what breaks it, and the misdeed.
type Case = (FrameworkRule, &'static str, fn(&Framework));

const CASES: &[Case] = &[
    (framework::STRUCTURE_SIZE, "WDF_DRIVER_CONFIG without a size", |framework| {
        framework.create_driver(|config| config.size = 0, None);
    }),
    (framework::STRUCTURE_SIZE, "WDF_OBJECT_ATTRIBUTES of another size", |framework| {
        framework.create_driver(|_| (), Some(&WdfObjectAttributes { size: 48, ..WdfObjectAttributes::new() }));
    }),
    (framework::STRUCTURE_SIZE, "WDF_OBJECT_CONTEXT_TYPE_INFO without a size", |framework| {
        let of = WdfContextTypeInfo { size: 0, name: c"x".as_ptr().cast(), context_size: 8, unique: 0, get_unique: 0 };
        framework.create_driver(
            |_| (),
            Some(&WdfObjectAttributes { context_type: &raw const of, ..WdfObjectAttributes::new() }),
        );
    }),
    (framework::STRUCTURE_SIZE, "WDF_FILEOBJECT_CONFIG without a size", |framework| {
        let init = framework.init();
        let files = WdfFileObjectConfig { size: 0, callbacks: [0; 3], auto_forward: 2, class: 4 };
        framework.call("WdfDeviceInitSetFileObjectConfig", &[init, address(&files), 0]);
    }),
    (framework::STRUCTURE_SIZE, "WDF_IO_QUEUE_CONFIG without a size", |framework| {
        let device = framework.device();
        framework.create_queue(device, &WdfQueueConfig { size: 0, ..WdfQueueConfig::manual() }, None);
    }),
    (framework::STRUCTURE_SIZE, "WDF_TIMER_CONFIG without a size", |framework| {
        let parent = framework.device();
        framework.create_timer(
            &WdfTimerConfig { size: 0, ..timer_config() },
            Some(&WdfObjectAttributes { parent, ..WdfObjectAttributes::new() }),
        );
    }),
    (framework::ATTRIBUTES_RANGE, "zeroed attributes with a size: ExecutionLevel 0", |framework| {
        framework.create_driver(|_| (), Some(&WdfObjectAttributes { level: 0, ..WdfObjectAttributes::new() }));
    }),
    (framework::ATTRIBUTES_RANGE, "SynchronizationScope 5", |framework| {
        framework.create_driver(|_| (), Some(&WdfObjectAttributes { scope: 5, ..WdfObjectAttributes::new() }));
    }),
    (framework::ATTRIBUTES_PARENT, "requests with a parent", |framework| {
        let parent = framework.device();
        let init = framework.call("WdfControlDeviceInitAllocate", &[framework.globals, 0]);
        framework.call(
            "WdfDeviceInitSetRequestAttributes",
            &[init, address(&WdfObjectAttributes { parent, ..WdfObjectAttributes::new() })],
        );
    }),
    (framework::ATTRIBUTES_PARENT, "a timer without a parent", |framework| {
        framework.device();
        framework.create_timer(&timer_config(), Some(&WdfObjectAttributes::new()));
    }),
    (framework::ATTRIBUTES_PARENT, "a timer without attributes", |framework| {
        framework.device();
        framework.create_timer(&timer_config(), None);
    }),
    (framework::ATTRIBUTES_LEVEL, "requests with an execution level", |framework| {
        let init = framework.init();
        framework.call(
            "WdfDeviceInitSetRequestAttributes",
            &[init, address(&WdfObjectAttributes { level: 2, ..WdfObjectAttributes::new() })],
        );
    }),
    (framework::ATTRIBUTES_SCOPE, "a timer with a synchronization scope", |framework| {
        let parent = framework.device();
        framework.create_timer(
            &timer_config(),
            Some(&WdfObjectAttributes { parent, scope: 2, ..WdfObjectAttributes::new() }),
        );
    }),
    (framework::CONTEXT_TYPE, "a context without a name", |framework| {
        let size = size_of::<WdfContextTypeInfo>() as u32;
        let of = WdfContextTypeInfo { size, name: null(), context_size: 8, unique: 0, get_unique: 0 };
        framework.create_driver(
            |_| (),
            Some(&WdfObjectAttributes { context_type: &raw const of, ..WdfObjectAttributes::new() }),
        );
    }),
    (framework::CONTEXT_TYPE, "an override without a type", |framework| {
        framework.create_driver(
            |_| (),
            Some(&WdfObjectAttributes { context_size_override: 8, ..WdfObjectAttributes::new() }),
        );
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
        framework.create_queue(device, &WdfQueueConfig::default(exaggerates()), None);
    }),
    (framework::ONE_DEFAULT_QUEUE, "two default queues", |framework| {
        let device = framework.device();
        framework.create_queue(device, &WdfQueueConfig::default(exaggerates()), None);
        framework.create_queue(device, &WdfQueueConfig::default(exaggerates()), None);
    }),
    (framework::QUEUE_HANDLE, "a manual queue whose handle nobody takes", |framework| {
        let device = framework.device();
        framework.call("WdfIoQueueCreate", &[device, address(&WdfQueueConfig::manual()), 0, 0]);
    }),
    (framework::MANUAL_QUEUE, "a manual queue with EvtIoDeviceControl", |framework| {
        let device = framework.device();
        let on_device_control = exaggerates();
        framework.create_queue(device, &WdfQueueConfig { on_device_control, ..WdfQueueConfig::manual() }, None);
    }),
    (framework::MANUAL_QUEUE, "a manual queue with NumberOfPresentedRequests", |framework| {
        let device = framework.device();
        framework.create_queue(device, &WdfQueueConfig { presented: u32::MAX, ..WdfQueueConfig::manual() }, None);
    }),
    (framework::QUEUE_CALLBACK, "a parallel queue without a callback", |framework| {
        let device = framework.device();
        framework.create_queue(device, &WdfQueueConfig::parallel(0), None);
    }),
    (framework::FIND_IN_MANUAL, "WdfIoQueueFindRequest in a parallel queue", |framework| {
        let device = framework.device();
        let queue = framework.create_queue(device, &WdfQueueConfig::parallel(exaggerates()), None);
        let mut found = 0_usize;
        framework.call("WdfIoQueueFindRequest", &[queue, 0, 0, 0, (&raw mut found) as usize]);
    }),
    (framework::FIND_IN_MANUAL, "WdfIoQueueRetrieveFoundRequest from a parallel queue", |framework| {
        let device = framework.device();
        let queue = framework.create_queue(device, &WdfQueueConfig::parallel(exaggerates()), None);
        let mut found = 0_usize;
        framework.call("WdfIoQueueRetrieveFoundRequest", &[queue, 0, (&raw mut found) as usize]);
    }),
    (framework::UNICODE_STRING, "a device name of an odd length", |framework| {
        let init = framework.init();
        framework.assign_name(init, &UnicodeString { Length: 7, ..wide(&framework.device_name) });
    }),
    (framework::UNICODE_STRING, "a device name that is longer than its MaximumLength", |framework| {
        let init = framework.init();
        framework.assign_name(init, &UnicodeString { MaximumLength: 2, ..wide(&framework.device_name) });
    }),
    (framework::UNICODE_STRING, "a symbolic link without a buffer", |framework| {
        let device = framework.device();
        let link = UnicodeString { Buffer: std::ptr::null_mut(), ..wide(&framework.device_name) };
        framework.call("WdfDeviceCreateSymbolicLink", &[device, address(&link)]);
    }),
    (framework::PASSIVE_LEVEL, "WdfDriverCreate at DISPATCH_LEVEL", |framework| {
        at(DISPATCH_LEVEL);
        framework.create_driver(|_| (), None);
    }),
    (framework::PASSIVE_LEVEL, "WdfTimerStop that waits at DISPATCH_LEVEL", |framework| {
        let parent = framework.device();
        let timer = framework
            .create_timer(&timer_config(), Some(&WdfObjectAttributes { parent, ..WdfObjectAttributes::new() }));
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
    (framework::REFERENCE_TAG, "a reference with a tag, given back without", |framework| {
        let device = framework.device();
        framework.call("WdfObjectReferenceActual", &[device, 0x6741, 0, 0]);
        framework.call("WdfObjectDereferenceActual", &[device, 0, 0, 0]);
    }),
    (framework::REFERENCE_TAG, "a reference that was never taken", |framework| {
        let device = framework.device();
        framework.call("WdfObjectDereferenceActual", &[device, 0, 0, 0]);
    }),
    (framework::CALLBACK_IRQL, "a callback that returns at DISPATCH_LEVEL", |framework| {
        send(&framework.served(stay_raised as *const () as usize, None));
    }),
    (framework::CALLBACK_REGION, "a callback that leaves a critical region which it did not enter", |framework| {
        send(&framework.served(leave_region as *const () as usize, None));
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
        kmdf_behaviour::show_all(stage)
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
