//! Media: what is made from bytes on their way out.

pub mod captcha;
pub mod captions;
pub mod child;
pub mod document;
pub mod ffmpeg;
pub mod hls;
pub mod image;
pub mod mpv;
pub mod sound;
pub mod text;
pub mod transcode;
pub mod unpack;
pub mod waveform;
pub mod zip;
