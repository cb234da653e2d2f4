//! The protocols that other people's apps speak. No dialect knows another.

pub mod cloudreve;
pub mod mycloud;
pub mod subsonic;
pub mod webdav;
