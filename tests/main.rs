//! The one test binary.

mod cli;
mod cloudreve;
mod engines;
mod files;
mod fixture;
mod mycloud;
mod kill;
mod limits;
mod revoke;
mod architecture;
mod doors;
mod engines;
mod files;
mod fixture;
mod hostile;
mod scan;
mod server;
mod sharing;
mod store;
mod strangers;
mod subsonic;
mod world;
