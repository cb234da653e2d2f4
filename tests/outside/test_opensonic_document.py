"""OpenSubsonic's own documents, the OpenAPI description and the schema of its XML, held against a server in use."""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from contracts import check, check_xml, document, opensubsonic, opensubsonic_answer
from music import ALBUM, ARTIST, GENRE, Music, ffmpeg
from openshelf import ADMIN, PASSWORD, Server, until

KNOWN = {"u": ADMIN, "p": PASSWORD, "v": "1.16.1", "c": "outside"}
BINARY_CALLS = {"download", "getAvatar", "getCaptions", "getCoverArt", "getTranscodeStream", "hls.m3u8", "stream"}
# Fields of the document that name things, and what of the library each may name.
NAMING = {
    "id",
    "albumId",
    "artistId",
    "songId",
    "songIdToAdd",
    "playlistId",
    "mediaId",
    "startSongId",
    "endSongId",
    "current",
}


@pytest.fixture(scope="module")
def sung(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song with its words, each at its time."""
    folder = tmp_path_factory.mktemp("sung") / "Sung"
    folder.mkdir()
    words = ["-metadata", "title=Sung", "-metadata", "artist=Ann"]
    ffmpeg("-f", "lavfi", "-i", "sine=duration=3", *words, folder / "Sung.flac")
    (folder / "Sung.elrc").write_text("[00:01]v1: <00:01> Grüß <00:01.5>dich<00:02>\n[00:02]plain & simple\n")
    return folder


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, music: Music, films: Path, sung: Path, database: str | None
) -> Iterator[Server]:
    """With something of all that there are calls for."""
    options = ("--sound-analysis", "on", "--jukebox", "null", "--outgoing-networks", "127.0.0.0/8")
    home = tmp_path_factory.mktemp("home")
    # The album first, which is listened to in that order.
    folders = (*reversed(music.folders), films, sung)
    with Server(*folders, home=home, database=database, options=options) as server:
        server.scanned()
        yield server


@pytest.fixture(scope="module")
def ids(server: Server, feed: str) -> dict[str, str]:
    """What a library in use holds: something of every kind, by what it is to the calls."""
    call = server.subsonic
    albums = call("getAlbumList2", type="alphabeticalByName", size=500)["albumList2"]["album"]
    album = next(album for album in albums if album["name"] == ALBUM)
    songs = [song["id"] for song in call("getAlbum", id=album["id"])["album"]["song"]]
    call("star", id=songs[0], albumId=album["id"], artistId=album["artistId"])
    call("setRating", id=songs[1], rating=4)
    call("scrobble", id=songs[1])
    call("scrobble", id=songs[2], submission="false")
    call("createBookmark", id=songs[0], position=1500, comment="here")
    call("savePlayQueue", id=songs, current=songs[1], position=700)
    call(
        "createInternetRadioStation",
        streamUrl="http://radio.example/stream",
        name="Radio",
        homepageUrl="http://radio.example/",
    )
    call("addChatMessage", message="hello & welcome")
    call("jukeboxControl", action="add", id=songs)
    call("createPodcastChannel", url=feed)

    def newest() -> list[dict]:
        return call("getNewestPodcasts")["newestPodcasts"]["episode"]

    until(newest, "the feed")
    call("downloadPodcastEpisode", id=newest()[0]["id"])
    until(lambda: newest()[0]["status"] == "completed", "the episode")
    until(lambda: call("getSonicSimilarTracks", id=songs[0])["sonicMatch"], "two songs listened to", patience_s=120)
    return {
        "song": songs[0],
        "other": songs[1],
        "album": album["id"],
        "artist": album["artistId"],
        "folder": call("getSong", id=songs[0])["song"]["parent"],
        "film": call("getVideos")["videos"]["video"][0]["id"],
        "sung": call("search3", query="Sung")["searchResult3"]["song"][0]["id"],
        "episode": newest()[0]["id"],
        "playlist": call("createPlaylist", name="Document", songId=songs)["playlist"]["id"],
        "share": call("createShare", id=songs, description="Document")["shares"]["share"][0]["id"],
    }


def asked(ids: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Every call that answers with something to read, with the parameters that make it do so."""
    song, album, artist = ids["song"], ids["album"], ids["artist"]
    return {
        "ping": {},
        "getLicense": {},
        "getOpenSubsonicExtensions": {},
        "getMusicFolders": {},
        "getIndexes": {},
        "getMusicDirectory": {"id": ids["folder"]},
        "getGenres": {},
        "getArtists": {},
        "getArtist": {"id": artist},
        "getAlbum": {"id": album},
        "getSong": {"id": song},
        "getVideos": {},
        "getVideoInfo": {"id": ids["film"]},
        "getArtistInfo": {"id": artist},
        "getArtistInfo2": {"id": artist},
        "getAlbumInfo": {"id": album},
        "getAlbumInfo2": {"id": album},
        "getSimilarSongs": {"id": song},
        "getSimilarSongs2": {"id": artist},
        "getSonicSimilarTracks": {"id": song},
        "findSonicPath": {"startSongId": song, "endSongId": ids["other"]},
        "getTopSongs": {"artist": ARTIST},
        "getAlbumList": {"type": "newest"},
        "getAlbumList2": {"type": "newest"},
        "getRandomSongs": {},
        "getSongsByGenre": {"genre": GENRE},
        "getNowPlaying": {},
        "getStarred": {},
        "getStarred2": {},
        "search": {"any": "bubble"},
        "search2": {"query": "bubble"},
        "search3": {"query": ""},
        "getPlaylists": {},
        "getPlaylist": {"id": ids["playlist"]},
        "createPlaylist": {"playlistId": ids["playlist"], "songId": [song, ids["other"]]},
        "getLyrics": {"artist": "Ann", "title": "Sung"},
        "getLyricsBySongId": {"id": ids["sung"], "enhanced": "true"},
        "createShare": {"id": [album, song], "description": "Document"},
        "getShares": {},
        "getPodcasts": {},
        "getNewestPodcasts": {},
        "getPodcastEpisode": {"id": ids["episode"]},
        "jukeboxControl": {"action": "get"},
        "getInternetRadioStations": {},
        "getChatMessages": {},
        "getUser": {"username": ADMIN},
        "getUsers": {},
        "getBookmarks": {},
        "getPlayQueue": {},
        "getPlayQueueByIndex": {},
        "getScanStatus": {},
        "startScan": {},
    }


METHODS = sorted(asked(defaultdict(str)))
# What OpenSubsonic added has no XML but the one that servers agreed on.
WITHOUT_XSD = {
    *("getOpenSubsonicExtensions", "getLyricsBySongId", "getPlayQueueByIndex", "getPodcastEpisode"),
    *("getSonicSimilarTracks", "findSonicPath"),
}
# Of these an empty list would fit as well.
LISTS = {
    "getVideos": ("videos", "video"),
    "getVideoInfo": ("videoInfo", "captions"),
    "getPodcasts": ("podcasts", "channel"),
    "getNewestPodcasts": ("newestPodcasts", "episode"),
    "getLyricsBySongId": ("lyricsList", "structuredLyrics"),
    "jukeboxControl": ("jukeboxPlaylist", "entry"),
    "getShares": ("shares", "share"),
}


@pytest.mark.parametrize("method", METHODS)
def test_an_answer_in_json_fits_the_openapi_document(server: Server, ids: dict[str, str], method: str) -> None:
    body = server.subsonic(method, **asked(ids)[method])
    check({"subsonic-response": body}, opensubsonic_answer(method))
    if method in LISTS:
        outer, inner = LISTS[method]
        assert body[outer][inner], f"nothing was held against the document: {body}"


def test_what_a_player_is_decided_to_get_fits_the_document(server: Server, ids: dict[str, str]) -> None:
    profile = {"container": "mp3", "audioCodec": "mp3", "protocol": "http", "maxAudioChannels": 2}
    decision = requests.post(
        f"{server.url}/rest/getTranscodeDecision",
        params={**KNOWN, "f": "json", "mediaId": ids["other"], "mediaType": "song"},
        json={"name": "outside", "platform": "test", "transcodingProfiles": [profile]},
        timeout=30,
    ).json()["subsonic-response"]["transcodeDecision"]
    assert decision["canTranscode"]
    components = opensubsonic()["components"]
    check(decision, {"$ref": "#/components/schemas/TranscodeDecision", "components": components})


def test_whose_key_it_is_fits_the_document(server: Server) -> None:
    key = {"apiKey": server.api_key(), "v": "1.16.1", "c": "outside", "f": "json"}
    answer = requests.get(f"{server.url}/rest/tokenInfo", params=key, timeout=30).json()
    assert answer["subsonic-response"]["tokenInfo"]["username"] == ADMIN
    check(answer, opensubsonic_answer("tokenInfo"))


@pytest.mark.parametrize("method", [method for method in METHODS if method not in WITHOUT_XSD])
def test_an_answer_in_xml_fits_the_xsd(server: Server, ids: dict[str, str], method: str) -> None:
    answer = requests.get(f"{server.url}/rest/{method}", params={**KNOWN, **asked(ids)[method]}, timeout=30)
    assert b'status="ok"' in answer.content, answer.text
    check_xml(answer.content, document("reference/subsonic-rest-api-1.16.1.xsd"))


def repaired(ids: dict[str, str]) -> dict:
    """The document with what it contradicts itself in put right, and with ids that exist among those that do not."""
    root = json.loads(document("reference/opensubsonic-openapi-test.json").read_text())
    schemas, paths = root["components"]["schemas"], root["paths"]
    # The prose and the original have `gain`; clients exist for either.
    schemas["JukeboxStatus"]["properties"]["volume"] = {"type": "number", "minimum": 0, "maximum": 1}
    # The envelope is missing, which the prose's example has.
    decision = schemas["GetSongResponse"]
    wrapped = json.loads(json.dumps(decision).replace("GetSongSuccessResponse", "DecisionSuccessResponse"))
    schemas["DecisionSuccessResponse"] = {
        "allOf": [
            {"$ref": "#/components/schemas/SubsonicSuccessResponse"},
            {"properties": {"transcodeDecision": {"$ref": "#/components/schemas/TranscodeDecision"}}},
        ]
    }
    root["components"]["responses"]["TranscodeDecisionResponse"]["content"] = {"application/json": {"schema": wrapped}}
    for schema in schemas.values():
        if "subsonic-response" in schema.get("properties", {}):
            schema["required"] = ["subsonic-response"]
    # Without credentials, by which the document has all others name the form of their answer.
    form_of_answer = {"name": "f", "in": "query", "required": True, "schema": {"type": "string", "enum": ["json"]}}
    for operation in paths["/rest/getOpenSubsonicExtensions"].values():
        operation["parameters"] = [form_of_answer]
    known = {"type": "string", "enum": [*ids.values(), "unknown0", ""]}
    # Whoever asks must not be locked out.
    others = {"type": "string", "enum": ["eve", "nobody"]}
    named = dict.fromkeys(NAMING, known) | {"username": others}
    for path, operations in paths.items():
        for operation in operations.values():
            if path.removeprefix("/rest/") in BINARY_CALLS:
                # A picture is `image/jpeg`, not `application/binary`; an error is the envelope that was asked for.
                operation["responses"] = {"200": {"description": "", "content": {"*/*": {"schema": {}}}}}
                if path == "/rest/getTranscodeStream":
                    operation["responses"] |= {
                        code: {"description": ""} for code in ("400", "401", "403", "404", "410")
                    }
            for parameter in operation.get("parameters", []):
                if schema := named.get(parameter["name"]):
                    several = parameter["schema"].get("type") == "array"
                    parameter["schema"] = {"type": "array", "items": schema} if several else schema
            form = operation.get("requestBody", {}).get("content", {}).get("application/x-www-form-urlencoded", {})
            fields = form.get("schema", {}).get("properties", {})
            for name in fields.keys() & named.keys():
                if fields[name].get("type") == "array":
                    fields[name]["items"] = named[name]
                else:
                    fields[name] = named[name]
    return root


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_schemathesis_finds_no_answer_that_the_document_does_not_know(
    server: Server, ids: dict[str, str], folder: Path
) -> None:
    (folder / "opensubsonic.json").write_text(json.dumps(repaired(ids)))
    fixed = {**KNOWN, "f": "json"}
    (folder / "schemathesis.toml").write_text(
        "[parameters]\n" + "".join(f'"query.{name}" = "{value}"\n' for name, value in fixed.items())
    )
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", folder / "schemathesis.toml"),
            *("run", folder / "opensubsonic.json", "--url", server.url, "--mode", "positive"),
            *("--max-examples", "15", "--seed", "1", "--workers", "2", "--phases", "coverage,fuzzing"),
            "--checks",
            "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance",
            *("--warnings", "off", "--no-color", "--generation-database", "none"),
        ],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert server.subsonic("ping"), "they were all asked by somebody who is known"
    assert "172" in done.stdout, f"not every operation was tried\n{done.stdout[-3000:]}"
