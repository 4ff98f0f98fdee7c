//! The barriers that the protocols need, in the ARM64 code of the built driver.
//!
//! | Needed | Where | In the code |
//! |---|---|---|
//! | `write:B`, release fence before the words | every copy of `Lane::append_inside` and `Lane::append` | `dmb ish` |
//! | `write:D`, release store of `head` | behind each of them | `stlr` |
//! | `read:A`, acquire load of `head` | `Lane::first_whole` | `ldar` before its `dmb ishld` |
//! | `read:D`, acquire fence before the second look at `tail` | wherever a record is copied | `dmb ishld`, then a load |
//! | `swap:A`, acquire of the lock | `Recorder::log_plain`, `write_elsewhere` and `write_otherwise` | `ldaxr`, or `swpa` with LSE |
//! | `swap:B`, release of the lock | the same, or the guard's drop | `stlr` of zero |
//! | `queued:A`, exchange of the queue's tail | as `swap:A` | `ldaxr` and then `stlxr`, or `swpal` with LSE |
//!
//! x64 needs none of them as instructions: its loads acquire and its stores release, and an exchange is a full barrier.
//! Why these are right, and what LSE would change: docs/concurrency.md.

use super::code::{Code, Function};

/// The functions that have a copy of an append, and how many at least: the usual path, inlined into each entry, for the lane
/// of a processor and, in `log_plain`, for the shared one; that of the shared lane for events; and all that is not usual.
const WRITERS: [(&str, usize); 6] = [
    ("log_plain", 2),
    ("irqlog_write_event", 1),
    ("irqlog_write_event_never_waits", 1),
    ("expanded", 1),
    ("write_elsewhere", 1),
    ("write_otherwise", 1),
];
/// Those of them that acquire the lock.
const OWNERS: [&str; 3] = ["log_plain", "write_elsewhere", "write_otherwise"];

/// The barriers that are missing, one message each.
pub fn check(code: &Code) -> Vec<String> {
    let texts = |function: &Function| -> Vec<String> {
        function.instructions.iter().map(|instruction| instruction.text.clone()).collect()
    };
    let mut broken = Vec::new();
    // The lock is taken in `own_shared_lane` and given back by the guard's drop, which may or may not be functions of their
    // own.
    let is_lock = |name: &str| name.contains("irqlog_ring::lock::Held<") || name.ends_with("::own_shared_lane");
    let guards: Vec<String> = code.all().filter(|function| is_lock(&function.name)).flat_map(texts).collect();
    for (name, appends) in WRITERS {
        for function in code.named(name) {
            let found = check_writer(&texts(function), appends);
            broken.extend(found.into_iter().map(|what| format!("{}: {what}", function.name)));
        }
    }
    for function in OWNERS.into_iter().flat_map(|name| code.named(name)) {
        let found = check_owner(&texts(function), &guards, function.name.ends_with("write_otherwise"));
        broken.extend(found.into_iter().map(|what| format!("{}: {what}", function.name)));
    }
    for (name, _) in WRITERS.into_iter().filter(|(name, _)| code.named(name).is_empty()) {
        broken.push(format!("there is no function `{name}` whose barriers could be looked at"));
    }
    let readers: Vec<_> = code.all().map(texts).filter(|texts| texts.iter().any(|text| text == "dmb ishld")).collect();
    if readers.is_empty() {
        broken.push("no function has an acquire fence (dmb ishld): readers need one".to_owned());
    }
    // By name: other functions have acquiring loads of their own, which are not of `head`.
    let looks_at_head: Vec<_> = code.named("first_whole").into_iter().map(texts).collect();
    if looks_at_head.is_empty() || !looks_at_head.iter().all(|texts| acquires_first(texts)) {
        broken.push("first_whole: no acquiring load (ldar) of `head` before its fence, or it is not there".to_owned());
    }
    broken.extend(readers.iter().flat_map(|texts| check_reader(texts)));
    broken
}

fn mnemonic(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

fn check_writer(texts: &[String], appends: usize) -> Vec<String> {
    let mut broken = Vec::new();
    let fences: Vec<usize> = (0..texts.len()).filter(|&index| texts[index] == "dmb ish").collect();
    if fences.len() < appends {
        broken.push(format!("{} release fences (dmb ish) where {appends} lanes are written", fences.len()));
    }
    // Behind each the record's words, and then a publication of its own; a zero is the lock's. The blocks of two appends may
    // lie between each other, so the last ones are for the first fences as much as for the last.
    let publishes = |text: &&String| mnemonic(text) == "stlr" && !text.starts_with("stlr xzr");
    for (index, &fence) in fences.iter().enumerate() {
        let behind = texts[fence + 1..].iter().filter(publishes).count();
        if behind < fences.len() - index {
            broken.push(format!("{behind} store-releases (stlr) behind the fence at instruction {fence}"));
        }
    }
    broken
}

/// The lock's barriers. `waits` is whether the function also waits for the lock: only then it queues.
fn check_owner(texts: &[String], guards: &[String], waits: bool) -> Vec<String> {
    let mut broken = Vec::new();
    if !texts.iter().chain(guards).any(|text| ["ldaxr", "swpa", "swpal"].contains(&mnemonic(text))) {
        broken.push("no acquiring exchange (ldaxr or swpa) takes a lock".to_owned());
    }
    if waits && !exchanges_both_ways(texts) && !exchanges_both_ways(guards) {
        broken.push("no exchange that acquires and releases (ldaxr and stlxr, or swpal) queues a waiter".to_owned());
    }
    if !texts.iter().chain(guards).any(|text| text.starts_with("stlr xzr")) {
        broken.push("no store-release of zero (stlr xzr) gives a lock back".to_owned());
    }
    broken
}

/// Whether an exchange has both orderings: the store of its pair is the first one behind the load.
fn exchanges_both_ways(texts: &[String]) -> bool {
    let mut mnemonics = texts
        .iter()
        .map(|text| mnemonic(text))
        .filter(|name| ["ldxr", "ldaxr", "stxr", "stlxr", "swpal"].contains(name));
    let mut before = "";
    mnemonics.any(|name| name == "swpal" || std::mem::replace(&mut before, name) == "ldaxr" && name == "stlxr")
}

fn acquires_first(texts: &[String]) -> bool {
    texts.iter().take_while(|text| *text != "dmb ishld").any(|text| mnemonic(text) == "ldar")
}

fn check_reader(texts: &[String]) -> Vec<String> {
    let mut broken = Vec::new();
    for fence in (0..texts.len()).filter(|&index| texts[index] == "dmb ishld") {
        if !texts[fence..].iter().take(8).any(|text| mnemonic(text) == "ldr") {
            broken.push(format!("no load behind the acquire fence at instruction {fence}: what would it be for"));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::{acquires_first, check_owner, check_reader, check_writer};

    fn lines(text: &str) -> Vec<String> {
        text.split(';').map(|line| line.trim().to_owned()).collect()
    }

    const WRITER: &str = "ldaxr x8, [x9]; stxr w10, x11, [x9]; ldaxr x8, [x7]; stlxr w10, x11, [x7]; dmb ish; str x1, [x2]; stlr x3, [x4]; \
                          dmb ish; stlr x3, [x4]; stlr xzr, [x9]";

    #[test]
    fn a_writer_without_one_of_its_barriers_is_refused() {
        let check = |text: &str, guards: &[String]| {
            let mut broken = check_writer(&lines(text), 2);
            broken.extend(check_owner(&lines(text), guards, true));
            broken
        };
        assert_eq!(check(WRITER, &[]), [""; 0]);
        for (from, to) in [
            ("dmb ish; str", "str"),
            ("ldaxr", "ldxr"),
            ("ldaxr x8, [x7]", "ldxr x8, [x7]"),
            ("stlxr", "stxr"),
            ("stlr xzr", "str xzr"),
            ("stlr x3", "str x3"),
        ] {
            assert!(!check(&WRITER.replace(from, to), &[]).is_empty(), "{from} left out");
        }
        let apart = WRITER.replace("; stlr xzr, [x9]", "");
        assert_eq!(check(&apart, &lines("stlr xzr, [x0]; ret")), [""; 0], "by the guard's own function");
        assert!(!check(&apart, &lines("str xzr, [x0]; ret")).is_empty());
    }

    #[test]
    fn a_reader_that_looks_at_nothing_behind_its_fence_is_refused() {
        assert!(check_reader(&lines("ldr x1, [x2]; dmb ishld; ldr x3, [x4]")).is_empty());
        assert!(!check_reader(&lines("ldr x1, [x2]; dmb ishld; ret")).is_empty());
        assert!(acquires_first(&lines("ldar x1, [x2]; dmb ishld; ldr x3, [x4]")));
        assert!(!acquires_first(&lines("ldr x1, [x2]; dmb ishld; ldar x3, [x4]")));
    }
}
