//! The one test binary.

mod engines;
mod fixture;
mod scan;
mod server;
mod store;
mod subsonic;
