//! The one test binary.

mod engines;
mod store;
