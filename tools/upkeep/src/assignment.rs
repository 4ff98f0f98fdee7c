//! `NAME=VALUE` of the command line, as the value of a service parameter.
//!
//! A parameter has two names. Under its short one (`ring`, `lock-budget`) a quantity has a unit: `ring=64MiB`. Under its
//! registry name (`RingKiB`, `LockBudget`) a number is what the registry holds: `RingKiB=65536`.

use std::str::FromStr;

use irqlog_wire::config::{Config, Parameter, Shape};

use crate::parameters::Stored;

/// The short name of each parameter.
const SHORT: [(Parameter, &str); Parameter::ALL.len()] = [
    (Parameter::Engine, "engine"),
    (Parameter::Lock, "lock"),
    (Parameter::LockBudget, "lock-budget"),
    (Parameter::Policy, "policy"),
    (Parameter::Level, "level"),
    (Parameter::RingKib, "ring"),
    (Parameter::NmiLaneKib, "nmi-lane"),
    (Parameter::SitesKib, "sites"),
    (Parameter::RawPointers, "raw-pointers"),
    (Parameter::Ids, "ids"),
];

/// Units of a size, in KiB.
const SIZES: [(&str, u64); 3] = [("KiB", 1), ("MiB", 1 << 10), ("GiB", 1 << 20)];
/// Units of a time, in microseconds.
const TIMES: [(&str, u64); 3] = [("us", 1), ("ms", 1000), ("s", 1_000_000)];
/// The words of a switch.
const SWITCH: [(&str, u32); 4] = [("off", 0), ("on", 1), ("0", 0), ("1", 1)];

/// A parameter, and the value that it shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The parameter.
    pub parameter: Parameter,
    /// The value; `None` lets the parameter have its default, whatever that is in the driver that starts next.
    pub value: Option<Stored>,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.split_once('=').ok_or_else(|| format!("{text:?} is no NAME=VALUE, such as ring=64MiB"))?;
        let (parameter, is_registry_name) = named(name)?;
        if value.eq_ignore_ascii_case("default") {
            return Ok(Self { parameter, value: None });
        }
        let value = match parameter.shape() {
            Shape::Name => Stored::Text(value.to_ascii_lowercase()),
            Shape::Number => Stored::Number(number(parameter, name, value, is_registry_name)?),
        };
        match value.set(parameter, &mut Config::DEFAULT.clone()) {
            Ok(()) => Ok(Self { parameter, value: Some(value) }),
            Err(_) => Err(format!("{name} is {}, and not {}", takes(parameter), value.shown())),
        }
    }
}

/// The parameter of this name, and whether it is the name of the registry.
fn named(name: &str) -> Result<(Parameter, bool), String> {
    let short = SHORT.iter().find(|(_, short)| short.eq_ignore_ascii_case(name));
    if let Some((parameter, _)) = short {
        // Of one word, both names are the same; so are the values of a name.
        return Ok((*parameter, parameter.name().eq_ignore_ascii_case(name)));
    }
    let of_registry = Parameter::ALL.into_iter().find(|parameter| parameter.name().eq_ignore_ascii_case(name));
    of_registry.map(|parameter| (parameter, true)).ok_or_else(|| {
        let known: Vec<_> = SHORT.iter().map(|(_, short)| *short).collect();
        format!("there is no parameter {name:?}; there are {}", known.join(", "))
    })
}

/// The number that the registry shall hold.
fn number(parameter: Parameter, name: &str, value: &str, is_registry_name: bool) -> Result<u32, String> {
    if matches!(parameter, Parameter::RawPointers | Parameter::Ids) {
        let word = SWITCH.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
        return word.map(|(_, number)| *number).ok_or_else(|| format!("{name} is on or off, and not {value:?}"));
    }
    let units = if parameter == Parameter::LockBudget { TIMES } else { SIZES };
    let end = value.find(|character: char| !character.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    let count: u64 =
        digits.parse().map_err(|_| format!("{name}={value} has no number such as {}", example(parameter)))?;
    let factor = if unit.is_empty() && (is_registry_name || count == 0) {
        1
    } else {
        let found = units.iter().find(|(known, _)| known.eq_ignore_ascii_case(unit));
        found.map(|(_, factor)| *factor).ok_or_else(|| {
            let known: Vec<_> = units.iter().map(|(known, _)| *known).collect();
            format!("{name}={value} needs a unit, which is one of {}: {}", known.join(", "), example(parameter))
        })?
    };
    let number = count.checked_mul(factor).and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("{name} is {}, and not {value}", takes(parameter)))
}

/// The values that a parameter takes, in the words of this command line.
const fn takes(parameter: Parameter) -> &'static str {
    match parameter {
        Parameter::RingKib => "from 16 KiB to 1 GiB",
        Parameter::NmiLaneKib => "from 4 KiB to 1 MiB",
        Parameter::SitesKib => "from 4 KiB to 16 MiB",
        Parameter::LockBudget => "from 0 (a waiter waits for ever) to 1 s",
        other => other.takes(),
    }
}

const fn example(parameter: Parameter) -> &'static str {
    match parameter {
        Parameter::LockBudget => "lock-budget=10ms",
        Parameter::NmiLaneKib => "nmi-lane=64KiB",
        Parameter::SitesKib => "sites=1MiB",
        _ => "ring=64MiB",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(Parameter, Option<Stored>), String> {
        text.parse().map(|Assignment { parameter, value }| (parameter, value))
    }

    #[test]
    fn quantities_have_units_and_the_registrys_own_numbers_need_none() {
        let cases = [
            ("ring=64MiB", Parameter::RingKib, 65_536),
            ("RING=64mib", Parameter::RingKib, 65_536),
            ("ring=1GiB", Parameter::RingKib, 1 << 20),
            ("RingKiB=65536", Parameter::RingKib, 65_536),
            ("RingKiB=64MiB", Parameter::RingKib, 65_536),
            ("nmi-lane=4KiB", Parameter::NmiLaneKib, 4),
            ("sites=16MiB", Parameter::SitesKib, 16_384),
            ("lock-budget=10ms", Parameter::LockBudget, 10_000),
            ("lock-budget=1s", Parameter::LockBudget, 1_000_000),
            ("lock-budget=0", Parameter::LockBudget, 0),
            ("LockBudget=250", Parameter::LockBudget, 250),
            ("raw-pointers=on", Parameter::RawPointers, 1),
            ("RawPointers=0", Parameter::RawPointers, 0),
            ("ids=off", Parameter::Ids, 0),
        ];
        for (text, parameter, number) in cases {
            assert_eq!(parsed(text), Ok((parameter, Some(Stored::Number(number)))), "{text}");
        }
    }

    #[test]
    fn names_are_taken_whatever_their_case_and_default_takes_a_value_away() {
        assert_eq!(parsed("engine=PerCpu"), Ok((Parameter::Engine, Some(Stored::Text("percpu".to_owned())))));
        assert_eq!(parsed("Lock=os-queued"), Ok((Parameter::Lock, Some(Stored::Text("os-queued".to_owned())))));
        for parameter in Parameter::ALL {
            assert_eq!(parsed(&format!("{}=default", parameter.name())), Ok((parameter, None)));
        }
    }

    #[test]
    fn each_parameter_has_a_short_name_and_only_one() {
        for parameter in Parameter::ALL {
            assert_eq!(SHORT.iter().filter(|(of, _)| *of == parameter).count(), 1, "{}", parameter.name());
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_right() {
        for (text, wanted) in [
            ("ring", "is no NAME=VALUE, such as ring=64MiB"),
            ("ringo=64MiB", "there is no parameter \"ringo\"; there are engine, lock"),
            ("ring=64", "ring=64 needs a unit, which is one of KiB, MiB, GiB: ring=64MiB"),
            ("ring=64MB", "needs a unit"),
            ("ring=MiB", "has no number such as ring=64MiB"),
            ("ring=-1MiB", "has no number"),
            ("ring=8KiB", "ring is from 16 KiB to 1 GiB, and not 8"),
            ("ring=2GiB", "from 16 KiB to 1 GiB"),
            ("ring=99999999999GiB", "from 16 KiB to 1 GiB"),
            ("RingKiB=99999999999999999999", "has no number"),
            ("lock-budget=2s", "from 0 (a waiter waits for ever) to 1 s"),
            ("engine=both", "engine is shared or percpu, and not both"),
            ("lock=none", "kernel, os-queued, swap or queued"),
            ("raw-pointers=maybe", "is on or off"),
        ] {
            let said = parsed(text).expect_err(text);
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }
}
