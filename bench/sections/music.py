"""Calls of music apps"""

import contextlib
from collections.abc import Iterable
from functools import partial

import data
import servers
from pairs import Side, paired
from report import CPU_PER_REQUEST, REQUESTS_PER_S, Table, of_sides
from sections import Effort
from shelf import ADMIN, PASSWORD, Shelf, subsonic_target
from traffic import Request, load

NEEDS = ("ffmpeg", "supysonic")

ALBUMS = 300
TRACKS = 10
CONNECTIONS = 4
CALLS = {
    "ping": {},
    "getArtists": {},
    "getAlbumList2": {"type": "alphabeticalByName", "size": 50},
    "search3": {"query": "title 0100", "songCount": 20},
}


def measure(effort: Effort) -> Iterable[Table]:
    folder = data.music("tracks-few", ALBUMS, TRACKS)
    with Shelf("music") as shelf, contextlib.ExitStack() as stack:
        shelf.start(folder)
        shelf.command("scan")
        start = partial(servers.supysonic, folder, ADMIN, PASSWORD)
        peers, missing = servers.started(stack, {"supysonic": start})
        for call, parameters in CALLS.items():
            asked = [Request(subsonic_target(call, **parameters))]
            run = partial(load, requests=asked, connections=CONNECTIONS, seconds=effort.seconds)
            sides = paired([Side(server.name, partial(run, server)) for server in [shelf, *peers]], effort.rounds)
            title = f"OpenSubsonic, `{call}`, {ALBUMS * TRACKS:,} tracks, {CONNECTIONS} connections"
            yield of_sides(title, sides, REQUESTS_PER_S, CPU_PER_REQUEST, *missing)
