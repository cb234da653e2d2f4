"""Shares looked up at each door, among a thousand and among a million"""

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import data
import servers
import store
from pairs import Side, paired
from places import TARGET
from report import CPU_PER_REQUEST, REQUESTS_PER_S, Table, of_sides
from sections import Effort
from shelf import PASSWORD, Shelf, subsonic_target
from traffic import Request, load

NEEDS = ("ffmpeg",)

PER_OWNER = 1000
MANY = 1_000_000
CONNECTIONS = 16
ASKED_IDS = 5000


@dataclass
class Store:
    """An installation with so many shares of one album of five tracks."""

    shelf: Shelf
    ids: list[str]
    cookie: str
    token: str

    @staticmethod
    def of(count: int) -> "Store":
        shelf = Shelf(f"lookup-{count}")
        music = data.music("lookup", 3, 5)
        shelf.start(music)
        shelf.command("scan")
        template = shelf.share(music / "Artist 0000" / "Album 0000")
        shelf.stop()
        database = shelf.data / "openshelf.sqlite"
        store.multiply_share(database, template, count, PER_OWNER)
        ids = store.share_ids(database, ASKED_IDS)
        shelf.start()
        return Store(shelf, ids, shelf.visit(template), shelf.cloudreve_token())


Door = Callable[[Store], list[Request]]

# One agent asks again and again; its views are counted once.
AGENT = {"User-Agent": "bench"}
_visitors = itertools.count()


def each(target: str, **headers: str) -> Door:
    return lambda at: [Request(target.format(id=share), headers={**AGENT, **headers}) for share in at.ids]


def each_anew(target: str) -> Door:
    """Asked by a visitor who was never seen before, every time."""

    def requests(at: Store) -> list[Request]:
        agents = (f"bench {next(_visitors)}" for _ in range(20_000))
        return [
            Request(target.format(id=share), headers={"User-Agent": agent})
            for share, agent in zip(itertools.cycle(at.ids), agents, strict=False)
        ]

    return requests


def page(at: Store) -> list[Request]:
    return [Request(f"/s/{share}", headers={**AGENT, "Cookie": at.cookie}) for share in at.ids]


def owners_list(at: Store) -> list[Request]:
    return [Request(by_token("getShares"), headers=AGENT)]


def ping(at: Store) -> list[Request]:
    return [Request(by_token("ping"), headers=AGENT)]


def by_token(method: str) -> str:
    salt = "c19b2d"
    token = hashlib.md5(f"{PASSWORD}{salt}".encode()).hexdigest()
    return subsonic_target(method).replace(f"&p={PASSWORD}", f"&t={token}&s={salt}")


def owners_info(at: Store) -> list[Request]:
    headers = {**AGENT, "Authorization": f"Bearer {at.token}"}
    return [Request(f"/api/v4/share?page_size=50", headers=headers)]


UNCOUNTED: dict[str, Door] = {
    "Cloudreve, `GET /api/v4/share/info/{id}`": each("/api/v4/share/info/{id}"),
    "Cloudreve's bare path, `GET /share/info/{id}`": each("/share/info/{id}"),
    "My Cloud Home, `GET /shares/v1/shares/{id}`": each("/shares/v1/shares/{id}"),
    "My Cloud Home's bare path, `GET /v1/shares/{id}`": each("/v1/shares/{id}"),
    "Page of a share, `GET /s/{id}`, five tracks": page,
    "OpenSubsonic, `ping` by token": ping,
    "OpenSubsonic, `getShares` by the owner of 1,000": owners_list,
    "Cloudreve, `GET /api/v4/share` by the owner of 1,000, 50 to a page": owners_info,
}
COUNTED: dict[str, Door] = {
    "Cloudreve, `GET /api/v4/share/info/{id}?count_views=true`": each("/api/v4/share/info/{id}?count_views=true"),
    "My Cloud Home, `GET /v1/shares/{id}`, each time a new visitor": each_anew("/v1/shares/{id}"),
    "Page of a share, each time a new visitor": each_anew("/s/{id}"),
}


def measure(effort: Effort) -> Iterable[Table]:
    with contextlib.ExitStack() as stack:
        few = Store.of(PER_OWNER)
        stack.callback(few.shelf.stop)
        many = Store.of(MANY)
        stack.callback(many.shelf.stop)
        for title, door in UNCOUNTED.items():
            yield of_door(title, door, few, many, effort)
        for title, door in COUNTED.items():
            yield of_door(f"Counted: {title}", door, few, many, effort)


def of_door(title: str, door: Door, few: Store, many: Store, effort: Effort) -> Table:
    one = door(many)[0]
    answer, content = many.shelf.ask(one.target, headers=one.headers)
    same = TARGET / "answer"
    same.write_bytes(content)
    bare = servers.same_bytes(same, answer.getheader("Content-Type"))

    def ours(name: str, at: Store) -> Side:
        def run() -> object:
            return load(
                at.shelf.process, at.shelf.port, door(at), connections=CONNECTIONS, seconds=effort.seconds
            )

        # Every share is asked for once: what is counted only the first time is counted now.
        load(at.shelf.process, at.shelf.port, door(at)[:ASKED_IDS], connections=CONNECTIONS, count=min(ASKED_IDS, len(door(at))))
        return Side(name, run)

    try:
        sides = [ours(f"{MANY:,} shares", many), ours(f"{PER_OWNER:,} shares", few)]
        sides.append(
            Side(
                bare.name,
                lambda: load(bare.process, bare.port, [Request("/")], connections=CONNECTIONS, seconds=effort.seconds),
            )
        )
        return of_sides(title, paired(sides, effort.rounds), REQUESTS_PER_S, CPU_PER_REQUEST, f"{len(content):,} bytes.")
    finally:
        bare.stop()
