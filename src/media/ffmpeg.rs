//! How ffmpeg is asked: arguments from closed sets, for files that may be hostile.
//!
//! A file can claim to be a playlist that names other files or addresses. So only formats that hold their own content are
//! opened, and only from what is already open.

use std::time::Duration;

use serde::Deserialize;

use super::child::{INPUT, Limits};

/// Demuxers of formats that hold all of their content. Not among them: playlists, lists of files, numbered pictures,
/// devices and everything else that makes ffmpeg open what the file names.
pub const FORMATS: &str = "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gif,h264,hevc,m4v,matroska,mov,mp3,mpc,\
    mpc8,mpeg,mpegts,mpegvideo,mxf,ogg,tak,tta,w64,wav,webm,wv,xwma,bmp_pipe,gif_pipe,jpeg_pipe,jpegxl_pipe,j2k_pipe,\
    png_pipe,psd_pipe,tiff_pipe,webp_pipe";
/// Pictures and films of more pixels are not decoded.
const PIXELS_MAX: u64 = 64_000_000;

pub const AUDIO: Limits = Limits { processor_s: 1800, clock: Duration::from_secs(1800), memory_bytes: 1 << 30 };
pub const FILM: Limits = Limits { processor_s: 4 * 3600, clock: Duration::from_secs(4 * 3600), memory_bytes: 3 << 30 };
pub const SEGMENT: Limits = Limits { processor_s: 300, clock: Duration::from_secs(300), memory_bytes: 3 << 30 };
pub const STILL: Limits = Limits { processor_s: 20, clock: Duration::from_secs(30), memory_bytes: 2 << 30 };

/// Arguments up to and with the input, from `start_s` on.
pub fn input(start_s: Option<f64>) -> Vec<String> {
    let mut arguments = words("-nostdin -hide_banner -v error");
    arguments.extend(reading());
    if let Some(start_s) = start_s.filter(|start_s| *start_s > 0.0) {
        arguments.extend(["-ss".to_owned(), format!("{start_s:.6}")]);
    }
    arguments.extend(["-i".to_owned(), INPUT.to_owned()]);
    arguments
}

fn reading() -> Vec<String> {
    let mut arguments = words("-protocol_whitelist file,pipe -format_whitelist");
    arguments.push(FORMATS.replace(' ', ""));
    arguments.extend(["-max_pixels".to_owned(), PIXELS_MAX.to_string()]);
    arguments
}

/// Several arguments without a space in any.
pub fn words(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

/// One picture at most `size_px` wide and high, as JPEG.
pub fn still(start_s: Option<f64>, size_px: u32) -> Vec<String> {
    let mut arguments = input(start_s);
    arguments.extend(words("-map 0:v:0 -an -sn -dn -frames:v 1 -vf"));
    // A pixel of what is stored need not be square. Never larger than it is.
    arguments.push(format!(
        "scale=trunc(iw*sar):ih,setsar=1,\
         scale=min(iw\\,{size_px}):min(ih\\,{size_px}):force_original_aspect_ratio=decrease:flags=area"
    ));
    arguments.extend(words("-pix_fmt yuvj420p -c:v mjpeg -q:v 3 -threads 1 -f image2pipe pipe:1"));
    arguments
}

/// The first page of a PDF, for pdftoppm: at most `size_px` wide and high, as JPEG.
pub fn page(size_px: u32) -> Vec<String> {
    let mut arguments = words("-jpeg -f 1 -l 1 -singlefile -scale-to");
    arguments.extend([size_px.to_string(), INPUT.to_owned()]);
    arguments
}

/// Asks ffprobe what is in a file; see [`Probe::read`].
pub fn probe() -> Vec<String> {
    let mut arguments = words("-v error");
    arguments.extend(reading());
    arguments.extend(words("-of json -show_entries"));
    arguments.push(
        "format=duration:stream=codec_type,codec_name,profile,width,height,channels,sample_rate,bit_rate,\
         bits_per_raw_sample:stream_disposition=attached_pic:stream_tags=language,title"
            .to_owned(),
    );
    arguments.extend(["-i".to_owned(), INPUT.to_owned()]);
    arguments
}

/// What is in a track or a film.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probe {
    pub duration_s: f64,
    /// None without a moving picture.
    pub height_px: Option<u32>,
    /// A film may have several languages.
    pub sounds: Vec<Sound>,
}

/// One stream of sound. What ffprobe does not say is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sound {
    /// As ffmpeg names it.
    pub codec: String,
    pub profile: Option<String>,
    pub channels: Option<u32>,
    pub rate_hz: Option<u32>,
    pub bits_per_second: Option<u64>,
    pub bits: Option<u32>,
    pub language: Option<String>,
    pub title: Option<String>,
}

impl Probe {
    pub fn has_audio(&self) -> bool {
        !self.sounds.is_empty()
    }

    /// Of ffprobe's JSON; none if that says too little.
    pub fn read(json: &[u8]) -> Option<Probe> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            streams: Vec<Stream>,
            format: Format,
        }
        #[derive(Deserialize)]
        struct Stream {
            codec_type: Option<String>,
            codec_name: Option<String>,
            profile: Option<String>,
            height: Option<u32>,
            channels: Option<u32>,
            sample_rate: Option<String>,
            bit_rate: Option<String>,
            bits_per_raw_sample: Option<String>,
            #[serde(default)]
            disposition: Disposition,
            #[serde(default)]
            tags: Tags,
        }
        #[derive(Deserialize, Default)]
        struct Tags {
            language: Option<String>,
            title: Option<String>,
        }
        #[derive(Deserialize, Default)]
        struct Disposition {
            #[serde(default)]
            attached_pic: u8,
        }
        #[derive(Deserialize)]
        struct Format {
            duration: Option<String>,
        }
        let answer: Answer = serde_json::from_slice(json).ok()?;
        let is = |stream: &&Stream, kind: &str| {
            stream.codec_type.as_deref() == Some(kind) && stream.disposition.attached_pic == 0
        };
        let duration_s: f64 = answer.format.duration.and_then(|text| text.parse().ok()).unwrap_or(0.0);
        let height_px = answer.streams.iter().find(|stream| is(stream, "video")).and_then(|stream| stream.height);
        let said = |text: Option<String>| text.filter(|text| !text.is_empty() && text != "unknown");
        let number = |text: Option<String>| text?.parse::<u64>().ok().filter(|number| *number > 0);
        let small = |text| number(text).and_then(|number| u32::try_from(number).ok());
        let sound = |stream: Stream| Sound {
            codec: stream.codec_name.unwrap_or_default(),
            profile: said(stream.profile),
            channels: stream.channels,
            rate_hz: small(stream.sample_rate),
            bits_per_second: number(stream.bit_rate),
            bits: small(stream.bits_per_raw_sample),
            language: said(stream.tags.language).filter(|language| language != "und"),
            title: said(stream.tags.title),
        };
        Some(Probe {
            duration_s: if duration_s.is_finite() { duration_s.max(0.0) } else { 0.0 },
            height_px,
            sounds: answer.streams.into_iter().filter(|stream| is(&stream, "audio")).map(sound).collect(),
        })
    }
}
