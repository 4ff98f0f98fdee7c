//! `selftest`: the driver writes at every IRQL on every processor, and says what arrived.

use anyhow::Result;
use irqlog_reader::session::{Session, Source};
use irqlog_wire::ioctl::SELFTEST_CONTEXTS;
use serde_json::json;

use crate::{args::Form, exit::Exit, output::Printer};

/// Runs it; what did not arrive is a finding.
pub fn run(session: &mut Session<impl Source>, form: Form) -> Result<Exit> {
    let answer = session.selftest()?;
    let mut printer = Printer::new(form);
    let mut exit = Exit::Done;
    if form == Form::Text {
        printer.line(&format!("{} processors\ncontext   called  written  dropped  found", answer.processors))?;
    }
    for (name, context) in SELFTEST_CONTEXTS.iter().zip(answer.contexts) {
        let [called, written, dropped, found] =
            [context.called, context.written, context.dropped, context.found].map(u32::from);
        // A drop is counted and so accounted for; a record that was written and is not found is not. Another writer may
        // have overwritten it meanwhile: run it again.
        if called == 0 || called != written.saturating_add(dropped) || found != written {
            exit = Exit::Found;
        }
        match form {
            Form::Text => printer.line(&format!("{name:8}  {called:6}  {written:7}  {dropped:7}  {found:5}"))?,
            Form::Json => {
                let object = json!({ "context": name, "called": called, "written": written, "dropped": dropped, "found": found });
                printer.json(object)?;
            }
        }
    }
    if form == Form::Text {
        printer.line(if exit == Exit::Done {
            "selftest: every record arrived"
        } else {
            "selftest: NOT every record arrived"
        })?;
    }
    Ok(exit)
}
