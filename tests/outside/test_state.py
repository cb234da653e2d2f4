"""py-opensonic again: what it leaves with the server and finds there, as a second app of the same user sees it.

Its typed answers throw on a missing required field, of an empty queue as well.
"""

from collections.abc import Iterator

import pytest
from libopensonic import Connection, errors
from libopensonic.media.media_types import Child

from music import ALBUM
from openshelf import ADMIN, PASSWORD, Server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Connection]:
    connection = Connection("http://127.0.0.1", ADMIN, PASSWORD, port=server.port, app_name="first")
    yield connection
    connection.cleanup()


@pytest.fixture(scope="module")
def second(server: Server) -> Iterator[Connection]:
    connection = Connection("http://127.0.0.1", ADMIN, PASSWORD, port=server.port, app_name="second", use_get=True)
    yield connection
    connection.cleanup()


@pytest.fixture(scope="module")
def songs(client: Connection) -> list[Child]:
    albums = client.get_album_list2("alphabeticalByName", size=500)
    return client.get_album(next(album.id for album in albums if album.name == ALBUM)).song


def test_extensions_name_what_works(client: Connection) -> None:
    names = {extension.name for extension in client.get_open_subsonic_extensions()}
    assert {"indexBasedQueue", "playbackReport"} <= names


def test_a_queue_moves_from_app_to_app(client: Connection, second: Connection, songs: list[Child]) -> None:
    assert not second.get_play_queue().entry
    ids = [songs[0].id, songs[1].id, songs[0].id]
    client.save_play_queue_by_index(ids, current_index=2, position=1500)
    queue = second.get_play_queue_by_index()
    assert ([entry.id for entry in queue.entry], queue.current_index, queue.position) == (ids, 2, 1500)
    assert (queue.username, queue.changed_by) == (ADMIN, "first")
    second.save_play_queue(ids[:2], position=7)
    queue = client.get_play_queue()
    assert (queue.current, queue.position, queue.changed_by) == (ids[0], 7, "second")
    client.save_play_queue_by_index()
    assert not second.get_play_queue_by_index().entry


def test_a_bookmark_is_found_by_another_app(client: Connection, second: Connection, songs: list[Child]) -> None:
    client.create_bookmark(songs[1].id, 1234, comment="here")
    bookmarks = second.get_bookmarks()
    assert [(mark.entry.id, mark.position, mark.comment) for mark in bookmarks] == [(songs[1].id, 1234, "here")]
    second.delete_bookmark(songs[1].id)
    assert not client.get_bookmarks()


def test_a_report_shows_and_counts_once(client: Connection, second: Connection, songs: list[Child]) -> None:
    song = songs[2]
    before = client.get_song(song.id).play_count or 0
    client.report_playback(song.id, "song", 0, "starting")
    client.report_playback(song.id, "song", 0, "playing")
    playing = next(entry for entry in second.get_now_playing() if entry.player_name == "first")
    assert (playing.id, playing.state, playing.username) == (song.id, "playing", ADMIN)
    for _ in range(2):
        client.report_playback(song.id, "song", song.duration * 1000, "stopped")
    assert client.get_song(song.id).play_count == before + 1
    assert "first" not in [entry.player_name for entry in second.get_now_playing()]


def test_stations_and_chat_are_for_all(client: Connection, second: Connection) -> None:
    client.create_internet_radio_station("https://radio.example/a", "Radio", "https://radio.example/")
    station = second.get_internet_radio_stations()[0]
    assert (station.name, station.stream_url) == ("Radio", "https://radio.example/a")
    client.update_internet_radio_station(station.id, "https://radio.example/b", "Radio B")
    assert second.get_internet_radio_stations()[0].stream_url == "https://radio.example/b"
    client.delete_internet_radio_station(station.id)
    assert not second.get_internet_radio_stations()
    client.add_chat_message("hello")
    messages = second.get_chat_messages()
    assert [(message.username, message.message) for message in messages] == [(ADMIN, "hello")]
    assert not second.get_chat_messages(since=messages[0].time)


def test_a_user_lives_from_creation_to_deletion(client: Connection, server: Server, songs: list[Child]) -> None:
    client.create_user("cleo", "cleo's word", "cleo@example.org", download_role=True)
    cleo = Connection("http://127.0.0.1", "cleo", "cleo's word", port=server.port)
    user = cleo.get_user("cleo")
    assert (user.download_role, user.share_role, user.admin_role) == (True, False, False)
    assert "cleo" in [user.username for user in client.get_users()]
    with pytest.raises(errors.SonicError):
        cleo.create_share([songs[0].id])
    client.update_user("cleo", share_role=True, max_bit_rate=128)
    assert client.get_user("cleo").max_bit_rate == 128
    assert cleo.create_share([songs[0].id]).username == "cleo"
    cleo.change_password("cleo", "another word")
    cleo.cleanup()
    cleo = Connection("http://127.0.0.1", "cleo", "another word", port=server.port)
    assert cleo.ping()
    client.delete_user("cleo")
    with pytest.raises(errors.CredentialError):
        cleo.ping()
    cleo.cleanup()
