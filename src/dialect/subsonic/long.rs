//! Answers that may be long: a plan of keys is read at once, and what they name goes out as it is read, some of it at a
//! time. So an answer takes little memory and holds no reader while its client takes its time; what vanished meanwhile is left
//! out. Whatever is refused is refused before the first byte; later the answer breaks off.

use std::collections::VecDeque;

use axum::body::Body;
use futures_util::stream;
use serde::Serialize;

use super::answers::*;
use super::children::{children, items, marks_of};
use super::envelope::{Format, Writer};
use super::{Answer, Asked, respond};
use crate::error::{Error, Result};
use crate::http::log_internal;
use crate::library::music::Marked;
use crate::library::{AlbumKey, ArtistKey, ItemKey};
use crate::share::grant::Scope;
use crate::store::{Tx, music};

/// Things that are read at once.
const AT_ONCE: usize = 200;

/// The parts of an answer, in order.
#[derive(Default)]
pub struct Plan(VecDeque<Step>);

enum Step {
    Object(&'static str, Frame),
    List(&'static str),
    Entry(Frame),
    Things(Things),
    Close,
}

/// What an object says beside its lists.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Frame {
    Bare {},
    Artists {
        ignored_articles: String,
    },
    /// `last_modified` in milliseconds since 1970.
    Indexes {
        ignored_articles: String,
        last_modified: i64,
    },
    Index {
        name: String,
    },
}

/// What is listed, and as what.
pub enum Things {
    Artists(VecDeque<ArtistKey>),
    ArtistsAsFolders(VecDeque<ArtistKey>),
    Albums(VecDeque<AlbumKey>),
    AlbumsAsFolders(VecDeque<AlbumKey>),
    Songs(VecDeque<ItemKey>),
    /// Folders below the root, taken for artists.
    Folders(VecDeque<ItemKey>),
    /// Folders, music and films, each with the folder that it lies in.
    Items(VecDeque<ItemKey>),
}

impl Plan {
    /// An answer that is one object.
    pub fn of(name: &'static str, frame: Frame) -> Plan {
        Plan(VecDeque::from([Step::Object(name, frame)]))
    }

    pub fn list(mut self, name: &'static str, things: impl IntoIterator<Item = Things>) -> Plan {
        self.0.push_back(Step::List(name));
        self.0.extend(things.into_iter().map(Step::Things));
        self.0.push_back(Step::Close);
        self
    }

    /// Lists by their initials.
    pub fn index(mut self, name: &'static str, groups: impl IntoIterator<Item = (String, Things)>) -> Plan {
        self.0.push_back(Step::List("index"));
        for (initial, things) in groups {
            self.0.push_back(Step::Entry(Frame::Index { name: initial }));
            self = self.list(name, [things]);
            self.0.push_back(Step::Close);
        }
        self.0.push_back(Step::Close);
        self
    }
}

/// How artists and albums are shown: as themselves, or to clients that know folders only.
#[derive(Debug, Clone, Copy)]
pub enum View {
    Tags,
    Folders,
}

impl View {
    /// An object of three lists.
    pub fn plan(self, name: &'static str, artists: Vec<ArtistKey>, albums: Vec<AlbumKey>, songs: Vec<ItemKey>) -> Plan {
        let plan = Plan::of(name, Frame::Bare {});
        let plan = plan.list("artist", [self.artists(artists)]).list("album", [self.albums(albums)]);
        plan.list("song", [Things::Songs(songs.into())])
    }

    pub fn artists(self, artists: Vec<ArtistKey>) -> Things {
        match self {
            View::Tags => Things::Artists(artists.into()),
            View::Folders => Things::ArtistsAsFolders(artists.into()),
        }
    }

    pub fn albums(self, albums: Vec<AlbumKey>) -> Things {
        match self {
            View::Tags => Things::Albums(albums.into()),
            View::Folders => Things::AlbumsAsFolders(albums.into()),
        }
    }
}

/// An answer on its way.
struct Long {
    steps: VecDeque<Step>,
    writer: Writer,
}

impl Long {
    /// Writes some more of it.
    fn go_on(&mut self, tx: &mut Tx, scope: &Scope) -> Result<()> {
        let mut left = AT_ONCE;
        while left > 0 {
            match self.steps.pop_front() {
                None => return Ok(()),
                Some(Step::Object(name, frame)) => self.writer.object(name, &frame),
                Some(Step::List(name)) => self.writer.list(name),
                Some(Step::Entry(frame)) => self.writer.entry(&frame),
                Some(Step::Close) => self.writer.close(),
                Some(Step::Things(mut things)) => {
                    left -= things.write(tx, scope, left, &mut self.writer)?;
                    if !things.is_empty() {
                        self.steps.push_front(Step::Things(things));
                    }
                }
            }
        }
        Ok(())
    }
}

fn next<K>(keys: &mut VecDeque<K>, most: usize) -> Vec<K> {
    keys.drain(..most.min(keys.len())).collect()
}

impl Things {
    fn is_empty(&self) -> bool {
        match self {
            Things::Artists(keys) | Things::ArtistsAsFolders(keys) => keys.is_empty(),
            Things::Albums(keys) | Things::AlbumsAsFolders(keys) => keys.is_empty(),
            Things::Songs(keys) | Things::Folders(keys) | Things::Items(keys) => keys.is_empty(),
        }
    }

    /// Writes up to `most` of them; tells how many were taken.
    fn write(&mut self, tx: &mut Tx, scope: &Scope, most: usize, to: &mut Writer) -> Result<usize> {
        match self {
            Things::Artists(keys) => {
                let keys = next(keys, most);
                music::artists(tx, scope, &keys)?.iter().for_each(|artist| to.item(&ArtistID3::of(artist)));
                Ok(keys.len())
            }
            Things::ArtistsAsFolders(keys) => {
                let keys = next(keys, most);
                music::artists(tx, scope, &keys)?.iter().for_each(|artist| to.item(&Artist::of(artist)));
                Ok(keys.len())
            }
            Things::Albums(keys) => {
                let keys = next(keys, most);
                music::albums(tx, scope, &keys)?.iter().for_each(|album| to.item(&AlbumID3::of(album)));
                Ok(keys.len())
            }
            Things::AlbumsAsFolders(keys) => {
                let keys = next(keys, most);
                music::albums(tx, scope, &keys)?.iter().for_each(|album| to.item(&Child::of_album(album)));
                Ok(keys.len())
            }
            Things::Songs(keys) => {
                let keys = next(keys, most);
                music::tracks(tx, scope, &keys)?.iter().for_each(|track| to.item(&Child::of(track)));
                Ok(keys.len())
            }
            Things::Folders(keys) => {
                let keys = next(keys, most);
                let folders = items(tx, scope, &keys)?;
                let marks = marks_of(tx, scope, &folders)?;
                for folder in &folders {
                    let mark = marks.get(&Marked::Item(folder.key)).copied().unwrap_or_default();
                    to.item(&Artist::of_folder(folder, &mark));
                }
                Ok(keys.len())
            }
            Things::Items(keys) => {
                let keys = next(keys, most);
                let found = children(tx, scope, &keys)?;
                keys.iter().filter_map(|key| found.get(key)).for_each(|child| to.item(child));
                Ok(keys.len())
            }
        }
    }
}

impl Asked {
    /// Answers what `plan` finds within the music folder that the call names, if it names one.
    pub(super) async fn at_length(
        self,
        plan: impl FnOnce(&mut Tx, &Scope) -> Result<Plan> + Send + 'static,
    ) -> Result<Answer> {
        let format = Format::asked(&self.params).map_err(|(_, error)| error)?;
        let content_type = format.content_type();
        let mut long = self
            .read_folder(move |tx, scope| {
                let Plan(mut steps) = plan(tx, scope)?;
                // The object and the envelope around it.
                steps.extend([Step::Close, Step::Close]);
                let mut long = Long { steps, writer: Writer::new(format) };
                long.go_on(tx, scope)?;
                Ok(long)
            })
            .await?;
        let first = long.writer.take();
        if long.steps.is_empty() {
            return Ok(Answer::Bytes(respond(content_type, Body::from(first))));
        }
        let rest = stream::try_unfold((self, long), |(asked, mut long)| async move {
            if long.steps.is_empty() {
                return Ok::<_, Error>(None);
            }
            let more = asked
                .read_folder(move |tx, scope| {
                    long.go_on(tx, scope)?;
                    Ok(long)
                })
                .await;
            let mut long = more.inspect_err(|error| log_internal("an answer on its way", error))?;
            Ok(Some((long.writer.take(), (asked, long))))
        });
        let whole = futures_util::StreamExt::chain(stream::iter([Ok(first)]), rest);
        Ok(Answer::Bytes(respond(content_type, Body::from_stream(whole))))
    }
}
