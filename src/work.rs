//! Use cases: what people do with the server, each once, joining rules, rows and bytes. Every face calls these.

pub mod archives;
pub mod drop_box;
pub mod files;
pub mod folders;
pub mod jukebox;
pub mod libraries;
pub mod look;
pub mod metadata;
pub mod notes;
pub mod pace;
pub mod playback;
pub mod podcasts;
pub mod renditions;
pub mod scan;
pub mod scrobbles;
pub mod sharing;
pub mod signin;
pub mod similar;
pub mod sounds;
pub mod tally;
pub mod transfers;
pub mod upload;
pub mod users;
pub mod versions;
