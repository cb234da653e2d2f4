"""knuckles: takes each list from where it belongs, and most objects for no more than the fields that it knows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from knuckles import RequestMethod, Subsonic
from knuckles.exceptions import ErrorCode40, ErrorCode70

from music import ALBUM, ARTIST, GENRE, TITLES, Music
from openshelf import ADMIN, PASSWORD, Server, until


def signed_in(server: Server, method: RequestMethod, password: str = PASSWORD, use_token: bool = True) -> Subsonic:
    address = f"127.0.0.1:{server.port}"
    return Subsonic(address, ADMIN, password, "outside", use_https=False, use_token=use_token, request_method=method)


@pytest.fixture(scope="module", params=RequestMethod)
def client(request: pytest.FixtureRequest, server: Server) -> Subsonic:
    return signed_in(server, request.param)


@pytest.fixture(scope="module")
def songs(client: Subsonic) -> list[str]:
    """The ids of the tagged album's."""
    album = next(album for album in client.lists.get_album_list_newest(num_of_albums=500) if album.name == ALBUM)
    return [song.id for song in client.browsing.get_album(album.id).songs]


def test_it_signs_in_by_token_and_by_password_and_knows_a_wrong_one(server: Server) -> None:
    for method in RequestMethod:
        for use_token in (True, False):
            assert signed_in(server, method, use_token=use_token).system.ping().status == "ok"
            with pytest.raises(ErrorCode40):
                signed_in(server, method, "wrong", use_token).system.ping()


def test_a_list_with_nothing_in_it_is_a_list(client: Subsonic) -> None:
    lists = client.lists
    for call in (
        client.sharing.get_shares,
        client.playlists.get_playlists,
        client.bookmarks.get_bookmarks,
        client.internet_radio.get_internet_radio_stations,
        client.chat.get_chat_messages,
        client.browsing.get_videos,
        lists.get_now_playing,
        lists.get_album_list_starred,
        lists.get_album_list_starred_non_id3,
    ):
        assert call() == [], call
    assert client.browsing.get_top_songs("nobody", 5) == []
    assert client.podcast.get_newest_podcast_episodes(5) == []
    assert lists.get_songs_by_genre("nothing") == []
    assert lists.get_random_songs(genre_name="nothing") == []
    assert client.searching.search("zzzzzz").songs in (None, [])
    assert client.bookmarks.get_play_queue().songs is None


def test_folders_and_artists_lead_to_songs(client: Subsonic, songs: list[str], music: Music) -> None:
    browsing = client.browsing
    assert {folder.name for folder in music.folders} <= {folder.name for folder in browsing.get_music_folders()}
    assert browsing.get_genre(GENRE).song_count == len(TITLES)
    artist = next(artist for artist in browsing.get_artists() if artist.name == ARTIST)
    album = browsing.get_artist(artist.id).albums[0]
    assert [song.title for song in browsing.get_album(album.id).songs] == list(TITLES.values())
    song = browsing.get_song(songs[0])
    assert (song.title, song.album.name, song.artist.name) == (TITLES["01 First Bubble.mp3"], ALBUM, ARTIST)
    assert {child.id for child in browsing.get_music_directory(song.parent).songs} == set(songs)
    assert browsing.get_album_info(album.id).large_image_url
    assert [found.id for found in client.searching.search("bubble").albums] == [album.id]


def test_stars_ratings_and_plays_come_and_go(client: Subsonic, songs: list[str]) -> None:
    marks, lists = client.media_annotation, client.lists
    song = client.browsing.get_song(songs[0])
    marks.star_song(song.id)
    marks.star_album(song.album.id)
    marks.star_artist(song.artist.id)
    for starred in (lists.get_starred(), lists.get_starred_non_id3()):
        assert [found[0].id for found in (starred.songs, starred.albums, starred.artists)] == [
            *(song.id, song.album.id, song.artist.id)
        ]
    marks.unstar_song(song.id)
    marks.unstar_album(song.album.id)
    marks.unstar_artist(song.artist.id)
    starred = lists.get_starred()
    assert (starred.songs, starred.albums, starred.artists) == (None, None, None)
    marks.set_rating(song.id, 4)
    assert song.generate().user_rating == 4
    marks.remove_rating(song.id)
    assert song.generate().user_rating is None

    before = [client.browsing.get_song(id).play_count for id in songs[:2]]
    times = [datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=ago) for ago in (20, 10)]
    marks.scrobble(songs[:2], times)
    after = [client.browsing.get_song(id) for id in songs[:2]]
    assert [song.play_count for song in after] == [count + 1 for count in before]
    assert [song.played for song in after] == times


def test_a_share_ends_at_the_millisecond_of_its_time(client: Subsonic, songs: list[str]) -> None:
    """It is sent with a fraction."""
    ends = datetime.now(UTC).replace(microsecond=123_456) + timedelta(hours=1)
    share = client.sharing.create_share(songs[:2], description="For you", expires=ends)
    assert [song.id for song in share.songs] == songs[:2]
    assert (share.user.username, share.visit_count, share.expires) == (ADMIN, 0, ends.replace(microsecond=123_000))
    assert requests.get(share.url, timeout=30).status_code == 200
    later = ends + timedelta(hours=1)
    client.sharing.update_share(share.id, new_expires=later)
    share = client.sharing.get_share(share.id)
    assert (share.description, share.expires) == ("For you", later.replace(microsecond=123_000))
    client.sharing.delete_share(share.id)
    assert client.sharing.get_shares() == []
    with pytest.raises(ErrorCode70):
        client.sharing.delete_share(share.id)


def test_what_is_left_with_the_server_is_found_again(client: Subsonic, songs: list[str]) -> None:
    client.bookmarks.save_play_queue(songs, songs[1], 700)
    queue = client.bookmarks.get_play_queue()
    assert ([song.id for song in queue.songs], queue.position) == (songs, 700)
    client.bookmarks.save_play_queue([])
    assert client.bookmarks.get_play_queue().songs is None
    client.bookmarks.create_bookmark(songs[0], 1500, "here")
    mark = client.bookmarks.get_bookmark(songs[0])
    assert (mark.position, mark.comment) == (1500, "here")
    client.bookmarks.delete_bookmark(songs[0])


def test_bytes_are_those_of_the_file(client: Subsonic, songs: list[str], music: Music, tmp_path: Path) -> None:
    media, original = client.media_retrieval, music.tagged_tracks[0].read_bytes()
    assert media.download(songs[0], tmp_path).read_bytes() == original
    assert requests.get(media.stream(songs[0]), timeout=60).content == original
    cover = media.get_cover_art(client.browsing.get_song(songs[0]).cover_art.id, tmp_path, size=50)
    assert cover.suffix in (".jpg", ".png")
    assert cover.stat().st_size > 0
    assert media.get_avatar(ADMIN, tmp_path).read_bytes().startswith(b"\xff\xd8\xff")


def test_a_scan_runs_and_ends(client: Subsonic) -> None:
    scanning = client.media_library_scanning
    assert scanning.start_scan().scanning
    until(lambda: not scanning.get_scan_status().scanning, "the scan")
    assert scanning.get_scan_status().count >= len(TITLES)


def test_some_calls_of_this_version_fail_on_any_server(client: Subsonic, songs: list[str]) -> None:
    """They know none of the newer fields, and miss what is optional."""
    with pytest.raises(TypeError, match="readonly"):
        client.playlists.create_playlist("Mix")
    with pytest.raises(TypeError, match="readonly"):
        client.playlists.get_playlists()
    (playlist,) = client.api.json_request("getPlaylists")["playlists"]["playlist"]
    client.playlists.delete_playlist(playlist["id"])
    with pytest.raises(KeyError, match="password"):
        client.user_management.get_user(ADMIN)
    with pytest.raises(TypeError, match="biography"):
        client.browsing.get_artist_info(client.browsing.get_song(songs[0]).artist.id)
    radio = client.internet_radio
    radio.create_internet_radio_station("http://radio.example/a", "Radio", "http://radio.example/")
    with pytest.raises(TypeError, match="homePageUrl"):
        radio.get_internet_radio_stations()
    (station,) = client.api.json_request("getInternetRadioStations")["internetRadioStations"]["internetRadioStation"]
    assert station["homePageUrl"] == "http://radio.example/"
    radio.delete_internet_radio_station(station["id"])
