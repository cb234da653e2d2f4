//! The one test binary.

mod architecture;
mod archives;
mod attacks;
mod cli;
mod cloudreve;
mod doors;
mod drop;
mod engines;
mod files;
mod fixture;
mod hostile;
mod kill;
mod limits;
mod mycloud;
mod pace;
mod renditions;
mod revoke;
mod rights;
mod scan;
mod server;
mod sharing;
mod store;
mod strangers;
mod subsonic;
mod uploads;
mod world;
