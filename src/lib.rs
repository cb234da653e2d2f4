//! Openshelf: one share, every door.

pub mod blob;
pub mod error;
pub mod http;
pub mod media;
