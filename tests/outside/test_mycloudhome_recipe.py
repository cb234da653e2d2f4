"""docs/mycloudhome.md, followed to the letter: its commands make the certificates, its configuration runs nginx."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from music import Music
from openshelf import PASSWORD, REPOSITORY, Server, until
from test_proxy import free_port

BASE = "https://shelf.home.arpa"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FRONT = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""


@pytest.fixture(scope="module")
def engine() -> str:
    return "sqlite"


@pytest.fixture(scope="module")
def recipe() -> dict[str, str]:
    """The blocks of the page, each by the first program that it names."""
    blocks = [body for _, body in BLOCK.findall((REPOSITORY / "docs/mycloudhome.md").read_text())]
    return {
        name: next(body for body in blocks if name in body)
        for name in ("openssl", "openshelf", "ssl_certificate", "curl")
    }


@pytest.fixture(scope="module")
def site(
    recipe: dict[str, str], music: Music, program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict]:
    """The server, the front and the authority; `ask` runs curl as if DNS led each name here."""
    folder = tmp_path_factory.mktemp("recipe")
    program("openssl")
    subprocess.run(["bash", "-ec", recipe["openssl"]], cwd=folder, check=True, capture_output=True, timeout=60)
    options = tuple(recipe["openshelf"].split("127.0.0.1:4747 ", 1)[1].split())
    with Server(music.folders[0], home=folder, options=options) as server:
        server.scanned()
        tls, plain = free_port(), free_port()
        servers = recipe["ssl_certificate"].replace("/etc/openshelf/tls", str(folder))
        servers = servers.replace("127.0.0.1:4747", f"127.0.0.1:{server.port}")
        servers = servers.replace("listen 443", f"listen 127.0.0.1:{tls}").replace(
            "listen 80", f"listen 127.0.0.1:{plain}"
        )
        (folder / "nginx.conf").write_text(FRONT.format(folder=folder, servers=servers))
        # What DNS would say: every name leads here.
        (folder / ".curlrc").write_text(f'connect-to = ":443:127.0.0.1:{tls}"\nconnect-to = ":80:127.0.0.1:{plain}"\n')
        front = subprocess.Popen([program("nginx"), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"])

        def ask(command: str) -> str:
            env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PASSWORD": PASSWORD}
            done = subprocess.run(
                ["bash", "-ec", command], cwd=folder, env=env, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, f"{command}\n{done.stderr}\n{(folder / 'error.log').read_text()}"
            return done.stdout

        try:
            until((folder / "nginx.pid").exists, "nginx")
            until(lambda: front.poll() is not None or reaches(folder), "nginx answers")
            yield {"ask": ask, "folder": folder}
        finally:
            front.terminate()
            front.wait(30)


def reaches(folder: Path) -> bool:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    command = ["curl", "-fsS", "--cacert", "ca.pem", "-o", "/dev/null", f"{BASE}/healthz"]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=30).returncode == 0


def test_the_last_step_shows_what_the_page_says_it_shows(recipe: dict[str, str], site: dict) -> None:
    config, signed_in = (site["ask"](line) for line in recipe["curl"].splitlines())
    urls = json.loads(config)["data"]["componentMap"]["cloud.service.urls"]
    assert {url for url in urls.values() if url and not url.startswith(BASE)} == set()
    assert json.loads(signed_in)["access_token"].count(".") == 2


def test_every_name_of_the_page_is_answered_by_a_certificate_for_it(recipe: dict[str, str], site: dict) -> None:
    names = re.findall(r"DNS:([a-z0-9.*-]+)", recipe["openssl"])
    assert len(names) == 11
    page = (REPOSITORY / "docs/mycloudhome.md").read_text()
    for name in names:
        assert f"`{name}`" in page, f"{name} is not among the names to alias"
        host = name.replace("*", "device-local-0c7e6a3e-9a5b-4b55-8a9f-6a2d9f0f1e01")
        path = "userinfo" if host == "wdc.auth0.com" else "authrouter/userinfo"
        answer = site["ask"](f"curl -sS --cacert ca.pem https://{host}/{path}")
        assert json.loads(answer)["error"] == "unauthorized", host


def test_a_device_is_listed_and_read_by_the_names_of_the_maker(recipe: dict[str, str], site: dict) -> None:
    signed_in = json.loads(site["ask"](recipe["curl"].splitlines()[1]))
    bearer = f'-H "Authorization: Bearer {signed_in["access_token"]}"'
    ask = lambda url: json.loads(site["ask"](f'curl -fsS --cacert ca.pem {bearer} "{url}"'))  # noqa: E731
    user = ask("https://prod.wdckeystone.com/authrouter/userinfo")["sub"]
    device = ask(f"https://device.mycloud.com/device/v1/user/{user.replace('|', '%7C')}")["data"][0]
    assert device["network"]["proxyURL"] == f"{BASE}/{device['deviceId']}"
    local = f"https://device-local-{device['deviceId']}.remotewd.com/sdk/v2/files/root"
    assert ask(local)["id"] == ask(f"{device['network']['proxyURL']}/sdk/v2/files/root")["id"] == "root"


def test_the_older_sign_in_page_leads_to_this_servers_own(site: dict) -> None:
    asked = "response_type=code&client_id=x&state=y&redirect_uri=org.example.app%3A%2F%2Fback"
    head = site["ask"](f'curl -sS --cacert ca.pem -o /dev/null -D - "https://wdc.auth0.com/authorize?{asked}"')
    location = re.search(r"(?im)^location: (\S+)", head).group(1)
    assert location.startswith(f"{BASE}/app/authorize?")
    assert "Sign in" in site["ask"](f'curl -sSL --cacert ca.pem "{location}"')


def test_the_configuration_is_there_without_tls_and_nothing_else_is(site: dict) -> None:
    assert BASE in site["ask"]("curl -fsS http://config.mycloud.com/config/v1/config")
    head = site["ask"]("curl -sS -o /dev/null -D - http://home.mycloud.com/action/share/0123456789abcdefghijkl")
    assert re.search(r"(?im)^location: https://home\.mycloud\.com/", head)
