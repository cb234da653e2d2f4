//! Media: what is made from bytes on their way out.

pub mod image;
pub mod zip;
