//! Openshelf: one share, every door.

pub mod error;
pub mod web;
