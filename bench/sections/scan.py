"""Scans: a first one beside a loop that only reads tags, a second beside a walk that only asks for stat"""

import json
import time
from collections.abc import Iterable
from pathlib import Path

import data
from pairs import Side, paired, ratio
from places import TARGET
from processes import LOAD_CORE, SERVER_CORE, Failed, pinned, run
from report import Figure, Table
from sections import Effort
from shelf import Shelf
from traffic import Sample

NEEDS = ("ffmpeg",)

LOOPS = TARGET / "load" / "release" / "loops"
ALBUMS = 600
TRACKS = 10
FOLDERS = 10_000

FILES_PER_S = Figure("files/s", lambda sample: sample.requests_per_s)


def measure(effort: Effort) -> Iterable[Table]:
    albums = ALBUMS // 10 if effort.quick else ALBUMS
    music = data.collection("collection" if albums == ALBUMS else "collection-few", albums, TRACKS)
    data.warm(music)
    for cores in (f"{SERVER_CORE}", f"{SERVER_CORE},{LOAD_CORE}"):
        yield first(music, albums * TRACKS, cores, effort)
    folders = FOLDERS // 10 if effort.quick else FOLDERS
    yield second(data.names("names" if folders == FOLDERS else "names-few", folders, TRACKS), folders * TRACKS, effort)


def loop(cores: str, *arguments: str | Path) -> Sample:
    told = json.loads(run(pinned(cores, [str(LOOPS), *map(str, arguments)])))
    return sample(told["files"], told["seconds"])


def sample(files: int, took_s: float) -> Sample:
    return Sample(files, 0, took_s, 0.0, 0.0, 0, 0, {})


def first(music: Path, tracks: int, cores: str, effort: Effort) -> Table:
    threads = cores.count(",") + 1

    def scan() -> Sample:
        with Shelf("scan") as shelf:
            shelf.cores = cores
            shelf.start()
            began = time.monotonic()
            shelf.command("library", "add", music)
            took_s = time.monotonic() - began
            last = shelf.subsonic("search3", query='""', songOffset=tracks - 1, songCount=2)["searchResult3"]["song"]
            if len(last) != 1:
                raise Failed(f"the scan did not find {tracks} tracks")
            return sample(tracks, took_s)

    sides = [Side("Openshelf", scan), Side("bare loop", lambda: loop(cores, "tags", str(threads), music))]
    return table(f"A first scan, on {threads} of the cores", paired(sides, effort.rounds))


def second(names: Path, files: int, effort: Effort) -> Table:
    with Shelf("scan") as shelf:
        shelf.start(names)
        shelf.command("scan")

        def scan() -> Sample:
            began = time.monotonic()
            shelf.command("scan")
            took_s = time.monotonic() - began
            return sample(files, took_s)

        sides = [Side("Openshelf", scan), Side("bare walk", lambda: loop(f"{SERVER_CORE}", "walk", names))]
        return table("A scan of a tree in which nothing changed", paired(sides, effort.rounds))


def table(title: str, sides: list[Side]) -> Table:
    ours, theirs = sides
    by_rate = ratio(ours, theirs, FILES_PER_S.of)
    rows = []
    for side in sides:
        low, high = side.spread(FILES_PER_S.of)
        rows.append([side.name, FILES_PER_S.text(side.median(FILES_PER_S.of)), f"{low:,.0f}–{high:,.0f}", "", ""])
    rows[1][3:] = [f"**{by_rate.median:.2f}**", f"{by_rate.least:.2f}–{by_rate.most:.2f}"]
    return Table(title, ["", FILES_PER_S.name, "from–to", "Openshelf ÷ it", "from–to"], rows)
