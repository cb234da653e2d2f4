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
from shelf import ADMIN, PASSWORD, Shelf, subsonic_target
from traffic import Request, Sample, load

NEEDS = ("ffmpeg",)

PER_OWNER = 1000
MANY = 1_000_000
CONNECTIONS = 16
ASKED_IDS = 5000
# A user with one share.
FRUGAL = "frugal"


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
        album = music / "Artist 0000" / "Album 0000"
        shelf.add_user(FRUGAL)
        shelf.command("share", "--json", "--user", FRUGAL, album)
        template = shelf.share(album)
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


def by_token(method: str, user: str = ADMIN) -> Door:
    """As most music apps sign in: with a hash of the password and a salt of theirs."""
    salt = "c19b2d"
    token = hashlib.md5(f"{PASSWORD}{salt}".encode()).hexdigest()
    target = subsonic_target(method, user).replace(f"&p={PASSWORD}", f"&t={token}&s={salt}")
    return lambda _at: [Request(target, headers=AGENT)]


def owners_page(at: Store) -> list[Request]:
    headers = {**AGENT, "Authorization": f"Bearer {at.token}"}
    return [Request("/api/v4/share?page_size=50", headers=headers)]


UNCOUNTED: dict[str, Door] = {
    "Cloudreve, `GET /api/v4/share/info/{id}`": each("/api/v4/share/info/{id}"),
    "Cloudreve's bare path, `GET /share/info/{id}`": each("/share/info/{id}"),
    "My Cloud Home, `GET /shares/v1/shares/{id}`": each("/shares/v1/shares/{id}"),
    "My Cloud Home's bare path, `GET /v1/shares/{id}`": each("/v1/shares/{id}"),
    "Page of a share, `GET /s/{id}`, five tracks": page,
    "OpenSubsonic, `ping`": by_token("ping"),
    "OpenSubsonic, `getShares` by the owner of one": by_token("getShares", FRUGAL),
    "OpenSubsonic, `getShares` by the owner of 1,000": by_token("getShares"),
    "Cloudreve, `GET /api/v4/share` by the owner of 1,000, 50 to a page": owners_page,
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
    with servers.same_bytes(same, answer.getheader("Content-Type")) as bare:

        def asked_of(at: Store) -> Sample:
            return load(at.shelf, door(at), connections=CONNECTIONS, seconds=effort.seconds)

        for at in (few, many):
            # What is counted only at the first time is counted now.
            first = door(at)[:ASKED_IDS]
            load(at.shelf, first, connections=CONNECTIONS, count=len(first))
        sides = [
            Side(f"Openshelf, {MANY:,} shares", lambda: asked_of(many)),
            Side(f"Openshelf, {PER_OWNER:,} shares", lambda: asked_of(few)),
            Side(bare.name, lambda: load(bare, [one], connections=CONNECTIONS, seconds=effort.seconds)),
        ]
        note = f"The answer has {len(content):,} bytes."
        return of_sides(title, paired(sides, effort.rounds), REQUESTS_PER_S, CPU_PER_REQUEST, note)
