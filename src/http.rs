//! HTTP: what all faces share.

pub mod send;
