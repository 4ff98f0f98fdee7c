//! Bug checks that drivers meet: names, causes, and what the parameters say.
//!
//! Each row of the [table](TABLE) was compared with the page of its code in the "Bug check code reference"
//! (learn.microsoft.com/windows-hardware/drivers/debugger/bug-check-code-reference2; sources in
//! github.com/MicrosoftDocs/windows-driver-docs at 825aa15f). Rows from another source name it.

mod cases;
mod parameter;
mod table;

use irqlog_reader::status;
use irqlog_wire::irql;

pub use table::TABLE;

/// A bug check of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its code.
    pub code: u32,
    /// The name on the blue screen.
    pub name: &'static str,
    /// What each parameter is, whatever the others say.
    parameters: [Parameter; 4],
    /// What it depends on, if the parameters mean several things.
    cases: Option<Cases>,
}

/// A parameter of a bug check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parameter {
    /// What it is; empty for one that is reserved.
    text: &'static str,
    values: Values,
}

/// The values of a parameter that have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    /// None.
    Unnamed,
    /// IRQLs.
    Irql,
    /// NTSTATUS values, also exception codes.
    Status,
    /// These.
    These(&'static [(u64, &'static str)]),
}

/// The meanings of a bug check, by the value of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cases {
    /// Index of the parameter that decides.
    by: usize,
    all: &'static [Case],
}

/// One meaning of a bug check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    value: u64,
    cause: &'static str,
    /// The other three parameters, in their order.
    others: [Parameter; 3],
}

/// A bug check with its parameters explained.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Explained {
    /// Its code.
    #[serde(serialize_with = "crate::hex::hex")]
    pub code: u32,
    /// The name on the blue screen, if it is known.
    pub name: Option<&'static str>,
    /// What happened, if a parameter says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// The parameters.
    pub parameters: [ExplainedParameter; 4],
}

/// A parameter of a bug check, with what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ExplainedParameter {
    /// Its value.
    #[serde(serialize_with = "crate::hex::hex")]
    pub value: u64,
    /// What it is; empty for one that is reserved, or of a bug check that is not in the table.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub what: &'static str,
    /// What this value means, if it is one of a few.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<&'static str>,
}

/// A bug check of the table.
#[must_use]
pub fn find(code: u32) -> Option<&'static Known> {
    TABLE.iter().find(|known| known.code == code)
}

/// Explains a bug check, as far as the table knows it.
#[must_use]
pub fn explain(code: u32, values: [u64; 4]) -> Explained {
    let known = find(code);
    let case = known.and_then(|known| known.case(values));
    let mut parameters = known.map_or([parameter::RESERVED; 4], |known| known.parameters);
    if let (Some(Known { cases: Some(cases), .. }), Some(case)) = (known, case) {
        let places = (0..4).filter(|&index| index != cases.by);
        for (index, other) in places.zip(case.others) {
            parameters[index] = other;
        }
    }
    let explained = |index: usize| ExplainedParameter {
        value: values[index],
        what: parameters[index].text,
        meaning: parameters[index].meaning(values[index]),
    };
    Explained {
        code,
        name: known.map(|known| known.name),
        cause: case.map(|case| case.cause),
        parameters: std::array::from_fn(explained),
    }
}

impl Known {
    fn case(&self, values: [u64; 4]) -> Option<&'static Case> {
        let Cases { by, all } = self.cases?;
        all.iter().find(|case| case.value == values[by])
    }
}

impl Parameter {
    fn meaning(&self, value: u64) -> Option<&'static str> {
        match self.values {
            Values::Unnamed => None,
            Values::Irql => u8::try_from(value).ok().filter(|&irql| irql <= irql::HIGH_LEVEL).map(irql::name),
            // Some are stored with their sign extended.
            Values::Status => status::name(value as u32),
            Values::These(these) => these.iter().find(|(known, _)| *known == value).map(|(_, meaning)| *meaning),
        }
    }
}

#[cfg(test)]
mod tests {
    use irqlog_ring::lock::checked::Violation;

    use super::*;

    #[test]
    fn the_table_is_sorted_and_whole() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(TABLE.len() > 60);
        for known in TABLE {
            assert!(!known.name.is_empty());
            if let Some(Cases { by, all }) = known.cases {
                assert!(!known.parameters[by].text.is_empty(), "{}: nothing says what decides", known.name);
                assert!(all.windows(2).all(|pair| pair[0].value < pair[1].value), "{}: order", known.name);
            }
        }
    }

    #[test]
    fn values_are_explained() {
        let explained = explain(0xd1, [0x10, 2, 1, 0xabcd]);
        assert_eq!(explained.name, Some("DRIVER_IRQL_NOT_LESS_OR_EQUAL"));
        let [address, irql, access, by] = explained.parameters;
        assert_eq!(
            (address.what, irql.meaning, access.meaning),
            ("memory referenced", Some("DISPATCH"), Some("write"))
        );
        assert_eq!(by.value, 0xabcd);
    }

    #[test]
    fn a_parameter_decides_what_the_others_mean() {
        let explained = explain(0x10d, [6, 3, 0xffff_1234, 0]);
        assert_eq!(explained.cause, Some("fatal error in the handling of a request"));
        assert_eq!(explained.parameters[1].meaning, Some("a request was sent that had been sent already"));
        let at_the_end = explain(0xc1, [0xffff_1234, 0, 0, 0x24]);
        assert_eq!(at_the_end.parameters[0].what, "address being freed");
        assert!(at_the_end.cause.is_some_and(|cause| cause.contains("behind the end")));
    }

    #[test]
    fn an_unknown_bug_check_keeps_its_numbers() {
        let explained = explain(0xdead, [1, 2, 3, 4]);
        assert_eq!((explained.name, explained.cause), (None, None));
        assert_eq!(explained.parameters.map(|parameter| parameter.value), [1, 2, 3, 4]);
    }

    #[test]
    fn each_misuse_of_our_locks_has_a_cause() {
        let causes = [
            (Violation::Recursion, "acquires it again"),
            (Violation::NotHeld, "nobody owns"),
            (Violation::WrongProcessor, "another processor owns"),
            (Violation::BudgetExhausted, "longer than the budget"),
        ];
        for (violation, words) in causes {
            let [kind, owner, current] = irqlog_wire::bugcheck::parameters(violation as u8, Some(2), 5);
            let explained = explain(irqlog_wire::bugcheck::LOCK_VIOLATION, [kind, 0xffff_1234, owner, current]);
            assert!(explained.cause.is_some_and(|cause| cause.contains(words)), "{violation:?}: {:?}", explained.cause);
        }
    }
}
