//! Renditions: what is made of a file's content for those who cannot or should not have the original. Each is made once,
//! for all who ask, and kept while there is room.

use std::fs::File;
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::blob::Stat;
use crate::blob::cache::{Cache, Growing, Joined, Key, Sink};
use crate::error::{Error, Result, Thing};
use crate::library::{Item, Media, tags};
use crate::media::child::{Child, Failure, Limits, Programs};
use crate::media::ffmpeg::{self, Probe};
use crate::media::hls::{Place, Stream};
use crate::media::image;
use crate::media::transcode::Profile;
use crate::media::waveform::{self, Waveform};

/// Raised when the same wish is made into other bytes, so that what was kept from before is forgotten.
const VERSION: u32 = 2;
/// How many transcodes may wait for a core. More are told to come again.
const WAITING_MAX: usize = 64;
/// Each takes a core, and of a large picture hundreds of MiB.
const DRAWING_MAX: usize = 2;
/// A picture or a probe; nothing of this kind comes near it.
const OUTPUT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a file is made into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rendition {
    /// Its picture, at most so wide and high: one of the sizes that [`image::size_class`] gives.
    Picture { size_px: u32 },
    /// Its sound in another format, from this second on.
    Audio { profile: Profile, start_s: u32 },
    /// A film in this size, with its sound, from this second on.
    Film { stream: Stream, start_s: u32 },
    /// A part of it, for HLS.
    Segment { stream: Stream, number: u32, place: Place },
    /// How loud it is over its length, as JSON.
    Waveform,
    /// What ffprobe says of it, as JSON.
    Probe,
}

impl Rendition {
    /// Tells it from all others of the same file.
    pub fn name(&self) -> String {
        match self {
            Rendition::Picture { size_px } => format!("picture-{size_px}"),
            Rendition::Audio { profile, start_s } => format!("audio-{}-{start_s}", profile.name()),
            Rendition::Film { stream, start_s } => format!("film-{}-{start_s}", stream.name()),
            Rendition::Segment { stream, number, .. } => format!("hls-{}-{number}", stream.name()),
            Rendition::Waveform => "waveform".to_owned(),
            Rendition::Probe => "probe".to_owned(),
        }
    }

    /// What players take it for: the ending of its name, and its type.
    pub fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Rendition::Picture { .. } => ("jpg", "image/jpeg"),
            Rendition::Audio { profile, .. } => (profile.codec().suffix(), profile.codec().mime()),
            Rendition::Film { .. } => ("mp4", "video/mp4"),
            Rendition::Segment { stream, .. } => (stream.suffix(), stream.mime()),
            Rendition::Waveform | Rendition::Probe => ("json", "application/json"),
        }
    }
}

/// An opened file, and whose it is.
pub struct Source {
    pub file: File,
    pub stat: Stat,
    pub item: Item,
}

impl Source {
    /// Another one whenever a byte may differ.
    pub fn identity(&self) -> String {
        let Stat { device, inode, size_bytes, modified_ns, .. } = self.stat;
        format!("{}-{device:x}-{inode:x}-{size_bytes:x}-{modified_ns:x}", self.item.etag())
    }
}

/// A rendition as it is had.
pub enum Made {
    Whole(File, Stat),
    Growing(Arc<Growing>),
}

impl Made {
    /// Waits until it is whole.
    pub async fn whole(self) -> Result<(File, Stat)> {
        match self {
            Made::Whole(file, stat) => Ok((file, stat)),
            Made::Growing(growing) => {
                growing.whole().await?;
                let file = growing.file().try_clone()?;
                let stat = Stat::of(&file)?;
                Ok((file, stat))
            }
        }
    }
}

/// All of what was made, which is small.
async fn read((file, stat): (File, Stat)) -> Result<Vec<u8>> {
    let read = spawn_blocking(move || {
        let mut bytes = vec![0; usize::try_from(stat.size_bytes).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok::<_, Error>(bytes)
    });
    read.await.map_err(|cause| Error::internal("rendition", cause))?
}

/// Makes and keeps them.
pub struct Renditions {
    cache: Arc<Cache>,
    programs: Programs,
    drawing: Arc<Semaphore>,
    transcoding: Arc<Semaphore>,
    /// Places for those that run and those that wait for it.
    places: Arc<Semaphore>,
}

impl Renditions {
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    pub fn new(cache: Arc<Cache>, programs: Programs) -> Arc<Renditions> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Arc::new(Renditions {
            cache,
            programs,
            drawing: Arc::new(Semaphore::new(DRAWING_MAX)),
            transcoding: Arc::new(Semaphore::new(cores)),
            places: Arc::new(Semaphore::new(cores + WAITING_MAX)),
        })
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub fn ffmpeg_program(&self) -> Option<&Path> {
        self.programs.ffmpeg.as_deref()
    }

    pub fn pdftotext_program(&self) -> Option<&Path> {
        self.programs.pdftotext.as_deref()
    }

    /// Whether sound and films can be made into other formats here.
    pub fn transcodes(&self) -> bool {
        self.programs.ffmpeg.is_some()
    }

    /// Whether there may be a picture of an item.
    pub fn draws(&self, item: &Item) -> bool {
        self.draws_named(item.media, &item.suffix())
    }

    fn draws_named(&self, media: Media, ending: &str) -> bool {
        match media {
            Media::Audio => tags::may_hold_picture(ending),
            Media::Image => image::draws(ending) || self.programs.ffmpeg.is_some(),
            Media::Video => self.programs.ffmpeg.is_some(),
            Media::None => ending == "pdf" && self.programs.pdftoppm.is_some(),
        }
    }

    /// The endings of names of which there may be a picture.
    pub fn drawn_endings(&self) -> Vec<&'static str> {
        let media = [Media::Audio, Media::Image, Media::Video].into_iter();
        let known = media.flat_map(|media| tags::endings_of(media).iter().map(move |ending| (media, *ending)));
        let all = known.chain([(Media::None, "pdf")]);
        all.filter(|(media, ending)| self.draws_named(*media, ending)).map(|(_, ending)| ending).collect()
    }

    /// Has it from the cache, reads along while somebody makes it, or begins to make it. Whoever drops the last
    /// [`Growing`] of one ends the work.
    pub async fn have(self: &Arc<Renditions>, source: Source, rendition: Rendition) -> Result<Made> {
        let key = Key::of(&source.identity(), &format!("{VERSION} {}", rendition.name()));
        let renditions = Arc::clone(self);
        self.find_or_make(key, |sink| renditions.fill(source, rendition, sink)).await
    }

    async fn find_or_make<F>(&self, key: Key, fill: impl FnOnce(Sink) -> F) -> Result<Made>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let cache = Arc::clone(&self.cache);
        let looked = spawn_blocking(move || cache.find_or_join(&key));
        match looked.await.map_err(|cause| Error::internal("rendition", cause))?? {
            Joined::Whole(file, stat) => Ok(Made::Whole(file, stat)),
            Joined::Reader(growing) => Ok(Made::Growing(growing)),
            Joined::Maker(growing, sink) => {
                tokio::spawn(fill(sink));
                Ok(Made::Growing(growing))
            }
        }
    }

    /// What is in a track or a film.
    pub async fn probe(self: &Arc<Renditions>, source: Source) -> Result<Probe> {
        let json = read(self.have(source, Rendition::Probe).await?.whole().await?).await?;
        Probe::read(&json).ok_or(Error::NotFound(Thing::File))
    }

    /// One picture of several, in rows: those that cannot be read are left out. `NotFound(Cover)` when none can.
    pub async fn mosaic(self: &Arc<Renditions>, sources: Vec<Source>, size_px: u32) -> Result<Made> {
        let identities: Vec<String> = sources.iter().map(Source::identity).collect();
        let key = Key::of(&identities.join(" "), &format!("{VERSION} mosaic-{size_px}"));
        let renditions = Arc::clone(self);
        self.find_or_make(key, |sink| renditions.fill_mosaic(sources, size_px, sink)).await
    }

    async fn fill_mosaic(self: Arc<Renditions>, sources: Vec<Source>, size_px: u32, mut sink: Sink) {
        let mut tiles = Vec::new();
        for source in sources {
            let tile = async {
                let rendition = Rendition::Picture { size_px: image::size_class(Some(size_px / 2)) };
                read(self.have(source, rendition).await?.whole().await?).await
            };
            match tile.await {
                Ok(tile) => tiles.push(tile),
                Err(Error::NotFound(_)) => {}
                Err(error) => return sink.fail(error),
            }
        }
        let turn = match Arc::clone(&self.drawing).acquire_owned().await {
            Ok(turn) => turn,
            Err(cause) => return sink.fail(Error::internal("renditions", cause)),
        };
        let work = spawn_blocking(move || {
            let _turn = turn;
            let made = image::mosaic(&tiles, size_px).ok_or(Error::NotFound(Thing::Cover));
            match made.and_then(|picture| sink.write(&picture)) {
                Ok(()) => {
                    if let Err(error) = sink.finish() {
                        tracing::warn!(%error, "a rendition could not be kept");
                    }
                }
                Err(error) => sink.fail(error),
            }
        });
        if let Err(cause) = work.await {
            tracing::error!(%cause, "a rendition ended without a word");
        }
    }

    /// Runs on a thread of its own once it is its turn, for all of it waits for disks and pipes.
    async fn fill(self: Arc<Renditions>, source: Source, rendition: Rendition, mut sink: Sink) {
        let turn = tokio::select! {
            turn = self.turn(rendition) => turn,
            () = sink.abandoned() => return,
        };
        let turn = match turn {
            Ok(turn) => turn,
            Err(error) => return sink.fail(error),
        };
        let runtime = Handle::current();
        let work = spawn_blocking(move || {
            // Goes with the work: who hangs up does not always stop it.
            let _turn = turn;
            let abandoned = sink.abandoned();
            let made = runtime.block_on(async {
                tokio::select! {
                    made = self.make(&source, rendition, &mut sink) => Some(made),
                    () = abandoned => None,
                }
            });
            match made {
                Some(Ok(())) => {
                    if let Err(error) = sink.finish() {
                        tracing::warn!(%error, "a rendition could not be kept");
                    }
                }
                Some(Err(error)) => sink.fail(error),
                None => {}
            }
        });
        if let Err(cause) = work.await {
            tracing::error!(%cause, "a rendition ended without a word");
        }
    }

    async fn turn(&self, rendition: Rendition) -> Result<Vec<OwnedSemaphorePermit>> {
        let acquire = |semaphore: &Arc<Semaphore>| Arc::clone(semaphore).acquire_owned();
        let closed = |cause| Error::internal("renditions", cause);
        match rendition {
            Rendition::Picture { .. } | Rendition::Probe => Ok(vec![acquire(&self.drawing).await.map_err(closed)?]),
            Rendition::Audio { .. } | Rendition::Film { .. } | Rendition::Segment { .. } | Rendition::Waveform => {
                let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::Busy)?;
                Ok(vec![place, acquire(&self.transcoding).await.map_err(closed)?])
            }
        }
    }

    async fn make(&self, source: &Source, rendition: Rendition, sink: &mut Sink) -> Result<()> {
        match rendition {
            Rendition::Picture { size_px } => sink.write(&self.picture(source, size_px).await?),
            Rendition::Audio { profile, start_s } => {
                self.ffmpeg(source, &profile.arguments(start_s), ffmpeg::AUDIO, |block| sink.write(block)).await
            }
            Rendition::Film { stream, start_s } => {
                self.ffmpeg(source, &stream.whole_film(start_s), ffmpeg::FILM, |block| sink.write(block)).await
            }
            Rendition::Segment { stream: stream @ Stream::Film { .. }, number, place } => {
                let arguments = stream.arguments(number, place);
                self.ffmpeg(source, &arguments, ffmpeg::SEGMENT, |block| sink.write(block)).await
            }
            Rendition::Segment { stream, number, place } => {
                let mut adts = Vec::new();
                let take = |block: &[u8]| {
                    adts.extend_from_slice(block);
                    if adts.len() > OUTPUT_BYTES_MAX { Err(Error::NoSpace) } else { Ok(()) }
                };
                self.ffmpeg(source, &stream.arguments(number, place), ffmpeg::SEGMENT, take).await?;
                sink.write(&Stream::cut(&adts, number, place))
            }
            Rendition::Waveform => {
                let mut waveform = Waveform::default();
                let listen = |block: &[u8]| {
                    waveform.add(block);
                    Ok(())
                };
                self.ffmpeg(source, &waveform::arguments(), ffmpeg::AUDIO, listen).await?;
                sink.write(waveform.json().as_bytes())
            }
            Rendition::Probe => {
                let said = self.said(&self.programs.ffprobe, &ffmpeg::probe(), source, ffmpeg::STILL).await;
                sink.write(&said.ok_or(Error::NotFound(Thing::File))?)
            }
        }
    }

    /// `NotFound(Cover)` when there is none that can be read.
    async fn picture(&self, source: &Source, size_px: u32) -> Result<Vec<u8>> {
        let still_px = if size_px == 0 { image::LARGEST_PX } else { size_px };
        let ffmpeg = &self.programs.ffmpeg;
        let picture = match source.item.media {
            Media::Audio => {
                tags::cover(&source.file, &source.item.name).and_then(|(_, bytes)| image::drawn(bytes, size_px))
            }
            Media::Image => match image::read(&source.file)?.and_then(|bytes| image::drawn(bytes, size_px)) {
                Some(picture) => Some(picture),
                None => self.said(ffmpeg, &ffmpeg::still(None, still_px), source, ffmpeg::STILL).await,
            },
            Media::Video => {
                let probed = self.said(&self.programs.ffprobe, &ffmpeg::probe(), source, ffmpeg::STILL).await;
                // Films begin black.
                let start_s = probed.and_then(|json| Probe::read(&json)).map(|probe| probe.duration_s / 10.0);
                self.said(ffmpeg, &ffmpeg::still(start_s, still_px), source, ffmpeg::STILL).await
            }
            Media::None if source.item.suffix() == "pdf" => {
                self.said(&self.programs.pdftoppm, &ffmpeg::page(still_px), source, ffmpeg::STILL).await
            }
            Media::None => None,
        };
        picture.filter(|picture| !picture.is_empty()).ok_or(Error::NotFound(Thing::Cover))
    }

    /// Hands over what ffmpeg makes of a file, as it comes. `NotFound` where it is missing or cannot read the file.
    async fn ffmpeg(
        &self,
        source: &Source,
        arguments: &[String],
        limits: Limits,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let program = self.programs.ffmpeg.as_deref().ok_or(Error::NotFound(Thing::File))?;
        let unmade = |failure: Failure| {
            tracing::info!(%failure, item = source.item.id, "no rendition");
            Error::NotFound(Thing::File)
        };
        let mut child = Child::start(program, arguments, source.file.try_clone()?, limits).map_err(unmade)?;
        while let Some(block) = child.read().await.map_err(unmade)? {
            take(&block)?;
        }
        child.end().await.map_err(unmade)
    }

    /// All that a program makes of a file; none where it is missing or fails.
    async fn said(
        &self,
        program: &Option<PathBuf>,
        arguments: &[String],
        source: &Source,
        limits: Limits,
    ) -> Option<Vec<u8>> {
        let child = Child::start(program.as_deref()?, arguments, source.file.try_clone().ok()?, limits);
        let said = match child {
            Ok(child) => child.read_all(OUTPUT_BYTES_MAX).await,
            Err(failure) => Err(failure),
        };
        said.inspect_err(|failure| tracing::info!(%failure, item = source.item.id, "no rendition")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_picture_is_promised_of_what_no_program_draws() {
        let folder = tempfile::TempDir::new().unwrap();
        let drawn = |programs: Programs| {
            Renditions::new(Cache::open(folder.path().to_owned(), 0).unwrap(), programs).drawn_endings()
        };
        let has = |all: &[&str], some: &[&str]| some.iter().map(|ending| all.contains(ending)).collect::<Vec<_>>();
        let endings = ["jpg", "webp", "mp3", "bmp", "heic", "mp4", "pdf", "wma", "txt"];
        let bare = drawn(Programs::default());
        assert_eq!(has(&bare, &endings), [true, true, true, false, false, false, false, false, false]);
        let films = drawn(Programs { ffmpeg: Some("/ffmpeg".into()), ..Programs::default() });
        assert_eq!(has(&films, &endings), [true, true, true, true, true, true, false, false, false]);
        let pages = drawn(Programs { pdftoppm: Some("/pdftoppm".into()), ..Programs::default() });
        assert_eq!(has(&pages, &endings), [true, true, true, false, false, false, true, false, false]);
    }
}
