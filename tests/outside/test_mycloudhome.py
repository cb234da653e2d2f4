"""The PyPI command `mycloudhome`, and a recipient who fetches a share without an account.

The command has one address built in, https://config.mycloud.com, so it goes through the gateway.
No published client makes a share; that half is driven here call by call.
"""

import base64
import io
import json
import re
import socket
import ssl
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway import Gateway
from music import Music
from openshelf import ADMIN_MAIL, PASSWORD, Server

BASE = "https://openshelf.test"
HOSTS = ("openshelf.test", "config.mycloud.com")
FOLDER_TYPE = "application/x.wd.dir"
PASSWORD_REALM = "http://auth0.com/oauth/grant-type/password-realm"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, music: Music, database: str | None) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    with Server(*music.folders, home=home, database=database, options=("--public-url", BASE)) as server:
        server.scanned()
        yield server


@pytest.fixture(scope="module")
def gateway(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(server.port, HOSTS, tmp_path_factory.mktemp("authority")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def web(gateway: Gateway) -> Iterator[requests.Session]:
    """Anyone on the network, with no account."""
    with requests.Session() as session:
        session.proxies = {"https": gateway.url}
        session.verify = str(gateway.ca)
        yield session


@pytest.fixture(scope="module")
def urls(web: requests.Session) -> dict[str, str]:
    answer = web.get("https://config.mycloud.com/config/v1/config")
    assert answer.status_code == 200
    components = answer.json()["data"]["componentMap"]
    assert all(isinstance(component, dict) for component in components.values())
    urls = components["cloud.service.urls"]
    assert not [url for url in urls.values() if url is None or "%" in url], "the client's ini file cannot hold these"
    return urls


@pytest.fixture(scope="module")
def token(web: requests.Session, urls: dict[str, str]) -> str:
    asked = {
        "grant_type": PASSWORD_REALM,
        "realm": "Username-Password-Authentication",
        "audience": "mycloud.com",
        "username": ADMIN_MAIL,
        "password": PASSWORD,
        "scope": "openid offline_access nas_read_write user_read device_read",
        "client_id": "any",
        "client_secret": "any",
    }
    answer = web.post(f"{urls['service.auth0.url']}/oauth/token", json=asked)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["access_token"].count(".") == 2, "clients parse it as a JWT"
    return body["access_token"]


@pytest.fixture(scope="module")
def owner(web: requests.Session, urls: dict[str, str], token: str) -> dict:
    """The signed-in owner: user id, device record and a session that bears the token."""
    session = requests.Session()
    session.proxies, session.verify = web.proxies, web.verify
    session.headers["Authorization"] = f"Bearer {token}"
    users = session.get(f"{urls['service.auth.url']}/authservice/v2/auth0/user?email={ADMIN_MAIL}").json()["data"]
    devices = session.get(f"{urls['service.device.url']}/device/v1/user/{users[0]['user_id']}").json()
    assert "error" not in devices, "some clients stumble over a null here"
    return {"id": users[0]["user_id"], "device": devices["data"][0], "session": session}


@pytest.fixture(scope="module")
def command(gateway: Gateway, token: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs `mycloudhome` in a home of its own, signed in."""
    home = tmp_path_factory.mktemp("client")
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "HTTPS_PROXY": gateway.url,
        "REQUESTS_CA_BUNDLE": str(gateway.ca),
    }

    def mycloudhome(*arguments: str | Path, code: int = 0) -> str:
        done = subprocess.run(
            [Path(sys.executable).with_name("mycloudhome"), *map(str, arguments)],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    mycloudhome("login", "--username", ADMIN_MAIL, "--token", token)
    return mycloudhome


def test_a_wrong_password_gives_no_token(web: requests.Session, urls: dict[str, str]) -> None:
    asked = {"grant_type": PASSWORD_REALM, "username": ADMIN_MAIL, "password": "wrong"}
    answer = web.post(f"{urls['service.auth0.url']}/oauth/token", json=asked)
    assert answer.status_code in (401, 403)
    assert isinstance(answer.json()["error"], str), "a string here, an object in the other services"


def test_a_form_is_as_good_as_json(web: requests.Session, urls: dict[str, str]) -> None:
    asked = {"grant_type": PASSWORD_REALM, "username": ADMIN_MAIL, "password": PASSWORD}
    assert web.post(f"{urls['service.auth0.url']}/oauth/token", data=asked).json()["access_token"]


def test_the_command_asks_no_host_but_the_one_built_in_and_ours(command: Callable[..., str], gateway: Gateway) -> None:
    command("devices")
    assert {host.rsplit(":", 1)[0] for host in gateway.asked} == set(HOSTS)


def test_the_device_is_listed(command: Callable[..., str], owner: dict) -> None:
    assert owner["device"]["deviceId"] in command("devices")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", owner["device"]["deviceId"])


def test_the_root_lists_the_libraries(command: Callable[..., str], music: Music) -> None:
    listed = command("ls", "--wduri", "wd://")
    for folder in music.folders:
        assert f"'name': '{folder.name}'" in listed


def test_a_whole_session_of_the_command(command: Callable[..., str], tmp_path: Path) -> None:
    """mkdir, upload, ls, download, rename, mv, rm: what the command can do, in its own order."""
    source = tmp_path / "note.txt"
    source.write_bytes(bytes(range(256)) * 4096)
    command("mkdir", "--wduri", "wd://Outside")
    command("upload", "--localpath", source, "--wduri", "wd://Outside")
    assert "'name': 'note.txt'" in command("ls", "--wduri", "wd://Outside")
    assert f"'size': {source.stat().st_size}" in command("ls", "--wduri", "wd://Outside/note.txt")

    copies = tmp_path / "copies"
    copies.mkdir()
    command("download", "--wduri", "wd://Outside/note.txt", "--localpath", copies)
    assert (copies / "note.txt").read_bytes() == source.read_bytes()

    command("rename", "--wduri", "wd://Outside/note.txt", "--name", "letter.txt")
    command("mkdir", "--wduri", "wd://Elsewhere")
    command("mv", "--src", "wd://Outside/letter.txt", "--dst", "wd://Elsewhere")
    assert "'name': 'letter.txt'" in command("ls", "--wduri", "wd://Elsewhere")
    assert "letter.txt" not in command("ls", "--wduri", "wd://Outside")

    # The command raises on success: 200, 202 and 204 are what its `rm` calls failure.
    for folder in ("Outside", "Elsewhere"):
        command("rm", "--wduri", f"wd://{folder}", code=1)
    root = command("ls", "--wduri", "wd://")
    assert "'name': 'Outside'" not in root
    assert "'name': 'Elsewhere'" not in root


def test_the_command_downloads_real_music(command: Callable[..., str], music: Music, tmp_path: Path) -> None:
    command("download", "--wduri", "wd://drascula/audio/track28.ogg", "--localpath", tmp_path)
    assert (tmp_path / "track28.ogg").read_bytes() == music.short_track.read_bytes()


def children(session: requests.Session, base: str, parent: str) -> dict[str, dict]:
    answer = session.get(f"{base}/sdk/v2/filesSearch/parents", params={"ids": parent, "limit": 100, "pageToken": ""})
    assert answer.status_code == 200, answer.text
    assert "pageToken" in answer.json()
    return {file["name"]: file for file in answer.json()["files"]}


def test_a_recipient_without_account_fetches_what_the_maker_granted(
    web: requests.Session, urls: dict[str, str], owner: dict, music: Music
) -> None:
    session, device = owner["session"], owner["device"]
    base = device["network"]["proxyURL"]
    drascula = children(session, base, children(session, base, "root")["drascula"]["id"])
    audio = drascula["audio"]
    track = children(session, base, audio["id"])["track28.ogg"]
    files = [track["id"], audio["id"]]

    shares = f"{urls['service.share.url']}/v1/shares"
    made = session.post(shares, json={"deviceId": device["deviceId"], "fileIds": files, "ownerId": owner["id"]})
    assert made.status_code == 201, made.text
    share = made.json()["data"]
    assert made.json()["error"] is None
    assert (share["fileIds"], share["ownerId"], share["deviceId"]) == (files, owner["id"], device["deviceId"])
    assert share["authId"] != share["shareId"]

    # Until the maker grants it, the share opens and gives no byte.
    token = web.get(f"{shares}/{share['shareId']}").json()["data"]["shareToken"]
    early = web.get(f"{base}/sdk/v2/files/{track['id']}", headers={"Authorization": f"Bearer {token}"})
    assert early.status_code in (401, 403, 404)

    for file in files:
        grant = {"fileID": file, "entity": {"id": share["authId"], "type": "cloudShare"}, "value": "ReadFile"}
        assert session.post(f"{base}/sdk/v1/filePerms", json=grant).status_code == 201
        assert session.post(f"{base}/sdk/v1/filePerms", json=grant).status_code == 409

    answer = web.get(f"{shares}/{share['shareId']}", headers={"X-Correlation-ID": "w_g:outside"})
    assert answer.status_code == 200
    opened = answer.json()["data"]
    proxy, token = opened["device"]["network"]["proxyURL"], opened["shareToken"]
    bearer = {"Authorization": f"Bearer {token}"}

    described = web.get(f"{proxy}/sdk/v2/files/{track['id']}", headers=bearer).json()
    assert (described["name"], described["size"]) == ("track28.ogg", music.short_track.stat().st_size)
    assert "childCount" not in described, "with it the recipient takes a file for a folder"
    content = web.get(f"{proxy}/sdk/v2/files/{track['id']}/content", params={"download": "true", "access_token": token})
    assert content.status_code == 200
    assert content.content == music.short_track.read_bytes()

    described = web.get(f"{proxy}/sdk/v2/files/{audio['id']}", headers=bearer).json()
    assert described["mimeType"] == FOLDER_TYPE
    assert described["childCount"] == len(music.tracks)
    zipped = web.get(f"{proxy}/sdk/v1/filesZip", params={"ids": audio["id"], "access_token": token})
    assert zipped.status_code == 200
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        assert archive.testzip() is None
        unpacked = {Path(name).name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    assert unpacked == {path.name: path.read_bytes() for path in music.tracks}

    # What was not shared stays shut, and so does writing.
    assert web.get(f"{proxy}/sdk/v2/files/{drascula['en']['id']}", headers=bearer).status_code in (401, 403, 404)
    assert web.delete(f"{proxy}/sdk/v2/files/{track['id']}", headers=bearer).status_code in (401, 403, 404)


def test_an_unknown_share_is_the_documented_404(web: requests.Session, urls: dict[str, str]) -> None:
    answer = web.get(f"{urls['service.share.url']}/v1/shares/0123456789abcdefghijkl")
    assert answer.status_code == 404
    assert answer.json()["data"] is None
    assert answer.json()["error"]["label"] == "SHARE_NOT_FOUND"


def test_making_a_share_without_a_token_is_the_documented_400(
    web: requests.Session, urls: dict[str, str], owner: dict
) -> None:
    asked = {"deviceId": owner["device"]["deviceId"], "fileIds": ["x"], "ownerId": owner["id"]}
    answer = web.post(f"{urls['service.share.url']}/v1/shares", data=json.dumps(asked))
    assert answer.status_code == 400
    assert answer.json()["error"]["label"] == "GENERAL_INSUFFICIENT_PARAMETERS"
    assert "accessToken" in answer.json()["message"]


# The recipient's program, from the facts: it knows the link and nothing else -----------------------------------------

LINK = re.compile(r"/(?:share|shares|folders)/([A-Za-z0-9-]{8,64})")
RETRIED = {408, 429, 500, 502, 503, 504}


@dataclass
class Recipient:
    """Asks as the published downloader of share links does, and keeps what it got by name."""

    web: requests.Session
    shares: str
    got: dict[str, bytes] = field(default_factory=dict)

    def get(self, url: str, bearer: str | None = None, **query: str) -> requests.Response:
        headers = {"User-Agent": "Mozilla/5.0", "Accept": "application/json, */*", "X-Correlation-ID": "w_g:outside"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        answer = self.web.get(url, params=query, headers=headers)
        assert answer.status_code not in RETRIED, f"it would ask this again and again: {answer.status_code} {url}"
        return answer

    def fetch(self, link: str, bearer: str | None = None) -> dict:
        answer = self.get(f"{self.shares}/{LINK.search(link).group(1)}", bearer)
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        share, device, token = data["shareId"], data["device"]["deviceId"], data["shareToken"]
        assert share
        assert device
        proxy = data["device"]["network"]["proxyURL"]
        proxy = (proxy if "://" in proxy else f"https://{proxy}").rstrip("/")
        for file in data["fileIds"]:
            known = self.get(f"{proxy}/sdk/v2/files/{file}", token)
            assert known.status_code == 200, known.text
            known = known.json()
            if known["mimeType"] == FOLDER_TYPE or known.get("childCount") is not None:
                content = self.get(f"{proxy}/sdk/v1/filesZip", ids=file, access_token=token)
                name = f"{known['name']}.zip"
            else:
                content = self.get(f"{proxy}/sdk/v2/files/{file}/content", download="true", access_token=token)
                name = known["name"]
                assert len(content.content) == known["size"]
            assert content.status_code == 200, content.text
            assert content.headers["Referrer-Policy"] == "no-referrer", "the token stands in the address"
            self.got[name] = content.content
        return data


@pytest.fixture(scope="module")
def granted(urls: dict[str, str], owner: dict) -> dict:
    """A share of a track and a folder of music, both steps taken."""
    session, base = owner["session"], owner["device"]["network"]["proxyURL"]
    drascula = children(session, base, children(session, base, "root")["drascula"]["id"])
    track = children(session, base, drascula["audio"]["id"])["track28.ogg"]
    files = [track["id"], drascula["audio"]["id"]]
    asked = {"deviceId": owner["device"]["deviceId"], "fileIds": files, "ownerId": owner["id"]}
    share = session.post(f"{urls['service.share.url']}/v1/shares", json=asked).json()["data"]
    for file in files:
        grant = {"fileID": file, "entity": {"id": share["authId"], "type": "cloudShare"}, "value": "ReadFile"}
        assert session.post(f"{base}/sdk/v1/filePerms", json=grant).status_code == 201
    return share


@pytest.mark.parametrize("bearer", [None, "", "x", "aa.bb.cc"])
def test_a_recipient_gets_all_by_the_link_alone(
    web: requests.Session, urls: dict[str, str], granted: dict, music: Music, bearer: str | None
) -> None:
    recipient = Recipient(web, f"{urls['service.share.url']}/v1/shares")
    data = recipient.fetch(granted["url"], bearer)
    assert data["shareId"] == granted["shareId"]
    assert set(recipient.got) == {"track28.ogg", "audio.zip"}
    assert recipient.got["track28.ogg"] == music.short_track.read_bytes()
    with zipfile.ZipFile(io.BytesIO(recipient.got["audio.zip"])) as archive:
        assert archive.testzip() is None
        assert len([name for name in archive.namelist() if not name.endswith("/")]) == len(music.tracks)


def test_a_link_of_either_maker_leads_to_the_share(web: requests.Session, urls: dict[str, str], granted: dict) -> None:
    recipient = Recipient(web, f"{urls['service.share.url']}/v1/shares")
    for link in ("https://home.mycloud.com/action/share/{}", "https://os5.mycloud.com/action/share/{}", "x/shares/{}"):
        assert recipient.fetch(link.format(granted["shareId"]))["fileIds"] == granted["fileIds"]


def test_the_share_page_browses_with_what_it_was_given(
    web: requests.Session, urls: dict[str, str], granted: dict, music: Music
) -> None:
    data = web.get(f"{urls['service.share.url']}/v1/shares/{granted['shareId']}").json()["data"]
    proxy, bearer = data["device"]["network"]["proxyURL"], {"Authorization": f"Bearer {data['shareToken']}"}
    asked = {
        "ids": granted["fileIds"][1],
        "fields": "id,mimeType,name,size,publiclyShared,privatelyShared",
        "limit": "100",
        "orderBy": "name",
        "order": "asc",
        "pageToken": "",
    }
    listed = web.get(f"{proxy}/sdk/v2/filesSearch/parents", params=asked, headers=bearer)
    assert listed.status_code == 200
    assert len(listed.json()["files"]) == len(music.tracks)
    assert web.get(f"{proxy}/sdk/v1/device", headers=bearer).status_code == 200
    told = data["device"]
    for private in ("mac", "serialNumber", "lastHDStoragePercent", "createdOn"):
        assert private not in told
    for private in ("localIpAddress", "externalIpAddress", "internalDNSName"):
        assert private not in told["network"]


def test_the_whole_address_may_stand_in_the_request_line_within_the_tunnel(gateway: Gateway, granted: dict) -> None:
    """As Python's urllib sends it through a proxy, on the second try of the downloader."""
    path = f"/shares/v1/shares/{granted['shareId']}"
    proxy = urlsplit(gateway.url)
    tls = ssl.create_default_context(cafile=str(gateway.ca))
    with socket.create_connection((proxy.hostname, proxy.port), 10) as tunnel:
        tunnel.sendall(b"CONNECT openshelf.test:443 HTTP/1.1\r\nHost: openshelf.test:443\r\n\r\n")
        assert tunnel.recv(4096).startswith(b"HTTP/1.1 200")
        with tls.wrap_socket(tunnel, server_hostname="openshelf.test") as line:
            head = f"GET {BASE}{path} HTTP/1.1\r\nHost: openshelf.test\r\nConnection: close\r\n\r\n"
            line.sendall(head.encode())
            answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["data"]["shareId"] == granted["shareId"]


@pytest.mark.parametrize("fetcher", ["curl", "wget"])
def test_a_program_takes_the_file_of_a_link(
    gateway: Gateway, urls: dict[str, str], owner: dict, granted: dict, music: Music, tmp_path: Path, fetcher: str
) -> None:
    """The link itself, as it is handed out: no page, no token, no script."""
    asked = {"deviceId": owner["device"]["deviceId"], "fileIds": granted["fileIds"][:1], "ownerId": owner["id"]}
    share = owner["session"].post(f"{urls['service.share.url']}/v1/shares", json=asked).json()["data"]
    grant = {"entity": {"id": share["authId"], "type": "cloudShare"}, "value": "ReadFile"}
    base = owner["device"]["network"]["proxyURL"]
    owner["session"].post(f"{base}/sdk/v1/filePerms", json={"fileID": asked["fileIds"][0], **grant})
    out = tmp_path / "got"
    options = {
        "curl": ["-fsS", "--proxy", gateway.url, "--cacert", gateway.ca, "-o", out],
        "wget": ["-q", "-e", f"https_proxy={gateway.url}", f"--ca-certificate={gateway.ca}", "-O", out],
    }[fetcher]
    subprocess.run([fetcher, *map(str, options), share["url"]], check=True, timeout=60)
    assert out.read_bytes() == music.short_track.read_bytes()


def test_tokens_are_checked_by_a_library_with_the_published_keys(
    web: requests.Session, urls: dict[str, str], token: str
) -> None:
    known = web.get(f"{urls['service.auth0.url']}/.well-known/openid-configuration").json()
    keys = {key["kid"]: key for key in web.get(known["jwks_uri"]).json()["keys"]}
    head, claims, signature = token.split(".")
    key = keys[json.loads(decoded(head))["kid"]]
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(decoded(key["x"])), int.from_bytes(decoded(key["y"])), ec.SECP256R1()
    )
    r, s = (int.from_bytes(decoded(signature)[half]) for half in (slice(32), slice(32, 64)))
    signed = encode_dss_signature(r, s)
    numbers.public_key().verify(signed, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        numbers.public_key().verify(signed, f"{head}.{claims}x".encode(), ec.ECDSA(hashes.SHA256()))
    assert json.loads(decoded(claims))["iss"] == known["issuer"]


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
