"""Archives: a folder as a zip, and a range out of the end of one of 100 GB"""

import random
from collections.abc import Iterable
from pathlib import Path

import data
from pairs import Side, paired
from places import DATA
from processes import Failed
from report import CPU_PER_GIB, MB_PER_S, MEDIAN_MS, P99_MS, Table, of_sides
from sections import Effort
from shelf import Shelf
from traffic import Request, load

NEEDS = ()

SPARSE_FILES = 100
SPARSE_BYTES = 1000**3
RANGE_BYTES = data.MIB


def measure(effort: Effort) -> Iterable[Table]:
    folder = data.files()
    data.warm(folder)
    with Shelf("zips") as shelf:
        shelf.start(folder)
        shelf.command("scan")
        yield beside_one_file(shelf, folder, effort)
    sparse = sparse_files(4 if effort.quick else SPARSE_FILES)
    with Shelf("zips") as shelf:
        shelf.start(sparse)
        shelf.command("scan")
        yield ranges_at_the_end(shelf, sparse, effort)


def beside_one_file(shelf: Shelf, folder: Path, effort: Effort) -> Table:
    """1,024 files of 1 MiB as a zip, and a file of 1 GiB."""
    share = shelf.share(folder)
    cookie = {"Cookie": shelf.visit(share)}
    top = shelf.items(share)
    zipped = Request(f"/s/{share}/-/zip?in={top['medium']}", headers=cookie)
    file = Request(f"/s/{share}/-/file/{top[data.BIG]}?download=1", headers=cookie, bytes=data.GIB)
    sides = [
        Side(name, lambda asked=asked: load(shelf, [asked], seconds=effort.seconds))
        for name, asked in [("1,024 files of 1 MiB, zipped", zipped), ("Openshelf, one file of 1 GiB", file)]
    ]
    return of_sides("A folder of 1 GiB as a zip", paired(sides, effort.rounds), MB_PER_S, CPU_PER_GIB)


def ranges_at_the_end(shelf: Shelf, folder: Path, effort: Effort) -> Table:
    """The first download of the whole archive sums up its files; after it, sums are known."""
    share = shelf.share(folder)
    cookie = {"Cookie": shelf.visit(share)}
    target = f"/s/{share}/-/zip"
    title = f"1 MiB out of the last GiB of a zip of {len(list(folder.iterdir()))} GB"
    first = load(shelf, [Request(target, headers=cookie)], count=1)
    head, _content = shelf.ask(target, "HEAD", headers=cookie)
    size_bytes = int(head.getheader("Content-Length", "0"))
    chance = random.Random(1)
    starts = [size_bytes - chance.randrange(RANGE_BYTES, data.GIB) for _ in range(1000)]
    asked = [
        Request(
            target,
            headers={**cookie, "Range": f"bytes={start}-{start + RANGE_BYTES - 1}"},
            status=206,
            bytes=RANGE_BYTES,
        )
        for start in starts
    ]
    note = f"The whole archive before that: {first.elapsed_s:,.0f} s, {first.mb_per_s:,.0f} MB/s."
    try:
        samples = [load(shelf, asked, seconds=effort.seconds) for _ in range(effort.rounds)]
    except Failed as cause:
        return Table(title, [""], [[f"Not measured: {str(cause).splitlines()[0]}"]], [note])
    side = Side("Openshelf", lambda: samples[0], samples)
    figures = [MEDIAN_MS, P99_MS]
    rows = [["Openshelf", *(figure.text(side.median(figure.of)) for figure in figures)]]
    return Table(title, ["", *(figure.name for figure in figures)], rows, [note])


def sparse_files(count: int) -> Path:
    """Files of 1 GB that take no room."""
    folder = DATA / f"sparse-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        with (folder / f"{number:03}.bin").open("ab") as file:
            file.truncate(SPARSE_BYTES)
    return folder
