//! The signal that interrupts a host thread, and the stack that its handlers run on.

/// The signal that says: something is pending on your processor.
pub const SIGNAL: i32 = libc::SIGUSR1;
/// Room for handlers that interrupt each other: each level, its driver code and the rig's below it.
const STACK: usize = 1 << 20;

/// The stack that this thread's handlers run on.
pub struct AlternateStack(Vec<u8>);

impl AlternateStack {
    /// Gives the calling thread one.
    pub fn install() -> Self {
        let mut memory = vec![0_u8; STACK];
        let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
        // SAFETY: the memory lives until `drop` has taken the stack away.
        let result = unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
        assert_eq!(result, 0, "sigaltstack");
        Self(memory)
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        let stack = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: self.0.len() };
        // SAFETY: no handler runs on it: we do.
        unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
    }
}

/// Sends the signal to a thread of this process.
pub fn send(host: i32) {
    // SAFETY: a thread that has ended meanwhile is an error that is ignored.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), host, SIGNAL) };
}
