//! The C declarations of the kernel's routines, made from the rows of `tools/nt`.
//!
//! A row writes its types in Rust, under the names of wdm.h in Rust's spelling: `*mut DeviceObject` is `DEVICE_OBJECT *`.
//! Types themselves are declared in `include/km/ntddk.h`, which includes the result last.

use std::fmt::Write as _;

use irqlog_nt::{
    irql::{HIGH_LEVEL, PASSIVE_LEVEL, Rule, name},
    routines::{EXPORTS, Export, RoutineParameter},
};

/// The file of the declarations, beside ntddk.h.
pub const FILE: &str = "routines.h";

/// The headers whose routines ntddk.h declares, as the sources in the rows begin: itself, and wdm.h, which it includes.
const HEADERS: [&str; 2] = ["wdm", "ntddk"];

/// Types whose C name is not the Rust name in capitals.
const NAMES: [(&str, &str); 20] = [
    ("c_char", "CHAR"),
    ("c_void", "VOID"),
    ("i8", "CHAR"),
    ("u8", "UCHAR"),
    ("u16", "USHORT"),
    ("i32", "LONG"),
    ("u32", "ULONG"),
    ("u64", "ULONG64"),
    ("isize", "LONG_PTR"),
    ("usize", "ULONG_PTR"),
    ("()", "VOID"),
    ("!", "VOID"),
    ("NtStatus", "NTSTATUS"),
    ("BugCheckReasonRoutine", "PKBUGCHECK_REASON_CALLBACK_ROUTINE"),
    ("BroadcastRoutine", "PKIPI_BROADCAST_WORKER"),
    ("DeferredRoutine", "PKDEFERRED_ROUTINE"),
    ("NmiRoutine", "PNMI_CALLBACK"),
    ("ProcessorChangeRoutine", "PPROCESSOR_CALLBACK_FUNCTION"),
    ("ThreadRoutine", "PKSTART_ROUTINE"),
    ("WorkItemRoutine", "PIO_WORKITEM_ROUTINE"),
];

/// Declares each routine that is declared in ntddk.h or wdm.h, with its IRQL rule.
pub fn declarations() -> String {
    let mut text = String::from(
        "/* irqlog kit: made from the rows of tools/nt/src/routines.rs. A routine is in this file if the source of its row\n \
         * is a page or an annotation of wdm.h or ntddk.h. */\n",
    );
    for export in EXPORTS.iter().filter(|export| is_in_header(export)) {
        let condition = match (export.modules.x64, export.modules.arm64) {
            (Some(_), None) => Some("_AMD64_"),
            (None, Some(_)) => Some("_ARM64_"),
            _ => None,
        };
        let declaration = declaration(export);
        match condition {
            Some(macro_name) => write!(text, "\n#if defined({macro_name})\n{declaration}#endif\n"),
            None => write!(text, "\n{declaration}"),
        }
        .expect("a string takes everything");
    }
    text
}

fn is_in_header(export: &Export) -> bool {
    // The names in lower case are the C library's, which a compiler declares.
    let is_kernel = export.name.starts_with(|first: char| first.is_ascii_uppercase());
    let header = export.source.split(['/', '.']).next().unwrap_or_default();
    is_kernel && HEADERS.contains(&header)
}

fn declaration(export: &Export) -> String {
    let noreturn = if export.result_name == "!" { "__declspec(noreturn) " } else { "" };
    let convention = if export.is_variadic { "__cdecl" } else { "NTAPI" };
    let mut parameters: Vec<String> = export.parameters.iter().map(parameter).collect();
    if export.is_variadic {
        parameters.push("...".to_owned());
    }
    if parameters.is_empty() {
        parameters.push("VOID".to_owned());
    }
    format!(
        "/* IRQL: {}. {} */\nNTKERNELAPI {noreturn}{} {convention} {}({});\n",
        level(export.rule),
        export.source,
        c_type(export.result_name),
        export.name,
        parameters.join(", "),
    )
}

fn parameter(parameter: &RoutineParameter) -> String {
    let c = c_type(parameter.type_name);
    let space = if c.ends_with('*') { "" } else { " " };
    format!("{c}{space}{}", parameter.name)
}

fn pointer(target: &str) -> String {
    if target.ends_with('*') { format!("{target}*") } else { format!("{target} *") }
}

/// The type in C, which is called the same in capitals.
fn c_type(rust: &str) -> String {
    if let Some(target) = rust.strip_prefix("*mut ") {
        return pointer(&c_type(target));
    }
    if let Some(target) = rust.strip_prefix("*const ") {
        return pointer(&format!("{} const", c_type(target)));
    }
    if let Some((_, c)) = NAMES.iter().find(|(name, _)| *name == rust) {
        return (*c).to_owned();
    }
    let mut name = String::new();
    for letter in rust.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn level(rule: Rule) -> String {
    match (rule.least, rule.most) {
        (PASSIVE_LEVEL, HIGH_LEVEL) => "any".to_owned(),
        (least, most) if least == most => name(most).to_owned(),
        (PASSIVE_LEVEL, most) => format!("at most {}", name(most)),
        (least, HIGH_LEVEL) => format!("at least {}", name(least)),
        (least, most) => format!("{} to {}", name(least), name(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_names_of_the_header() {
        assert_eq!(c_type("*mut *mut DeviceObject"), "DEVICE_OBJECT **");
        assert_eq!(c_type("*const UnicodeString"), "UNICODE_STRING const *");
        assert_eq!(c_type("*mut c_void"), "VOID *");
        assert_eq!(c_type("DeferredRoutine"), "PKDEFERRED_ROUTINE");
    }

    #[test]
    fn a_declaration_has_rule_source_and_signature() {
        let text = declarations();
        for wanted in [
            "/* IRQL: at most DIRQL 12. wdm/nf-wdm-dbgprint: <= DIRQL */\n\
             NTKERNELAPI ULONG __cdecl DbgPrint(CHAR const *format, ...);\n",
            "#if defined(_ARM64_)\n/* IRQL: any. wdm.h: what KeLowerIrql is on ARM64 */\n\
             NTKERNELAPI VOID NTAPI KfLowerIrql(UCHAR level);\n#endif\n",
            "NTKERNELAPI __declspec(noreturn) VOID NTAPI KeBugCheckEx(",
            "NTKERNELAPI UCHAR NTAPI KeGetCurrentIrql(VOID);\n",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
        assert!(!text.contains("memcpy") && !text.contains("WdfVersionBind") && !text.contains("BCryptGenRandom"));
    }
}
