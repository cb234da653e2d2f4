"""Downloads: one large file, many, small ones, and storms of ranges"""

import contextlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import data
import servers
from pairs import Side, paired
from report import CPU_PER_GIB, CPU_PER_REQUEST, MB_PER_S, REQUESTS_PER_S, Figure, Table, of_sides
from sections import Effort
from servers import Server
from shelf import Shelf
from traffic import Request, Sample, load

NEEDS = ("nginx", "copyparty", "dufs", "miniserve")
PEERS = {
    "nginx": servers.nginx,
    "nginx with tcp_nopush": servers.nginx_nopush,
    "ServeFile": servers.serve_file,
    "dufs": servers.dufs,
    "miniserve": servers.miniserve,
    "copyparty": servers.copyparty,
}
RANGE_BYTES = 64 * data.KIB

# From a path in the folder to the request for it.
Door = Callable[[str], Request]


class Doors:
    """One library of an installation, at the doors by which its files leave."""

    def __init__(self, shelf: Shelf, folder: Path):
        self.link = shelf.share(folder)
        self.cookie = shelf.visit(self.link)
        self.token = shelf.mycloud_token()
        self.ids = shelf.items(self.link)
        for below in ("medium", "small"):
            self.ids |= {f"{below}/{name}": item for name, item in shelf.items(self.link, f"/{below}").items()}

    def by_link(self, path: str) -> Request:
        """As a guest's browser asks, who came by the share's page."""
        return Request(f"/s/{self.link}/-/file/{self.ids[path]}?download=1", headers={"Cookie": self.cookie})

    def own(self, path: str) -> Request:
        """As its owner's drive client asks."""
        return Request(f"/sdk/v2/files/{self.ids[path]}/content", headers={"Authorization": f"Bearer {self.token}"})


@dataclass
class Case:
    title: str
    paths: list[str]
    size_bytes: int
    connections: int
    figures: tuple[Figure, Figure]
    ranges: list[str] | None = None

    def requests(self, door: Door) -> list[Request]:
        asked = [door(path) for path in self.paths for _ in self.ranges or [""]]
        for number, request in enumerate(asked):
            request.bytes = self.size_bytes
            if self.ranges:
                request.headers = {**request.headers, "Range": self.ranges[number]}
                request.status = 206
        return asked


def storm() -> list[str]:
    """The same ranges for each side."""
    chance = random.Random(1)
    starts = (chance.randrange(data.GIB - RANGE_BYTES) for _ in range(4096))
    return [f"bytes={start}-{start + RANGE_BYTES - 1}" for start in starts]


CASES = [
    Case("One file of 1 GiB, one connection", [data.BIG], data.GIB, 1, (MB_PER_S, CPU_PER_GIB)),
    Case(
        "Files of 1 MiB, one connection",
        [f"medium/{name}" for name in data.MEDIUM[:128]],
        data.MIB,
        1,
        (REQUESTS_PER_S, CPU_PER_GIB),
    ),
    Case(
        "Files of 16 KiB, 16 connections",
        [f"small/{name}" for name in data.SMALL],
        16 * data.KIB,
        16,
        (REQUESTS_PER_S, CPU_PER_REQUEST),
    ),
    Case(
        "Ranges of 64 KiB anywhere in a file of 1 GiB, 16 connections",
        [data.BIG],
        RANGE_BYTES,
        16,
        (REQUESTS_PER_S, CPU_PER_REQUEST),
        storm(),
    ),
]


def measure(effort: Effort) -> Iterable[Table]:
    folder = data.files()
    data.warm(folder)
    with Shelf("files") as shelf, contextlib.ExitStack() as stack:
        shelf.start(folder)
        shelf.command("scan")
        doors = Doors(shelf, folder)
        peers, missing = servers.started(stack, {name: partial(start, folder) for name, start in PEERS.items()})
        asked = [("Openshelf, by link", shelf, doors.by_link), ("Openshelf, own", shelf, doors.own)]
        asked += [(peer.name, peer, peer.request) for peer in peers]
        for case in CASES:
            sides = [Side(name, partial(once, case, server, door, effort)) for name, server, door in asked]
            yield of_sides(case.title, paired(sides, effort.rounds), *case.figures, *missing)


def once(case: Case, server: Shelf | Server, door: Door, effort: Effort) -> Sample:
    return load(server, case.requests(door), connections=case.connections, seconds=effort.seconds)
