//! Media: what is made from bytes on their way out.

pub mod zip;
