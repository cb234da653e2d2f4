//! Openshelf: one share, every door.

pub mod dialect;
pub mod error;
pub mod store;
