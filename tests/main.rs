//! The one test binary.

mod engines;
mod fixture;
mod scan;
mod store;
