//! User input: what is taken, and that nothing else is.

use irqlog_recorder::{
    config::{BadValue, Config, Parameter, Shape},
    request::{Configure, MIN_READ_OUTPUT, ProviderLevel, Read, Refusal, Request, parse},
};
use irqlog_ring::lane::Cursor;
use irqlog_wire::{
    image::{Lock, Policy},
    ioctl,
    record::Level,
};
use proptest::prelude::*;

const CODES: [u32; 10] = [
    ioctl::INFO,
    ioctl::READ,
    ioctl::WAIT,
    ioctl::CONFIGURE,
    ioctl::CLEAR,
    ioctl::MARK,
    ioctl::SELFTEST,
    ioctl::CONNECT,
    ioctl::SITES,
    ioctl::PROVIDER_LEVEL,
];

fn user(code: u32, input: &[u8], room: usize) -> Result<Request<'_>, Refusal> {
    parse(code, false, input, room)
}

#[test]
fn sizes_are_exact() {
    let room = 1 << 20;
    let nothing = [[0xff; 12].as_slice(), &[0; 4]].concat();
    let level = [[0; 16].as_slice(), &[3, 0, 0, 0], &[0; 4]].concat();
    for (code, good) in [
        (ioctl::READ, vec![0; 32]),
        (ioctl::WAIT, vec![0; 8]),
        (ioctl::CONFIGURE, nothing),
        (ioctl::SITES, vec![0; 8]),
        (ioctl::PROVIDER_LEVEL, level),
    ] {
        assert!(user(code, &good, room).is_ok());
        let size = good.len();
        for wrong in [0, size - 1, size + 1, size * 2] {
            assert_eq!(user(code, &vec![0; wrong], room), Err(Refusal::InvalidParameter), "{code:#x} {wrong}");
        }
    }
    for code in [ioctl::INFO, ioctl::CLEAR, ioctl::SELFTEST] {
        assert!(user(code, &[], room).is_ok());
        assert_eq!(user(code, &[0], room), Err(Refusal::InvalidParameter));
    }
}

#[test]
fn outputs_have_room() {
    for (code, input, least) in [
        (ioctl::INFO, 0, 512),
        (ioctl::READ, 32, MIN_READ_OUTPUT),
        (ioctl::WAIT, 8, 8),
        (ioctl::SELFTEST, 0, 104),
        (ioctl::SITES, 8, 32),
    ] {
        assert!(user(code, &vec![0; input], least).is_ok());
        assert_eq!(user(code, &vec![0; input], least - 1), Err(Refusal::BufferTooSmall), "{code:#x}");
        assert_eq!(user(code, &vec![0; input], 0), Err(Refusal::BufferTooSmall), "{code:#x}");
    }
}

#[test]
fn values_are_limited() {
    let configure = |level: u32, policy: u32, paused: u32, raw: u32| {
        let input: Vec<u8> = [level, policy, paused, raw].iter().flat_map(|field| field.to_le_bytes()).collect();
        parse(ioctl::CONFIGURE, false, &input, 0).map(|_| ())
    };
    let keep = u32::MAX;
    assert_eq!(configure(keep, keep, keep, 0), Ok(()));
    assert_eq!(configure(5, 1, 1, 0), Ok(()));
    assert_eq!(configure(keep, keep, keep, 1), Ok(()));
    for (level, policy, paused, raw) in [
        (0, keep, keep, 0),
        (6, keep, keep, 0),
        (256 + 3, keep, keep, 0),
        (keep, 2, keep, 0),
        (keep, keep, 2, 0),
        (keep, keep, keep, 2),
    ] {
        assert_eq!(configure(level, policy, paused, raw), Err(Refusal::InvalidParameter));
    }
    let level = |level: u32, reserved: u32| {
        let words = [7_u64.to_le_bytes(), 9_u64.to_le_bytes()].concat();
        let input = [&words[..], &level.to_le_bytes(), &reserved.to_le_bytes()].concat();
        parse(ioctl::PROVIDER_LEVEL, false, &input, 0).map(|request| format!("{request:?}"))
    };
    let expected = ProviderLevel { start_id: 7, first_site: 9, level: Level::Warn };
    assert_eq!(level(2, 0), Ok(format!("{:?}", Request::ProviderLevel(expected))));
    for (number, reserved) in [(0, 0), (6, 0), (256 + 3, 0), (3, 1)] {
        assert_eq!(level(number, reserved), Err(Refusal::InvalidParameter));
    }
    let offset = 64_u64.to_le_bytes();
    assert_eq!(user(ioctl::SITES, &offset, 32), Ok(Request::Sites { offset: 64 }));
    assert_eq!(MIN_READ_OUTPUT, 88 + 1024);
    let read = |lane: u32, flags: u32| {
        let words: Vec<u8> = [7_u64, 9, 11].iter().flat_map(|word| word.to_le_bytes()).collect();
        let input = [&lane.to_le_bytes()[..], &flags.to_le_bytes(), &words].concat();
        parse(ioctl::READ, false, &input, MIN_READ_OUTPUT).map(|request| format!("{request:?}"))
    };
    let expected = |from| format!("{:?}", Request::Read(Read { lane: 5, from, start_id: 11 }));
    assert_eq!(read(5, 0), Ok(expected(Some(Cursor { seq: 7, position: 9 }))));
    assert_eq!(read(5, 1), Ok(expected(None)));
    for flags in [2, 3, 1 << 31] {
        assert_eq!(read(5, flags), Err(Refusal::InvalidParameter));
    }
    for (number, paused) in [(0, Some(false)), (1, Some(true)), (keep, None)] {
        let input: Vec<u8> = [keep, keep, number, 0].iter().flat_map(|field| field.to_le_bytes()).collect();
        let expected = Request::Configure(Configure { paused, ..Configure::default() });
        assert_eq!(user(ioctl::CONFIGURE, &input, 0), Ok(expected));
    }
    let mark = |head: [u8; 8], text: &[u8]| user(ioctl::MARK, &[&head[..], text].concat(), 0).map(|_| ());
    assert_eq!(mark([3, 0, 0, 0, 0, 0, 0, 0], "\u{e9}".as_bytes()), Ok(()));
    assert_eq!(mark([3, 0, 0, 0, 0, 0, 0, 0], &[b'x'; ioctl::MAX_MARK]), Ok(()));
    assert_eq!(mark([3, 0, 0, 0, 0, 0, 0, 0], &[b'x'; ioctl::MAX_MARK + 1]), Err(Refusal::InvalidParameter));
    assert_eq!(mark([3, 0, 0, 0, 0, 0, 0, 0], &[0xff]), Err(Refusal::InvalidParameter));
    assert_eq!(mark([0, 0, 0, 0, 0, 0, 0, 0], b"x"), Err(Refusal::InvalidParameter));
    assert_eq!(mark([3, 0, 0, 1, 0, 0, 0, 0], b"x"), Err(Refusal::InvalidParameter));
}

#[test]
fn connect_is_for_the_kernel_and_nothing_else_is() {
    // What a driver that knows only the first version asks for is enough.
    let interface = irqlog_wire::interface::MIN_INTERFACE;
    assert_eq!(parse(ioctl::CONNECT, true, &[], interface), Ok(Request::Connect));
    assert_eq!(parse(ioctl::CONNECT, true, &[], interface - 1), Err(Refusal::BufferTooSmall));
    assert_eq!(user(ioctl::CONNECT, &[], interface), Err(Refusal::KernelModeOnly));
    for code in CODES {
        if code != ioctl::CONNECT {
            assert_eq!(parse(code, true, &[], 1 << 20), Err(Refusal::UnknownCode), "{code:#x}");
        }
    }
}

proptest! {
    #[test]
    fn anything_else_is_refused_without_a_panic(
        code in prop_oneof![prop::sample::select(&CODES[..]), any::<u32>()],
        internal in any::<bool>(),
        input in prop::collection::vec(any::<u8>(), 0..1200),
        room in 0..3000usize,
    ) {
        let result = parse(code, internal, &input, room);
        if !CODES.contains(&code) {
            prop_assert_eq!(result, Err(Refusal::UnknownCode));
        }
    }
}

#[test]
fn parameters_have_their_names_and_say_what_they_take() {
    let all: Vec<_> = Parameter::ALL.iter().map(|parameter| (parameter.name(), parameter.takes())).collect();
    assert_eq!(
        all,
        [
            ("Engine", "shared or percpu"),
            ("Lock", "kernel, os-queued, swap or queued"),
            ("LockBudget", "a DWORD from 0 to 1000000"),
            ("Policy", "overwrite or keep"),
            ("Level", "error, warn, info, debug or trace"),
            ("RingKiB", "a DWORD from 16 to 1048576"),
            ("NmiLaneKiB", "a DWORD from 4 to 1024"),
            ("SitesKiB", "a DWORD from 4 to 16384"),
            ("RawPointers", "0 or 1"),
            ("Ids", "0 or 1"),
        ]
    );
    let mut config = Config::DEFAULT;
    for name in irqlog_wire::image::Lock::CHOICES {
        assert_eq!(Parameter::Lock.set_name(&mut config, name), Ok(()), "{name}");
        assert_eq!(config.lock.name(), Some(name));
    }
    for name in irqlog_wire::image::Engine::CHOICES {
        assert_eq!(Parameter::Engine.set_name(&mut config, name), Ok(()), "{name}");
    }
    // The limits themselves are allowed, and nothing beyond them.
    for (parameter, least, most) in [
        (Parameter::RingKib, 16, 1 << 20),
        (Parameter::NmiLaneKib, 4, 1 << 10),
        (Parameter::LockBudget, 0, 1_000_000),
        (Parameter::SitesKib, 4, 1 << 14),
        (Parameter::RawPointers, 0, 1),
        (Parameter::Ids, 0, 1),
    ] {
        assert_eq!(parameter.set_number(&mut config, least), Ok(()));
        assert_eq!(parameter.set_number(&mut config, most), Ok(()));
        assert_eq!(parameter.set_number(&mut config, most + 1), Err(BadValue));
        if let Some(less) = u32::checked_sub(least, 1) {
            assert_eq!(parameter.set_number(&mut config, less), Err(BadValue));
        }
    }
}

#[test]
fn parameters_are_limited_and_named() {
    let mut config = Config::DEFAULT;
    assert_eq!(Parameter::Policy.set_name(&mut config, "Keep"), Ok(()));
    assert_eq!(Parameter::Level.set_name(&mut config, "warn"), Ok(()));
    assert_eq!(Parameter::RingKib.set_number(&mut config, 64), Ok(()));
    assert_eq!(Parameter::Lock.set_name(&mut config, "swap"), Ok(()));
    assert_eq!(Parameter::LockBudget.set_number(&mut config, 0), Ok(()));
    assert_eq!(Parameter::SitesKib.set_number(&mut config, 8), Ok(()));
    assert_eq!(Parameter::RawPointers.set_number(&mut config, 1), Ok(()));
    assert_eq!(Parameter::Ids.set_number(&mut config, 0), Ok(()));
    let expected = Config {
        policy: Policy::Keep,
        level: Level::Warn,
        lock: Lock::Swap,
        lock_budget: 0,
        ring_kib: 64,
        sites_kib: 8,
        raw_pointers: true,
        ids: false,
        ..Config::DEFAULT
    };
    assert_eq!(config, expected);
    assert_eq!(Parameter::Lock.set_name(&mut config, "none"), Err(BadValue));
    assert_eq!(Parameter::LockBudget.set_number(&mut config, 1_000_001), Err(BadValue));
    let before = config;
    assert_eq!(Parameter::Engine.set_name(&mut config, "both"), Err(BadValue));
    assert_eq!(Parameter::Policy.set_name(&mut config, ""), Err(BadValue));
    assert_eq!(Parameter::RawPointers.set_number(&mut config, 2), Err(BadValue));
    for bad in [0, 15, (1 << 20) + 1, u32::MAX] {
        assert_eq!(Parameter::RingKib.set_number(&mut config, bad), Err(BadValue));
    }
    for parameter in Parameter::ALL {
        let other = match parameter.shape() {
            Shape::Name => parameter.set_number(&mut config, 64),
            Shape::Number => parameter.set_name(&mut config, "64"),
        };
        assert_eq!(other, Err(BadValue), "{} takes one type", parameter.name());
    }
    assert_eq!(config, before);
}
