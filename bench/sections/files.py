"""Downloads: one large file, many, small ones, and storms of ranges"""

import contextlib
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import data
import servers
from pairs import Side, paired
from processes import Failed
from report import CPU_PER_GIB, CPU_PER_REQUEST, MB_PER_S, REQUESTS_PER_S, Figure, Table, of_sides
from sections import Effort
from servers import Server
from shelf import Shelf
from traffic import Request, load

RANGE_BYTES = 64 * data.KIB
NEEDS = ("nginx", "copyparty", "dufs", "miniserve")
PEERS = (servers.nginx, servers.serve_file, servers.dufs, servers.miniserve, servers.copyparty)


class Doors:
    """One library of an installation, at the doors by which its files leave."""

    def __init__(self, shelf: Shelf, folder: Path):
        self.shelf = shelf
        self.link = shelf.share(folder)
        self.cookie = shelf.visit(self.link)
        self.token = shelf.mycloud_token()
        top = shelf.items(self.link)
        self.ids = {name: item for name, item in top.items() if name == data.BIG}
        for below in ("medium", "small"):
            self.ids |= {f"{below}/{name}": item for name, item in shelf.items(self.link, f"/{below}").items()}

    def by_link(self, path: str) -> tuple[str, dict[str, str]]:
        """As a guest's browser asks, who came by the share's page."""
        return f"/s/{self.link}/-/file/{self.ids[path]}?download=1", {"Cookie": self.cookie}

    def own(self, path: str) -> tuple[str, dict[str, str]]:
        """As its owner's drive client asks."""
        return f"/sdk/v2/files/{self.ids[path]}/content", {"Authorization": f"Bearer {self.token}"}


def measure(effort: Effort) -> Iterable[Table]:
    folder = data.files()
    data.warm(folder)
    with Shelf("files") as shelf, contextlib.ExitStack() as stack:
        shelf.start(folder)
        shelf.command("scan")
        doors = Doors(shelf, folder)
        peers, missing = [], []
        for start in PEERS:
            try:
                peer = start(folder)
                stack.callback(peer.stop)
                peers.append(peer)
            except Failed as cause:
                missing.append(f"Missing: {start.__name__}, {cause}")

        def table(
            title: str,
            paths: list[str],
            size_bytes: int,
            connections: int,
            figures: tuple[Figure, Figure],
            *notes: str,
            ranges: Callable[[], list[str]] | None = None,
        ) -> Table:
            def requests(address: Callable[[str], tuple[str, dict[str, str]]]) -> list[Request]:
                asked = []
                for path in paths:
                    target, headers = address(path)
                    asked += [
                        Request(target, headers={**headers, **({"Range": wanted} if wanted else {})},
                                status=206 if wanted else 200, bytes=size_bytes)
                        for wanted in (ranges() if ranges else [""])
                    ]
                return asked

            def side(name: str, server: Shelf | Server, address: Callable) -> Side:
                asked = requests(address)
                return Side(
                    name,
                    lambda: load(server.process, server.port, asked, connections=connections, seconds=effort.seconds),
                )

            sides = [side("Openshelf, by link", shelf, doors.by_link), side("Openshelf, own", shelf, doors.own)]
            sides += [side(peer.name, peer, lambda path, at=peer: (at.target(path), {})) for peer in peers]
            return of_sides(title, paired(sides, effort.rounds), *figures, *notes, *missing)

        yield table("One file of 1 GiB, one connection", [data.BIG], data.GIB, 1, (MB_PER_S, CPU_PER_GIB))
        yield table(
            "Files of 1 MiB, one connection",
            [f"medium/{name}" for name in data.MEDIUM[:128]],
            data.MIB,
            1,
            (REQUESTS_PER_S, CPU_PER_GIB),
        )
        yield table(
            "Files of 16 KiB, 16 connections",
            [f"small/{name}" for name in data.SMALL],
            16 * data.KIB,
            16,
            (REQUESTS_PER_S, CPU_PER_REQUEST),
        )
        yield table(
            "Ranges of 64 KiB anywhere in a file of 1 GiB, 16 connections",
            [data.BIG],
            RANGE_BYTES,
            16,
            (REQUESTS_PER_S, CPU_PER_REQUEST),
            ranges=storm,
        )


def storm() -> list[str]:
    """The same ranges for each side."""
    chance = random.Random(1)
    starts = (chance.randrange(data.GIB - RANGE_BYTES) for _ in range(4096))
    return [f"bytes={start}-{start + RANGE_BYTES - 1}" for start in starts]
