//! Interrupt request levels, which `crates/wire` numbers, and the rules that a routine states over them.

pub use irqlog_wire::irql::{APC_LEVEL, DIRQL_MAX, DISPATCH_LEVEL, HIGH_LEVEL, IPI_LEVEL, PASSIVE_LEVEL, name};

/// At which IRQL a routine may be called: from `least` to `most`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Lowest level at which a call is allowed.
    pub least: u8,
    /// Highest level at which a call is allowed.
    pub most: u8,
}

impl Rule {
    /// A call is allowed at every level.
    pub const ANY: Self = Self { least: PASSIVE_LEVEL, most: HIGH_LEVEL };

    /// A call is allowed up to a level.
    pub const fn at_most(most: u8) -> Self {
        Self { least: PASSIVE_LEVEL, most }
    }

    /// A call is allowed from a level on.
    pub const fn at_least(least: u8) -> Self {
        Self { least, most: HIGH_LEVEL }
    }

    /// Whether a call at `irql` keeps the rule.
    pub const fn allows(self, irql: u8) -> bool {
        self.least <= irql && irql <= self.most
    }

    /// The level next to the allowed ones at which a call breaks the rule; `None` if every level is allowed.
    pub const fn broken_at(self) -> Option<u8> {
        if self.most < HIGH_LEVEL {
            Some(self.most + 1)
        } else if self.least > PASSIVE_LEVEL {
            Some(self.least - 1)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_broken_just_outside_its_range() {
        assert_eq!(Rule::ANY.broken_at(), None);
        assert_eq!(Rule::at_most(DISPATCH_LEVEL).broken_at(), Some(3));
        assert_eq!(Rule::at_least(DISPATCH_LEVEL).broken_at(), Some(1));
    }
}
