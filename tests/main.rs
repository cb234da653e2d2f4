//! The one test binary.

mod cloudreve;
mod engines;
mod files;
mod fixture;
mod scan;
mod server;
mod store;
mod subsonic;
