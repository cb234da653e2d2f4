//! Rows of a library of any number of tracks, stored by what a scan stores its own with; the files are not there. One number
//! always gives one library: ten tracks to an album, five albums to an artist.

use std::collections::HashMap;
use std::path::Path;

use openshelf::account::UserKey;
use openshelf::error::Result;
use openshelf::library::music::{Marked, Role};
use openshelf::library::scan::Stamp;
use openshelf::library::tags::{Contribution, Credit, Facts};
use openshelf::library::{AlbumKey, ArtistKey, ItemKey, ItemKind, LibraryKey, LibraryKind, Media};
use openshelf::store::library::{self, NewLibrary};
use openshelf::store::scan::{self, Albums, Batch, Entry, Fate, Folder, Left, Put, Track};
use openshelf::store::{Db, Tx, marks};

pub const TRACKS_OF_ALBUM: usize = 10;
pub const ALBUMS_OF_ARTIST: usize = 5;
/// When it began to be collected: 2020. An artist a quarter of an hour.
const FIRST_MS: i64 = 1_577_836_800_000;
const ARTIST_MS: i64 = 900_000;
const ARTISTS_AT_ONCE: usize = 100;
const ALBUMS_AT_ONCE: u64 = 1000;
const SYLLABLES: [&str; 40] = [
    "ba", "ce", "do", "fi", "gu", "ha", "jo", "ke", "la", "mi", "no", "pu", "ra", "se", "ti", "vo", "wa", "xe", "yo",
    "zu", "bran", "clo", "dri", "fle", "gra", "ist", "ker", "lun", "mor", "nel", "ost", "pri", "qua", "ran", "ste",
    "tor", "und", "ver", "win", "zel",
];
/// What every tenth name is in.
const OTHERS: [&str; 16] = [
    "夜に駆ける",
    "東京",
    "青い海",
    "風の歌",
    "Ночь",
    "Звезда",
    "Последний",
    "Река",
    "Θάλασσα",
    "Φως",
    "ليل",
    "قمر",
    "사랑",
    "바람",
    "Été",
    "Größe",
];

/// One of the numbers below `bound` that belongs to `seed`.
fn pick(seed: u64, bound: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % bound
}

/// Some words are frequent and most are rare.
fn word(seed: u64) -> String {
    let number = pick(seed, 8000) * pick(seed ^ 1, 8000) / 8000;
    let syllables: String =
        (0..2 + number % 2).map(|at| SYLLABLES[pick(number * 8 + at, SYLLABLES.len() as u64) as usize]).collect();
    let mut letters = syllables.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn name(seed: u64, most_words: u64) -> String {
    if pick(seed, 10) == 0 {
        return format!("{} {}", OTHERS[pick(seed ^ 2, OTHERS.len() as u64) as usize], word(seed ^ 3));
    }
    let words: Vec<String> = (0..1 + pick(seed ^ 4, most_words)).map(|at| word(seed.wrapping_mul(31) + at)).collect();
    words.join(" ")
}

pub fn artist(number: usize) -> String {
    let name = name(number as u64 ^ 0xa << 40, 2);
    let article = if pick(number as u64, 8) == 0 { "The " } else { "" };
    format!("{article}{name} {number}")
}

fn credit(number: usize) -> Credit {
    Credit { name: artist(number), ..Credit::default() }
}

/// What the tags of a track say.
pub fn facts(track: usize) -> Facts {
    let seed = track as u64 ^ 0xc << 40;
    let album = track / TRACKS_OF_ALBUM;
    let of_album = album as u64 ^ 0xb << 40;
    let leader = album / ALBUMS_OF_ARTIST;
    let mut artists = vec![credit(leader)];
    if pick(seed ^ 5, 12) == 0 {
        artists.push(credit(pick(seed ^ 6, leader as u64 + 1) as usize));
        artists.dedup();
    }
    let shown: Vec<&str> = artists.iter().map(|credit| credit.name.as_str()).collect();
    let genre = |at: u64| format!("{} {}", word(pick(of_album ^ at, 40)), pick(of_album ^ at, 300));
    let mut genres = vec![genre(7)];
    if pick(of_album ^ 8, 3) == 0 {
        genres.push(genre(9));
        genres.dedup();
    }
    let composer = Contribution { role: Role::Composer, part: String::new(), credit: credit(leader) };
    Facts {
        title: name(seed, 4),
        artist_name: shown.join(" feat. "),
        album_artists: vec![credit(leader)],
        album_artist_name: artist(leader),
        contributions: if pick(seed ^ 10, 5) == 0 { vec![composer] } else { Vec::new() },
        album: format!("{} {}", name(of_album, 3), album % 100),
        number: Some((track % TRACKS_OF_ALBUM) as i64 + 1),
        year: Some(1950 + pick(of_album ^ 11, 75) as i64),
        genres,
        duration_ms: 120_000 + pick(seed ^ 12, 300_000) as i64,
        bit_rate_kbps: 320,
        sample_rate_hz: 44_100,
        channels: 2,
        has_cover: pick(of_album ^ 13, 3) > 0,
        artists,
        ..Facts::default()
    }
}

/// Where a track lies: the folders of artist and album, the file.
pub fn path(track: usize) -> [String; 3] {
    let album = track / TRACKS_OF_ALBUM;
    [
        format!("Artist {:06}", album / ALBUMS_OF_ARTIST),
        format!("Album {album:06}"),
        format!("{:02}.flac", track % TRACKS_OF_ALBUM + 1),
    ]
}

/// Stores a library of so many tracks; tells how far it is.
pub fn fill(db: &Db, name: &str, root: &Path, tracks: usize, told: impl Fn(usize)) -> Result<LibraryKey> {
    let new = NewLibrary {
        name: name.to_owned(),
        kind: LibraryKind::Folder,
        owner: None,
        root: root.to_owned(),
        only: None,
        writable: false,
    };
    let (key, top) = db.write_blocking(move |tx| {
        let library = library::insert(tx, &new, FIRST_MS)?;
        Ok((library.key, library::root_item(tx, library.key)?.key))
    })?;
    let tracks_of_artist = TRACKS_OF_ALBUM * ALBUMS_OF_ARTIST;
    let artists = tracks.div_ceil(tracks_of_artist);
    for first in (0..artists).step_by(ARTISTS_AT_ONCE) {
        let last = (first + ARTISTS_AT_ONCE).min(artists);
        db.write_blocking(move |tx| {
            for artist in first..last {
                let tracks = artist * tracks_of_artist..((artist + 1) * tracks_of_artist).min(tracks);
                let batch = Batch {
                    library: key,
                    newest: ItemKey(i64::MAX),
                    now_ms: FIRST_MS + artist as i64 * ARTIST_MS,
                    changes: usize::MAX,
                    albums: Albums::AtOnce,
                };
                scan::commit(tx, batch, &entries(top, tracks), &mut HashMap::new())?;
            }
            Ok(())
        })?;
        told(last * tracks_of_artist);
    }
    while db.write_blocking(move |tx| scan::refresh(tx, key, ALBUMS_AT_ONCE))? == Left::More {}
    db.write_blocking(move |tx| scan::set_scanned(tx, key, FIRST_MS))?;
    Ok(key)
}

/// One artist's folders and tracks.
fn entries(top: ItemKey, tracks: std::ops::Range<usize>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let (mut of_artist, mut of_album) = (0, 0);
    for track in tracks.clone() {
        let [artist, album, file] = path(track);
        let mut put = |folder: Folder, name: String, number: u64, media: Media, track: Track| {
            let at = entries.len();
            let kind = if media == Media::None { ItemKind::Folder } else { ItemKind::File };
            entries.push(Entry::Put(Box::new(Put {
                at,
                folder,
                name: name.into_bytes(),
                stamp: stamp(kind, number),
                media,
                fate: Fate::Added,
                track,
            })));
            at
        };
        let number = track as u64 * 4;
        if track == tracks.start {
            of_artist = put(Folder::Known(top), artist, number + 1, Media::None, Track::Unchanged);
        }
        if track % TRACKS_OF_ALBUM == 0 {
            of_album = put(Folder::At(of_artist), album, number + 2, Media::None, Track::Unchanged);
        }
        let facts = Track::Facts(Box::new(facts(track)));
        put(Folder::At(of_album), file, number + 3, Media::Audio, facts);
    }
    entries
}

fn stamp(kind: ItemKind, number: u64) -> Stamp {
    let when_ns = FIRST_MS * 1_000_000 + number as i64;
    Stamp {
        kind,
        size_bytes: if kind == ItemKind::File { 5_000_000 + number } else { 0 },
        modified_ns: when_ns,
        device: 1,
        inode: 1000 + number as i64,
        birth_ns: Some(when_ns),
    }
}

/// Has a user star, rate and play some of what there is; the keys are those of a store that holds nothing else.
pub fn mark(db: &Db, user: UserKey, tracks: usize) -> Result<()> {
    let albums = (tracks / TRACKS_OF_ALBUM) as i64;
    let artists = albums / ALBUMS_OF_ARTIST as i64;
    let items = db.read_blocking(|tx| {
        tx.all("SELECT item_id FROM track ORDER BY item_id", &[], |row| Ok(ItemKey(row.get(0)?)))
    })?;
    let every = |step: usize, of: i64| (1..=of).step_by(step);
    let mut stars: Vec<Marked> = items.into_iter().step_by(50).map(Marked::Item).collect();
    stars.extend(every(30, albums).map(|key| Marked::Album(AlbumKey(key))));
    stars.extend(every(20, artists).map(|key| Marked::Artist(ArtistKey(key))));
    let rated: Vec<Marked> = every(20, albums).map(|key| Marked::Album(AlbumKey(key))).collect();
    let played: Vec<Marked> = every(4, albums).map(|key| Marked::Album(AlbumKey(key))).collect();
    db.write_blocking(move |tx: &mut Tx| {
        for (at, marked) in (0..).zip(stars) {
            marks::star(tx, user, marked, FIRST_MS + at)?;
        }
        for (at, marked) in (0..).zip(rated) {
            marks::rate(tx, user, marked, Some((pick(at, 5) + 1) as u8))?;
        }
        for (at, marked) in (0..).zip(played) {
            for play in 0..=pick(at, 3) {
                marks::play(tx, user, marked, FIRST_MS + (at * 10 + play) as i64)?;
            }
        }
        Ok(())
    })
}
