//! Handlers of the control device's requests. `irqlog_recorder::request` parses each request before anything is done.

use irqlog_recorder::request::{Refusal, Request, parse};
use irqlog_wire::{
    interface::{Interface, MIN_INTERFACE},
    record::Level,
};
use wdk_sys::{NTSTATUS, STATUS_DEVICE_NOT_READY, WDFREQUEST};
use zerocopy::IntoBytes;

use crate::{
    instance, interface,
    request::{input_buffer, output_buffer, store},
    selftest, status, wait,
};

/// The result of a handler that has not failed.
pub enum Done {
    /// The request is to be completed, with this number of bytes of answer.
    Answered(usize),
    /// The request is pended, and no longer belongs to the caller.
    Pended,
}

/// Handles a request. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// The status with which the caller has to complete the request.
pub fn handle(request: WDFREQUEST, code: u32, internal: bool, input: usize, output: usize) -> Result<Done, NTSTATUS> {
    let (recorder, providers) = instance::with_providers().ok_or(STATUS_DEVICE_NOT_READY)?;
    let input = input_buffer(request, input)?;
    let parsed = parse(code, internal, input, output).map_err(status::of)?;
    let answered = |bytes| Ok(Done::Answered(bytes));
    match parsed {
        Request::Info => answered(recorder.info(output_buffer(request, output)?)),
        Request::Read(read) => {
            let buffer = output_buffer(request, output)?;
            recorder.read(&read, buffer).map(Done::Answered).map_err(status::of)
        }
        Request::Wait { seen } => wait::wait(recorder, request, seen).map(|()| Done::Pended),
        Request::Configure(configure) => {
            // Both sides of a pause are worth a record, so it is made while writing is on.
            if configure.paused == Some(true) {
                recorder.note_settings(&configure);
            }
            recorder.configure(&configure);
            if configure.level.is_some() {
                providers.pass_levels_on(recorder);
            }
            if configure.paused != Some(true) {
                recorder.note_settings(&configure);
            }
            answered(0)
        }
        Request::Clear => {
            recorder.clear();
            recorder.log_own(Level::Info, b"cleared");
            answered(0)
        }
        Request::Mark { level, text } => {
            recorder.mark(level, text).map_err(status::of)?;
            answered(0)
        }
        Request::Selftest => {
            let answer = selftest::run(recorder)?;
            store(output_buffer(request, output)?, answer.as_bytes()).map(Done::Answered)
        }
        Request::Sites { offset } => {
            let buffer = output_buffer(request, output)?;
            providers.sites(recorder, offset, buffer).map(Done::Answered)
        }
        Request::ProviderLevel(change) => {
            providers.set_level(recorder, &change)?;
            answered(0)
        }
        Request::Connect => {
            let buffer = output_buffer(request, output)?;
            connect(buffer).map(Done::Answered)
        }
    }
}

/// IRQL: any.
fn connect(output: &mut [u8]) -> Result<usize, NTSTATUS> {
    let table = interface::table();
    // SAFETY: a structure without padding, as its asserted size says.
    let bytes = unsafe { core::slice::from_raw_parts((&raw const table).cast::<u8>(), size_of::<Interface>()) };
    // A driver that knows less gets what it knows; `size` in it says that there is more.
    let length = output.len().min(bytes.len());
    match (output.get_mut(..length), bytes.get(..length)) {
        (Some(target), Some(known)) if length >= MIN_INTERFACE => {
            target.copy_from_slice(known);
            Ok(length)
        }
        _ => Err(status::of(Refusal::BufferTooSmall)),
    }
}
