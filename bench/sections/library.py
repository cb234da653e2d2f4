"""A library of a thousand tracks, of a hundred thousand and of a million"""

import contextlib
import random
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import processes
from install import SEED
from report import Table
from sections import Effort
from shelf import Shelf, subsonic_target
from traffic import Request, load

NEEDS = ("seed",)

SIZES = (1_000, 100_000, 1_000_000)
# What the seed makes: an album has ten tracks, an artist five albums.
PER_ALBUM = 10
PER_ARTIST = 50
KIB = 1024
MB = 1e6


@dataclass
class Library:
    """An installation with so many tracks."""

    shelf: Shelf
    tracks: int
    genres: list[str]

    @staticmethod
    def of(tracks: int) -> "Library":
        shelf = Shelf(f"library-{tracks}")
        shelf.start()
        shelf.stop()
        processes.run([SEED, shelf.data / "openshelf.sqlite", str(tracks)])
        shelf.start()
        genres = shelf.subsonic("getGenres")["genres"]["genre"]
        frequent = sorted(genres, key=lambda genre: -genre["albumCount"])
        return Library(shelf, tracks, [genre["value"] for genre in frequent[:5]])

    def warm(self) -> None:
        """The disk is not what is measured, and a file of a gigabyte does not stay in the page cache by itself."""
        with (self.shelf.data / "openshelf.sqlite").open("rb") as database:
            while database.read(1 << 20):
                pass

    def offsets(self, count: int, size: int) -> list[int]:
        """All over a list: its beginning, its end and what lies between."""
        last = max(count - size, 0)
        chance = random.Random(count)
        return [0, last, *(chance.randint(0, last) for _ in range(18))]


Ask = Callable[[Library], list[Request]]


def call(method: str, **parameters: str | int) -> Request:
    return Request(subsonic_target(method, **parameters))


def once(method: str, **parameters: str | int) -> Ask:
    return lambda _library: [call(method, **parameters)]


def everything(kind: str, per: int, size: int) -> Ask:
    """The empty search for one kind, at any offset."""
    counts = {f"{other}Count": 0 for other in ("artist", "album", "song")}

    def requests(library: Library) -> list[Request]:
        offsets = library.offsets(library.tracks // per, size)
        return [
            call("search3", query='""', **{**counts, f"{kind}Count": size, f"{kind}Offset": offset})
            for offset in offsets
        ]

    return requests


def albums(kind: str, size: int, part: int, **parameters: str | int) -> Ask:
    """One of so many albums is in the list."""

    def requests(library: Library) -> list[Request]:
        offsets = library.offsets(library.tracks // PER_ALBUM // part, size)
        return [call("getAlbumList2", type=kind, size=size, offset=offset, **parameters) for offset in offsets]

    return requests


def by_genre(method: str, **parameters: str | int) -> Ask:
    return lambda library: [call(method, genre=genre, **parameters) for genre in library.genres]


def searches(*queries: str) -> Ask:
    return lambda _library: [call("search3", query=query) for query in queries]


CALLS: dict[str, Ask] = {
    "`search3`, empty, 500 songs": everything("song", 1, 500),
    "`search3`, empty, 50 albums": everything("album", PER_ALBUM, 50),
    "`search3`, empty, 20 artists": everything("artist", PER_ARTIST, 20),
    "`search3` for one letter": searches("b", "s", "t"),
    "`search3` for the beginning of a word": searches("bran", "lun", "夜"),
    "`search3` for two words": searches("bace do", "ba ste", "the lu"),
    **{
        f"`getAlbumList2`, {kind}": albums(kind, 50, part)
        for kind, part in {
            "alphabeticalByName": 1,
            "alphabeticalByArtist": 1,
            "newest": 1,
            "random": 1,
            "frequent": 4,
            "recent": 4,
            "highest": 20,
            "starred": 30,
        }.items()
    },
    "`getAlbumList2`, byYear": albums("byYear", 50, 1, fromYear=1900, toYear=2100),
    "`getAlbumList2`, byGenre": by_genre("getAlbumList2", type="byGenre", size=50),
    "`getRandomSongs`, 500": once("getRandomSongs", size=500),
    "`getRandomSongs`, 100 of a decade": once("getRandomSongs", size=100, fromYear=1980, toYear=1989),
    "`getRandomSongs`, 50 of a genre": by_genre("getRandomSongs", size=50),
    "`getSongsByGenre`, 50": by_genre("getSongsByGenre", count=50),
    "`getArtists`": once("getArtists"),
    "`getIndexes`": once("getIndexes"),
    "`getStarred2`": once("getStarred2"),
    "`getGenres`": once("getGenres"),
}


def measure(effort: Effort) -> Iterable[Table]:
    sizes = SIZES[:2] if effort.quick else SIZES
    with contextlib.ExitStack() as stack:
        libraries = []
        for size in sizes:
            libraries.append(Library.of(size))
            stack.callback(libraries[-1].shelf.stop)
        yield table(libraries, effort)


def cost_us_per_kib(library: Library, ask: Ask, effort: Effort) -> tuple[float, float]:
    """Of one answer after the other over one connection: processor time for a KiB, and bytes of an answer."""
    requests = ask(library)
    random.Random(1).shuffle(requests)
    sample = load(library.shelf, requests, seconds=effort.seconds)
    return sample.server_cpu_s * 1e6 / (sample.bytes / KIB), sample.bytes / sample.requests


def table(libraries: list[Library], effort: Effort) -> Table:
    few, *many = libraries
    rows = []
    for title, ask in CALLS.items():
        costs: dict[int, list[float]] = {library.tracks: [] for library in libraries}
        sizes: dict[int, float] = {}
        for library in libraries:
            library.warm()
            # As apps ask: not for the first time.
            load(library.shelf, ask(library), count=len(ask(library)))
        for number in range(effort.rounds):
            for library in libraries if number % 2 == 0 else reversed(libraries):
                cost, sizes[library.tracks] = cost_us_per_kib(library, ask, effort)
                costs[library.tracks].append(cost)
        row = [title]
        for library in libraries:
            row += [f"{statistics.median(costs[library.tracks]):.1f}", f"{sizes[library.tracks] / 1000:,.1f}"]
        for library in many:
            pairs = zip(costs[library.tracks], costs[few.tracks], strict=True)
            row.append(f"**{statistics.median(a / b for a, b in pairs):.2f}**")
        rows.append(row)
    head = ["", *(text for library in libraries for text in (f"{library.tracks:,}: µs/KiB", "answer, kB"))]
    head += [f"{library.tracks:,} ÷ {few.tracks:,}" for library in many]
    peaks = ", ".join(
        f"{library.shelf.process.peak_bytes() / MB:.0f} MB with {library.tracks:,}" for library in libraries
    )
    notes = [
        "Processor time of the server for each KiB of its answers, and what that is to a thousand tracks.",
        f"Most resident memory from the start to the end of all this: {peaks}.",
    ]
    return Table("OpenSubsonic by the size of the library", head, rows, notes)
