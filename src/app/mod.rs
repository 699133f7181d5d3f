//! The window: it draws what it is told, asks for what it wants, and never waits. No file is read, no tensor touched and
//! nothing trained on its thread; the worker's messages are drained for at most 3 ms a frame.
//!
//! | part | what lives there |
//! |---|---|
//! | `state` | the model (truth) and the views (how pages like to draw it) |
//! | `action` | everything that a person can cause, and the commands of palette and keyboard |
//! | `update` | the one place where actions, messages and answers change the model |
//! | `shell` | rail, top bar, dialogs, notices, keys |
//! | `pages` | Train, Compress, Compare, Try it, the drawer of runs, the export |
//! | `widgets` | fields, charts, pictures |
//! | `theme` | every colour, size and font |
//! | `dialogs` | native file dialogs |

mod action;
mod dialogs;
mod memory;
mod pages;
mod shell;
mod state;
#[cfg(test)]
mod tests;
pub mod theme;
mod update;
mod widgets;
mod window;

pub use action::{Page, Panel};
pub use window::{App, open};
