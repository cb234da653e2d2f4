"""The three documents that the doors are built from: their own examples, asked of the real program."""

import copy
import re
from datetime import datetime

import pytest
import requests

from contracts import (
    CLOUDREVE_REPAIRS,
    OURS,
    Repair,
    check,
    check_xml,
    cloudreve_seed,
    document,
    opensubsonic_answer,
    ours,
)
from music import ALBUM, Music
from openshelf import ADMIN, ADMIN_MAIL, PASSWORD, Server

LOGIN = {"u": ADMIN, "p": PASSWORD, "v": "1.13.0", "c": "AwesomeClientName"}
PASSWORD_OF_SHARE = "gcqzfaze"
TICKET = {"X-Cr-Purchase-Ticket": "1f63aa26-edc0-40ce-950a-cb4d4323158e"}

# What a music app needs to log in, browse, search and play, each with the parameters of a first call.
SUBSONIC_CALLS = {
    "ping": {},
    "getLicense": {},
    "getOpenSubsonicExtensions": {},
    "getMusicFolders": {},
    "getIndexes": {},
    "getArtists": {},
    "getGenres": {},
    "getAlbumList": {"type": "newest"},
    "getAlbumList2": {"type": "newest"},
    "getRandomSongs": {},
    "getSongsByGenre": {"genre": "Chiptune"},
    "search2": {"query": "bubble"},
    "search3": {"query": ""},
    "getPlaylists": {},
    "getStarred": {},
    "getStarred2": {},
    "getUser": {"username": ADMIN},
    "getScanStatus": {},
    "getShares": {},
}


@pytest.fixture(scope="module")
def session(server: Server) -> requests.Session:
    """Signed in at the Cloudreve door."""
    session = requests.Session()
    answer = session.post(f"{server.url}/api/v4/session/token", json={"email": ADMIN_MAIL, "password": PASSWORD}).json()
    session.headers["Authorization"] = f"Bearer {answer['data']['token']['access_token']}"
    return session


@pytest.fixture(scope="module")
def locked(server: Server, session: requests.Session) -> str:
    """A folder's share with every term of the Cloudreve document's example."""
    asked = {
        "uri": "cloudreve://my/drascula/audio",
        "is_private": True,
        "password": PASSWORD_OF_SHARE,
        "expire": 7 * 86400,
        "share_view": True,
    }
    answer = session.put(f"{server.url}/api/v4/share", json=asked).json()
    assert answer["code"] == 0, answer
    return re.search(r"/s/([A-Za-z0-9]+)", answer["data"]).group(1)


@pytest.fixture(scope="module")
def album_share(server: Server) -> dict:
    """A share of the tagged album, made as a music app makes it."""
    albums = server.subsonic("getAlbumList2", type="newest", size=500)["albumList2"]["album"]
    album = next(album["id"] for album in albums if album["name"] == ALBUM)
    return server.subsonic("createShare", id=album, description="Forget and Remember (Comfort Fit)")["shares"]["share"][
        0
    ]


# --- 004, Cloudreve ---------------------------------------------------------------------------------------------------

VIEWERS = {
    "owner": ({"password": PASSWORD_OF_SHARE, "owner_extended": "true"}, True),
    "guest with the password": ({"password": PASSWORD_OF_SHARE, "count_views": "true"}, True),
    "guest without": ({"count_views": "true"}, False),
    "guest with a wrong one": ({"password": "wrong"}, False),
}


def share_info(server: Server, session: requests.Session, share: str, viewer: str, at: str = "/api/v4") -> dict:
    query, _unlocked = VIEWERS[viewer]
    client = session if viewer == "owner" else requests
    answer = client.get(f"{server.url}{at}/share/info/{share}", params=query, headers=TICKET, timeout=30)
    assert answer.status_code == 200
    return answer.json()


def test_the_documents_own_example_fits_its_repaired_schema() -> None:
    schema, example = cloudreve_seed()
    check(example, schema)


def fits(answer: dict, schema: dict) -> bool:
    try:
        check(answer, schema)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("repair", CLOUDREVE_REPAIRS, ids=lambda repair: repair.what)
def test_the_document_contradicts_itself_without_each_repair(repair: Repair) -> None:
    """So that no repair outlives its reason."""
    repaired, example = cloudreve_seed()
    unrepaired, _example = cloudreve_seed(left_out=repair)
    redacted = copy.deepcopy(example)
    redacted["data"]["owner"] |= {"group": {"id": "1AI8", "name": "Admin"}, "share_links_in_profile": ""}
    redacted["data"]["permission_setting"] |= {"same_group": "AQ==", "anonymous": None}
    undated = copy.deepcopy(example)
    undated["data"]["expires"] = 1750148199
    wanted = [True, True, False]
    answers = [example, redacted, undated]
    assert [fits(answer, repaired) for answer in answers] == wanted
    assert [fits(answer, unrepaired) for answer in answers] != wanted


@pytest.mark.parametrize("viewer", VIEWERS)
def test_share_info_fits_the_contract(server: Server, session: requests.Session, locked: str, viewer: str) -> None:
    body = share_info(server, session, locked, viewer)
    check(body, ours("cloudreve_share.schema.json"))
    assert body["data"]["unlocked"] is VIEWERS[viewer][1]


@pytest.mark.parametrize("viewer", VIEWERS)
def test_share_info_fits_the_document(server: Server, session: requests.Session, locked: str, viewer: str) -> None:
    schema, _example = cloudreve_seed()
    check(share_info(server, session, locked, viewer), schema)


def test_the_owner_sees_every_field_of_the_example(server: Server, session: requests.Session, locked: str) -> None:
    data = share_info(server, session, locked, "owner")["data"]
    asked = {"id", "name", "visited", "expires", "unlocked", "source_type", "owner", "created_at", "expired", "url"}
    asked |= {"is_private", "password", "share_view", "source_uri", "permission_setting", "price"}
    assert asked <= data.keys()
    assert (data["id"], data["name"], data["source_type"], data["expired"]) == (locked, "audio", 1, False)
    assert (data["is_private"], data["password"], data["share_view"]) == (True, PASSWORD_OF_SHARE, True)
    assert data["url"] == f"{server.url}/s/{locked}/{PASSWORD_OF_SHARE}"
    assert re.fullmatch(r"cloudreve://(\w+@)?my/drascula/audio", data["source_uri"])
    week = datetime.fromisoformat(data["expires"]) - datetime.fromisoformat(data["created_at"])
    assert abs(week.total_seconds() - 7 * 86400) < 5


def test_a_locked_share_tells_neither_its_name_nor_its_terms(
    server: Server, session: requests.Session, locked: str
) -> None:
    text = str(share_info(server, session, locked, "guest without"))
    assert "audio" not in text
    assert PASSWORD_OF_SHARE not in text


def test_count_views_counts_and_other_calls_do_not(server: Server, locked: str) -> None:
    def visited(**query: str) -> int:
        query["password"] = PASSWORD_OF_SHARE
        return requests.get(f"{server.url}/api/v4/share/info/{locked}", params=query, timeout=30).json()["data"][
            "visited"
        ]

    before = visited()
    assert visited() == before
    visited(count_views="true")
    assert visited() == before + 1


def test_the_bare_path_of_the_document_answers_alike(server: Server, session: requests.Session, locked: str) -> None:
    for viewer in ("owner", "guest without"):
        printed = share_info(server, session, locked, viewer, at="")
        check(printed, ours("cloudreve_share.schema.json"))
        assert printed == share_info(server, session, locked, viewer)


def test_an_unknown_share_fits_the_contract_too(server: Server, session: requests.Session) -> None:
    body = share_info(server, session, "g2guA", "guest without")
    check(body, ours("cloudreve_share.schema.json"))
    assert body["code"] == 404
    assert body["msg"]


# --- 000, OpenSubsonic ------------------------------------------------------------------------------------------------


def get_shares(server: Server, form: str) -> requests.Response:
    """The document's example call, with its stray `?&`."""
    return requests.get(
        f"{server.url}/rest/getShares.view?&u={ADMIN}&p={PASSWORD}&v=1.13.0&c=AwesomeClientName&f={form}", timeout=30
    )


def test_get_shares_fits_the_contract(server: Server, album_share: dict) -> None:
    body = get_shares(server, "json").json()
    check(body, ours("subsonic_shares.schema.json"))
    share = next(share for share in body["subsonic-response"]["shares"]["share"] if share["id"] == album_share["id"])
    assert (share["description"], share["username"]) == ("Forget and Remember (Comfort Fit)", ADMIN)


def test_get_shares_entries_carry_every_field_of_the_example(album_share: dict) -> None:
    asked = {"id", "parent", "title", "isDir", "isVideo", "type", "albumId", "album", "artistId", "artist", "duration"}
    asked |= {
        "bitRate",
        "samplingRate",
        "channelCount",
        "track",
        "year",
        "genre",
        "size",
        "suffix",
        "contentType",
        "path",
    }
    assert len(album_share["entry"]) == 3
    for entry in album_share["entry"]:
        assert asked <= entry.keys(), entry
    lossless = next(entry for entry in album_share["entry"] if entry["suffix"] == "flac")
    assert lossless["bitDepth"] in (16, 24)
    assert "coverArt" in next(entry for entry in album_share["entry"] if entry["suffix"] == "mp3")


def test_get_shares_in_xml_fits_the_contract(server: Server, album_share: dict) -> None:
    answer = get_shares(server, "xml")
    assert answer.headers["Content-Type"].split(";")[0] in ("application/xml", "text/xml")
    assert album_share["id"].encode() in answer.content
    check_xml(answer.content, OURS / "subsonic_shares.xsd")


@pytest.mark.usefixtures("album_share")
@pytest.mark.parametrize("method", SUBSONIC_CALLS)
def test_an_answer_in_json_fits_the_openapi_document(server: Server, method: str) -> None:
    query = {**LOGIN, **SUBSONIC_CALLS[method], "f": "json"}
    body = requests.get(f"{server.url}/rest/{method}", params=query, timeout=30).json()
    assert body["subsonic-response"]["status"] == "ok", body
    check(body, opensubsonic_answer(method))


@pytest.mark.usefixtures("album_share")
@pytest.mark.parametrize("method", sorted(SUBSONIC_CALLS.keys() - {"getOpenSubsonicExtensions"}))
def test_an_answer_in_xml_fits_the_xsd(server: Server, method: str) -> None:
    query = {**LOGIN, **SUBSONIC_CALLS[method]}
    answer = requests.get(f"{server.url}/rest/{method}", params=query, timeout=30)
    assert b'status="ok"' in answer.content
    check_xml(answer.content, document("reference/subsonic-rest-api-1.16.1.xsd"))


def test_an_error_fits_both_documents(server: Server) -> None:
    query = {**LOGIN, "p": "wrong"}
    json = requests.get(f"{server.url}/rest/getShares", params={**query, "f": "json"}, timeout=30)
    assert json.status_code == 200
    assert json.json()["subsonic-response"]["error"]["code"] == 40
    check(json.json(), opensubsonic_answer("getShares"))
    xml = requests.get(f"{server.url}/rest/getShares", params=query, timeout=30)
    check_xml(xml.content, document("reference/subsonic-rest-api-1.16.1.xsd"))


@pytest.mark.usefixtures("album_share")
def test_jsonp_wraps_the_same_answer(server: Server) -> None:
    query = {**LOGIN, "f": "jsonp", "callback": "cb"}
    answer = requests.get(f"{server.url}/rest/getShares", params=query, timeout=30)
    assert answer.headers["Content-Type"].split(";")[0] in ("application/javascript", "text/javascript")
    assert re.fullmatch(r"cb\(\{.*\}\);?\s*", answer.text, re.DOTALL)


# --- 003, My Cloud Home -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["/shares", ""])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"correlationID": "w_g:1"},
        {"Content-Type": "application/json"},
        {"Authorization": "Bearer bb23e25a-f51d-44b6-b8d9-a669e5d4c01e"},
    ],
    ids=["bare", "correlation", "typed", "bad token"],
)
def test_get_share_fits_the_contract(server: Server, album_share: dict, at: str, headers: dict[str, str]) -> None:
    """A public share opens without a token, and a bad one does not shut it."""
    answer = requests.get(f"{server.url}{at}/v1/shares/{album_share['id']}", headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert "Access-Control-Allow-Origin" in answer.headers
    body = answer.json()
    check(body, ours("mycloud_share.schema.json"))
    data = body["data"]
    assert data["shareId"] == album_share["id"]
    assert len(data["fileIds"]) == len(album_share["entry"]) or len(data["fileIds"]) == 1
    assert data["cacheUrl"] == ""
    assert data["url"].endswith(f"/action/share/{album_share['id']}")


def test_an_unknown_share_is_the_error_that_the_document_prints(server: Server) -> None:
    for at in ("/shares", ""):
        answer = requests.get(f"{server.url}{at}/v1/shares/12345", timeout=30)
        assert answer.status_code == 404
        body = answer.json()
        check(body, ours("mycloud_share.schema.json"))
        assert body["error"] == {"label": "SHARE_NOT_FOUND", "message": "404 Not Found Could not find share"}


# --- one share behind the three documents -----------------------------------------------------------------------------


def test_one_share_answers_to_all_three_documents(server: Server, music: Music, album_share: dict) -> None:
    share = album_share["id"]
    info = requests.get(f"{server.url}/api/v4/share/info/{share}", timeout=30).json()
    check(info, ours("cloudreve_share.schema.json"))
    assert (info["data"]["unlocked"], info["data"]["source_type"]) == (True, 1)
    listed = requests.get(f"{server.url}/api/v4/file", params={"uri": f"cloudreve://{share}@share"}, timeout=30).json()
    assert sorted(file["name"] for file in listed["data"]["files"]) == [path.name for path in music.tagged_tracks]
    assert requests.get(f"{server.url}/s/{share}", timeout=30).status_code == 200
