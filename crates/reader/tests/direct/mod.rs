//! A recorder that answers a session's requests, through the driver's own parser.

#![allow(dead_code, reason = "each test uses its own part")]

use std::cell::Cell;

use irqlog_reader::session::{Session, SessionError, Source};
use irqlog_recorder::request::{Request, parse};

use crate::common::TestRecorder;

/// Requests go through the driver's own parser; before each READ something may happen.
pub struct Direct<'r> {
    /// The recorder that answers; another start of the driver later.
    pub recorder: Cell<&'r TestRecorder<'r>>,
    before_read: Box<dyn Fn(u32) + 'r>,
    /// Called before each answer to SITES.
    pub before_sites: Box<dyn Fn() + 'r>,
}

impl Source for Direct<'_> {
    fn control(&mut self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        self.answer(what, code, input, output)
    }
}

impl<'r> Direct<'r> {
    pub fn new(recorder: &'r TestRecorder<'r>, before_read: impl Fn(u32) + 'r) -> Self {
        Self { recorder: Cell::new(recorder), before_read: Box::new(before_read), before_sites: Box::new(|| {}) }
    }

    fn answer(&self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        let recorder = self.recorder.get();
        let refused = |_| SessionError::Refused { what, status: 0 };
        let mut bytes = vec![0; output];
        let length = match parse(code, false, input, output).map_err(refused)? {
            Request::Info => recorder.info(&mut bytes),
            Request::Read(read) => {
                (self.before_read)(read.lane);
                recorder.read(&read, &mut bytes).map_err(refused)?
            }
            Request::Configure(configure) => {
                recorder.configure(&configure);
                0
            }
            Request::Clear => {
                recorder.clear();
                0
            }
            Request::Mark { level, text } => {
                recorder.mark(level, text).expect("written");
                0
            }
            Request::Sites { offset } => {
                (self.before_sites)();
                recorder.sites(offset, &mut bytes).map_err(refused)?
            }
            Request::Wait { .. } | Request::Selftest | Request::Connect | Request::ProviderLevel(_) => {
                return Err(SessionError::Refused { what, status: 1 });
            }
        };
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// A session with a recorder; `before_read` is called with the lane of each READ.
pub fn session<'r>(recorder: &'r TestRecorder<'r>, before_read: impl Fn(u32) + 'r) -> Session<Direct<'r>> {
    Session::new(Direct::new(recorder, before_read))
}

impl Source for &Direct<'_> {
    fn control(&mut self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        self.answer(what, code, input, output)
    }
}
