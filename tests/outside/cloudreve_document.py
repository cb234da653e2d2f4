"""Cloudreve's OpenAPI document (its makers' pages, put together) as answers are held against it.

It is repaired where the protocol's other sources show that it errs; each repair says what shows it.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from contracts import Repair, as_json_schema, document, put, several, unrequire

# Operations that are not here, each with its reason.
OUT = {
    "GET /callback/cos/{session_id}/{key}": "other clouds tell by it what came to them; here it comes to this server",
    "POST /callback/obs/{session_id}/{key}": "the same",
    "POST /callback/onedrive/{session_id}/{key}": "the same",
    "GET /callback/s3/{session_id}/{key}": "the same",
}


def answers(root: dict) -> dict[str, dict]:
    """The objects that hold the schema of a good answer in JSON, by operation."""
    found = {}
    for path, operations in root["paths"].items():
        for method, operation in operations.items():
            content = operation["responses"]["200"].get("content", {})
            if "application/json" in content:
                found[f"{method.upper()} {path}"] = content["application/json"]
    return found


def envelope(root: dict) -> None:
    """No answer without a code and a message; nothing is told of what failed but why."""
    failed = {
        "type": "object",
        "properties": {
            "code": {"type": "integer", "not": {"enum": [0]}},
            "msg": {"type": "string", "minLength": 1},
            "correlation_id": {"type": "string", "format": "uuid"},
            "aggregated_error": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Failed"}},
        },
        "required": ["code", "msg"],
    }
    root["components"]["schemas"]["Failed"] = failed
    for answer in answers(root).values():
        good = answer["schema"]
        good["properties"]["code"] = {"type": "integer", "enum": [0]}
        good["required"] = ["code", "msg"] + (["data"] if "data" in good["properties"] else [])
        good["properties"].pop("aggregated_error", None)
        answer["schema"] = {"anyOf": [good, {"$ref": "#/components/schemas/Failed"}]}


def answered(operation: str, change: Callable[[dict], None]) -> Callable[[dict], None]:
    """Changes the schema of a good answer."""

    def apply(root: dict) -> None:
        schema = answers(root)[operation]["schema"]
        change(schema["anyOf"][0] if "anyOf" in schema else schema)

    return apply


def data(operation: str, schema: Callable[[dict], dict] | dict) -> Callable[[dict], None]:
    """Another schema for what a good answer holds."""

    def change(good: dict) -> None:
        was = good["properties"].get("data", {})
        good["properties"]["data"] = schema(was) if callable(schema) else schema
        if "data" not in good["required"]:
            good["required"].append("data")

    return answered(operation, change)


def without_data(good: dict) -> None:
    good["required"].remove("data")
    good["properties"].pop("data")


def everywhere(change: Callable[[dict], None]) -> Callable[[dict], None]:
    """Changes every schema of the document, however deep it lies."""

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict):
                change(node)
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    return walk


def optional(field: str, beside: str) -> Callable[[dict], None]:
    """No schema that has both requires the first."""

    def change(schema: dict) -> None:
        if beside in schema["properties"] and field in schema.get("required", []):
            schema["required"].remove(field)

    return everywhere(change)


def property_of(field: str, schema: dict) -> Callable[[dict], None]:
    def change(within: dict) -> None:
        if field in within["properties"]:
            within["properties"][field] = schema

    return everywhere(change)


def paths(root: dict) -> None:
    root["paths"]["/file/source/{id}"] = root["paths"].pop("/file/source{id}")
    root["paths"]["/workflow/relocate"] = root["paths"].pop("/workflow/reloacte")


def one_time_code(root: dict) -> None:
    body = root["paths"]["/session/token/2fa"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body["properties"]["otp"] = body["properties"].pop("opt")
    body["required"] = ["otp", "session_id"]


def ticket(root: dict) -> None:
    for parameter in root["paths"]["/file/version"]["delete"]["parameters"]:
        parameter["name"] = parameter["name"].split(",")[0]


def urls_of(good: dict) -> dict:
    return good["properties"]["data"]["properties"]["urls"]["items"]


def viewer(root: dict) -> None:
    each = root["components"]["schemas"]["FileViewer"]["properties"]["viewers"]["items"]
    kinds = each["properties"].pop("display_name")
    each["properties"] |= {"type": kinds, "display_name": TEXT}
    each["required"] = ["id", "type", "display_name", "exts"]


BOOLSET = {"type": ["string", "null"]}
FIXED = ("same_group", "everyone", "other", "anonymous")
SETTINGS = (("Share", "properties", "permission_setting", "properties"), ("PermissionSetting", "properties"))
TEXT = {"type": "string"}


# "§" is of `reference/cloudreve.md` beside the document. What stands in neither list, the server is held to.
OF_REQUESTS = [
    Repair("two paths are spelt as they are asked", "§7.3: '/file/source{id}' and '/workflow/reloacte'", paths),
    Repair("a code of a second factor is called otp", "§4.2: clients send `otp`", one_time_code),
    Repair(
        "the header of a ticket has a name",
        "its name, type, example and description were put into one field",
        ticket,
    ),
]

REPAIRS = [
    Repair(
        "a last page has no next_token",
        "§2.7, §4.4; the document's own examples of GET /share, /file, /workflow and /user/payments have none",
        optional("next_token", beside="page_size"),
    ),
    Repair(
        "a user without a picture has no avatar",
        "§2.3; the second user of the document's own example of GET /user/search",
        optional("avatar", beside="nickname"),
    ),
    Repair(
        "share_links_in_profile may be empty",
        "the enum spells the empty string as the words '[Empty string]'",
        property_of("share_links_in_profile", {"enum": ["", "all_share", "hide_share", None]}),
    ),
    Repair(
        "disable_view_sync is a switch",
        "§4.3.1; the document's own PATCH /user/setting takes it as one",
        property_of("disable_view_sync", {"type": ["boolean", "null"]}),
    ),
    Repair(
        "each of the four fixed permissions is a boolset or null",
        "two are typed 'null', two 'string', after the one example in which they were so",
        several(*(put(*setting, who, value=BOOLSET) for setting in SETTINGS for who in FIXED)),
    ),
    Repair(
        "a file may have no metadata",
        "§4.4: a map or null; null in the document's own example of GET /file",
        put("FileResponse", "properties", "metadata", "type", value=["object", "null"]),
    ),
    Repair(
        "there may be no context_hint",
        "§4.4: a UUID or null; what it recalls passes the checks of a share by (GHSA-vx2m-jpxr-xv7w), so none is given",
        put("ListResponse", "properties", "context_hint", "type", value=["string", "null"]),
    ),
    Repair(
        "a content need not say who made it",
        "§4.4: `created_by?`",
        unrequire("Entity", "created_by"),
    ),
    Repair(
        "an upload's id is any word",
        "§3.4: ids are opaque to all clients",
        data("PUT /file/upload", lambda was: {**was, "properties": {**was["properties"], "session_id": TEXT}}),
    ),
    Repair(
        "the id of a sign-in by passkey is any word, and its options bear their own names",
        "§3.4; options 'require' a ULID of the page's maker",
        data(
            "PUT /session/authn",
            {
                "type": "object",
                "properties": {"session_id": TEXT, "options": {"type": "object"}},
                "required": ["options"],
            },
        ),
    ),
    Repair(
        "captchas of one kind need no settings of the others",
        "§4.3: all fields are left out where they are empty; missing in the document's own example",
        several(
            *(unrequire("SiteConfig", field) for field in ("captcha_cap_site_key", "captcha_cap_instance_url")),
        ),
    ),
    Repair(
        "a viewer is called by its own name, and need not have what it does not use",
        "§4.3: the kinds stand at `display_name`, and `icon`, `max_size` and `url` are left out where they are empty",
        viewer,
    ),
    Repair(
        "where errors are skipped, an address may be missing",
        "§4.6: with `skip_error` those that failed are empty objects",
        answered("POST /file/url", lambda good: urls_of(good).pop("required")),
    ),
    Repair(
        "the site says more",
        "§4.3: `default_viewer_mapping`, `full_text_search` and `show_encryption_status` of the section explorer",
        put("SiteConfig", "additionalProperties", value=True),
    ),
    Repair(
        "app accounts are listed in an object",
        "the document's own example has an object where its schema has a list of one",
        data("GET /devices/dav", lambda was: was["items"]),
    ),
    Repair(
        "several downloads are several tasks",
        "the document's own example of POST /workflow/download is a list",
        data("POST /workflow/download", lambda was: {"type": "array", "items": was}),
    ),
    Repair(
        "what a task is about is of any type",
        "lists, numbers and objects in the document's own example of GET /workflow",
        put("TaskResponse", "properties", "summary", "properties", "props", value={"type": "object"}),
    ),
    Repair(
        "who is signed out is told nothing",
        "§1.1: `data` is left out where there is none",
        answered("DELETE /session/token", without_data),
    ),
    Repair(
        "there may be no progress",
        "the document has a second answer 'No available progress', without data",
        answered("GET /workflow/progress/{id}", lambda good: good["required"].remove("data")),
    ),
]


@cache
def raw() -> str:
    return document("reference/cloudreve-openapi.json").read_text()


def cloudreve(left_out: Repair | None = None) -> dict:
    """The document, repaired."""
    root = as_json_schema(json.loads(raw()))
    for operation in OUT:
        method, path = operation.split(" ")
        del root["paths"][path][method.lower()]
    envelope(root)
    for repair in OF_REQUESTS + REPAIRS:
        if repair is not left_out:
            repair.apply(root)
    return root


def answer_of(root: dict, operation: str) -> dict:
    return {**answers(root)[operation]["schema"], "components": root["components"]}


def operations() -> list[str]:
    """With an answer in JSON, for lists of tests; none where the document is not at hand."""
    try:
        return sorted(answers(cloudreve()))
    except pytest.skip.Exception:
        return []
