"""Answers that must not tell by their time what they do not say: passwords, names of users, dead shares"""

import itertools
import random
import re
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import data
from pairs import difference
from report import Table
from sections import Effort
from shelf import ADMIN, MAIL, Shelf, subsonic_target
from traffic import Request, load

NEEDS = ()

WORD = "Correct7"
UNKNOWN = "0000000000000000000000"
REALM = "http://auth0.com/oauth/grant-type/password-realm"

# How each of two is asked; both answers look alike to who asks, or are no secret.
Pair = tuple[str, Callable[[], Request], str, Callable[[], Request]]


def measure(effort: Effort) -> Iterable[Table]:
    folder = data.files()
    with Shelf("passwords") as shelf:
        # So that each try comes from an address of its own, and the limit on guessing does not answer instead.
        shelf.start(folder, "--trusted-proxies", "127.0.0.1")
        shelf.command("scan")
        tries = 20 if effort.quick else 200
        looks = 200 if effort.quick else 2000
        yield table("Where a password is checked", checked(shelf, folder, tries), tries, shelf)
        yield table("Unknown and revoked shares", dead(shelf, folder), looks, shelf)


def checked(shelf: Shelf, folder: Path, tries: int) -> list[Pair]:
    locked = shelf.share(folder / data.BIG, password=WORD)
    # A right password is remembered, so that it is right for the first time once for each share.
    fresh = [shelf.share(folder / data.BIG, password=WORD) for _ in range(tries)]

    def page_of_each(word: str, status: int) -> Callable[[], Request]:
        shares = iter(fresh)
        return lambda: form(f"/s/{next(shares)}/-/unlock", f"password={word}", status)

    def page(word: str, status: int) -> Callable[[], Request]:
        return lambda: form(f"/s/{locked}/-/unlock", f"password={word}", status)

    def info(word: str) -> Callable[[], Request]:
        return lambda: get(f"/api/v4/share/info/{locked}?password={word}")

    def mycloud(word: str, status: int) -> Callable[[], Request]:
        return lambda: get(f"/v1/shares/{locked}", status, **{"X-Share-Password": word})

    def subsonic(user: str) -> Callable[[], Request]:
        return lambda: get(subsonic_target("ping", user, wrong()))

    def token(user: str) -> Callable[[], Request]:
        target = re.sub(r"&p=[^&]*", f"&t={'0' * 32}&s=c19b2d", subsonic_target("ping", user, "x"))
        return lambda: get(target)

    def cloudreve(mail: str) -> Callable[[], Request]:
        return lambda: body("/api/v4/session/token", f'{{"email": "{mail}", "password": "{wrong()}"}}', 200)

    def oauth(mail: str) -> Callable[[], Request]:
        return lambda: body(
            "/authrouter/oauth/token",
            f'{{"grant_type": "{REALM}", "username": "{mail}", "password": "{wrong()}", "client_id": "bench"}}',
            403,
        )

    nobody = "nobody@openshelf.local"
    return [
        ("Page: wrong password", page_of_each("Wrong1", 403), "right, the first time", page_of_each(WORD, 303)),
        ("Page: wrong password", page("Wrong1", 403), "right, remembered", page(WORD, 303)),
        ("Cloudreve: wrong password of a share", info("Wrong1"), "right, remembered", info(WORD)),
        ("My Cloud Home: wrong password of a share", mycloud("Wrong1", 401), "right, remembered", mycloud(WORD, 200)),
        ("OpenSubsonic: wrong password", subsonic(ADMIN), "unknown user", subsonic("nobody")),
        ("OpenSubsonic: wrong token", token(ADMIN), "unknown user", token("nobody")),
        ("Cloudreve: wrong password", cloudreve(MAIL), "unknown user", cloudreve(nobody)),
        ("My Cloud Home: wrong password", oauth(MAIL), "unknown user", oauth(nobody)),
    ]


def dead(shelf: Shelf, folder: Path) -> list[Pair]:
    revoked = shelf.share(folder / data.BIG)
    shelf.command("shares", "revoke", revoked)

    def at(door: str, status: int) -> Pair:
        name, target = door.split(" ")
        unknown = lambda: get(target.format(id=UNKNOWN), status)  # noqa: E731
        return (
            f"{name.replace('_', ' ')}: unknown",
            unknown,
            "revoked",
            lambda: get(target.format(id=revoked), status),
        )

    return [
        at("Page /s/{id}", 404),
        at("Page,_with_a_password /s/{id}/Wrong1", 404),
        at("Cloudreve /api/v4/share/info/{id}", 200),
        at("Cloudreve,_with_a_password /api/v4/share/info/{id}?password=Wrong1", 200),
        at("My_Cloud_Home /v1/shares/{id}", 404),
    ]


_addresses = itertools.count(1)
_words = itertools.count(1)


def somebody() -> dict[str, str]:
    number = next(_addresses)
    return {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", "User-Agent": "bench"}


def wrong() -> str:
    return f"Wrong{next(_words):06}"


def get(target: str, status: int = 200, **headers: str) -> Request:
    return Request(target, headers={**somebody(), **headers}, status=status)


def form(target: str, text: str, status: int) -> Request:
    headers = {**somebody(), "Content-Type": "application/x-www-form-urlencoded"}
    return Request(target, "POST", headers, Request.text(text), status)


def body(target: str, text: str, status: int) -> Request:
    return Request(target, "POST", {**somebody(), "Content-Type": "application/json"}, Request.text(text), status)


def table(title: str, pairs: list[Pair], count: int, shelf: Shelf) -> Table:
    chance = random.Random(1)
    rows = []
    for one, first, other, second in pairs:
        asked = []
        for _ in range(count):
            both = [("a", first()), ("b", second())]
            chance.shuffle(both)
            for group, request in both:
                request.group = group
                asked.append(request)
        latencies = load(shelf, asked, count=len(asked), every_latency=True).groups
        a, b = latencies["a"], latencies["b"]
        found = difference(a, b)
        rows.append(
            [
                f"{one} / {other}",
                f"{statistics.median(a) / 1000:.3f} / {statistics.median(b) / 1000:.3f}",
                f"{found.median_us:+,.0f} ({found.low_us:+,.0f}…{found.high_us:+,.0f})",
                f"{found.probability:.3f}",
            ]
        )
    head = ["first / second", "medians, ms", "median of the differences, µs (95 %)", "by chance"]
    notes = [f"{count} pairs each, in random order over one connection."]
    return Table(title, head, rows, notes)
