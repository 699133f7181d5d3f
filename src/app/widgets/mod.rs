//! Parts that pages share.

pub mod chart;
pub mod mark;
pub mod picture;
