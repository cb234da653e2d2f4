//! What is like what: by its sound where that was listened to, else by its own facts; and what is liked most.

use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::error::Result;
use crate::library::music::{Artist, Role, Track};
use crate::library::names::search_key;
use crate::library::sound::{Sound, Way};
use crate::library::{ArtistKey, ItemKey};
use crate::share::Shared;
use crate::share::grant::Scope;
use crate::store::music::{self, Liked};
use crate::store::scan::{UNKNOWN_ARTIST, VARIOUS_ARTISTS};
use crate::store::{Tx, sounds};

/// Tracks of an artist or a record by which its sound is told.
const SEEDS: usize = 200;
/// How many tracks of one artist follow each other in what an artist radio plays.
const OF_ONE_ARTIST: usize = 3;
/// Tracks that are kept for each step of a way, since the nearest may be gone or taken.
const FOR_A_STEP: usize = 4;

/// A track beside another that it is compared with.
#[derive(Debug, Clone)]
pub struct Match {
    pub track: Track,
    /// None where one of the two was not listened to.
    pub similarity: Option<f32>,
}

/// Whether sounds are asked as well as facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    SoundAndFacts,
    Facts,
}

/// So many of the nearest, in no order.
struct Nearest<K> {
    heap: BinaryHeap<(u32, K)>,
    most: usize,
}

impl<K: Ord> Nearest<K> {
    fn new(most: usize) -> Nearest<K> {
        Nearest { heap: BinaryHeap::new(), most }
    }

    fn offer(&mut self, distance: f32, key: K) {
        // Of numbers that are not negative, the bits have their order.
        let distance = distance.to_bits();
        if self.heap.len() < self.most {
            self.heap.push((distance, key));
        } else if let Some(mut farthest) = self.heap.peek_mut()
            && farthest.0 > distance
        {
            *farthest = (distance, key);
        }
    }

    fn in_order(self) -> Vec<K> {
        self.heap.into_sorted_vec().into_iter().map(|(_, key)| key).collect()
    }
}

/// Keys of the tracks that sound most like this, of those that are there.
fn nearest(tx: &mut Tx, scope: &Scope, sound: &Sound, most: usize) -> Result<Vec<ItemKey>> {
    let mut found = Nearest::new(most);
    sounds::each(tx, scope, |item, other| found.offer(sound.distance(&other), item))?;
    let found = found.in_order();
    let there = music::tracks_there(tx, scope, &found)?;
    Ok(found.into_iter().filter(|item| there.contains(item)).collect())
}

/// The same song twice, as on a record and on a collection, is one.
fn song_of(track: &Track) -> (String, String) {
    (search_key(&track.title), search_key(&track.artist_name))
}

/// The tracks that sound most like one, the nearest first; none where that one was not listened to.
pub fn sonic_matches(tx: &mut Tx, scope: &Scope, id: &str, count: usize) -> Result<Vec<Match>> {
    let track = music::track_by_id(tx, scope, id)?;
    let Some(sound) = sounds::of(tx, &[track.item.key])?.pop() else { return Ok(Vec::new()) };
    // Some are the song itself on another record, or are no longer there.
    let keys = nearest(tx, scope, &sound, count * 2 + 50)?;
    let mut seen = HashSet::from([song_of(&track)]);
    let mut tracks = music::tracks(tx, scope, &keys)?;
    tracks.retain(|other| other.item.key != track.item.key && seen.insert(song_of(other)));
    tracks.truncate(count);
    matches(tx, &sound, tracks)
}

fn matches(tx: &mut Tx, sound: &Sound, tracks: Vec<Track>) -> Result<Vec<Match>> {
    let of_one = |track: Track| {
        let other = sounds::of(tx, &[track.item.key])?.pop();
        Ok(Match { similarity: other.map(|other| sound.similarity(&other)), track })
    };
    tracks.into_iter().map(of_one).collect()
}

/// Tracks that lead from one to another by their sound, in steps; the two are the first and the last, and no track comes
/// twice. Where one of them was not listened to, there is no way but those two.
pub fn sonic_path(tx: &mut Tx, scope: &Scope, from: &str, to: &str, count: usize) -> Result<Vec<Match>> {
    let (from, to) = (music::track_by_id(tx, scope, from)?, music::track_by_id(tx, scope, to)?);
    let ends = (sounds::of(tx, &[from.item.key])?.pop(), sounds::of(tx, &[to.item.key])?.pop());
    let mut path = vec![from.clone()];
    let mut seen = HashSet::from([song_of(&from), song_of(&to)]);
    if let (Some(start), Some(end)) = &ends
        && from.item.key != to.item.key
    {
        let steps = count.saturating_sub(2);
        let way = Way::new(start, end, steps);
        let mut found: Vec<Nearest<ItemKey>> = (0..steps).map(|_| Nearest::new(FOR_A_STEP)).collect();
        sounds::each(tx, scope, |item, sound| {
            if let Some((step, distance)) = way.step(&sound) {
                found[step].offer(distance, item);
            }
        })?;
        for step in found {
            let tracks = music::tracks(tx, scope, &step.in_order())?;
            path.extend(tracks.into_iter().find(|track| seen.insert(song_of(track))));
        }
    }
    if from.item.key != to.item.key {
        path.push(to);
    }
    match &ends.0 {
        Some(start) => matches(tx, start, path),
        None => Ok(path.into_iter().map(|track| Match { track, similarity: None }).collect()),
    }
}

fn seeds(tx: &mut Tx, scope: &Scope, thing: Shared) -> Result<Vec<Track>> {
    let mut tracks = music::flattened(tx, scope, thing, SEEDS)?;
    if let Shared::Artist(artist) = thing {
        // On their records others play as well.
        let is_own = |track: &Track| track.credited(Role::Artist).any(|credited| credited.key == artist);
        if tracks.iter().any(is_own) {
            tracks.retain(is_own);
        }
    }
    Ok(tracks)
}

/// What a radio of a track, a record, an artist or a folder plays: music like it, of several artists; for an artist, songs of
/// their own among it.
pub fn songs(tx: &mut Tx, scope: &Scope, id: &str, count: usize, by: By) -> Result<Vec<Track>> {
    let thing = music::named(tx, scope, id)?;
    let seeds = seeds(tx, scope, thing)?;
    let own: Vec<ItemKey> = seeds.iter().map(|track| track.item.key).collect();
    let middle = match by {
        By::SoundAndFacts => Sound::middle(&sounds::of(tx, &own)?),
        By::Facts => None,
    };
    let wanted = count * 2 + 50;
    let keys = match middle {
        Some(middle) => nearest(tx, scope, &middle, wanted)?,
        None => music::tracks_like(tx, scope, &seeds, i64::try_from(wanted).unwrap_or(i64::MAX))?,
    };
    let mut seen: HashSet<_> = match thing {
        Shared::Artist(_) => HashSet::new(),
        _ => seeds.iter().map(song_of).collect(),
    };
    let mut tracks = music::tracks(tx, scope, &keys)?;
    tracks.retain(|track| seen.insert(song_of(track)));
    let mut of_artist: HashMap<String, usize> = HashMap::new();
    let (mut first, rest): (Vec<Track>, Vec<Track>) = tracks.into_iter().partition(|track| {
        let played = of_artist.entry(track.artist_name.clone()).or_default();
        *played += 1;
        *played <= OF_ONE_ARTIST
    });
    first.extend(rest);
    first.truncate(count);
    Ok(first)
}

/// Artists like one, the nearest first.
pub fn artists(tx: &mut Tx, scope: &Scope, artist: ArtistKey, count: usize, by: By) -> Result<Vec<Artist>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut keys = Vec::new();
    if by == By::SoundAndFacts {
        let own: Vec<ItemKey> = seeds(tx, scope, Shared::Artist(artist))?.iter().map(|track| track.item.key).collect();
        if let Some(middle) = Sound::middle(&sounds::of(tx, &own)?) {
            let near = nearest(tx, scope, &middle, count * 20 + own.len())?;
            keys = music::artists_on(tx, &near)?;
        }
    }
    if keys.is_empty() {
        keys = music::artists_like(tx, scope, artist, i64::try_from(count + 2).unwrap_or(i64::MAX))?;
    }
    keys.retain(|key| *key != artist);
    keys.truncate(count + 2);
    let mut artists = music::artists(tx, scope, &keys)?;
    artists.retain(|artist| ![UNKNOWN_ARTIST, VARIOUS_ARTISTS].contains(&artist.name.as_str()));
    artists.truncate(count);
    Ok(artists)
}

/// An artist's songs, what all users like most first. Of what nobody touched, those first that are on most records, as hits
/// are on collections too.
pub fn top_songs(tx: &mut Tx, scope: &Scope, artist: ArtistKey, count: usize) -> Result<Vec<Track>> {
    let mut keys = songs_by_liking(music::liked_tracks(tx, scope, artist)?);
    keys.truncate(count);
    music::tracks(tx, scope, &keys)
}

/// Of a song that is there several times, the likings add up, and the one that is liked most stands for it.
fn songs_by_liking(tracks: Vec<Liked>) -> Vec<ItemKey> {
    struct Song {
        best: Liked,
        liking: i64,
        records: usize,
    }
    let mut at: HashMap<String, usize> = HashMap::new();
    let mut songs: Vec<Song> = Vec::new();
    for track in tracks {
        let place = *at.entry(search_key(&track.title)).or_insert(songs.len());
        let Some(song) = songs.get_mut(place) else {
            songs.push(Song { liking: track.liking, best: track, records: 1 });
            continue;
        };
        song.liking += track.liking;
        song.records += 1;
        if track.liking > song.best.liking {
            song.best = track;
        }
    }
    songs.sort_by_key(|song| std::cmp::Reverse((song.liking, song.records)));
    songs.into_iter().map(|song| song.best.item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn liked(item: i64, title: &str, liking: i64) -> Liked {
        Liked { item: ItemKey(item), title: title.to_owned(), liking }
    }

    #[test]
    fn a_song_on_two_records_is_one_with_the_likings_of_both() {
        let songs = songs_by_liking(vec![liked(1, "Hit", 2), liked(2, "Other", 3), liked(3, "HIT", 4)]);
        assert_eq!(songs, [ItemKey(3), ItemKey(2)]);
    }

    #[test]
    fn of_what_nobody_touched_the_song_on_most_records_comes_first() {
        let songs =
            songs_by_liking(vec![liked(1, "New", 0), liked(2, "Hit", 0), liked(3, "Hit", 0), liked(4, "Old", -6)]);
        assert_eq!(songs, [ItemKey(2), ItemKey(1), ItemKey(4)]);
    }

    #[test]
    fn only_the_nearest_are_kept_and_come_in_order() {
        let mut nearest = Nearest::new(2);
        for (distance, key) in [(0.5, 'b'), (0.25, 'a'), (9.0, 'z'), (0.4, 'c')] {
            nearest.offer(distance, key);
        }
        assert_eq!(nearest.in_order(), ['a', 'c']);
    }
}
