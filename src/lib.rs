//! Openshelf: one share, every door.

pub mod account;
pub mod blob;
pub mod dialect;
pub mod error;
pub mod library;
pub mod share;
pub mod store;
pub mod work {
    //! Use cases: what people do with the server, each once, joining rules, rows and bytes. Every face calls these.

    pub mod scan;
}
