//! From the domain to the protocol's objects.

use super::answers::*;
use crate::account::{User as Account, UserKey};
use crate::http::send::mime_of;
use crate::library::music::{self, Mark, Role, Track};
use crate::library::{Item, Media};
use crate::share;

fn seconds(ms: u64) -> u64 {
    ms.saturating_add(500) / 1000
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn genres(names: &[String]) -> Vec<ItemGenre> {
    names.iter().map(|name| ItemGenre { name: name.clone() }).collect()
}

/// Of `1999`, `1999-05` or `1999-05-04`, as much as there is.
fn date_of(text: &str) -> ItemDate {
    let mut parts = text.split('-').map(|part| part.parse::<u16>().ok());
    let mut next = || parts.next().flatten();
    ItemDate {
        year: next().map(i32::from),
        month: next().and_then(|month| u8::try_from(month).ok()),
        day: next().and_then(|day| u8::try_from(day).ok()),
    }
}

/// All who had a part in it but the artists, who have fields of their own.
fn contributors(track: &Track) -> Vec<Contributor> {
    let others = track.credits.iter().filter(|credit| !matches!(credit.role, Role::Artist | Role::AlbumArtist));
    others
        .map(|credit| Contributor {
            role: credit.role.name().to_owned(),
            sub_role: filled(&credit.part),
            artist: ArtistRef::of(&credit.artist),
        })
        .collect()
}

impl ArtistRef {
    fn of(artist: &music::ArtistName) -> ArtistRef {
        ArtistRef { id: artist.id.clone(), name: artist.name.clone() }
    }
}

impl Child {
    pub fn of(track: &Track) -> Child {
        let item = &track.item;
        let composers: Vec<&str> = track.credited(Role::Composer).map(|artist| artist.name.as_str()).collect();
        Child {
            id: item.id.clone(),
            parent: track.folder_id.clone(),
            title: track.title.clone(),
            album: track.album.as_ref().map(|album| album.name.clone()),
            artist: filled(&track.artist_name),
            track: track.number,
            year: track.year,
            genre: track.genres.first().cloned(),
            cover_art: cover_of(track),
            size: Some(item.size_bytes),
            content_type: Some(mime_of(&item.shown).to_owned()),
            suffix: filled(&item.suffix()),
            duration: Some(seconds(track.duration_ms)),
            bit_rate: Some(track.bit_rate_kbps).filter(|kbps| *kbps > 0),
            bit_depth: track.bit_depth.unwrap_or(0),
            sampling_rate: track.sample_rate_hz,
            channel_count: track.channels,
            path: Some(path_of(track)),
            disc_number: track.disc,
            created: Some(Date(item.added_ms)),
            album_id: track.album.as_ref().map(|album| album.id.clone()),
            artist_id: track.credited(Role::Artist).next().map(|artist| artist.id.clone()),
            kind: Some(MediaKind::Music),
            media_type: Some(MediaType::Song),
            bpm: track.bpm.unwrap_or(0),
            comment: track.comment.clone(),
            sort_name: track.sort_title.clone(),
            music_brainz_id: track.musicbrainz_id.clone(),
            isrc: track.isrc.clone(),
            genres: genres(&track.genres),
            artists: track.credited(Role::Artist).map(ArtistRef::of).collect(),
            display_artist: track.artist_name.clone(),
            album_artists: track.credited(Role::AlbumArtist).map(ArtistRef::of).collect(),
            display_album_artist: track.album_artist_name.clone(),
            display_composer: composers.join(", "),
            contributors: contributors(track),
            moods: track.moods.clone(),
            replay_gain: ReplayGain {
                track_gain: track.track_gain_db,
                album_gain: track.album_gain_db,
                track_peak: track.track_peak,
                album_peak: track.album_peak,
                ..ReplayGain::default()
            },
            explicit_status: track.advisory.clone(),
            ..Child::default()
        }
        .marked(&track.mark)
    }

    /// An album where folders are expected.
    pub fn of_album(album: &music::Album) -> Child {
        Child {
            id: album.id.clone(),
            parent: album.artists.first().map(|artist| artist.id.clone()),
            is_dir: true,
            title: album.name.clone(),
            name: Some(album.name.clone()),
            song_count: Some(album.track_count),
            album: Some(album.name.clone()),
            artist: filled(&album.artist_name),
            year: album.year,
            genre: album.genres.first().cloned(),
            cover_art: album.has_cover.then(|| album.id.clone()),
            duration: Some(seconds(album.duration_ms)),
            created: Some(Date(album.added_ms)),
            artist_id: album.artists.first().map(|artist| artist.id.clone()),
            media_type: Some(MediaType::Album),
            sort_name: album.sort_name.clone(),
            music_brainz_id: album.musicbrainz_id.clone(),
            genres: genres(&album.genres),
            artists: album.artists.iter().map(ArtistRef::of).collect(),
            display_artist: album.artist_name.clone(),
            moods: album.moods.clone(),
            ..Child::default()
        }
        .marked(&album.mark)
    }

    /// A folder, or a video in one.
    pub fn of_item(item: &Item, parent_id: Option<&str>, mark: &Mark) -> Child {
        let is_video = item.media == Media::Video;
        Child {
            id: item.id.clone(),
            parent: parent_id.map(str::to_owned),
            is_dir: item.is_folder(),
            title: item.shown.clone(),
            cover_art: item.is_folder().then(|| item.id.clone()),
            size: is_video.then_some(item.size_bytes),
            content_type: is_video.then(|| mime_of(&item.shown).to_owned()),
            suffix: if is_video { filled(&item.suffix()) } else { None },
            is_video,
            created: Some(Date(item.added_ms)),
            kind: is_video.then_some(MediaKind::Video),
            ..Child::default()
        }
        .marked(mark)
    }

    fn marked(self, mark: &Mark) -> Child {
        Child {
            user_rating: mark.rating,
            play_count: Some(mark.plays),
            starred: mark.starred_ms.map(Date),
            played: mark.played_ms.map(Date),
            ..self
        }
    }
}

/// A track has its own picture, or is shown by its album's.
fn cover_of(track: &Track) -> Option<String> {
    match &track.album {
        _ if track.has_cover => Some(track.item.id.clone()),
        Some(album) if album.has_cover => Some(album.id.clone()),
        _ => None,
    }
}

/// A path as apps like to store downloads under. It is made of the tags: the real one is nobody's business.
fn path_of(track: &Track) -> String {
    let part = |text: &str, empty: &str| match text.trim_matches(['.', ' ']) {
        "" => empty.to_owned(),
        text => text.replace(['/', '\\'], "_"),
    };
    let artist = if track.album_artist_name.is_empty() { &track.artist_name } else { &track.album_artist_name };
    let album = track.album.as_ref().map_or("", |album| album.name.as_str());
    let number = track.number.map(|number| format!("{number:02} - ")).unwrap_or_default();
    let suffix = track.item.suffix();
    let title = part(&track.title, "_");
    format!("{}/{}/{number}{title}.{suffix}", part(artist, "Unknown Artist"), part(album, "Unknown Album"))
}

impl AlbumID3 {
    pub fn of(album: &music::Album) -> AlbumID3 {
        AlbumID3 {
            id: album.id.clone(),
            name: album.name.clone(),
            artist: filled(&album.artist_name),
            artist_id: album.artists.first().map(|artist| artist.id.clone()),
            cover_art: album.has_cover.then(|| album.id.clone()),
            song_count: album.track_count,
            duration: seconds(album.duration_ms),
            play_count: Some(album.mark.plays),
            created: Date(album.added_ms),
            starred: album.mark.starred_ms.map(Date),
            year: album.year,
            genre: album.genres.first().cloned(),
            played: album.mark.played_ms.map(Date),
            user_rating: album.mark.rating,
            record_labels: album.labels.iter().map(|name| RecordLabel { name: name.clone() }).collect(),
            music_brainz_id: album.musicbrainz_id.clone(),
            genres: genres(&album.genres),
            artists: album.artists.iter().map(ArtistRef::of).collect(),
            display_artist: album.artist_name.clone(),
            release_types: album.release_types.clone(),
            moods: album.moods.clone(),
            sort_name: album.sort_name.clone(),
            original_release_date: date_of(&album.original_date),
            release_date: match album.release_date.as_str() {
                "" => ItemDate { year: album.year, ..ItemDate::default() },
                date => date_of(date),
            },
            is_compilation: album.is_compilation,
            explicit_status: album.advisory.clone(),
            disc_titles: album
                .disc_titles
                .iter()
                .map(|(disc, title)| DiscTitle { disc: *disc, title: title.clone() })
                .collect(),
        }
    }
}

impl ArtistID3 {
    pub fn of(artist: &music::Artist) -> ArtistID3 {
        ArtistID3 {
            id: artist.id.clone(),
            name: artist.name.clone(),
            cover_art: artist.has_cover.then(|| artist.id.clone()),
            album_count: artist.album_count,
            starred: artist.mark.starred_ms.map(Date),
            music_brainz_id: artist.musicbrainz_id.clone(),
            sort_name: artist.sort_name.clone(),
            roles: artist.roles.iter().map(|role| role.name().to_owned()).collect(),
        }
    }
}

impl Artist {
    pub fn of(artist: &music::Artist) -> Artist {
        Artist {
            id: artist.id.clone(),
            name: artist.name.clone(),
            starred: artist.mark.starred_ms.map(Date),
            user_rating: artist.mark.rating,
        }
    }

    /// A folder below the root, which the folder view takes for an artist.
    pub fn of_folder(folder: &Item, mark: &Mark) -> Artist {
        Artist {
            id: folder.id.clone(),
            name: folder.shown.clone(),
            starred: mark.starred_ms.map(Date),
            user_rating: mark.rating,
        }
    }
}

impl Genre {
    pub fn of(genre: &music::Genre) -> Genre {
        Genre { value: Text(genre.name.clone()), song_count: genre.track_count, album_count: genre.album_count }
    }
}

impl Playlist {
    pub fn of(playlist: &music::Playlist, reader: UserKey) -> Playlist {
        Playlist {
            id: playlist.id.clone(),
            name: playlist.name.clone(),
            comment: filled(&playlist.comment),
            owner: Some(playlist.owner_name.clone()),
            public: playlist.is_public,
            song_count: playlist.track_count,
            duration: seconds(playlist.duration_ms),
            created: Date(playlist.created_ms),
            changed: Date(playlist.changed_ms),
            cover_art: (playlist.track_count > 0).then(|| playlist.id.clone()),
            readonly: playlist.owner != reader,
            allowed_user: Vec::new(),
        }
    }
}

impl Share {
    /// For its owner. The address ends in `/share/{id}`: one app cuts all before that and puts its own server there.
    pub fn of(share: &share::Share, owner: &Account, base: &str, entry: &[Track]) -> Share {
        Share {
            id: share.id.clone(),
            url: format!("{base}/share/{}", share.id),
            description: filled(&share.description),
            username: owner.name.clone(),
            created: Date(share.created_ms),
            expires: share.terms.expires_ms.map(Date),
            last_visited: share.visited_ms.map(Date),
            visit_count: share.views.max(0).unsigned_abs(),
            entry: entry.iter().map(Child::of).collect(),
        }
    }
}

impl User {
    /// All roles but those of what this server does not have; sharing is for everyone, and one app hides it otherwise.
    pub fn of(account: &Account, folders: Vec<i64>) -> User {
        User {
            username: account.name.clone(),
            email: Some(account.mail.clone()),
            scrobbling_enabled: true,
            max_bit_rate: None,
            admin_role: account.is_admin(),
            settings_role: true,
            download_role: true,
            upload_role: false,
            playlist_role: true,
            cover_art_role: false,
            comment_role: true,
            podcast_role: false,
            stream_role: true,
            jukebox_role: false,
            share_role: true,
            video_conversion_role: false,
            folder: folders,
        }
    }
}

impl StructuredLyrics {
    /// Of stored text, plain or LRC.
    pub fn of(track: &Track, text: &str) -> StructuredLyrics {
        let mut timed: Vec<Line> = text.lines().flat_map(timed_lines).collect();
        timed.sort_by_key(|line| line.start);
        let is_timed = !timed.is_empty();
        let plain = text
            .lines()
            .filter(|line| !is_tag(line))
            .map(|line| Line { start: None, value: Text(line.trim().to_owned()) });
        StructuredLyrics {
            lang: "und".to_owned(),
            synced: is_timed,
            line: if is_timed { timed } else { plain.collect() },
            display_artist: filled(&track.artist_name),
            display_title: filled(&track.title),
        }
    }
}

/// Text of lyrics without times.
pub fn plain_lyrics(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !is_tag(line)) {
        let mut rest = line.trim();
        while let Some((_, after)) = time_and_rest(rest) {
            rest = after.trim_start();
        }
        lines.push(rest);
    }
    lines.join("\n")
}

/// `[ar:Somebody]` and the like: facts about the text, none of its lines.
fn is_tag(line: &str) -> bool {
    let inner = line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner
        .and_then(|inner| inner.split_once(':'))
        .is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// One line for each of its times: a refrain is written once, with several.
fn timed_lines(line: &str) -> Vec<Line> {
    let mut starts = Vec::new();
    let mut rest = line.trim();
    while let Some((start, after)) = time_and_rest(rest) {
        starts.push(start);
        rest = after.trim_start();
    }
    starts.into_iter().map(|start| Line { start: Some(start), value: Text(rest.to_owned()) }).collect()
}

/// `[mm:ss]`, `[mm:ss.xx]` or `[mm:ss:xx]` in milliseconds, and what follows.
fn time_and_rest(text: &str) -> Option<(i64, &str)> {
    let (time, rest) = text.strip_prefix('[')?.split_once(']')?;
    let (minutes, seconds) = time.split_once(':')?;
    let number = |text: &str| text.parse::<u32>().ok().map(i64::from);
    let (whole, part) = seconds.split_once(['.', ':']).unwrap_or((seconds, ""));
    let digits: String = part.chars().chain("000".chars()).take(3).collect();
    Some((number(minutes)? * 60_000 + number(whole)? * 1000 + number(&digits)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_lyrics_come_in_several_forms() {
        for (line, start) in
            [("[01:02]a", 62_000), ("[01:02.5]a", 62_500), ("[01:02.34]a", 62_340), ("[00:00:07] a", 70)]
        {
            let lines = timed_lines(line);
            assert_eq!((lines[0].start, lines[0].value.0.as_str()), (Some(start), "a"), "{line}");
        }
        for line in ["a", "[ar:Somebody]", "[Chorus]", "[:]", "[1:]", ""] {
            assert!(timed_lines(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn refrain_with_two_times_is_two_lines_but_one_of_the_plain_text() {
        assert_eq!(timed_lines("[00:01][00:09]la la").len(), 2);
        assert_eq!(plain_lyrics("[ar:X]\n[00:01][00:09]la la\n[Chorus]"), "la la\n[Chorus]");
    }
}
