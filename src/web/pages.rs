//! The views of the pages, one struct each. Texts are what people wrote, unescaped; times are Unix milliseconds, shown in
//! UTC; item ids are the public ones.
//!
//! `base` is the path that the server stands beneath, without a slash at the end (`""` or `"/shelf"`).

mod filters;
mod owner;
mod share_form;
mod visitor;

#[cfg(test)]
mod tests;

pub use owner::*;
pub use share_form::*;
pub use visitor::*;
