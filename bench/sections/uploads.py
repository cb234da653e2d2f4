"""Uploads: one large file, and 2,000 small ones"""

import contextlib
import itertools
import os
import random
import shutil
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path

import data
import servers
from pairs import Side, paired
from places import DATA
from processes import Failed
from report import CPU_PER_GIB, CPU_PER_REQUEST, MB_PER_S, REQUESTS_PER_S, Figure, Table, of_sides
from sections import Effort
from shelf import Shelf
from traffic import Request, Sample, load

NEEDS = ("nginx", "copyparty", "dufs")
PEERS = (servers.copyparty, servers.dufs, servers.nginx)

LARGE_BYTES = 512 * data.MIB
CHUNK_BYTES = 25 * data.MIB
SMALL_FILES = 2000
SMALL_BYTES = 16 * data.KIB
ON_DISK = (
    "Openshelf answers when the file and its row are on the disk. The others answer when the kernel has the bytes, "
    "which a power cut may still lose."
)


class Content:
    """Other bytes for each upload, so that nothing can be known already."""

    def __init__(self) -> None:
        self.chance = random.Random(1)
        self.file = data.files() / data.BIG

    def part(self, size_bytes: int) -> dict[str, object]:
        return Request.part(self.file, self.chance.randrange(data.GIB - size_bytes), size_bytes)


def measure(effort: Effort) -> Iterable[Table]:
    content = Content()
    data.warm(data.files())
    small_files = 200 if effort.quick else SMALL_FILES
    with Shelf("uploads") as shelf, contextlib.ExitStack() as stack:
        shelf.start()
        token = shelf.cloudreve_token()
        authorized = {"Authorization": f"Bearer {token}"}
        names = (f"{number}.bin" for number in itertools.count())
        peers, missing = [], []
        for start in PEERS:
            into = DATA / f"uploads-{start.__name__}"
            shutil.rmtree(into, ignore_errors=True)
            into.mkdir(parents=True)
            stack.callback(shutil.rmtree, into, ignore_errors=True)
            try:
                peer = start(into)
                stack.callback(peer.stop)
                peers.append((peer, into))
            except Failed as cause:
                missing.append(f"Missing: {start.__name__}, {cause}")

        def put(target: Callable[[str], str], count: int, size_bytes: int, status: int, **headers: str) -> list[Request]:
            return [
                Request(target(next(names)), "PUT", headers, content.part(size_bytes), status) for _ in range(count)
            ]

        def ours(count: int, size_bytes: int, connections: int) -> Sample:
            def target(name: str) -> str:
                return f"/api/v4/file/content?uri={urllib.parse.quote(f'cloudreve://my/{name}', safe='')}"

            asked = put(target, count, size_bytes, 200, **authorized)
            sample = settled(lambda: load(shelf.process, shelf.port, asked, connections=connections, count=count))
            cleared(shelf, token)
            return sample

        def in_chunks() -> Sample:
            """As a drive client sends a large file: a session, and chunks of the server's size, four at a time."""
            uri = f"cloudreve://my/{next(names)}"
            wish = {"uri": uri, "size": LARGE_BYTES, "policy_id": ""}
            begun = shelf.cloudreve("/file/upload", "PUT", wish, token)
            whole = content.part(LARGE_BYTES)
            chunk = begun["chunk_size"]
            asked = [
                Request(
                    f"/api/v4/file/upload/{begun['session_id']}/{number}",
                    "POST",
                    authorized,
                    Request.part(whole["file"], whole["offset"] + start, min(chunk, LARGE_BYTES - start)),
                )
                for number, start in enumerate(range(0, LARGE_BYTES, chunk))
            ]
            sample = settled(lambda: load(shelf.process, shelf.port, asked, connections=4, count=len(asked)))
            cleared(shelf, token)
            return sample

        def theirs(peer: servers.Server, into: Path, count: int, size_bytes: int, connections: int) -> Sample:
            asked = put(peer.target, count, size_bytes, 201)
            sample = settled(lambda: load(peer.process, peer.port, asked, connections=connections, count=count))
            for path in into.glob("*.bin"):
                path.unlink()
            return sample

        def table(title: str, first: list[Side], count: int, size_bytes: int, connections: int,
                  figures: tuple[Figure, Figure]) -> Table:
            sides = first + [
                Side(peer.name, lambda p=peer, at=into: theirs(p, at, count, size_bytes, connections))
                for peer, into in peers
            ]
            return of_sides(title, paired(sides, effort.rounds), *figures, ON_DISK, *missing)

        large = [
            Side("Openshelf, `PUT` whole", lambda: ours(1, LARGE_BYTES, 1)),
            Side("Openshelf, in chunks, four at a time", in_chunks),
        ]
        yield table("One file of 512 MiB", large, 1, LARGE_BYTES, 1, (MB_PER_S, CPU_PER_GIB))
        yield table(
            f"{small_files:,} files of 16 KiB, 16 connections",
            [Side("Openshelf, `PUT` whole", lambda: ours(small_files, SMALL_BYTES, 16))],
            small_files,
            SMALL_BYTES,
            16,
            (REQUESTS_PER_S, CPU_PER_REQUEST),
        )


def settled(run: Callable[[], Sample]) -> Sample:
    """Measured when what was written before is on the disk."""
    os.sync()
    return run()


def cleared(shelf: Shelf, token: str) -> None:
    """What was uploaded makes room."""
    while True:
        uri = urllib.parse.quote("cloudreve://my", safe="")
        listed = shelf.cloudreve(f"/file?uri={uri}&page=0&page_size=500", token=token)["files"]
        found = [file["path"] for file in listed if file["name"].endswith(".bin")]
        if not found:
            return
        for start in range(0, len(found), 50):
            wish = {"uris": found[start : start + 50], "skip_soft_delete": True}
            shelf.cloudreve("/file", "DELETE", wish, token)
