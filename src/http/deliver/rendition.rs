//! Renditions on their way out: made of a grant's file, spending no download.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;

use super::{on_disk, transfer};
use crate::blob::cache::Progress;
use crate::error::{Error, Result, Thing};
use crate::http::send::{self, Content, Disposition, respond, respond_growing};
use crate::http::{Call, put_header};
use crate::library::names::ending_at;
use crate::media::ffmpeg::Probe;
use crate::media::hls::{self, Place, Stream};
use crate::media::image;
use crate::media::text::decoded;
use crate::share::grant::Grant;
use crate::work::renditions::{Made, Rendition, Source};
use crate::work::roots;

/// The picture of a track or a film, an image file or the first page of a document, at most `size_px` wide and high. A
/// browser may keep it for itself for a day. `NotFound(Cover)` when there is none.
pub async fn cover(call: &Call, grant: Grant, size_px: Option<u32>) -> Result<Response> {
    let rendition = Rendition::Picture { size_px: image::size_class(size_px) };
    let made = Whole::of(call, &grant, rendition).await?;
    let mime = made.mime_of_picture().await?;
    Ok(made.answer(call, &grant, mime))
}

/// One picture of several covers, at most `size_px` wide and high. `NotFound(Cover)` when there is none.
pub async fn mosaic(call: &Call, grants: &[Grant], size_px: Option<u32>) -> Result<Response> {
    let grant = grants.first().ok_or(Error::NotFound(Thing::Cover))?;
    let size_px = Some(image::size_class(size_px)).filter(|size_px| *size_px > 0).unwrap_or(MOSAIC_PX);
    let mut sources = Vec::new();
    for grant in grants {
        sources.push(source(grant).await?);
    }
    let identities: Vec<String> = sources.iter().map(Source::identity).collect();
    let seen = Seen {
        etag: format!("{}-mosaic-{size_px}", identities.join("-")),
        modified_ms: sources.iter().map(|source| source.stat.modified_ms).max().unwrap_or(0),
        name: "cover".to_owned(),
    };
    let (file, stat) = call.app.renditions.mosaic(sources, size_px).await?.whole().await?;
    let made = Whole { seen, file, size_bytes: stat.size_bytes };
    let mime = made.mime_of_picture().await?;
    Ok(made.answer(call, grant, mime))
}

/// Of a mosaic that is asked for without a size.
const MOSAIC_PX: u32 = 512;

/// What is in a track or a film.
pub async fn probe(call: &Call, grant: &Grant) -> Result<Probe> {
    call.app.renditions.probe(source(grant).await?).await
}

/// The text of a small file, such as lyrics beside a track. `TooLarge` when it is not small.
pub async fn text(grant: &Grant, limit_bytes: u64) -> Result<String> {
    let Source { file, stat, .. } = source(grant).await?;
    if stat.size_bytes > limit_bytes {
        return Err(Error::TooLarge { size_bytes: stat.size_bytes, limit_bytes });
    }
    on_disk(move || {
        let mut bytes = Vec::new();
        file.take(limit_bytes).read_to_end(&mut bytes)?;
        Ok(decoded(&bytes))
    })
    .await
}

/// How loud a track is over its length: `{"peaks":[…]}`, at most 800 of them, each from 0 to 255.
pub async fn waveform(call: &Call, grant: Grant) -> Result<Response> {
    let made = Whole::of(call, &grant, Rendition::Waveform).await?;
    Ok(made.answer(call, &grant, "application/json"))
}

/// A track or a film in another format. What there is of it goes out at once; it has a length and can be
/// asked for in parts once it is whole. `promised_bytes` are sent in any case, if it has not been made before.
pub async fn transcode(
    call: &Call,
    grant: Grant,
    rendition: Rendition,
    promised_bytes: Option<u64>,
) -> Result<Response> {
    let source = source(&grant).await?;
    let (suffix, mime) = rendition.kind();
    let shown = &source.item.shown;
    let name = format!("{}.{suffix}", &shown[..ending_at(shown)]);
    let Call { parts, app, .. } = call;
    let seen = Seen { etag: etag(&source, rendition), modified_ms: source.stat.modified_ms, name };
    let growing = match app.renditions.have(source, rendition).await? {
        Made::Whole(file, stat) => return Ok(seen.answer(call, &grant, file, stat.size_bytes, mime)),
        Made::Growing(growing) => growing,
    };
    // A part of it is asked for, as Safari does before it plays anything: that needs the length.
    let wants_part = call.header(header::RANGE).is_some_and(|range| range != "bytes=0-");
    let progress = growing.beyond(if wants_part { u64::MAX } else { 0 }).await;
    match progress {
        Progress::Failed(error) => Err(error),
        Progress::Whole { bytes } => {
            let file = growing.file().try_clone()?;
            Ok(seen.answer(call, &grant, file, bytes, mime))
        }
        Progress::Growing { .. } => {
            let transfer = transfer(call, grant.share().into_iter().collect(), grant.rate(), Vec::new());
            Ok(respond_growing(&parts.method, growing, &seen.name, mime, promised_bytes, transfer))
        }
    }
}

/// What of a track's or a film's HLS is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Hls {
    /// Which streams there are: these, or of a film without any among them, all of it; with this track of its sound.
    Master(Vec<Stream>, u8),
    Playlist(Stream),
    Segment(Stream, u32),
}

impl Hls {
    /// By the last two names of an address: `a192/index.m3u8`, `a192/7.aac`.
    pub fn of_path(stream: &str, file: &str) -> Option<Hls> {
        let stream = Stream::of_name(stream)?;
        if file == "index.m3u8" {
            return Some(Hls::Playlist(stream));
        }
        let number = file.strip_suffix(stream.suffix())?.strip_suffix('.')?.parse().ok()?;
        Some(Hls::Segment(stream, number))
    }
}

/// Playlists and segments; `before` stands before each address in a playlist.
pub async fn hls(call: &Call, grant: Grant, wanted: Hls, before: &str) -> Result<Response> {
    let probe = call.app.renditions.probe(source(&grant).await?).await?;
    let none = Error::NotFound(Thing::File);
    let text = match wanted {
        Hls::Master(_, track) if track > 0 && usize::from(track) >= probe.sounds.len() => return Err(none),
        Hls::Master(streams, track) if probe.height_px.is_some() => {
            let films: Vec<Stream> =
                streams.into_iter().filter(|stream| matches!(stream, Stream::Film { .. })).collect();
            let films = if films.is_empty() { Stream::films(&probe) } else { films };
            hls::master(&films, &probe, track, before)
        }
        Hls::Master(streams, track) if probe.has_audio() => hls::master(&streams, &probe, track, before),
        Hls::Playlist(stream) if stream.is_in(&probe) => stream.playlist(&probe, before),
        Hls::Segment(stream, number) if stream.is_in(&probe) && number < stream.segments(&probe) => {
            let place = if number + 1 == stream.segments(&probe) { Place::Last } else { Place::Within };
            let made = Whole::of(call, &grant, Rendition::Segment { stream, number, place }).await?;
            return Ok(made.answer(call, &grant, stream.mime()));
        }
        Hls::Master(..) | Hls::Playlist(_) | Hls::Segment(..) => return Err(none),
    };
    let mut response = Response::new(if call.parts.method == Method::HEAD { Body::empty() } else { Body::from(text) });
    put_header(&mut response, header::CONTENT_TYPE, hls::PLAYLIST_MIME);
    put_header(&mut response, header::CACHE_CONTROL, "private, no-store");
    put_header(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put_header(&mut response, header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    Ok(response)
}

/// A rendition that is answered when it is whole.
struct Whole {
    seen: Seen,
    file: File,
    size_bytes: u64,
}

impl Whole {
    async fn of(call: &Call, grant: &Grant, rendition: Rendition) -> Result<Whole> {
        let source = source(grant).await?;
        let seen = Seen {
            etag: etag(&source, rendition),
            modified_ms: source.stat.modified_ms,
            name: source.item.shown.clone(),
        };
        let (file, stat) = call.app.renditions.have(source, rendition).await?.whole().await?;
        Ok(Whole { seen, file, size_bytes: stat.size_bytes })
    }

    async fn mime_of_picture(&self) -> Result<&'static str> {
        let file = self.file.try_clone()?;
        on_disk(move || {
            let mut head = [0; 16];
            let count = file.read_at(&mut head, 0)?;
            image::mime_of(&head[..count]).ok_or(Error::NotFound(Thing::Cover))
        })
        .await
    }

    /// A browser may keep it for itself for a day.
    fn answer(self, call: &Call, grant: &Grant, mime: &str) -> Response {
        let mut response = self.seen.answer(call, grant, self.file, self.size_bytes, mime);
        let kept = HeaderValue::from_static("private, max-age=86400");
        response.headers_mut().insert(header::CACHE_CONTROL, kept);
        response
    }
}

/// What a reader is told of a rendition.
struct Seen {
    etag: String,
    /// Of the file that it is made of.
    modified_ms: i64,
    name: String,
}

impl Seen {
    fn answer(self, call: &Call, grant: &Grant, file: File, size_bytes: u64, mime: &str) -> Response {
        let Seen { etag, modified_ms, name } = self;
        let mime = mime.to_owned();
        let content = Content {
            source: send::Source::File(file),
            size_bytes,
            modified_ms: Some(modified_ms),
            etag,
            name,
            mime,
            disposition: Disposition::Inline,
        };
        respond(
            &call.parts.method,
            &call.parts.headers,
            content,
            transfer(call, grant.share().into_iter().collect(), grant.rate(), Vec::new()),
        )
    }
}

fn etag(source: &Source, rendition: Rendition) -> String {
    format!("{}-{}", source.identity(), rendition.name())
}

async fn source(grant: &Grant) -> Result<Source> {
    let grant = grant.clone();
    on_disk(move || {
        let (file, stat) = roots::open(grant.library())?.open_with_stat(grant.path())?;
        Ok(Source { file, stat, item: grant.item().clone() })
    })
    .await
}
