"""Cloudreve's own document held against a server in use: all of its calls, and what else Schemathesis thinks of."""

import hashlib
import hmac
import io
import json
import re
import struct
import subprocess
import sys
import time
import uuid
import zipfile
import zlib
from base64 import b32decode
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import requests

import cloudreve_document
from cloudreve_document import OUT, REPAIRS, answer_of, cloudreve
from contracts import Repair, check, fits
from openshelf import ADMIN_MAIL, PASSWORD, Server, until

HOME = "cloudreve://my"
WORD = "Secret1"
EVERYONE_READS = {
    "user_explicit": {},
    "group_explicit": {},
    "same_group": "",
    "other": "",
    "anonymous": "",
    "everyone": "AQ==",
}


def code_at(secret: str, time_s: float) -> str:
    """RFC 6238, with six digits of half a minute."""
    digest = hmac.digest(b32decode(secret), (int(time_s) // 30).to_bytes(8, "big"), hashlib.sha1)
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


class Scene:
    """Calls by their names in the document; each answer is noted under its operation."""

    def __init__(self, server: Server):
        self.server = server
        # Browsers make passkeys for a name, not for a bare address.
        self.url = f"http://localhost:{server.port}/api/v4"
        self.token: str | None = None
        self.me = ""
        self.answers: dict[str, list[dict]] = defaultdict(list)

    def ask(self, operation: str, expect: int = 0, body: Any = None, raw: bytes | None = None, **query: Any) -> Any:
        """`query`: also what stands in braces in the operation's path."""
        method, path = operation.split(" ")
        for name in re.findall(r"\{([\w-]+)\}", path):
            path = path.replace(f"{{{name}}}", str(query.pop(name.replace("-", "_"))))
        answer = requests.request(
            method,
            f"{self.url}{path}",
            params=query,
            json=body,
            data=raw,
            headers={"Authorization": f"Bearer {self.token}"} if self.token else {},
            timeout=30,
        ).json()
        assert answer["code"] == expect, f"{operation}: {answer}"
        self.answers[operation].append(answer)
        return answer.get("data")

    def sign_in(self, mail: str, password: str = PASSWORD) -> dict:
        self.token = None
        signed = self.ask("POST /session/token", body={"email": mail, "password": password})
        self.token, self.me = signed["token"]["access_token"], signed["user"]["id"]
        return signed

    def upload(self, uri: str, content: bytes, **more: Any) -> None:
        begun = self.ask("PUT /file/upload", body={"uri": uri, "size": len(content), "policy_id": "local", **more})
        self.ask("POST /file/upload/{sessionId}/{index}", raw=content, sessionId=begun["session_id"], index=0)

    def share(self, uri: str, **terms: Any) -> str:
        link = self.ask("PUT /share", body={"uri": uri, "permissions": EVERYONE_READS, **terms})
        return re.search(r"/s/(\w+)", link).group(1)


def add_user(server: Server, name: str) -> str:
    server.command("user", "add", name)
    server.command("user", "password", name, "--stdin", input=f"{PASSWORD}\n")
    return f"{name}@openshelf.local"


def packed(**files: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(f"{name}.txt", content)
    return archive.getvalue()


def picture() -> bytes:
    """A red PNG of 8 by 8."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compress((b"\0" + b"\xff\0\0" * 8) * 8)
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


# --- each call of the document, with an answer worth looking at ------------------------------------------------------


def files(scene: Scene) -> None:
    ask = scene.ask
    folder = f"{HOME}/Document"
    ask("POST /file/create", body={"uri": folder, "type": "folder"})
    ask("POST /file/create", body={"uri": f"{folder}/note.txt", "type": "file"})
    ask("POST /file/create", expect=40004, body={"uri": folder, "type": "folder", "err_on_conflict": True})
    ask("PATCH /user/setting", body={"version_retention_enabled": True, "language": "en-US", "nick": "Ann"})
    for text in (b"first", b"second", b"third"):
        ask("PUT /file/content", raw=text, uri=f"{folder}/note.txt")
    scene.upload(f"{folder}/two.zip", packed(one=b"1", other=b"2"), mime_type="application/zip", last_modified=None)
    scene.upload(f"{folder}/pixel.png", picture())
    begun = ask("PUT /file/upload", body={"uri": f"{folder}/never.bin", "size": 5, "policy_id": "local"})
    ask("POST /file/upload/{sessionId}/{index}", expect=40013, raw=b"1", sessionId=begun["session_id"], index=0)
    ask("DELETE /file/upload", body={"id": begun["session_id"], "uri": f"{folder}/never.bin"})
    ask("DELETE /file/upload", expect=40011, body={"id": begun["session_id"], "uri": f"{folder}/never.bin"})
    ask("PATCH /file/view", body={"uri": folder, "view": {"page_size": 50, "view": "grid", "columns": [{"type": 0}]}})
    tag = {"key": "tag:urgent", "value": "#ff0000"}
    ask("PATCH /file/metadata", body={"uris": [f"{folder}/note.txt"], "patches": [tag]})
    ask("PATCH /file/metadata", expect=40081, body={"uris": [f"{folder}/none.txt"], "patches": [tag]})
    ask("PUT /file/pin", body={"uri": folder, "name": "Pinned"})
    ask("PUT /file/source", body={"uris": [f"{folder}/note.txt"]})
    ask("POST /file/permission", body={"uris": [f"{folder}/two.zip"], "setting": EVERYONE_READS})
    scene.share(f"{folder}/note.txt", expire=3600)

    listed = ask("GET /file", uri=folder, page=0, page_size=100)
    assert len(listed["files"]) == 3
    ask("GET /file", uri=HOME, page=0, page_size=100)
    ask("GET /file", uri=f"{HOME}?name=note", page=0, page_size=100)
    page = ask("GET /file", uri="cloudreve://my/drascula/audio", page=0, page_size=10, order_by="name")
    ask(
        "GET /file",
        uri="cloudreve://my/drascula/audio",
        page=0,
        page_size=10,
        next_page_token=page["pagination"]["next_token"],
    )
    ask("GET /file", expect=40016, uri=f"{folder}/none", page=0, page_size=100)
    info = ask("GET /file/info", uri=f"{folder}/note.txt", extended="true")
    former = [entity["id"] for entity in info["extended_info"]["entities"] if entity["id"] != info["primary_entity"]]
    assert len(former) >= 2, info
    assert info["extended_info"]["shares"]
    assert info["extended_info"]["direct_links"]
    ask("GET /file/info", uri=folder, extended="true", folder_summary="true")
    ask("GET /file/info", uri=f"{folder}/two.zip", extended="true")
    ask("POST /file/version/current", body={"uri": f"{folder}/note.txt", "version": former[0]})
    ask("DELETE /file/version", uri=f"{folder}/note.txt", version=former[1])
    ask("POST /file/version/current", expect=40077, body={"uri": f"{folder}/note.txt", "version": former[1]})
    ask("GET /file/archive", uri=f"{folder}/two.zip")
    ask("GET /file/archive", expect=40056, uri=f"{folder}/note.txt")
    ask("GET /file/thumb", uri=f"{folder}/pixel.png")
    ask("GET /file/activities", uri=f"{folder}/note.txt", page_size=50)
    ask("POST /file/url", body={"uris": [f"{folder}/note.txt", f"{folder}/two.zip"], "download": True})
    ask("POST /file/url", body={"uris": [folder], "archive": True})
    ask("POST /file/url", expect=40016, body={"uris": [f"{folder}/note.txt", f"{folder}/none"]})
    ask("POST /file/url", body={"uris": [f"{folder}/note.txt", f"{folder}/none"], "skip_error": True})
    viewed = {"uri": f"{folder}/note.txt", "viewer_id": "monaco", "preferred_action": "edit"}
    ask("PUT /file/viewerSession", body=viewed)
    ask("PATCH /file/policy", body={"uri": folder, "policy_id": "local"})
    ask("PATCH /file/policy", expect=40035, body={"uri": folder, "policy_id": "none"})

    ask("POST /file/rename", body={"uri": f"{folder}/two.zip", "new_name": "packed.zip"})
    ask("POST /file/move", body={"uris": [f"{folder}/packed.zip"], "dst": HOME, "copy": True})
    ask("DELETE /file", body={"uris": [f"{HOME}/packed.zip"]})
    ask("DELETE /file", expect=40081, body={"uris": [f"{HOME}/packed.zip"]})
    trashed = ask("GET /file", uri="cloudreve://trash", page=0, page_size=100)["files"]
    ask("POST /file/restore", body={"uris": [trashed[0]["path"]]})
    ask("DELETE /file/permission", body={"uris": [f"{folder}/packed.zip"]})
    ask("DELETE /file/pin", body={"uri": folder})
    link = ask("GET /file/info", uri=f"{folder}/note.txt", extended="true")["extended_info"]["direct_links"][0]
    ask("DELETE /file/source/{id}", id=link["id"])
    ask("DELETE /file/source/{id}", expect=404, id=link["id"])
    ask("DELETE /file/lock", expect=40081, body={"tokens": ["opaquelocktoken:none"]})


def shares(scene: Scene, other: Scene) -> None:
    ask = scene.ask
    uri = f"{HOME}/Document"
    locked = scene.share(uri, is_private=True, password=WORD, share_view=True, show_readme=True, expire=3600)
    scene.share(f"{HOME}/Document/note.txt", downloads=2)
    ask("GET /share", page_size=50)
    ask("GET /share", page_size=10, order_by="views", order_direction="desc", next_page_token="")
    ask("GET /share/info/{id}", id=locked, password=WORD, owner_extended="true")
    ask("POST /share/{id}", id=locked, body={"uri": uri, "permissions": EVERYONE_READS, "share_view": False})
    ask("POST /share/{id}", expect=404, id="none", body={"uri": uri, "permissions": EVERYONE_READS})
    ask(
        "PUT /share",
        expect=40001,
        body={"uri": uri, "permissions": EVERYONE_READS, "is_private": True, "password": "a b"},
    )
    ask("PATCH /user/setting", body={"share_links_in_profile": "all_share"})
    other.ask("GET /share/info/{id}", id=locked)
    other.ask("GET /share/info/{id}", id=locked, password=WORD, count_views="true")
    other.ask("GET /user/shares/{user-id}", user_id=scene.me, page_size=50)
    other.ask("GET /file", uri=f"cloudreve://{locked}:{WORD}@share", page=0, page_size=50)
    other.ask("GET /file", expect=40069, uri=f"cloudreve://{locked}@share", page=0, page_size=50)
    other.ask("GET /file/info", uri=f"cloudreve://{locked}:{WORD}@share/note.txt", extended="true")
    other.ask("POST /file/url", body={"uris": [f"cloudreve://{locked}:{WORD}@share/note.txt"]})
    other.ask("POST /site/abuse", body={"category": 1, "share_id": locked, "description": "not theirs"})
    shortcut = {"sys:shared_redirect": f"cloudreve://{locked}:{WORD}@share", "sys:shared_owner": scene.me}
    if other.token:
        other.ask("POST /file/create", body={"uri": f"{HOME}/Saved", "type": "folder", "metadata": shortcut})
        other.ask("GET /file", uri="cloudreve://shared_with_me", page=0, page_size=50)
    ask("PATCH /user/setting", body={"share_links_in_profile": ""})
    gone = scene.share(uri)
    ask("DELETE /share/{id}", id=gone)
    ask("DELETE /share/{id}", expect=404, id=gone)
    other.ask("GET /share/info/{id}", expect=404, id=gone)


def tasks(scene: Scene) -> None:
    ask = scene.ask
    folder = f"{HOME}/Document"
    made = ask("POST /workflow/archive", body={"src": [f"{folder}/note.txt"], "dst": f"{folder}/made.zip"})
    ask("POST /workflow/extract", body={"src": [f"{folder}/packed.zip"], "dst": f"{folder}/unpacked"})
    # Nobody is asked: names of example.invalid are no addresses.
    fetched = ask("POST /workflow/download", body={"src": ["http://example.invalid/a"], "dst": folder})[0]
    ask("GET /workflow", page_size=10, category="downloading")
    ask("PATCH /workflow/download/{task_id}", task_id=fetched["id"], body={"files": [{"index": 1, "download": True}]})
    ask("DELETE /workflow/download/{task_id}", task_id=fetched["id"])
    ask("DELETE /workflow/download/{task_id}", expect=404, task_id=fetched["id"])

    def ended() -> bool:
        listed = ask("GET /workflow", page_size=10, category="general")["tasks"]
        return all(task["status"] == "completed" for task in listed)

    until(ended, "both tasks end")
    ask("GET /workflow", page_size=10, category="downloaded")
    ask("GET /workflow/progress/{id}", id=made["id"])
    ask("GET /workflow/progress/{id}", expect=404, id="none")
    elsewhere = {"src": "/", "dst": HOME, "user_id": "x", "policy_id": 1}
    ask("POST /workflow/import", expect=40019, body=elsewhere)
    ask("POST /workflow/relocate", body={"src": [folder], "dst_policy_id": "local"})
    ask("POST /workflow/relocate", expect=40035, body={"src": [folder], "dst_policy_id": "none"})


def selling(scene: Scene, buyer: Scene) -> None:
    server = scene.server
    server.command("points", "give", "eve", "100")
    code = server.command("gift", "--points", "5").stdout.split()[-1]
    priced = scene.share(f"{HOME}/Document/note.txt", price=7)
    buyer.ask("GET /share/info/{id}", id=priced)
    buyer.ask("POST /file/url", expect=40083, body={"uris": [f"cloudreve://{priced}@share/note.txt"]})
    wish = {"product": {"type": 1, "share_link_id": priced}, "quantity": 1, "provider_id": ""}
    paid = buyer.ask("PUT /vas/payment", body=wish)["payment"]
    buyer.ask("GET /vas/payment/status/{id}/{trade_no}", id=paid["id"], trade_no=paid["trade_no"])
    buyer.ask("GET /vas/giftcode/{code}", code=code)
    buyer.ask("POST /vas/giftcode/{code}/redeem", code=code)
    buyer.ask("GET /vas/giftcode/{code}", expect=40065, code=code)
    buyer.ask("GET /user/creditChanges", page_size=10)
    buyer.ask("GET /user/payments", page_size=10)


def devices(scene: Scene) -> None:
    ask = scene.ask
    made = ask("PUT /devices/dav", body={"uri": HOME, "name": "phone", "readonly": True})
    ask("GET /devices/dav", page_size=10)
    ask("PATCH /devices/dav/{id}", id=made["id"], body={"uri": f"{HOME}/Document", "name": "tablet", "proxy": True})
    ask("DELETE /devices/dav/{id}", id=made["id"])
    ask("DELETE /devices/dav/{id}", expect=404, id=made["id"])


def accounts(scene: Scene, guest: Scene) -> None:
    ask, server = scene.ask, scene.server
    guest.ask("GET /site/ping")
    guest.ask("GET /site/captcha")
    for section in ("basic", "login", "explorer", "emojis", "app", "vas", "thumb"):
        guest.ask("GET /site/config/{section}", section=section)
        ask("GET /site/config/{section}", section=section)
    guest.ask("GET /session/prepare", email=ADMIN_MAIL)
    guest.ask("POST /session/token", expect=40080, body={"email": ADMIN_MAIL, "password": "wrong"})
    guest.ask("PUT /session/authn")
    guest.ask("POST /session/authn", expect=40023, body={"response": "{}", "session_id": str(uuid.uuid4())})
    guest.ask(
        "POST /session/openid", expect=40019, body={"code": "x", "provider_id": 0, "session_id": str(uuid.uuid4())}
    )
    guest.ask("PUT /session/openid", expect=40019, body={"provider": 0})
    ask("DELETE /session/openid/{provider_id}", expect=40019, provider_id="1")
    guest.ask("POST /user", expect=40019, body={"email": "new@example.org", "password": "long enough"})
    guest.ask("POST /user/reset", expect=40019, body={"email": ADMIN_MAIL})
    reset = {"password": "long enough", "secret": "x"}
    guest.ask("PATCH /user/reset/{user_id}", expect=40029, user_id=scene.me, body=reset)
    guest.ask("GET /user/capacity", expect=401)

    ask("GET /user/capacity")
    ask("GET /user/search", keyword="ad")
    ask("GET /group/list")
    ask("GET /user/setting/nodes")
    ask("GET /user/setting/policies")
    ask("GET /user/info/{user_id}", user_id=scene.me)
    ask("GET /user/info/{user_id}", expect=40021, user_id="none")
    ask("PUT /user/setting/avatar", raw=picture())
    ask("GET /user/info/{user_id}", user_id=scene.me)
    ask("GET /user/search", keyword="ad")
    guest.ask("GET /user/info/{user_id}", user_id=scene.me)
    ask("PUT /user/authn")
    ask("POST /user/authn", expect=40001, body={"response": "{}", "u": "x", "ua": "x"})
    ask("DELETE /user/authn", expect=404, id="none")
    ask("GET /user/setting")

    # The last of all, since it is another's session.
    other = Scene(server)
    other.answers = scene.answers
    mail = add_user(server, "mia")
    signed = other.sign_in(mail)
    fresh = other.ask("POST /session/token/refresh", body={"refresh_token": signed["token"]["refresh_token"]})
    other.token = fresh["access_token"]
    secret = other.ask("GET /user/setting/2fa")
    other.ask("PATCH /user/setting", expect=40022, body={"two_fa_enabled": True, "two_fa_code": "12345"})
    other.ask("PATCH /user/setting", body={"two_fa_enabled": True, "two_fa_code": code_at(secret, time.time())})
    other.ask("GET /user/setting")
    other.ask("DELETE /session/token", body={"refresh_token": fresh["refresh_token"]})
    step = other.ask("POST /session/token", expect=203, body={"email": mail, "password": PASSWORD})
    # A code is good once, and the next one for the server's clock as well.
    ahead = {"otp": code_at(secret, time.time() + 30), "session_id": step}
    other.ask("POST /session/token/2fa", expect=40022, body={**ahead, "otp": "000000"})
    other.ask("POST /session/token/2fa", body=ahead)


@pytest.fixture(scope="module")
def scenes(server: Server) -> dict[str, Scene]:
    """The server is in use: by a user, by another, and by nobody."""
    mail = add_user(server, "eve")
    user, other, guest = (Scene(server) for _ in range(3))
    user.answers = other.answers = guest.answers
    user.sign_in(ADMIN_MAIL)
    other.sign_in(mail)
    files(user)
    shares(user, other)
    shares(user, guest)
    tasks(user)
    selling(user, other)
    devices(user)
    accounts(user, guest)
    return {"user": user, "guest": guest}


def test_every_operation_of_the_document_was_asked_or_is_out(scenes: dict[str, Scene]) -> None:
    root = cloudreve()
    operations = {f"{method.upper()} {path}" for path, each in root["paths"].items() for method in each}
    assert operations - scenes["user"].answers.keys() - {"GET /user/avatar/{user_id}"} == set()
    assert not operations & OUT.keys()


# Of SiteConfig nothing is required once what it errs in is repaired: this is what clients read of each section (§4.3).
SECTIONS = {
    "basic": {"title": str, "themes": str, "default_theme": str, "user": dict, "captcha_type": str},
    "login": {
        **dict.fromkeys(("login_captcha", "reg_captcha", "forget_captcha", "authn", "register_enabled"), bool),
        "tos_url": str,
        "privacy_policy_url": str,
    },
    "explorer": {
        "icons": str,
        "file_viewers": list,
        "default_viewer_mapping": dict,
        "max_batch_size": int,
        "map_provider": str,
        "thumbnail_width": int,
        "thumbnail_height": int,
        "custom_props": list,
        "show_encryption_status": bool,
        "full_text_search": bool,
    },
    "emojis": {"emoji_preset": str},
    "app": {"app_promotion": bool, "desktop_app_promotion": bool},
    "thumb": {"thumb_exts": list},
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_of_the_sites_settings_tells_what_clients_read_of_it(scenes: dict[str, Scene], section: str) -> None:
    for scene in scenes.values():
        told = scene.ask("GET /site/config/{section}", section=section)
        assert {name: type(told.get(name)) for name in SECTIONS[section]} == SECTIONS[section]
    if section == "basic":
        themes = json.loads(told["themes"])
        assert {"light", "dark"} <= themes[told["default_theme"]].keys()
    if section in ("explorer", "emojis"):
        assert json.loads(told["icons" if section == "explorer" else "emoji_preset"]) is not None
    if section == "thumb":
        assert told["thumb_exts"]
        assert all(re.fullmatch(r"[a-z0-9]+", each) for each in told["thumb_exts"])


@pytest.mark.parametrize("operation", cloudreve_document.operations())
def test_answers_fit_the_document(scenes: dict[str, Scene], operation: str) -> None:
    schema = answer_of(cloudreve(), operation)
    for answer in scenes["user"].answers[operation]:
        check(answer, schema)


@pytest.mark.parametrize("repair", REPAIRS, ids=lambda repair: repair.what)
def test_without_this_repair_an_answer_does_not_fit(scenes: dict[str, Scene], repair: Repair) -> None:
    """So that none outlives its reason."""
    root = cloudreve(left_out=repair)
    for operation, answers in scenes["user"].answers.items():
        schema = answer_of(root, operation) if operation in cloudreve_document.answers(root) else None
        if schema is None or not all(fits(answer, schema) for answer in answers):
            return
    pytest.fail("every answer fits without it")


# --- whatever else may be asked --------------------------------------------------------------------------------------


def offered(schema: Any, known: dict[str, list]) -> None:
    """What a request names is among what there is, by the names of its fields."""
    if isinstance(schema, list):
        for each in schema:
            offered(each, known)
    if not isinstance(schema, dict):
        return
    for name, field in schema.get("properties", {}).items():
        if name in known and field.get("type") == "array":
            field["items"] = {"type": "string", "enum": known[name]}
        elif name in known:
            field.clear()
            field.update({"type": "string", "enum": known[name]})
    for child in schema.values():
        offered(child, known)


def to_be_asked(scene: Scene) -> dict:
    """The document with what there is to be named in it."""
    root = cloudreve()
    uris = [HOME, "cloudreve://trash", "cloudreve://shared_with_me", "cloudreve://none@share", "nothing", ""]
    uris += [
        f"{HOME}/{path}" for path in ("Document", "Document/note.txt", "Document/pixel.png", "drascula", "New/a.txt")
    ]
    shares = scene.ask("GET /share", page_size=50)["shares"]
    uris += [f"cloudreve://{share['id']}@share" for share in shares[:3]]
    uris += [f"cloudreve://{share['id']}:{WORD}@share/note.txt" for share in shares[:3]]
    note = scene.ask("GET /file/info", uri=f"{HOME}/Document/note.txt", extended="true")
    version = [entity["id"] for entity in note["extended_info"]["entities"]] + ["none"]
    tasks = [task["id"] for task in scene.ask("GET /workflow", page_size=10, category="general")["tasks"]]
    ids = [share["id"] for share in shares[:3]] + tasks[:2] + [note["id"], scene.me, "none"]
    known = dict.fromkeys(("uri", "uris", "src", "dst", "parent_uri", "file_uri"), uris)
    known |= dict.fromkeys(("version", "entity", "previous"), version)
    known |= {"share_link_id": ids, "share_id": ids, "user_id": [scene.me, "none"], "policy_id": ["local", "other"]}
    for path, operations in root["paths"].items():
        for operation in operations.values():
            # Libraries of clients count for themselves what they send.
            asked = [each for each in operation.get("parameters", []) if each["name"] != "Content-Length"]
            operation["parameters"] = asked
            for parameter in asked:
                name = parameter["name"]
                if parameter["in"] == "path" and name not in ("section", "index", "provider_id"):
                    parameter["schema"] = {"type": "string", "enum": ids}
                elif name in known:
                    parameter["schema"] = {"type": "string", "enum": known[name]}
            offered(operation.get("requestBody", {}), known)
            if path == "/user/avatar/{user_id}":
                operation["responses"]["200"]["content"] = {"image/jpeg": {"schema": {}}}
                operation["responses"]["404"]["content"] = {"application/json": {"schema": {}}}
            if path == "/file/url":
                operation["responses"]["302"] = {"description": "§4.6: where `redirect` was asked for"}
    return root


# The user last: what they ask for changes what there is. Most that a guest asks for ends at the door.
@pytest.mark.parametrize(("who", "examples"), [("guest", 3), ("user", 10)])
def test_schemathesis_finds_no_answer_that_the_document_does_not_know(
    scenes: dict[str, Scene], tmp_path: Path, who: str, examples: int
) -> None:
    (tmp_path / "cloudreve.json").write_text(json.dumps(to_be_asked(scenes["user"])))
    (tmp_path / "schemathesis.toml").write_text("")
    scene = scenes[who]
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", tmp_path / "schemathesis.toml"),
            *("run", tmp_path / "cloudreve.json", "--url", scene.url, "--mode", "all"),
            *(("--header", f"Authorization: Bearer {scene.token}") if scene.token else ()),
            *("--max-examples", str(examples), "--seed", "1", "--workers", "1", "--phases", "coverage,fuzzing"),
            "--checks",
            "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance",
            *("--warnings", "off", "--no-color", "--generation-deterministic", "--max-redirects", "0"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert "84" in done.stdout, f"not every operation was tried\n{done.stdout[-3000:]}"
    if scene.token:
        assert scene.ask("GET /user/capacity"), "they were all asked by somebody who is signed in"
