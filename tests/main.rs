//! The one test binary.

mod architecture;
mod doors;
mod engines;
mod files;
mod fixture;
mod hostile;
mod scan;
mod server;
mod store;
mod subsonic;
mod world;
