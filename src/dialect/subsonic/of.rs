//! From the domain to the protocol's objects.

use super::answers::*;
use super::play::UNNAMED;
use crate::account::{Role as Allows, User as Account, UserKey};
use crate::http::send::mime_of;
use crate::library::music::{self, Mark, Role, Track};
use crate::library::playback::State;
use crate::library::{Item, Media, podcasts};
use crate::share;
use crate::store::chat::Message;
use crate::store::playback::NowPlaying;
use crate::store::radio::Station;

pub(super) fn seconds(ms: u64) -> u64 {
    ms.saturating_add(500) / 1000
}

pub(super) fn filled(text: &str) -> Option<String> {
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
            transcoded_content_type: track.is_transcoded.then(|| UNNAMED.mime().to_owned()),
            transcoded_suffix: track.is_transcoded.then(|| UNNAMED.suffix().to_owned()),
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
        .told_by(track.episode.as_deref())
    }

    /// What a feed says of its episode, over what the file says of itself.
    pub(super) fn told_by(self, episode: Option<&podcasts::Episode>) -> Child {
        let Some(episode) = episode else { return self };
        Child {
            title: episode.title.clone(),
            album: Some(episode.channel_title.clone()),
            artist: self.artist.or_else(|| Some(episode.channel_title.clone())),
            // The file's own picture goes by the file's id.
            cover_art: self.cover_art.filter(|id| *id == self.id).or_else(|| episode.cover_id.clone()),
            genre: self.genre.or_else(|| Some("Podcast".to_owned())),
            kind: Some(MediaKind::Podcast),
            album_id: None,
            artist_id: None,
            ..self
        }
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
            cover_art: (item.is_folder() || is_video).then(|| item.id.clone()),
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
            bookmark_position: mark.bookmark_ms,
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
    let disc = track.disc.map(|disc| format!("{disc:02}-")).unwrap_or_default();
    let number = track.number.map(|number| format!("{number:02} - ")).unwrap_or_default();
    let suffix = track.item.suffix();
    let title = part(&track.title, "_");
    format!("{}/{}/{disc}{number}{title}.{suffix}", part(artist, "Unknown Artist"), part(album, "Unknown Album"))
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
            user_rating: artist.mark.rating,
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
    pub fn of(share: &share::Share, owner: &Account, base: &str, entry: &[Child]) -> Share {
        Share {
            id: share.id.clone(),
            url: format!("{base}/share/{}", share.id),
            description: filled(&share.description),
            username: owner.name.clone(),
            created: Date(share.created_ms),
            expires: share.terms.expires_ms.map(Date),
            last_visited: share.visited_ms.map(Date),
            visit_count: share.views.max(0).unsigned_abs(),
            entry: entry.to_vec(),
        }
    }
}

impl User {
    pub fn of(account: &Account, folders: Vec<i64>, avatar_changed_ms: Option<i64>) -> User {
        User {
            username: account.name.clone(),
            email: Some(account.mail.clone()),
            scrobbling_enabled: true,
            max_bit_rate: account.allowed.most_kbps,
            admin_role: account.is_admin(),
            settings_role: account.has(Allows::Settings),
            download_role: account.has(Allows::Download),
            upload_role: account.has(Allows::Upload),
            playlist_role: account.has(Allows::Playlist),
            cover_art_role: account.has(Allows::CoverArt),
            comment_role: account.has(Allows::Comment),
            podcast_role: account.has(Allows::Podcast),
            stream_role: account.has(Allows::Stream),
            jukebox_role: account.has(Allows::Jukebox),
            share_role: account.has(Allows::Share),
            video_conversion_role: account.has(Allows::VideoConversion),
            avatar_last_changed: avatar_changed_ms.map(Date),
            folder: folders,
        }
    }
}

impl NowPlayingEntry {
    pub fn of(playing: &NowPlaying, track: &Track, now_ms: i64) -> NowPlayingEntry {
        let playback = &playing.playback;
        NowPlayingEntry {
            child: Child::of(track),
            username: playing.user_name.clone(),
            minutes_ago: (now_ms - playback.started_ms).max(0) / 60_000,
            player_id: playing.player_id,
            player_name: filled(&playing.player),
            state: match playback.state {
                State::Starting => "starting",
                State::Playing => "playing",
                State::Paused => "paused",
                State::Stopped => "stopped",
            },
            position_ms: playback.position_at(track.duration_ms, now_ms),
            playback_rate: playback.rate,
        }
    }
}

impl Bookmark {
    pub fn of(bookmark: &music::Bookmark, user_name: &str, entry: Child) -> Bookmark {
        Bookmark {
            position: bookmark.position_ms,
            username: user_name.to_owned(),
            comment: filled(&bookmark.comment),
            created: Date(bookmark.created_ms),
            changed: Date(bookmark.changed_ms),
            entry,
        }
    }
}

impl InternetRadioStation {
    pub fn of(station: Station) -> InternetRadioStation {
        InternetRadioStation {
            id: station.id,
            name: station.name,
            stream_url: station.stream_url,
            home_page_url: station.homepage_url,
        }
    }
}

impl ChatMessage {
    pub fn of(message: Message) -> ChatMessage {
        ChatMessage { username: message.user_name, time: message.sent_ms, message: message.message }
    }
}
