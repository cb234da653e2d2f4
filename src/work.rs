//! Use cases: what people do with the server, each once, joining rules, rows and bytes. Every face calls these.

pub mod bytes;
pub mod scan;
pub mod sharing;
pub mod signin;
