"""py-opensonic, every method it has, against a library with films, a podcast and a jukebox."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from libopensonic import Connection, errors

from music import ARTIST, GENRE, Music
from openshelf import ADMIN, PASSWORD, Server, until


class Recorded(Connection):
    """Remembers which of its methods were run."""

    ran: set[str] = set()

    def __getattribute__(self, name: str):
        Recorded.ran.add(name)
        return super().__getattribute__(name)


@pytest.fixture(scope="module")
def engine() -> str:
    """What the client has of methods does not depend on the engine."""
    return "sqlite"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, music: Music, films: Path) -> Iterator[Server]:
    options = ("--sound-analysis", "on", "--jukebox", "null", "--outgoing-networks", "127.0.0.0/8")
    # The album first, which is listened to in that order.
    folders = (*reversed(music.folders), films)
    with Server(*folders, home=tmp_path_factory.mktemp("home"), options=options) as server:
        server.scanned()
        yield server


def test_every_method_runs_and_does_what_it_says(server: Server, feed: str) -> None:
    client = Recorded("http://127.0.0.1", ADMIN, PASSWORD, port=server.port, app_name="outside")

    def body(answer) -> bytes:
        return asyncio.run_coroutine_threadsafe(answer.read(), client._loop).result(60)

    # System and browsing.
    assert client.ping()
    assert client.get_license()["license"]["valid"]
    assert len(client.get_open_subsonic_extensions()) == 10
    with pytest.raises(ValueError, match="dict"):
        # This version walks the keys of the answer's object: it fails on any server.
        client.get_music_folders()
    indexes = client.get_indexes()
    assert client.get_music_directory(indexes.index[0].artist[0].id).child
    assert [genre.value for genre in client.get_genres() if genre.value == GENRE]
    artist = next(a for index in client.get_artists().index for a in index.artist if a.name == ARTIST)
    album = client.get_artist(artist.id).album[0]
    songs = client.get_album(album.id).song
    ids = [song.id for song in songs]
    assert client.get_song(ids[0]).title == songs[0].title
    for info in (client.get_album_info(album.id), client.get_album_info2(album.id)):
        # By its address alone, as apps put it into a page.
        picture = requests.get(info.large_image_url, timeout=60)
        assert picture.headers["Content-Type"].startswith("image/")
    for info in (client.get_artist_info(artist.id, count=2), client.get_artist_info2(artist.id, count=2)):
        assert requests.get(info.small_image_url, timeout=60).status_code == 200

    # Lists and searches.
    for call in (client.get_album_list, client.get_album_list2):
        assert album.name in [found.name or found.title for found in call("newest", size=500)]
    assert len(client.get_random_songs(size=5)) == 5
    assert {song.id for song in client.get_songs_by_genre(GENRE)} == set(ids)
    with pytest.raises(NotImplementedError):
        # The client offers it by name alone.
        client.search(title="bubble")
    assert client.search2("bubble").song
    assert client.search3("bubble").song

    # What sounds alike.
    def heard() -> bool:
        return len(client.get_sonic_similar_tracks(ids[0], count=3)) == 3

    until(heard, "the library listened to", patience_s=120)
    path = client.find_sonic_path(ids[0], ids[2], count=5)
    assert (path[0].entry.id, path[-1].entry.id) == (ids[0], ids[2])
    similar = [song.id for song in client.get_similar_songs(ids[0], count=3)]
    assert len(set(similar)) == 3
    assert ids[0] not in similar
    assert len({song.id for song in client.get_similar_songs2(artist.id, count=3)}) == 3
    assert {song.id for song in client.get_top_songs(ARTIST)} == set(ids)

    # Marks.
    assert client.star(sids=[ids[0]], album_ids=[album.id], artist_ids=[artist.id])
    assert [song.id for song in client.get_starred().song] == [ids[0]]
    assert [found.id for found in client.get_starred2().album] == [album.id]
    assert client.unstar(sids=[ids[0]], album_ids=[album.id], artist_ids=[artist.id])
    assert client.set_rating(ids[0], 5)
    assert client.get_song(ids[0]).user_rating == 5
    assert client.scrobble(ids[0])
    assert client.get_song(ids[0]).play_count == 1
    assert client.report_playback(ids[1], "song", 1000, "playing")
    assert [entry.id for entry in client.get_now_playing()] == [ids[1]]
    assert client.create_bookmark(ids[0], 1500, "here")
    assert [(mark.position, mark.entry.id) for mark in client.get_bookmarks()] == [(1500, ids[0])]
    assert client.delete_bookmark(ids[0])
    assert client.save_play_queue(ids, current=ids[1], position=700)
    assert (client.get_play_queue().current, client.get_play_queue().position) == (ids[1], 700)
    assert client.save_play_queue_by_index([ids[0], ids[0]], current_index=1, position=5)
    queue = client.get_play_queue_by_index()
    assert (queue.current_index, [song.id for song in queue.entry]) == (1, [ids[0], ids[0]])

    # Playlists.
    client.create_playlist(name="All", song_ids=ids)
    playlist = next(playlist for playlist in client.get_playlists() if playlist.name == "All")
    assert client.update_playlist(playlist.id, song_indices_to_remove=[0])
    assert [song.id for song in client.get_playlist(playlist.id).entry] == ids[1:]
    assert body(client.get_cover_art(playlist.id, size=64))
    assert client.delete_playlist(playlist.id)

    # Bytes.
    original = body(client.download(ids[0]))
    assert body(client.stream(ids[0])) == original
    assert body(client.stream(ids[0], max_bit_rate=64, tformat="mp3")) != original
    url, form = client.get_stream_url(ids[0])
    assert requests.post(url, data=form, timeout=60).content == original
    # A pattern, until the user puts a picture there.
    assert body(client.get_avatar(ADMIN)).startswith(b"\xff\xd8\xff")
    assert not client.get_lyrics(ARTIST, songs[0].title).value
    assert client.get_lyrics_by_song_id(ids[0]) == []
    profile = {
        "name": "outside",
        "platform": "test",
        "transcodingProfiles": [{"container": "mp3", "audioCodec": "mp3", "protocol": "http", "maxAudioChannels": 2}],
    }
    decision = client.get_transcode_decision(ids[1], "song", profile)
    assert decision.can_transcode or decision.can_direct_play
    if decision.transcode_params:
        assert body(client.get_transcode_stream(ids[1], "song", decision.transcode_params))
    videos = client.get_videos()
    clip = videos["videos"]["video"][0]["id"]
    for broken in (client.get_video_info, client.get_captions):
        with pytest.raises(ValueError, match="invalid literal"):
            # This version takes an id for a number, which the protocol has as text.
            broken(clip)
    with pytest.raises((errors.SonicError, AttributeError)):
        # This version asks for `hls`, which is no call: it is `hls.m3u8`.
        client.hls(ids[0])

    # Shares.
    share = client.create_share(ids, description="all")
    getting = Recorded("http://127.0.0.1", ADMIN, PASSWORD, port=server.port, use_get=True)
    getting.update_share(share.id, description="some")
    getting.cleanup()
    assert [shared.description for shared in client.get_shares()] == ["some"]
    assert client.delete_share(share.id)

    # Podcasts.
    assert client.create_podcast_channel(feed)
    channel = until(lambda: next((c for c in client.get_podcasts() if c.episode), None), "the feed")
    assert client.refresh_podcasts()
    episode = client.get_newest_podcasts()[0]
    assert client.get_podcast_episode(episode.id).title == "First"
    assert client.download_podcast_episode(episode.id)
    until(lambda: client.get_podcast_episode(episode.id).status.value == "completed", "the episode")
    assert client.delete_podcast_episode(episode.id)
    assert client.delete_podcast_channel(channel.id)
    assert client.get_podcasts() == []

    # Jukebox, radio, chat.
    # With any other action this version leaves the ids out.
    client.jukebox_control("add", sids=ids[:2])
    assert len(client.jukebox_control("get").entry) == 2
    assert client.jukebox_control("status").playing in (True, False)
    client.jukebox_control("stop")
    client.jukebox_control("clear")
    assert client.create_internet_radio_station("http://radio.example/a", "Radio")
    station = client.get_internet_radio_stations()[0]
    assert client.update_internet_radio_station(station.id, "http://radio.example/b", "Wave")
    assert [found.name for found in client.get_internet_radio_stations()] == ["Wave"]
    assert client.delete_internet_radio_station(station.id)
    assert client.add_chat_message("hello")
    assert [message.message for message in client.get_chat_messages()] == ["hello"]

    # Users.
    assert client.create_user("eve", "Some-Password_9", "eve@example.org", stream_role=True)
    assert client.update_user("eve", email="eve@example.com", share_role=True)
    assert client.get_user("eve").share_role
    assert client.change_password("eve", "Other-Password_9")
    assert {user.username for user in client.get_users()} == {ADMIN, "eve"}
    assert client.delete_user("eve")

    # The scan, and the key.
    assert client.start_scan().scanning
    until(lambda: not client.get_scan_status().scanning, "the scan")
    keyed = Recorded("http://127.0.0.1", api_key=server.api_key(), port=server.port)
    assert keyed.token_info().username == ADMIN
    keyed.cleanup()
    client.cleanup()

    offered = {name for name, _method in inspect.getmembers(Connection, inspect.isfunction) if not name.startswith("_")}
    assert offered - Recorded.ran == set()
