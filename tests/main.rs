//! The one test binary.

mod engines;
mod fixture;
mod kill;
mod limits;
mod revoke;
mod scan;
mod server;
mod sharing;
mod store;
mod strangers;
