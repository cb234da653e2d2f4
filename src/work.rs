//! Use cases: what people do with the server, each once, joining rules, rows and bytes. Every face calls these.

pub mod archives;
pub mod captcha;
pub mod drop_box;
pub mod files;
pub mod jukebox;
pub mod libraries;
pub mod look;
pub mod notes;
pub mod oauth;
pub mod pace;
pub mod playback;
pub mod podcasts;
pub mod registration;
pub mod renditions;
pub mod scan;
pub mod scrobbles;
pub mod second_factor;
pub mod session_copy;
pub mod sharing;
pub mod signin;
pub mod similar;
pub mod sounds;
pub mod tally;
pub mod transfers;
pub mod upload;
pub mod users;
