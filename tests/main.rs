//! The one test binary.

mod engines;
mod server;
mod store;
