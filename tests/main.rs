//! The one test binary.

mod engines;
mod fixture;
mod mycloud;
mod scan;
mod server;
mod store;
