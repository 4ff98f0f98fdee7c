//! Which records of a log are shown: the options of `read`, `follow` and `export`, and the selection they make.
//!
//! | Module | What |
//! |---|---|
//! | [`options`] | the options on a command line, with their help and their errors |
//! | [`checkpoint`] | how far a log was given, so that the next time only what is new is given |
//! | [`moment`] | a point in time as a person writes it |
//! | [`names`] | names that the log does not have: refused, with those that it has |
//! | [`selection`] | the items of a log that the options choose |

pub mod checkpoint;
pub mod moment;
pub mod names;
pub mod options;
pub mod selection;
