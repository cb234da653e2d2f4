"""Openshelf itself: started as a user would start it, asked at its public doors."""

import http.client
import json
import os
import re
import shutil
import time
import urllib.parse
from pathlib import Path
from typing import Any

import processes
from places import HOMES, REPOSITORY, TARGET
from processes import Failed, Process

PROGRAM = Path(os.environ.get("OPENSHELF_BINARY", REPOSITORY / "target" / "release" / "openshelf"))
ADMIN = "admin"
MAIL = "admin@openshelf.local"
PASSWORD = "Correct-Horse_7"


class Shelf:
    """An installation in a home of its own. Its log is as quiet as those of the others."""

    def __init__(self, name: str, *, keep: bool = False):
        self.name = "Openshelf"
        self.home = HOMES / f"openshelf-{name}"
        self.data = self.home / "data"
        self.process: Process | None = None
        self.port = 0
        self.cores: int | str = processes.SERVER_CORE
        if self.home.exists() and not keep:
            shutil.rmtree(self.home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "OPENSHELF_LOG": "warn",
            "OPENSHELF_DATA": str(self.data),
            "OPENSHELF_ADMIN_PASSWORD": PASSWORD,
            # Its work behind would be counted to whatever is measured.
            "OPENSHELF_SOUND_ANALYSIS": "off",
            "OPENSHELF_FULL_TEXT": "off",
        }

    def start(self, *arguments: str | Path) -> "Shelf":
        command = [PROGRAM, "serve", "--listen", "127.0.0.1:0", *arguments]
        log = TARGET / "logs" / "openshelf.log"
        self.process = Process("openshelf", command, log, cores=self.cores, env=self.env, cwd=self.home)
        self.port = int(self.process.line(r"ready on http://127\.0\.0\.1:(\d+)").group(1))
        return self

    def stop(self) -> None:
        if self.process:
            self.process.stop()

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def command(self, *arguments: str | Path, said: str = "") -> str:
        return processes.run([PROGRAM, *arguments], input=said, env=self.env, cwd=self.home)

    def add_user(self, name: str) -> None:
        self.command("user", "add", name)
        self.command("user", "password", name, "--stdin", said=f"{PASSWORD}\n")

    def share(self, *paths: Path, **terms: str) -> str:
        """The id of a new share."""
        options = [f"--{name}={value}" for name, value in terms.items()]
        return json.loads(self.command("share", "--json", *options, *paths))["id"]

    # Calls ------------------------------------------------------------------------------------------------------------

    def ask(
        self, target: str, method: str = "GET", body: str | bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def json(self, target: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None) -> Any:
        answer, content = self.ask(
            target,
            method,
            None if body is None else json.dumps(body),
            {"Content-Type": "application/json", **(headers or {})},
        )
        if answer.status >= 400:
            raise Failed(f"{method} {target.partition('?')[0]}: {answer.status} {content[:300]!r}")
        return json.loads(content) if content else None

    def subsonic(self, method: str, **parameters: str | int) -> Any:
        answer = self.json(subsonic_target(method, **parameters))["subsonic-response"]
        if answer["status"] != "ok":
            raise Failed(f"{method}: {answer}")
        return answer

    def scanned(self) -> None:
        """Returns when no scan runs any more."""
        deadline = time.monotonic() + 600
        while self.subsonic("getScanStatus")["scanStatus"]["scanning"]:
            if time.monotonic() > deadline:
                raise Failed("the scan does not end")
            time.sleep(0.1)

    def cloudreve(self, target: str, method: str = "GET", body: Any = None, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self.json(f"/api/v4{target}", method, body, headers)
        if answer["code"] != 0:
            raise Failed(f"{method} {target.partition('?')[0]}: {answer}")
        return answer.get("data")

    def cloudreve_token(self, mail: str = MAIL, password: str = PASSWORD) -> str:
        answer = self.cloudreve("/session/token", "POST", {"email": mail, "password": password})
        return answer["token"]["access_token"]

    def mycloud_token(self, mail: str = MAIL, password: str = PASSWORD) -> str:
        body = {
            "grant_type": "http://auth0.com/oauth/grant-type/password-realm",
            "realm": "Username-Password-Authentication",
            "username": mail,
            "password": password,
            "client_id": "bench",
        }
        return self.json("/authrouter/oauth/token", "POST", body)["access_token"]

    def items(self, share: str, below: str = "") -> dict[str, str]:
        """Names and ids of what lies in a folder of a share."""
        found: dict[str, str] = {}
        page = 0
        while True:
            uri = urllib.parse.quote(f"cloudreve://{share}@share{below}", safe="")
            listed = self.cloudreve(f"/file?uri={uri}&page={page}&page_size=500")
            files = listed["files"]
            found |= {file["name"]: file["id"] for file in files}
            page += 1
            if len(files) < 500:
                return found

    def visit(self, share: str) -> str:
        """A visitor's cookie."""
        answer, _content = self.ask(f"/s/{share}")
        match = re.match(r"[^;]+", answer.getheader("Set-Cookie", ""))
        if not match:
            raise Failed(f"the page of a share answered {answer.status} without a cookie")
        return match.group()


def subsonic_target(method: str, user: str = ADMIN, password: str = PASSWORD, **parameters: str | int) -> str:
    known = {"u": user, "p": password, "v": "1.16.1", "c": "bench", "f": "json"}
    return f"/rest/{method}?{urllib.parse.urlencode({**known, **parameters})}"
