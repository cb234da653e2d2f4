//! The pages that people see: a visitor's share, an owner's desk.
//!
//! `pages` are views: plain fields in, escaped HTML out; they know no store and no request. Their addresses all begin with
//! a `base`, because the server may stand beneath a path of a proxy. Nothing inline, neither script nor style, so that `CSP`
//! can refuse both.

pub mod assets;
pub mod pages;

/// The `Content-Security-Policy` that every page is sent with.
pub const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
