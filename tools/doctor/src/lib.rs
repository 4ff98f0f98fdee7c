//! What keeps irqlog from working on a machine, and the commands that mend it.
//!
//! It works before and after irqlog is installed.
//!
//! | Module | What |
//! |---|---|
//! | [`facts`] | the questions that doctor asks of a machine, and their answers, which can be recorded |
//! | [`findings`] | the diagnosis from the facts; no system call, tested on every system |
//! | `ask` | asks Windows for the facts |

#[cfg(windows)]
pub mod ask;
pub mod facts;
pub mod findings;
