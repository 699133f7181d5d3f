//! Parts that pages share.

pub mod bands;
pub mod chart;
pub mod field;
pub mod figures;
pub mod ledger;
pub mod lines;
pub mod mark;
pub mod network;
pub mod picture;
pub mod progress;
pub mod samples;
pub mod times;
