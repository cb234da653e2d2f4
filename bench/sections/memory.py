"""Memory and the start: with 30,000 tracks, and with 200 slow guests"""

import shutil
import socket
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

import data
from places import DATA
from processes import Failed
from report import Table
from sections import Effort
from shelf import Shelf, subsonic_target
from traffic import Request, load

NEEDS = ("ffmpeg",)

ALBUMS = 3000
TRACKS = 10
GUESTS = 200
# Of each guest, in a second.
PACE_BYTES = 500_000
SLOW_BYTES = 10 * 1000**3
MB = 1e6


def measure(effort: Effort) -> Iterable[Table]:
    albums = ALBUMS // 10 if effort.quick else ALBUMS
    music = data.music("tracks" if albums == ALBUMS else "tracks-few", albums, TRACKS)
    with Shelf("memory") as shelf:
        yield with_tracks(shelf, music, albums * TRACKS, effort)
    with Shelf("slow") as shelf:
        yield with_slow_guests(shelf, effort)


def with_tracks(shelf: Shelf, music: Path, tracks: int, effort: Effort) -> Table:
    began = time.monotonic()
    shelf.start(music)
    shelf.command("scan")
    shelf.scanned()
    scan_s = time.monotonic() - began
    scanned = memory(shelf)
    shelf.stop()
    starts_ms = [started_ms(shelf) for _ in range(effort.rounds)]
    shelf.start()
    time.sleep(10)
    idle = memory(shelf)
    used = [subsonic_target("getAlbumList2", type="newest", size=500), subsonic_target("search3", query="title")]
    load(shelf, [Request(target) for target in used], connections=4, count=200)
    after = memory(shelf)
    rows = [
        ["First scan", f"{scan_s:.1f} s"],
        ["From the start of the program to its answer at `/healthz`, median", f"{statistics.median(starts_ms):.0f} ms"],
        ["The same, from–to", f"{min(starts_ms):.0f}–{max(starts_ms):.0f} ms"],
        ["Memory after the first scan", scanned],
        ["Memory ten seconds after a start", idle],
        ["Memory after 200 lists of albums and searches", after],
    ]
    notes = ["Memory is resident memory (RssAnon: of which its own, neither program nor mapped files)."]
    return Table(f"{tracks:,} tracks in {tracks // TRACKS:,} albums", ["", ""], rows, notes)


def started_ms(shelf: Shelf) -> float:
    """The files of program and database are in the page cache."""
    began = time.monotonic()
    shelf.start()
    answer, _content = shelf.ask("/healthz")
    took_ms = (time.monotonic() - began) * 1000
    if answer.status != 200:
        raise Failed(f"/healthz answered {answer.status}")
    shelf.stop()
    return took_ms


def memory(shelf: Shelf) -> str:
    return f"{shelf.process.rss_bytes() / MB:.1f} MB ({shelf.process.anonymous_bytes() / MB:.1f} MB)"


def with_slow_guests(shelf: Shelf, effort: Effort) -> Table:
    folder = DATA / "slow"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "film.bin").open("wb") as film:
        film.truncate(SLOW_BYTES)
    shelf.start(folder)
    shelf.command("scan")
    share = shelf.share(folder)
    item = shelf.items(share)["film.bin"]
    seconds = 5 if effort.quick else 60
    time.sleep(2)
    rows = [["Before", memory(shelf)]]
    guests = [Guest(shelf.port, f"/s/{share}/-/file/{item}?download=1", number) for number in range(GUESTS)]
    most_bytes = 0
    began = time.monotonic()
    while (now_s := time.monotonic() - began) < seconds:
        for guest in guests:
            guest.take(int(now_s * PACE_BYTES))
        most_bytes = max(most_bytes, shelf.process.rss_bytes())
        if len(rows) == 1 and now_s > seconds / 10:
            rows.append([f"After {now_s:.0f} s", memory(shelf)])
        time.sleep(0.1)
    rows += [[f"After {seconds} s", memory(shelf)], ["At most", f"{most_bytes / MB:.1f} MB"]]
    took = sum(guest.taken_bytes for guest in guests)
    for guest in guests:
        guest.socket.close()
    time.sleep(3)
    rows.append(["Three seconds after they left", memory(shelf)])
    notes = [f"Each takes {PACE_BYTES / MB} MB/s of a file of 10 GB; together they took {took / 1e9:.1f} GB."]
    return Table(f"{GUESTS} slow guests", ["", "Resident memory (of which its own)"], rows, notes)


class Guest:
    """Reads as much as the line allows, and no more."""

    def __init__(self, port: int, target: str, number: int):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: guest {number}\r\n\r\n".encode())
        head = self.socket.recv(4096)
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise Failed(f"a guest was answered {head[:200]!r}")
        self.socket.setblocking(False)
        self.taken_bytes = 0

    def take(self, until_bytes: int) -> None:
        while self.taken_bytes < until_bytes:
            try:
                part = self.socket.recv(min(until_bytes - self.taken_bytes, 1 << 20), socket.MSG_TRUNC)
            except BlockingIOError:
                return
            if not part:
                raise Failed("a slow guest was cut off")
            self.taken_bytes += len(part)
