//! Driver Verifier's rules of DDI compliance checking, the second and stricter column of the table of routines.
//!
//! `verifier /standard` turns the option on, and a driver that breaks a rule ends in bug check 0xC4 with the rule's number
//! as first parameter (Microsoft Learn, "DDI compliance checking"). Some rules are stricter than the page of the routine:
//! IrqlDispatch asks for DISPATCH_LEVEL where the page allows more. So they are no rules of the rig as such. With
//! `irqlog-rig --verifier` it reports what breaks them, and goes on; `expected` there names what irqlog.sys breaks.
//!
//! The pages were read in MicrosoftDocs/windows-driver-docs at 825aa15f. Where the list of a page and its section "Applies
//! to" differ, a routine that is in either of them has the rule. Two examples: IrqlDispatch has the acquire and the
//! release at DISPATCH_LEVEL in its list only, and SpinLock has KeTryToAcquireSpinLockAtDpcLevel in "Applies to" only.

use crate::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL, Rule};

/// A rule of DDI compliance checking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComplianceRule {
    /// Its name.
    pub name: &'static str,
    /// First parameter of the bug check; 0 if the page names none.
    pub code: u32,
    /// Its page, below `https://learn.microsoft.com/windows-hardware/drivers/devtest/`.
    pub page: &'static str,
    /// Where it allows a call; `None` if the rule is about pairs of calls.
    pub irql: Option<Rule>,
}

macro_rules! compliance {
    ($($constant:ident = $name:literal, $code:literal, $page:literal, $irql:expr;)+) => {
        $(
            #[doc = concat!("Rule ", $name, ".")]
            pub const $constant: ComplianceRule =
                ComplianceRule { name: $name, code: $code, page: $page, irql: $irql };
        )+

        /// All that a routine of the table has.
        pub const COMPLIANCE_RULES: &[ComplianceRule] = &[$($constant),+];
    };
}

const PASSIVE: Option<Rule> = Some(Rule::at_most(PASSIVE_LEVEL));
const APC: Option<Rule> = Some(Rule::at_most(APC_LEVEL));
const DISPATCH: Option<Rule> = Some(Rule::at_most(DISPATCH_LEVEL));
const EXACTLY_DISPATCH: Option<Rule> = Some(Rule { least: DISPATCH_LEVEL, most: DISPATCH_LEVEL });

compliance! {
    IRQL_DISPATCH = "IrqlDispatch", 0x2_0003, "wdm-irqldispatch", EXACTLY_DISPATCH;
    IRQL_IO_APC_LTE = "IrqlIoApcLte", 0x2_0009, "wdm-irqlioapclte", APC;
    IRQL_IO_PASSIVE_1 = "IrqlIoPassive1", 0x2_000a, "wdm-irqliopassive1", PASSIVE;
    IRQL_IO_PASSIVE_3 = "IrqlIoPassive3", 0x2_000c, "wdm-irqliopassive3", PASSIVE;
    IRQL_IO_PASSIVE_4 = "IrqlIoPassive4", 0x2_000d, "wdm-irqliopassive4", PASSIVE;
    IRQL_IO_PASSIVE_5 = "IrqlIoPassive5", 0x2_000e, "wdm-irqliopassive5", PASSIVE;
    IRQL_KE_APC_LTE_1 = "IrqlKeApcLte1", 0x2_000f, "wdm-irqlkeapclte1", APC;
    IRQL_KE_APC_LTE_2 = "IrqlKeApcLte2", 0x2_0010, "wdm-irqlkeapclte2", APC;
    IRQL_KE_DISPATCH_LTE = "IrqlKeDispatchLte", 0x2_0011, "wdm-irqlkedispatchlte", DISPATCH;
    IRQL_KE_RELEASE_SPIN_LOCK = "IrqlKeReleaseSpinLock", 0x2_0015, "wdm-irqlkereleasespinlock", EXACTLY_DISPATCH;
    IRQL_KE_SET_EVENT = "IrqlKeSetEvent", 0x2_0016, "wdm-irqlkesetevent", DISPATCH;
    IRQL_OB_PASSIVE = "IrqlObPassive", 0x2_001b, "wdm-irqlobpassive", PASSIVE;
    IRQL_PS_PASSIVE = "IrqlPsPassive", 0x2_001c, "wdm-irqlpspassive", PASSIVE;
    IRQL_ZW_PASSIVE = "IrqlZwPassive", 0x2_001f, "wdm-irqlzwpassive", PASSIVE;
    SPIN_LOCK = "SpinLock", 0x4_0009, "wdm-spinlock", None;
}

/// Rule IrqlReturn, which belongs to no routine: a dispatch routine returns at the IRQL at which it was called.
pub const IRQL_RETURN: ComplianceRule =
    ComplianceRule { name: "IrqlReturn", code: 0, page: "wdm-irqlreturn", irql: None };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routines::EXPORTS;

    #[test]
    fn a_compliance_rule_is_no_weaker_than_the_rule_of_its_routine() {
        for export in EXPORTS {
            for limit in export.compliance.iter().filter_map(|rule| rule.irql) {
                assert!(
                    limit.least >= export.rule.least && limit.most <= export.rule.most,
                    "{}: the second column allows more than the first",
                    export.name
                );
            }
        }
    }

    #[test]
    fn each_rule_belongs_to_a_routine_and_has_its_own_number() {
        for (index, rule) in COMPLIANCE_RULES.iter().enumerate() {
            assert!(EXPORTS.iter().any(|export| export.compliance.contains(rule)), "no routine has {}", rule.name);
            assert!(rule.page.strip_prefix("wdm-") == Some(&rule.name.to_lowercase()), "{}", rule.page);
            assert!(COMPLIANCE_RULES[..index].iter().all(|other| other.code < rule.code), "{}", rule.name);
        }
    }
}
