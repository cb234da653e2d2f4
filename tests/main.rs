//! The one test binary.

mod cloudreve;
mod engines;
mod fixture;
mod scan;
mod server;
mod store;
