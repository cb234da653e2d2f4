"""The server is killed, or its disk is full, in the middle of a scan: nothing is lost, and what was there is read."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from disk import Disk
from music import ffmpeg
from openshelf import Server, until

OLD = 40
NEW = 1500
# More than is stored before a kill can be in the middle.
MANY = 6000
PER_ALBUM = 10


@pytest.fixture(scope="module")
def engine() -> str:
    return "sqlite"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> bytes:
    """The frames of a short track, without any tag."""
    program("ffmpeg")
    made = tmp_path_factory.mktemp("sound") / "tone.mp3"
    ffmpeg("-f", "lavfi", "-i", "sine=440:duration=0.3", "-id3v2_version", "0", "-write_xing", "0", made)
    return made.read_bytes()


def tagged(sound: bytes, **frames: str) -> bytes:
    """With an ID3v2.4 tag of these frames."""
    body = b""
    for name, value in frames.items():
        text = b"\3" + value.encode()
        body += name.encode() + synchsafe(len(text)) + b"\0\0" + text
    return b"ID3\4\0\0" + synchsafe(len(body)) + body + sound


def synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def fill(folder: Path, sound: bytes, era: str, count: int) -> None:
    for number in range(count):
        album = f"{era} album {number // PER_ALBUM}"
        (folder / album).mkdir(parents=True, exist_ok=True)
        track = tagged(sound, TIT2=f"{era} {number}", TPE1=f"{era} artist", TALB=album, TRCK=str(number % PER_ALBUM))
        (folder / album / f"{number}.mp3").write_bytes(track)


class Shelf:
    def __init__(self, folder: Path, sound: bytes):
        self.home, self.music, self.sound = folder / "home", folder / "music", sound
        self.home.mkdir()
        fill(self.music, sound, "old", OLD)
        self.server: Server

    def start(self) -> Server:
        self.server = Server(self.music, home=self.home)
        return self.server

    def rows(self, sql: str) -> list[tuple]:
        rows = sqlite3.connect(f"file:{self.home}/data/openshelf.sqlite?mode=ro", uri=True)
        try:
            return rows.execute(sql).fetchall()
        finally:
            rows.close()

    def new_tracks(self) -> dict[str, str]:
        """Title and id of those that are stored."""
        return dict(
            self.rows(
                "SELECT t.title, i.public_id FROM track t JOIN item i ON i.id = t.item_id WHERE t.title LIKE 'new %'"
            )
        )

    def old_tracks(self) -> set[tuple[str, str]]:
        """As an app gets them, album by album."""
        old = [album["id"] for album in self.albums() if album["name"].startswith("old")]
        songs = [song for album in old for song in self.server.subsonic("getAlbum", id=album)["album"]["song"]]
        return {(song["id"], song["title"]) for song in songs}

    def albums(self) -> list[dict]:
        albums: list[dict] = []
        asked = {"type": "alphabeticalByName", "size": 500}
        while page := self.server.subsonic("getAlbumList2", offset=len(albums), **asked)["albumList2"].get("album"):
            albums += page
        return albums

    def is_whole(self, new: int) -> None:
        self.server.command("scan")
        self.server.scanned()
        assert [album["songCount"] for album in self.albums()] == [PER_ALBUM] * ((OLD + new) // PER_ALBUM)
        assert self.new_tracks().keys() == {f"new {number}" for number in range(new)}
        twice = "SELECT name, parent_id FROM item WHERE missing_ms IS NULL GROUP BY name, parent_id HAVING COUNT(*) > 1"
        assert self.rows(twice) == []
        assert self.rows("SELECT COUNT(*) FROM item WHERE missing_ms IS NOT NULL") == [(0,)]
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        assert self.rows("PRAGMA foreign_key_check") == []


@pytest.fixture
def shelf(tmp_path: Path, sound: bytes) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path, sound)
    shelf.start().scanned()
    yield shelf
    if shelf.server.process.poll() is None:
        assert shelf.server.stop() == 0, shelf.server.stderr


def test_a_server_that_is_killed_in_the_middle_of_scans_goes_on_where_it_was(shelf: Shelf) -> None:
    old = shelf.old_tracks()
    assert len(old) == OLD
    shelf.server.stop()
    fill(shelf.music, shelf.sound, "new", MANY)
    early: dict[str, str] = {}
    for _ in range(3):
        shelf.start()
        known = len(early)
        until(lambda known=known: len(shelf.new_tracks()) > known, "the scan to store some more")
        status = shelf.server.subsonic("getScanStatus")["scanStatus"]
        assert status["scanning"], "apps are told so in the middle"
        assert OLD <= status["count"] < OLD + MANY
        shelf.server.process.kill()
        shelf.server.process.wait()
        now = shelf.new_tracks()
        assert now.items() >= early.items(), "what was stored keeps its id"
        early = now
    assert len(early) < MANY, "the last kill came in the middle"
    shelf.start()
    assert shelf.old_tracks() == old, "what was there can be read from the start on"
    shelf.server.scanned()
    shelf.is_whole(MANY)
    assert shelf.new_tracks().items() >= early.items()
    assert shelf.old_tracks() == old


def test_a_disk_that_is_full_in_the_middle_of_a_scan_costs_nothing_that_was_there(tmp_path: Path, sound: bytes) -> None:
    shelf = Shelf(tmp_path, sound)
    with Disk(shelf.home / "data", "48m") as disk, shelf.start() as server:
        server.scanned()
        old = shelf.old_tracks()
        fill(shelf.music, sound, "new", NEW)
        server.subsonic("startScan")
        until(lambda: len(shelf.new_tracks()) > 0, "the scan to store some")
        disk.fill()
        server.scanned()
        stored = shelf.new_tracks()
        assert len(stored) < NEW, "the disk was full in the middle"
        assert shelf.old_tracks() == old, "the old library can be read"
        disk.free()
        shelf.is_whole(NEW)
        assert shelf.new_tracks().items() >= stored.items()
        assert shelf.old_tracks() == old
        assert server.stop() == 0, server.stderr
