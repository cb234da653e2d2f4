"""Contracts that answers are held against: our own, derived from the dialects' documents, and the documents themselves.

The documents lie outside this repository (OPENSHELF_DOCUMENTS, default: the folder `shared` beside the checkout). They
contradict themselves in places, so copies of them are repaired here, each repair with its reason.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from lxml import etree

from openshelf import REPOSITORY

OURS = Path(__file__).with_name("contracts")
DOCUMENTS = Path(os.environ.get("OPENSHELF_DOCUMENTS", REPOSITORY.parent / "shared"))


def document(pattern: str) -> Path:
    """A document that the dialect's makers wrote. Where it is not at hand, our own contracts must do."""
    found = sorted(DOCUMENTS.glob(pattern))
    if not found:
        pytest.skip(f"{pattern} is not under {DOCUMENTS}")
    return found[0]


def check(answer: Any, schema: dict) -> None:
    """Fails with every deviation and the place of each."""
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    faults = [fault for error in validator.iter_errors(answer) for fault in causes(error)]
    assert not faults, "\n".join(faults) + f"\nin {json.dumps(answer)[:2000]}"


def fits(answer: Any, schema: dict) -> bool:
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return validator.is_valid(answer)


def causes(error: ValidationError) -> list[str]:
    """What is behind "not valid under any of the given schemas"."""
    if error.context:
        return [fault for cause in error.context for fault in causes(cause)]
    return [f"{error.json_path}: {error.message[:300]}"]


@cache
def ours(name: str) -> dict:
    return json.loads((OURS / name).read_text())


# --- OpenAPI as JSON Schema -------------------------------------------------------------------------------------------


def as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema says a type more."""
    if isinstance(node, list):
        return [as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: as_json_schema(value) for key, value in node.items() if not key.startswith("x-apifox")}
    if node.pop("nullable", False) is True and isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
        if "enum" in node:
            node["enum"] = [*node["enum"], None]
    return node


@dataclass(frozen=True)
class Repair:
    what: str
    reason: str
    apply: Callable[[dict], None]


def unrequire(schema: str, field: str, within: str | None = None) -> Callable[[dict], None]:
    def apply(root: dict) -> None:
        node = root["components"]["schemas"][schema]
        (node["properties"][within] if within else node)["required"].remove(field)

    return apply


def put(*path: str, value: Any) -> Callable[[dict], None]:
    def apply(root: dict) -> None:
        node = root["components"]["schemas"]
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    return apply


def several(*repairs: Callable[[dict], None]) -> Callable[[dict], None]:
    def apply(root: dict) -> None:
        for repair in repairs:
            repair(root)

    return apply


BOOLSET = {"type": ["string", "null"]}
PERMISSIONS = ("Share", "properties", "permission_setting", "properties")
SHARE_LINKS = ("properties", "share_links_in_profile", "enum")

CLOUDREVE_REPAIRS = [
    Repair(
        "Share.owner.group is optional",
        "required by the schema, missing in the document's own example",
        unrequire("Share", "group", within="owner"),
    ),
    Repair(
        "Group needs only id and name",
        "the owner's group is redacted to these two for everyone but the owner",
        several(*(unrequire("Group", field) for field in ("permission", "direct_link_batch_size", "trash_retention"))),
    ),
    Repair(
        "share_links_in_profile may be empty",
        "the enum spells the empty string as the words '[Empty string]'",
        several(
            put("Share", "properties", "owner", *SHARE_LINKS, value=["", "all_share", "hide_share", None]),
            put("User", *SHARE_LINKS, value=["", "all_share", "hide_share", None]),
        ),
    ),
    Repair(
        "each of the four fixed permissions is a boolset or null",
        "two are typed 'null', which is no type of OpenAPI 3.0, after the one example in which they were null",
        several(*(put(*PERMISSIONS, who, value=BOOLSET) for who in ("same_group", "everyone", "other", "anonymous"))),
    ),
    Repair(
        "Share.expires is a date",
        "sent in the document's own example, absent from its schema",
        put("Share", "properties", "expires", value={"type": "string", "format": "date-time"}),
    ),
]


def cloudreve_seed(left_out: Repair | None = None) -> tuple[dict, dict]:
    """The share document of Cloudreve: the schema of its answer, repaired, and its own example."""
    text = document("seeds/004_*.txt").read_text()
    root = as_json_schema(yaml.safe_load(text.split("```yaml\n", 1)[1].split("\n```", 1)[0]))
    answer = root["paths"]["/share/info/{id}"]["get"]["responses"]["200"]["content"]["application/json"]
    for repair in CLOUDREVE_REPAIRS:
        if repair is not left_out:
            repair.apply(root)
    return {**answer["schema"], "components": root["components"]}, json.loads(
        json.dumps(answer["example"], default=str)
    )


@cache
def opensubsonic() -> dict:
    root = as_json_schema(json.loads(document("reference/opensubsonic-openapi.json").read_text()))
    # The prose and the original have `gain`, a part of 1; clients exist for either.
    root["components"]["schemas"]["JukeboxStatus"]["properties"]["volume"] = {"type": "number"}
    return root


def opensubsonic_answer(method: str) -> dict:
    """The schema of an endpoint's JSON answer."""
    root = opensubsonic()
    answer = root["paths"][f"/rest/{method}"]["get"]["responses"]["200"]
    while "$ref" in answer:
        answer = root["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    return {**answer["content"]["application/json"]["schema"], "components": root["components"]}


# --- XML --------------------------------------------------------------------------------------------------------------

NAMESPACE = "{http://subsonic.org/restapi}"

# OpenSubsonic documents no XML; its additions are attributes and elements that the XSD does not know.
ADDED_ATTRIBUTES = {
    "subsonic-response": {"type", "serverVersion", "openSubsonic"},
    "error": {"helpUrl"},
    "song": (
        child := {
            *("bitDepth", "samplingRate", "channelCount", "mediaType", "played", "bpm", "comment", "sortName"),
            *("musicBrainzId", "displayArtist", "displayAlbumArtist", "displayComposer", "explicitStatus"),
        }
    ),
    "child": child,
    "match": child,
    "video": child,
    "episode": child,
    "entry": child | {"state", "positionMs", "playbackRate"},
    # A text in the prose, as all ids are; the XSD has a number.
    "playQueue": {"current"},
    "artist": (artist := {"artistImageUrl", "disambiguation", "musicBrainzId", "sortName"}),
    "similarArtist": artist,
    "album": child | {"version", "isCompilation", "userRating"},
    "playlist": {"readonly", "validUntil"},
    "scanStatus": {"lastScan", "folderCount"},
    # As in JSON, beside `gain`.
    "jukeboxPlaylist": {"volume"},
}
# An album in a list of folders (it has isDir) is a Child, and also bears what an album of the other lists must bear.
ADDED_TO_FOLDERS = {"name", "songCount"}
ADDED_ELEMENTS = {
    *(
        "genres",
        "artists",
        "albumArtists",
        "contributors",
        "moods",
        "replayGain",
        "isrc",
        "works",
        "movements",
        "groupings",
    ),
    *(
        "recordLabels",
        "releaseTypes",
        "originalReleaseDate",
        "releaseDate",
        "discTitles",
        "roles",
        "openSubsonicExtensions",
    ),
}
# Containers of the original that bear the name of an addition.
ORIGINAL_CONTAINERS = {"genres", "artists"}


def without_additions(xml: bytes) -> etree._Element:
    """The answer as a client of the original API may see it."""
    root = etree.fromstring(xml)
    for element in list(root.iter()):
        name = element.tag.removeprefix(NAMESPACE)
        parent = element.getparent()
        if name in ADDED_ELEMENTS and not (parent is root and name in ORIGINAL_CONTAINERS):
            parent.remove(element)
            continue
        added = ADDED_ATTRIBUTES.get(name, set()) | (ADDED_TO_FOLDERS if "isDir" in element.attrib else set())
        for attribute in added & set(element.attrib):
            del element.attrib[attribute]
    return root


def check_xml(xml: bytes, schema: Path) -> None:
    validator = etree.XMLSchema(etree.parse(schema))
    root = without_additions(xml)
    assert validator.validate(root), f"{validator.error_log}\nin {xml[:2000].decode()}"
