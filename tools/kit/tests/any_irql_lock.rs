//! The code of `docs/any-irql-lock.md`: compiled for both architectures, and run on the host by threads that write.
//!
//! On the host a few functions stand for the kernel's routines. They check what a driver must see to: that a lock is
//! taken and released at HIGH_LEVEL, and that the IRQL comes back as it was.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const CLANG_CL: &str = "clang-cl-19";
const CLANG: &str = "clang-19";

/// Threads that write, begun together, and how often each does: many times as long as a thread takes to begin.
const THREADS: usize = 4;
const CALLS: usize = 30_000;

/// The code blocks of a language that contain `name`, which must be one.
fn block(language: &str, name: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/any-irql-lock.md");
    let page = fs::read_to_string(page).unwrap();
    let fence = format!("```{language}\n");
    let blocks: Vec<&str> = page
        .split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .filter(|block| block.contains(name))
        .collect();
    assert_eq!(blocks.len(), 1, "blocks of {language} with {name}");
    blocks[0].to_owned()
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("any-irql-lock-{name}"));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}\n{said}", command.get_program().display(), output.status);
}

#[test]
fn c_compiles_for_both_architectures() {
    let folder = folder("windows");
    irqlog_kit::write_kernel_headers(&folder).unwrap();
    for name in ["LogWrite", "SwapAcquire"] {
        for (target, define) in [("x86_64", "_AMD64_"), ("aarch64", "_ARM64_")] {
            let file = folder.join(format!("{name}-{target}.c"));
            fs::write(&file, block("c", name)).unwrap();
            run(Command::new(CLANG_CL)
                .arg(format!("--target={target}-pc-windows-msvc"))
                .args(["/c", "/kernel", "/GS-", "/O2", "/W4", "/WX", "/permissive-", "/std:c11"])
                .args([format!("/D{define}"), format!("/Fo{}", file.with_extension("obj").display())])
                .arg("-imsvc")
                .arg(&folder)
                .arg("--")
                .arg(&file));
        }
    }
}

/// What stands for ntddk.h on the host.
const HOST_HEADER: &str = r"
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#define VOID void
#define FALSE 0
#define TRUE 1
#define HIGH_LEVEL 15
#define DECLSPEC_ALIGN(Bytes) __attribute__((aligned(Bytes)))
typedef unsigned char KIRQL, BOOLEAN;
typedef unsigned long long KSPIN_LOCK, ULONG64;
typedef long long LONGLONG;
typedef int LONG;
typedef union { LONGLONG QuadPart; } LARGE_INTEGER;
static _Thread_local KIRQL Irql;
static _Thread_local LONGLONG Ticks, Releases;
#define KeRaiseIrql(New, Old) (*(Old) = Irql, Irql = (New))
static void KeLowerIrql(KIRQL Old) { assert(Irql == HIGH_LEVEL && Old == 0); Irql = Old; }
static void KeAcquireSpinLockAtDpcLevel(KSPIN_LOCK *Lock) {
    assert(Irql == HIGH_LEVEL);
    while (__atomic_exchange_n(Lock, 1, __ATOMIC_ACQUIRE)) sched_yield();
}
static void KeReleaseSpinLockFromDpcLevel(KSPIN_LOCK *Lock) {
    /* Now and then the owner stands still, so that a caller that does not wait is noticed. */
    if (++Releases % 256 == 0) sched_yield();
    assert(Irql == HIGH_LEVEL && *Lock);
    __atomic_store_n(Lock, 0, __ATOMIC_RELEASE);
}
/* A clock that counts its readings, so that a budget is a number of turns. */
static LARGE_INTEGER KeQueryPerformanceCounter(LARGE_INTEGER *Frequency) {
    assert(Frequency == NULL);
    return (LARGE_INTEGER){ .QuadPart = ++Ticks };
}
#define InterlockedExchangeAcquire(Target, Value) __atomic_exchange_n((Target), (Value), __ATOMIC_ACQUIRE)
#define ReadNoFence(Source) __atomic_load_n((Source), __ATOMIC_RELAXED)
#define WriteRelease(Destination, Value) __atomic_store_n((Destination), (Value), __ATOMIC_RELEASE)
#define YieldProcessor() sched_yield()
";

/// Compiles a block of C with what the host adds behind it, and runs it.
fn run_c(name: &str, main: &str) {
    let folder = folder(name);
    fs::write(folder.join("ntddk.h"), HOST_HEADER).unwrap();
    let (file, program) = (folder.join("main.c"), folder.join("main"));
    let threads = format!(
        "static pthread_barrier_t Start;
        static void *Begin(void *Unused) {{ pthread_barrier_wait(&Start); return Write(Unused); }}
        int main(void) {{
            pthread_t Threads[{THREADS}];
            pthread_barrier_init(&Start, NULL, {THREADS});
            for (int i = 0; i < {THREADS}; i++) pthread_create(&Threads[i], NULL, Begin, NULL);
            for (int i = 0; i < {THREADS}; i++) pthread_join(Threads[i], NULL);
            return Check({}ULL);
        }}",
        THREADS * CALLS
    );
    fs::write(&file, format!("{}\n#define CALLS {CALLS}\n{main}\n{threads}", block("c", name))).unwrap();
    run(Command::new(CLANG)
        .args(["-O2", "-Wno-unused-function", "-pthread", "-I"])
        .arg(&folder)
        .arg(&file)
        .arg("-o")
        .arg(&program));
    run(&mut Command::new(&program));
}

#[test]
fn the_systems_lock_in_c_loses_no_write() {
    run_c(
        "LogWrite",
        "static LOG Log;
        static void *Write(void *Unused) {
            for (ULONG64 i = 0; i < CALLS; i++) LogWrite(&Log, i);
            return Unused;
        }
        static int Check(ULONG64 Total) { return Log.Written == Total ? 0 : 1; }",
    );
}

#[test]
fn the_lock_of_ones_own_in_c_excludes_and_gives_up() {
    run_c(
        "SwapAcquire",
        "static SWAP_LOCK Lock;
        static ULONG64 Written, GaveUp;
        static void *Write(void *Unused) {
            for (int i = 0; i < CALLS; i++) {
                KIRQL Old;
                /* Few turns, so that some give up and the rest own the lock. */
                if (SwapAcquire(&Lock, &Old, 50)) {
                    Written++;
                    SwapRelease(&Lock, Old);
                } else {
                    __atomic_fetch_add(&GaveUp, 1, __ATOMIC_RELAXED);
                }
                assert(Irql == 0);
            }
            return Unused;
        }
        static int Check(ULONG64 Total) {
            KIRQL Old, Other;
            assert(Written + GaveUp == Total);
            /* Taken already: the second caller gives up, and its IRQL is as before. */
            assert(SwapAcquire(&Lock, &Old, 50));
            Irql = 0;
            assert(!SwapAcquire(&Lock, &Other, 50) && Irql == 0);
            return 0;
        }",
    );
}

/// What stands for the `wdk-sys` crate on the host, with its types.
const HOST_WDK: &str = "
#[allow(non_snake_case, non_camel_case_types, dead_code)]
mod wdk_sys {
    pub const HIGH_LEVEL: u32 = 15;
    pub type KSPIN_LOCK = usize;
    pub type KIRQL = u8;
    #[derive(Clone, Copy)]
    pub union LARGE_INTEGER { pub QuadPart: i64 }
    pub mod ntddk {
        use std::{cell::Cell, sync::atomic::{AtomicUsize, Ordering}};
        thread_local! {
            pub static IRQL: Cell<u8> = const { Cell::new(0) };
            static TICKS: Cell<i64> = const { Cell::new(0) };
        }
        pub unsafe fn KfRaiseIrql(irql: u8) -> u8 { IRQL.replace(irql) }
        pub use KeLowerIrql as KfLowerIrql;
        pub unsafe fn KeLowerIrql(irql: u8) { assert!(IRQL.replace(irql) == 15 && irql == 0); }
        pub unsafe fn KeAcquireSpinLockAtDpcLevel(lock: *mut usize) {
            assert_eq!(IRQL.get(), 15);
            while unsafe { AtomicUsize::from_ptr(lock) }.swap(1, Ordering::Acquire) != 0 { std::thread::yield_now(); }
        }
        pub unsafe fn KeReleaseSpinLockFromDpcLevel(lock: *mut usize) {
            assert_eq!(IRQL.get(), 15);
            // As in C: the owner stands still now and then.
            TICKS.set(TICKS.get() + 1);
            if TICKS.get() % 256 == 0 { std::thread::yield_now(); }
            assert_eq!(unsafe { AtomicUsize::from_ptr(lock) }.swap(0, Ordering::Release), 1);
        }
        pub unsafe fn KeQueryPerformanceCounter(_: *mut super::LARGE_INTEGER) -> super::LARGE_INTEGER {
            TICKS.set(TICKS.get() + 1);
            super::LARGE_INTEGER { QuadPart: TICKS.get() }
        }
    }
}
";

/// Compiles a block of Rust as a module of a program, and runs it.
fn run_rust(name: &str, main: &str) {
    let folder = folder(&format!("rust-{name}"));
    let (file, program) = (folder.join("main.rs"), folder.join("main"));
    let threads = format!(
        "fn main() {{
            let start = std::sync::Barrier::new({THREADS});
            std::thread::scope(|scope| for _ in 0..{THREADS} {{ scope.spawn(|| {{ start.wait(); write(); }}); }});
            check({});
        }}",
        THREADS * CALLS
    );
    let code = block("rust", name);
    // As in a crate of the edition 2024, where the dependency has a name of its own.
    let code = format!("mod page {{\nuse super::wdk_sys;\n{code}\n{main}\n}}\nuse page::{{check, write}};");
    fs::write(&file, format!("{HOST_WDK}\nconst CALLS: usize = {CALLS};\n{code}\n{threads}")).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    run(Command::new(rustc)
        .args(["--edition=2024", "-O", "-Dwarnings", "-Aunused-imports"])
        .arg(&file)
        .arg("-o")
        .arg(&program));
    run(&mut Command::new(&program));
}

#[test]
fn the_systems_lock_in_rust_loses_no_write() {
    run_rust(
        "KeAcquireSpinLockAtDpcLevel",
        "static LOG: Log = Log::new();
        pub fn write() { for value in 0..crate::CALLS { LOG.write(value as u64); } }
        pub fn check(total: usize) {
            // SAFETY: nobody writes any more.
            let ring = unsafe { &*LOG.ring.get() };
            assert_eq!(ring.written, total);
        }",
    );
}

#[test]
fn the_lock_of_ones_own_in_rust_excludes_and_gives_up() {
    run_rust(
        "SwapLock",
        "static LOCK: SwapLock = SwapLock::new();
        static GAVE_UP: AtomicU32 = AtomicU32::new(0);
        static mut WRITTEN: usize = 0;
        pub fn write() {
            for _ in 0..crate::CALLS {
                match LOCK.acquire(50) {
                    // SAFETY: the owner of the lock alone comes here, once for each acquisition.
                    Some(old) => unsafe { WRITTEN += 1; LOCK.release(old) },
                    None => { GAVE_UP.fetch_add(1, Ordering::Relaxed); }
                }
                assert_eq!(wdk_sys::ntddk::IRQL.get(), 0);
            }
        }
        pub fn check(total: usize) {
            // SAFETY: nobody writes any more.
            assert_eq!(unsafe { WRITTEN } + GAVE_UP.load(Ordering::Relaxed) as usize, total);
            assert!(LOCK.acquire(50).is_some());
            wdk_sys::ntddk::IRQL.set(0);
            assert!(LOCK.acquire(50).is_none() && wdk_sys::ntddk::IRQL.get() == 0);
        }",
    );
}
