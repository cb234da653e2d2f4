"""Uploads: one large file, and 2,000 small ones"""

import contextlib
import itertools
import os
import random
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import data
import servers
from pairs import Side, paired
from places import DATA
from report import CPU_PER_GIB, CPU_PER_REQUEST, MB_PER_S, REQUESTS_PER_S, Table, of_sides
from sections import Effort
from servers import Server
from shelf import Shelf
from traffic import Request, Sample, load

NEEDS = ("nginx", "copyparty", "dufs")
PEERS = {"copyparty": servers.copyparty, "dufs": servers.dufs, "nginx": servers.nginx}

LARGE_BYTES = 512 * data.MIB
SMALL_FILES = 2000
SMALL_BYTES = 16 * data.KIB
CONNECTIONS = 16
# What one client sends at a time of a file in chunks.
CHUNKS_AT_ONCE = 4
ON_DISK = (
    "Openshelf answers when the file and its row are on the disk. The others answer when the kernel has the bytes, "
    "which a power cut may still lose."
)


def measure(effort: Effort) -> Iterable[Table]:
    small_files = 200 if effort.quick else SMALL_FILES
    data.warm(data.files())
    with Shelf("uploads") as shelf, contextlib.ExitStack() as stack:
        shelf.start()
        into = {name: DATA / f"uploads-{name}" for name in PEERS}
        for folder in into.values():
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        peers, missing = servers.started(stack, {name: partial(start, into[name]) for name, start in PEERS.items()})
        ours = Ours(shelf)

        def others(count: int, size_bytes: int, connections: int) -> list[Side]:
            return [Side(peer.name, partial(theirs, peer, count, size_bytes, connections)) for peer in peers]

        large = [
            Side("Openshelf, `PUT` whole", partial(ours.whole, 1, LARGE_BYTES, 1)),
            Side(f"Openshelf, in chunks, {CHUNKS_AT_ONCE} at a time", ours.in_chunks),
            *others(1, LARGE_BYTES, 1),
        ]
        sides = paired(large, effort.rounds)
        yield of_sides("One file of 512 MiB", sides, MB_PER_S, CPU_PER_GIB, ON_DISK, *missing)
        small = [
            Side("Openshelf, `PUT` whole", partial(ours.whole, small_files, SMALL_BYTES, CONNECTIONS)),
            *others(small_files, SMALL_BYTES, CONNECTIONS),
        ]
        title = f"{small_files:,} files of 16 KiB, {CONNECTIONS} connections"
        sides = paired(small, effort.rounds)
        yield of_sides(title, sides, REQUESTS_PER_S, CPU_PER_REQUEST, ON_DISK, *missing)


_names = (f"{number}.bin" for number in itertools.count())
_chance = random.Random(1)


def content(size_bytes: int) -> dict[str, Any]:
    """Other bytes each time, so that no server knows them already."""
    return Request.part(data.files() / data.BIG, _chance.randrange(data.GIB - size_bytes), size_bytes)


def settled(server: Server | Shelf, asked: list[Request], connections: int) -> Sample:
    """Measured when what was written before is on the disk."""
    os.sync()
    return load(server, asked, connections=connections, count=len(asked))


def theirs(peer: Server, count: int, size_bytes: int, connections: int) -> Sample:
    asked = [
        Request(peer.request(next(_names)).target, "PUT", body=content(size_bytes), status=201) for _ in range(count)
    ]
    sample = settled(peer, asked, connections)
    for path in peer.folder.glob("*.bin"):
        path.unlink()
    return sample


class Ours:
    """The home of a user, at the door of drive clients."""

    def __init__(self, shelf: Shelf):
        self.shelf = shelf
        self.token = shelf.cloudreve_token()
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def whole(self, count: int, size_bytes: int, connections: int) -> Sample:
        asked = []
        for _ in range(count):
            target = f"/api/v4/file/content?uri={quote(f'cloudreve://my/{next(_names)}', safe='')}"
            asked.append(Request(target, "PUT", self.headers, content(size_bytes)))
        sample = settled(self.shelf, asked, connections)
        self.clear()
        return sample

    def in_chunks(self) -> Sample:
        """As a drive client sends a large file: a session, and chunks of the server's size."""
        wish = {"uri": f"cloudreve://my/{next(_names)}", "size": LARGE_BYTES, "policy_id": ""}
        begun = self.shelf.cloudreve("/file/upload", "PUT", wish, self.token)
        whole, chunk_bytes = content(LARGE_BYTES), begun["chunk_size"]
        asked = []
        for number, start in enumerate(range(0, LARGE_BYTES, chunk_bytes)):
            part = Request.part(Path(whole["file"]), whole["offset"] + start, min(chunk_bytes, LARGE_BYTES - start))
            target = f"/api/v4/file/upload/{begun['session_id']}/{number}"
            asked.append(Request(target, "POST", self.headers, part))
        sample = settled(self.shelf, asked, CHUNKS_AT_ONCE)
        self.clear()
        return sample

    def clear(self) -> None:
        """What was uploaded makes room."""
        listing = f"/file?uri={quote('cloudreve://my', safe='')}&page=0&page_size=50"
        while found := [file["path"] for file in self.shelf.cloudreve(listing, token=self.token)["files"]]:
            wish = {"uris": found, "skip_soft_delete": True}
            self.shelf.cloudreve("/file", "DELETE", wish, self.token)
