"""nginx with TLS in front, serving Openshelf on a path."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from urllib.parse import urljoin

import pytest
import requests
import trustme
from requests.adapters import HTTPAdapter

from music import Music
from openshelf import ADMIN, ADMIN_MAIL, PASSWORD, Server, until

PREFIX = "/shelf"
SHARE_PASSWORD = "Secret1"
EVIL = "evil.example"

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{front} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location {prefix}/ {{
            proxy_pass http://127.0.0.1:{back}/;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Host $host:$server_port;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def engine() -> str:
    return "sqlite"


def free_port() -> int:
    with create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class From(HTTPAdapter):
    """Sends from another loopback address, as another visitor."""

    def __init__(self, address: str):
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **options) -> None:
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)


@dataclass(frozen=True)
class Site:
    server: Server
    url: str
    ca: Path

    def visitor(self, address: str = "127.0.0.1") -> requests.Session:
        session = requests.Session()
        session.verify = str(self.ca)
        session.mount("https://", From(address))
        session.mount("http://", From(address))
        return session


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, music: Music, program: Callable[[str], str]) -> Iterator[Site]:
    nginx = program("nginx")
    folder = tmp_path_factory.mktemp("nginx")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "certificate.pem", append=True)
    front = free_port()
    url = f"https://localhost:{front}{PREFIX}"
    options = ("--public-url", url, "--trusted-proxies", "127.0.0.1")
    with Server(*music.folders, home=tmp_path_factory.mktemp("home"), options=options) as server:
        server.scanned()
        configuration = CONFIGURATION.format(folder=folder, front=front, back=server.port, prefix=PREFIX)
        (folder / "nginx.conf").write_text(configuration)
        proxy = subprocess.Popen([nginx, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
        site = Site(server, url, folder / "ca.pem")
        try:
            until(lambda: proxy.poll() is not None or answers(site), "nginx")
            assert proxy.poll() is None, (folder / "error.log").read_text()
            yield site
        finally:
            proxy.terminate()
            proxy.wait(10)


def answers(site: Site) -> bool:
    try:
        return site.visitor().get(f"{site.url}/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False


def share(server: Server, path: Path, *options: str) -> str:
    return json.loads(server.command("share", path, "--json", *options).stdout)["url"]


def addresses(page: requests.Response, attributes: str) -> list[str]:
    """The addresses that a page names, as the browser resolves them."""
    named = re.findall(rf'\b(?:{attributes})="((?:https?:/)?[./][^"]*)"', page.text)
    return [urljoin(page.url, address.replace("&amp;", "&")) for address in named]


def test_every_link_of_the_page_stays_on_the_path(site: Site, music: Music) -> None:
    link = share(site.server, music.drascula)
    assert link.startswith(f"{site.url}/s/")
    visitor = site.visitor()
    pages = [link, f"{site.url}/", f"{site.url}/app/"]
    for url in pages:
        page = visitor.get(url, timeout=30)
        assert page.status_code == 200, url
        assert page.url.startswith(f"{site.url}/")
        named = addresses(page, "href|src|action|content")
        assert named
        assert [address for address in named if not address.startswith(f"{site.url}/")] == []
        for address in addresses(page, "href|src"):
            assert visitor.head(address, timeout=30).status_code < 400, address


def test_the_share_cookie_is_bound_to_the_path_and_to_tls(site: Site, music: Music) -> None:
    link = share(site.server, music.drascula / "audio", f"--password={SHARE_PASSWORD}")
    visitor = site.visitor()
    redirect = visitor.get(f"{link}/{SHARE_PASSWORD}", allow_redirects=False, timeout=30)
    assert redirect.status_code in (302, 303)
    assert urljoin(redirect.url, redirect.headers["Location"]).rstrip("/") == link
    for cookie in visitor.cookies:
        assert cookie.secure
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.path.startswith(PREFIX)
    assert "track28" in visitor.get(link, timeout=30).text
    assert "track28" not in site.visitor().get(link, timeout=30).text


def test_the_owners_cookie_is_bound_to_the_path_and_to_tls(site: Site) -> None:
    visitor = site.visitor()
    page = visitor.get(f"{site.url}/app/", timeout=30)
    action = re.search(r'<form[^>]*\baction="([^"]*)"', page.text)
    field = re.search(r'<input[^>]*\bname="([^"]+)"[^>]*autocomplete="username"', page.text)
    form = {field.group(1) if field else "name": ADMIN, "password": PASSWORD}
    visitor.post(
        urljoin(page.url, action.group(1)), data=form, headers={"Origin": site.url.removesuffix(PREFIX)}, timeout=30
    )
    assert visitor.cookies
    for cookie in visitor.cookies:
        assert cookie.secure
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.path.startswith(PREFIX)


def test_every_door_prints_links_of_the_public_address(site: Site) -> None:
    for link in links(site.visitor(), site.url, {}):
        assert f"{link}/".startswith(f"{site.url}/"), link


def links(client: requests.Session, base: str, headers: dict[str, str]) -> list[str]:
    """One link or more from each door, with whatever headers a caller sends."""
    client.headers.update(headers)
    login = {"email": ADMIN_MAIL, "password": PASSWORD}
    token = client.post(f"{base}/api/v4/session/token", json=login).json()["data"]["token"]["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    track = "cloudreve://my/drascula/audio/track28.ogg"
    made = client.put(f"{base}/api/v4/share", json={"uri": track}, headers=bearer).json()["data"]
    share = made.rsplit("/", 1)[1]
    found = [made]
    found.append(client.get(f"{base}/api/v4/share/info/{share}", headers=bearer).json()["data"]["url"])
    saved = client.post(f"{base}/api/v4/file/url", json={"uris": [track]}, headers=bearer).json()["data"]["urls"]
    found.append(saved[0]["url"])
    known = {"u": ADMIN, "p": PASSWORD, "v": "1.16.1", "c": "outside", "f": "json"}
    shares = client.get(f"{base}/rest/getShares", params=known).json()["subsonic-response"]["shares"]["share"]
    found.append(next(each["url"] for each in shares if each["id"] == share))
    services = client.get(f"{base}/config/v1/config").json()["data"]["componentMap"]["cloud.service.urls"]
    found += [url for url in services.values() if url]
    opened = client.get(f"{base}/shares/v1/shares/{share}").json()["data"]
    found += [opened["url"], opened["device"]["network"]["proxyURL"]]
    return found


LIES = [{"Host": EVIL}, {"X-Forwarded-Host": EVIL}, {"Forwarded": f"host={EVIL}"}, {"X-Forwarded-Prefix": f"//{EVIL}"}]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: next(iter(lie)))
def test_no_link_is_built_from_an_untrusted_host(site: Site, music: Music, lie: dict[str, str]) -> None:
    """Asked past the proxy, from an address that is not its own."""
    for link in links(site.visitor("127.0.0.9"), site.server.url, lie):
        assert f"{link}/".startswith(f"{site.url}/"), link
    path = share(site.server, music.drascula / "audio").removeprefix(site.url)
    visitor = site.visitor("127.0.0.9")
    for address in (path, f"{path}/x", "/", "/app/", path.replace("/s/", "/action/share/")):
        answer = visitor.get(site.server.url + address, headers=lie, allow_redirects=False, timeout=30)
        assert EVIL not in answer.text
        assert EVIL not in str(answer.headers)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: next(iter(lie)))
def test_without_a_proxy_no_header_counts(music: Music, lie: dict[str, str], home: Path) -> None:
    with Server(music.drascula, home=home) as server:
        server.scanned()
        for link in links(requests.Session(), server.url, lie):
            assert f"{link}/".startswith(f"{server.url}/"), link


def guess(visitor: requests.Session, link: str, password: str, **headers: str) -> requests.Response:
    share = link.rsplit("/", 1)[1]
    base = link.removesuffix(f"/s/{share}")
    query = {"uri": f"cloudreve://{share}:{password}@share"}
    return visitor.get(f"{base}/api/v4/file", params=query, headers=headers, timeout=30)


def test_the_throttle_knows_visitors_by_the_address_that_the_proxy_saw(site: Site, music: Music) -> None:
    """So guessing from one address shuts out that address only, and no made-up header opens it again."""
    link = share(site.server, music.drascula / "audio", f"--password={SHARE_PASSWORD}")
    guesser, other = site.visitor("127.0.0.2"), site.visitor("127.0.0.3")
    slowed = False
    for number in range(100):
        answer = guess(guesser, link, f"wrong{number}", **{"X-Forwarded-For": f"198.51.100.{number}"})
        slowed = answer.status_code == 429 or answer.json()["code"] not in (0, 40069)
        if slowed:
            break
    assert slowed, "100 wrong passwords and no throttle: the made-up addresses were believed"
    right = guess(guesser, link, SHARE_PASSWORD, **{"X-Forwarded-For": "203.0.113.7"})
    assert right.status_code == 429 or right.json()["code"] != 0
    assert guess(other, link, SHARE_PASSWORD).json()["code"] == 0


def test_the_command_line_prints_the_public_address(site: Site, music: Music) -> None:
    assert share(site.server, music.short_track).startswith(f"{site.url}/s/")
