//! The parameters of the driver's next start.
//!
//! They are values of the `Parameters` key of the driver's service, which the driver reads when it starts
//! ([`irqlog_wire::config`]). A [`ParameterStore`] holds them: the registry, or the memory of a test.

use std::io::{Result as IoResult, Write};

use anyhow::{Context, Result};
use irqlog_reader::image::Tables;
use irqlog_shown::Show;
use irqlog_wire::{
    config::{BadValue, Config, Parameter, Shape},
    image::{Engine, LaneKind, Lock, Policy, build_flags},
    record::{Level, WORD},
};
use serde::Serialize;

use crate::assignment::Assignment;

/// A value as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A REG_DWORD.
    Number(u32),
    /// A REG_SZ.
    Text(String),
    /// A value of another type, which the driver refuses; the name of its type.
    Other(String),
}

impl Stored {
    /// Sets the parameter in `config` as the driver does.
    ///
    /// # Errors
    /// [`BadValue`] if the driver would name the value in its log, and take the default.
    pub fn set(&self, parameter: Parameter, config: &mut Config) -> Result<(), BadValue> {
        match (parameter.shape(), self) {
            (Shape::Name, Self::Text(name)) => parameter.set_name(config, name),
            (Shape::Number, Self::Number(number)) => parameter.set_number(config, *number),
            _ => Err(BadValue),
        }
    }

    /// The value for a message.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Other(kind) => format!("a value of type {kind}"),
        }
    }
}

/// Holds the values of the parameters.
pub trait ParameterStore {
    /// The value of a parameter; `None` if it has none.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn read(&self, name: &str) -> Result<Option<Stored>>;

    /// Gives a parameter a value.
    ///
    /// # Errors
    /// If the store refuses.
    fn write(&mut self, name: &str, value: &Stored) -> Result<()>;

    /// Takes a parameter's value away; it may have none.
    ///
    /// # Errors
    /// If the store refuses.
    fn remove(&mut self, name: &str) -> Result<()>;
}

/// Changes the parameters. Of two assignments to one parameter the last one counts.
///
/// # Errors
/// If the store refuses one; the message says which have been changed before.
pub fn apply(store: &mut impl ParameterStore, assignments: &[Assignment]) -> Result<()> {
    let mut done: Vec<&str> = Vec::new();
    for Assignment { parameter, value } in assignments {
        let name = parameter.name();
        let result = match value {
            Some(value) => store.write(name, value),
            None => store.remove(name),
        };
        result.with_context(|| {
            let before = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
            format!("{name} was not changed; {before} was changed before it")
        })?;
        done.push(name);
    }
    Ok(())
}

/// All parameters: what they are now, and what they will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextStart {
    /// Whether a driver runs whose parameters are shown.
    pub is_running: bool,
    /// The parameters, in the order in which the driver reads them.
    pub parameters: Vec<ShownParameter>,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownParameter {
    /// The name of the registry value.
    pub name: &'static str,
    /// What the running driver has; `null` if none runs, or if it does not say.
    pub now: Option<String>,
    /// What the next start takes.
    pub next: String,
    /// The value that the registry holds; `null` if it holds none, and the driver takes its default.
    pub set: Option<String>,
    /// The driver refuses the value, names it in its log, and takes its default.
    pub is_refused: bool,
    #[serde(skip)]
    takes: &'static str,
}

impl NextStart {
    /// Reads the store, and the tables of the running driver.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn read(store: &impl ParameterStore, running: Option<&Tables>) -> Result<Self> {
        let now = running.map(now);
        let mut next = Config::DEFAULT;
        let mut parameters = Vec::new();
        for (index, parameter) in Parameter::ALL.into_iter().enumerate() {
            let name = parameter.name();
            let stored = store.read(name).with_context(|| format!("{name} cannot be read"))?;
            let is_refused = stored.as_ref().is_some_and(|stored| stored.set(parameter, &mut next).is_err());
            parameters.push(ShownParameter {
                name,
                now: now.as_ref().and_then(|now| now[index].clone()),
                next: value(parameter, &next),
                set: stored.map(|stored| stored.shown()),
                is_refused,
                takes: parameter.takes(),
            });
        }
        Ok(Self { is_running: running.is_some(), parameters })
    }
}

/// The value of a parameter, in the registry's words.
fn value(parameter: Parameter, config: &Config) -> String {
    match parameter {
        Parameter::Engine => config.engine.name().unwrap_or_default().to_owned(),
        Parameter::Lock => config.lock.name().unwrap_or_default().to_owned(),
        Parameter::Policy => config.policy.name().unwrap_or_default().to_owned(),
        Parameter::Level => config.level.name().unwrap_or_default().to_owned(),
        Parameter::LockBudget => config.lock_budget.to_string(),
        Parameter::RingKib => config.ring_kib.to_string(),
        Parameter::NmiLaneKib => config.nmi_lane_kib.to_string(),
        Parameter::SitesKib => config.sites_kib.to_string(),
        Parameter::RawPointers => u32::from(config.raw_pointers).to_string(),
        Parameter::Ids => u32::from(config.ids).to_string(),
    }
}

/// What the running driver has of each parameter, as far as its tables say it.
fn now(tables: &Tables) -> [Option<String>; Parameter::ALL.len()] {
    let header = &tables.header;
    let kib = |lanes: &mut dyn Iterator<Item = u64>| lanes.next().map(|words| (words * WORD as u64 / 1024).to_string());
    let of_kind = |kind: LaneKind| {
        tables.lanes.iter().filter(move |lane| lane.kind.get() == kind.0).map(|lane| lane.data_words.get())
    };
    let has_shared = header.engine.get() == Engine::Shared.0;
    let main = if has_shared { LaneKind::Shared } else { LaneKind::Processor };
    let ring = of_kind(main).fold(0, u64::saturating_add);
    Parameter::ALL.map(|parameter| match parameter {
        Parameter::Engine => Engine(header.engine.get()).name().map(str::to_owned),
        // Engine percpu has none.
        Parameter::Lock => Lock(header.lock.get()).name().filter(|_| has_shared).map(str::to_owned),
        Parameter::Policy => {
            u32::try_from(header.policy.get()).ok().and_then(|policy| Policy(policy).name()).map(str::to_owned)
        }
        Parameter::Level => {
            u8::try_from(header.level.get()).ok().and_then(|level| Level(level).name()).map(str::to_owned)
        }
        Parameter::RingKib => kib(&mut std::iter::once(ring)),
        Parameter::NmiLaneKib => kib(&mut of_kind(LaneKind::Nmi)),
        Parameter::RawPointers => {
            Some(u32::from(header.build_flags.get() & build_flags::RAW_POINTERS != 0).to_string())
        }
        Parameter::Ids => Some(u32::from(header.build_flags.get() & build_flags::NO_IDS == 0).to_string()),
        Parameter::LockBudget | Parameter::SitesKib => None,
    })
}

impl Show for NextStart {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> IoResult<()> {
        writeln!(out, "{:12} {:>10} {:>11}", "parameter", "now", "next start")?;
        for ShownParameter { name, now, next, set, is_refused, takes } in &self.parameters {
            let now = now.as_deref().unwrap_or("-");
            write!(out, "{name:12} {now:>10} {next:>11}")?;
            match set {
                Some(set) if *is_refused => {
                    writeln!(
                        out,
                        "  default: {:?} is not {takes}",
                        irqlog_reader::untrusted::Untrusted::new(set).to_string()
                    )?;
                }
                Some(_) => writeln!(out)?,
                None => writeln!(out, "  default")?,
            }
        }
        if self.is_running { Ok(()) } else { writeln!(out, "irqlog is not running") }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use anyhow::bail;

    use super::*;

    /// A store in memory, which refuses to write one name.
    #[derive(Default)]
    struct Memory {
        values: BTreeMap<String, Stored>,
        refuses: &'static str,
    }

    impl ParameterStore for Memory {
        fn read(&self, name: &str) -> Result<Option<Stored>> {
            Ok(self.values.get(name).cloned())
        }

        fn write(&mut self, name: &str, value: &Stored) -> Result<()> {
            if name == self.refuses {
                bail!("access denied");
            }
            self.values.insert(name.to_owned(), value.clone());
            Ok(())
        }

        fn remove(&mut self, name: &str) -> Result<()> {
            self.values.remove(name);
            Ok(())
        }
    }

    fn assignments(texts: &[&str]) -> Vec<Assignment> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    fn next(store: &Memory, name: &str) -> ShownParameter {
        let shown = NextStart::read(store, None).expect("memory can be read");
        shown.parameters.into_iter().find(|parameter| parameter.name == name).expect("a parameter")
    }

    #[test]
    fn what_is_written_is_what_the_driver_takes() {
        let mut store = Memory::default();
        apply(&mut store, &assignments(&["ring=64MiB", "engine=percpu", "ring=32MiB", "level=warn"]))
            .expect("no refusal");
        assert_eq!((next(&store, "RingKiB").next, next(&store, "RingKiB").set), ("32768".into(), Some("32768".into())));
        assert_eq!(next(&store, "Engine").next, "percpu");
        assert_eq!((next(&store, "Lock").next, next(&store, "Lock").set), ("kernel".into(), None));
        apply(&mut store, &assignments(&["ring=default", "lock=default"])).expect("no refusal");
        assert_eq!((next(&store, "RingKiB").next, next(&store, "RingKiB").set), ("1024".into(), None));
        assert_eq!(store.values.len(), 2);
    }

    #[test]
    fn a_value_that_the_driver_refuses_is_shown_as_the_default() {
        let mut store = Memory::default();
        store.values.insert("Policy".to_owned(), Stored::Text("bog\u{7}us".to_owned()));
        store.values.insert("RingKiB".to_owned(), Stored::Number(8));
        store.values.insert("Engine".to_owned(), Stored::Number(1));
        store.values.insert("SitesKiB".to_owned(), Stored::Other("REG_QWORD".to_owned()));
        for (name, default) in [("Policy", "overwrite"), ("RingKiB", "1024"), ("Engine", "shared"), ("SitesKiB", "256")]
        {
            let parameter = next(&store, name);
            assert_eq!((parameter.next.as_str(), parameter.is_refused), (default, true), "{name}");
        }
        let mut text = Vec::new();
        NextStart::read(&store, None).expect("memory").text(&mut text).expect("memory");
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(!text.contains('\u{7}') && text.contains("is not overwrite or keep"), "{text}");
        assert!(text.contains("is not a DWORD from 16 to 1048576") && text.contains("irqlog is not running"), "{text}");
    }

    #[test]
    fn a_refusal_says_what_was_changed_before_it() {
        let mut store = Memory { refuses: "Engine", ..Memory::default() };
        let error =
            apply(&mut store, &assignments(&["ring=64MiB", "engine=percpu", "level=warn"])).expect_err("a refusal");
        let said = format!("{error:#}");
        assert_eq!(said, "Engine was not changed; RingKiB was changed before it: access denied");
        assert_eq!(store.values.len(), 1);
    }

    #[test]
    fn the_running_drivers_values_come_from_its_tables() {
        let image = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/images/format-1.1.irqlog"));
        let tables = Tables::parse(&image.expect("a stored image")).expect("an image");
        let shown = NextStart::read(&Memory::default(), Some(&tables)).expect("memory can be read");
        let of =
            |name| shown.parameters.iter().find(|parameter| parameter.name == name).and_then(|one| one.now.clone());
        let lanes = |kind: LaneKind| {
            tables
                .lanes
                .iter()
                .filter(move |lane| lane.kind.get() == kind.0)
                .map(|lane| lane.data_words.get() * 8 / 1024)
        };
        let main = if of("Engine").as_deref() == Some("shared") { LaneKind::Shared } else { LaneKind::Processor };
        assert_eq!(of("RingKiB"), Some(lanes(main).sum::<u64>().to_string()));
        assert_eq!(of("NmiLaneKiB"), lanes(LaneKind::Nmi).next().map(|kib| kib.to_string()));
        assert_eq!((of("SitesKiB"), of("LockBudget")), (None, None));
        assert!(of("Level").is_some() && of("Policy").is_some(), "{shown:?}");
    }
}
