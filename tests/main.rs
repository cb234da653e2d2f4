//! The one test binary.

mod cli;
mod engines;
mod files;
mod fixture;
mod mycloud;
mod scan;
mod server;
mod store;
mod subsonic;
