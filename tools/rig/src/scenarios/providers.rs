//! Drivers that register, as a client of the function table sees them: their level words, and the lock of the registry.

use std::{
    io::Cursor,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use irqlog_nt::STATUS_SUCCESS;
use irqlog_reader::{
    event::EventView,
    live::LiveLog,
    log::{self, Log},
    save::save,
    saved::SavedLog,
    session::{Session, Settings},
};
use irqlog_wire::{
    interface::{Registered, Registration, WriteResult},
    ioctl,
    record::Level,
    site::{SITE_MAGIC, SiteHeader},
};
use zerocopy::{FromZeros, IntoBytes};

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process, basic::FileSource, coverage::WriteTextFn, stop_last};
use crate::{
    nt::{
        io::{ControlCall, File, Requestor},
        registry::{self, RegistryValue},
    },
    planted,
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "provider-levels",
        processors: DEFAULT_PROCESSORS,
        about: "a driver's level word follows its own level and irqlog's, until it unregisters",
        run: levels,
    },
    Scenario {
        name: "provider-vanished",
        processors: DEFAULT_PROCESSORS,
        about: "a driver unloads without disconnecting: a change of levels leaves its memory alone, and names it",
        run: vanished,
    },
    Scenario {
        name: "provider-lock",
        processors: DEFAULT_PROCESSORS,
        about: "while one driver registers, no other unregisters, and no level changes",
        run: lock,
    },
    Scenario {
        name: "provider-builds",
        processors: DEFAULT_PROCESSORS,
        about: "a thousand builds of a driver come, log and go; each event keeps the text of its build, also in files",
        run: builds,
    },
];

/// The functions of irqlog's table, in its order.
pub const FUNCTIONS: usize = 8;

/// Asks irqlog for its function table, as a driver. The file is the reference that keeps irqlog.sys loaded.
///
/// # Errors
/// If irqlog refuses.
pub fn connect() -> Result<(File, [usize; FUNCTIONS])> {
    let file = File::open(ioctl::DEVICE_NAME, Requestor::Kernel).map_err(|status| anyhow::anyhow!("{status:#x}"))?;
    let answer = file.control(ControlCall { code: ioctl::CONNECT, internal: true, input: &[], output: 128 }, &|| false);
    ensure!(answer.status == STATUS_SUCCESS && answer.output.len() == 8 + 8 * FUNCTIONS, "CONNECT: {answer:?}");
    let mut functions = [0; FUNCTIONS];
    for (function, bytes) in functions.iter_mut().zip(answer.output[8..].chunks_exact(8)) {
        *function = usize::from_le_bytes(bytes.try_into()?);
    }
    Ok((file, functions))
}

type Register = extern "efiapi" fn(*const Registration) -> u32;
type Unregister = extern "efiapi" fn(*const AtomicU32);
type WriteEvent = extern "efiapi" fn(u32, u8, *const u64, usize) -> u32;

/// A client of the function table.
struct Client {
    file: File,
    register: Register,
    unregister: Unregister,
    write_text: WriteTextFn,
    write_event: WriteEvent,
}

impl Client {
    fn connect() -> Result<Self> {
        let (file, functions) = connect()?;
        // SAFETY: the functions of the table, in its order, with their signatures.
        unsafe {
            Ok(Self {
                file,
                register: std::mem::transmute::<usize, Register>(functions[4]),
                unregister: std::mem::transmute::<usize, Unregister>(functions[5]),
                write_text: std::mem::transmute::<usize, WriteTextFn>(functions[0]),
                write_event: std::mem::transmute::<usize, WriteEvent>(functions[6]),
            })
        }
    }

    fn close(self) {
        self.file.cleanup();
        self.file.close();
    }
}

/// The words of a driver that irqlog writes.
#[derive(Default)]
struct Words {
    base: AtomicU32,
    level: AtomicU32,
}

impl Words {
    fn register(self: &Pin<Arc<Self>>, client: &Client, name: &str, sites: &[u64]) -> Registered {
        self.register_as(client, name, sites)
    }

    /// The words stay until they are unregistered, unless that is what the scenario is about.
    fn register_as(&self, client: &Client, name: &str, sites: &[u64]) -> Registered {
        let registration = Registration {
            size: size_of::<Registration>() as u32,
            name_length: name.len() as u32,
            name: name.as_ptr(),
            sites: sites.as_ptr().cast(),
            sites_length: size_of_val(sites),
            base: &raw const self.base,
            level: &raw const self.level,
        };
        Registered((client.register)(&raw const registration))
    }

    fn unregister(&self, client: &Client) {
        (client.unregister)(&raw const self.level);
    }

    fn level(&self) -> u32 {
        self.level.load(Ordering::SeqCst)
    }
}

/// A section with one site, of the level `info` and without arguments.
fn section(format: &str) -> Vec<u64> {
    let size = (size_of::<SiteHeader>() + format.len()).next_multiple_of(8);
    let mut header = SiteHeader::new_zeroed();
    header.magic.set(SITE_MAGIC);
    header.size.set(size as u32);
    header.level = Level::Info.0;
    header.format.set(format.len() as u16);
    let mut bytes = [header.as_bytes(), format.as_bytes()].concat();
    bytes.resize(size, 0);
    bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes"))).collect()
}

fn open() -> Result<File> {
    File::open(ioctl::WIN32_NAME, Requestor::Administrator).map_err(|status| anyhow::anyhow!("open: {status:#010x}"))
}

fn close(file: File) {
    file.cleanup();
    file.close();
}

fn levels(stage: &Stage) -> Result<()> {
    as_process(|| {
        let driver = stage.start_irqlog()?;
        let (file, client, words) = (open()?, Client::connect()?, Arc::pin(Words::default()));
        let mut session = Session::new(FileSource(&file));
        let mut all = |level| session.configure(Settings { level: Some(level), ..Settings::default() });
        all(Level::Warn)?;
        ensure!(words.register(&client, "a", &section("x")) == Registered::Accepted);
        let mut found = vec![words.level()];
        for level in [Level::Trace, Level::Error, Level::Debug] {
            all(level)?;
            found.push(words.level());
        }
        let tables = session.info()?;
        let entry = tables.sites.providers().first().context("no provider")?.first_site;
        session.set_provider_level(tables.header.start_id.get(), entry, Level::Info)?;
        found.push(words.level());
        words.unregister(&client);
        found.push(words.level());
        session.configure(Settings { level: Some(Level::Trace), ..Settings::default() })?;
        found.push(words.level());
        ensure!(found == [2, 5, 1, 4, 3, 0, 0], "the level word was {found:?}");
        client.close();
        close(file);
        stop_last(&driver)
    })
}

/// The page of a driver's image in which its words lie.
struct ImagePage(*mut Words);

impl ImagePage {
    const BYTES: usize = 4096;

    /// Maps it, at an address of its own or, once it is unmapped, at the same one again.
    fn map(at: Option<&Self>) -> Result<Self> {
        let (wanted, flags) = at.map_or((std::ptr::null_mut(), 0), |page| (page.0.cast(), libc::MAP_FIXED_NOREPLACE));
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
        // SAFETY: memory of its own; the flag keeps it from replacing other memory.
        let page = unsafe { libc::mmap(wanted, Self::BYTES, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        ensure!(page != libc::MAP_FAILED && (wanted.is_null() || page == wanted), "mapping a page");
        Ok(Self(page.cast()))
    }

    fn unmap(&self) {
        // SAFETY: mapped by `map`; nobody of the scenario uses it until it is mapped again.
        unsafe { libc::munmap(self.0.cast(), Self::BYTES) };
    }

    const fn words(&self) -> &Words {
        // SAFETY: mapped, and zeroed, which is two words.
        unsafe { &*self.0 }
    }

    fn register(&self, client: &Client, name: &str) -> Registered {
        self.words().register_as(client, name, &section("x"))
    }
}

/// Three times a driver goes without a word. What lies where it lay: nothing; other memory; the driver, loaded again.
fn vanished(stage: &Stage) -> Result<()> {
    as_process(|| {
        let driver = stage.start_irqlog()?;
        let (file, client, stays) = (open()?, Client::connect()?, Arc::pin(Words::default()));
        let mut session = Session::new(FileSource(&file));
        ensure!(stays.register(&client, "stays", &section("x")) == Registered::Accepted);
        let mut all = |level| session.configure(Settings { level: Some(level), ..Settings::default() });
        let page = ImagePage::map(None)?;
        ensure!(page.register(&client, "goes") == Registered::Accepted && page.words().level() == 5);
        page.unmap();
        all(Level::Warn)?;
        let page = ImagePage::map(Some(&page))?;
        ensure!(page.register(&client, "goes") == Registered::Accepted && page.words().level() == 2);
        page.unmap();
        let page = ImagePage::map(Some(&page))?;
        all(Level::Debug)?;
        ensure!(page.words().level() == 0, "other memory was written: {}", page.words().level());
        ensure!(page.register(&client, "goes") == Registered::Accepted && page.words().level() == 4);
        page.unmap();
        let page = ImagePage::map(Some(&page))?;
        ensure!(page.register(&client, "goes") == Registered::Accepted, "it cannot come again");
        page.words().unregister(&client);
        page.unmap();
        ensure!(stays.level() == 4, "the one that stays has level {}", stays.level());
        let mut log = LiveLog::open(Session::new(FileSource(&file)))?;
        let records = log::records(log.collect()?);
        let said = records
            .iter()
            .filter(|record| record.payload.starts_with(b"unloaded without disconnecting: provider goes"));
        let goes = log.tables().sites.providers().iter().find(|provider| provider.name == "goes");
        let goes = goes.context("the provider that goes")?;
        let found = (said.count(), goes.vanished, goes.registered, goes.registrations);
        ensure!(found == (3, 3, 0, 4), "said, vanished, registered, registrations: {found:?}");
        stays.unregister(&client);
        client.close();
        close(file);
        stop_last(&driver)
    })
}

/// One driver stands in the middle of its registration, with the lock; nothing that changes the registry ends meanwhile.
fn lock(stage: &Stage) -> Result<()> {
    let driver = as_process(|| stage.start_irqlog())?;
    let file = as_process(open)?;
    let client = as_process(Client::connect)?;
    let [first, second] = [Arc::pin(Words::default()), Arc::pin(Words::default())];
    let sites = section("x");
    ensure!(as_process(|| first.register(&client, "first", &sites)) == Registered::Accepted);
    let (start_id, entry) = as_process(|| {
        let tables = Session::new(FileSource(&file)).info()?;
        let entry = tables.sites.providers().first().context("no provider")?.first_site;
        Ok::<_, anyhow::Error>((tables.header.start_id.get(), entry))
    })?;
    let debug = Settings { level: Some(Level::Debug), ..Settings::default() };
    planted::stop_next_owner();
    std::thread::scope(|scope| {
        let registering = scope.spawn(|| as_process(|| second.register(&client, "second", &sites)));
        while !planted::owner_has_stopped() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let others = [
            (
                "an unregistration",
                scope.spawn(|| {
                    as_process(|| first.unregister(&client));
                    Ok(())
                }),
            ),
            ("CONFIGURE", scope.spawn(|| as_process(|| Session::new(FileSource(&file)).configure(debug)))),
            (
                "PROVIDER_LEVEL",
                scope.spawn(|| {
                    as_process(|| Session::new(FileSource(&file)).set_provider_level(start_id, entry, Level::Warn))
                }),
            ),
        ];
        // None of them can end; a machine that is slow only sees less.
        std::thread::sleep(Duration::from_millis(100));
        let ended: Vec<_> = others.iter().filter(|(_, thread)| thread.is_finished()).map(|(what, _)| *what).collect();
        let level = first.level();
        planted::let_owner_go();
        let registered = registering.join().expect("joined");
        for (what, thread) in others {
            // The first one has gone, so its level may be refused or not.
            let result = thread.join().expect("joined");
            ensure!(result.is_ok() || what == "PROVIDER_LEVEL", "{what}: {result:?}");
        }
        ensure!(ended.is_empty(), "{ended:?} ended while another driver registered");
        ensure!(level == u32::from(Level::Trace.0), "the level word became {level} while another driver registered");
        ensure!(registered == Registered::Accepted, "{registered:?}");
        Ok(())
    })?;
    as_process(|| {
        ensure!((first.level(), second.level()) == (0, Level::Debug.0.into()), "{} {}", first.level(), second.level());
        second.unregister(&client);
        client.close();
        close(file);
        stop_last(&driver)
    })
}

/// Text and number of a build's only event.
fn build_text(build: usize) -> String {
    format!("build {build}{}", "!".repeat(build * 7 % 60))
}

/// A build comes, logs its event and enough else that the lane holds a few dozen builds, and goes.
fn come_and_go(client: &Client, build: usize) -> Result<()> {
    let words = Arc::pin(Words::default());
    let registered = words.register(client, "a driver", &section(&build_text(build)));
    ensure!(registered == Registered::Accepted, "build {build}: {registered:?}");
    let filler = [b'x'; 900];
    let no_arguments = [0_u64];
    let outcomes = [
        (client.write_event)(words.base.load(Ordering::SeqCst), Level::Info.0, no_arguments.as_ptr(), 1),
        (client.write_text)(Level::Info.0, filler.as_ptr(), filler.len()),
        (client.write_text)(Level::Info.0, filler.as_ptr(), filler.len()),
    ];
    ensure!(outcomes == [WriteResult::Written.0; 3], "build {build}: {outcomes:?}");
    words.unregister(client);
    Ok(())
}

/// Checks that each event of a log has the text of a build, and that the builds follow each other; gives their numbers.
fn check_builds(log: &mut impl Log) -> Result<Vec<usize>> {
    let records = log::records(log.collect()?);
    let mut found = Vec::new();
    for event in records.iter().filter_map(|record| EventView::of(log.tables(), record)) {
        let text = event.text().into_raw();
        let number = text.strip_prefix("build ").and_then(|text| text.trim_end_matches('!').parse().ok());
        let build: usize = number.with_context(|| format!("an event says {text:?}"))?;
        ensure!(text == build_text(build), "build {build} says {text:?}");
        ensure!(found.last().is_none_or(|last| last + 1 == build), "build {build} behind {:?}", found.last());
        found.push(build);
    }
    Ok(found)
}

fn builds(stage: &Stage) -> Result<()> {
    const BUILDS: usize = 1000;
    registry::set_parameter("irqlog", "RingKiB", RegistryValue::Number(64));
    registry::set_parameter("irqlog", "SitesKiB", RegistryValue::Number(16));
    as_process(|| {
        let driver = stage.start_irqlog()?;
        let (file, client) = (open()?, Client::connect()?);
        // One reader is there all the time; another one comes anew each time.
        let mut session = Session::new(FileSource(&file));
        let mut saved = Vec::new();
        for build in 0..BUILDS {
            come_and_go(&client, build)?;
            if build % 50 == 49 {
                let mut log = LiveLog::open(session)?;
                let found = check_builds(&mut log)?;
                session = log.into_session();
                ensure!(found.len() > 20 && found.last() == Some(&build), "build {build}: {found:?}");
                let anew = check_builds(&mut LiveLog::open(Session::new(FileSource(&file)))?)?;
                ensure!(anew == found, "{anew:?} instead of {found:?}");
                let mut bytes = Cursor::new(Vec::new());
                let size = save(&mut LiveLog::open(Session::new(FileSource(&file)))?, &mut bytes, |_| {})?.bytes;
                saved.push((found, bytes.into_inner(), size));
            }
        }
        let tables = session.info()?;
        let (size, replaced) = (tables.header.sites_size.get(), tables.header.sites_replaced.get());
        let refused = tables.header.refused_providers.get();
        println!("{BUILDS} builds: {size} bytes of site table, {replaced} times entries replaced, {refused} refused");
        ensure!(size <= 16 << 10 && replaced > 800 && refused == 0, "{size} {replaced} {refused}");
        for (expected, mut bytes, size) in saved {
            bytes.truncate(size as usize);
            let found = check_builds(&mut SavedLog::open(Cursor::new(bytes))?)?;
            ensure!(found == expected, "a file has {found:?} instead of {expected:?}");
        }
        client.close();
        close(file);
        stop_last(&driver)
    })
}
