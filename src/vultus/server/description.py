"""The service's description of itself (OpenAPI 3.1): errors said once, an example of everything."""

from collections.abc import Iterator, Mapping
from typing import Any

from vultus.server.positions import ANSWER_HEADER, tells_position
from vultus.server.positions import HEADER as POSITION
from vultus.server.problems import MEDIA_TYPE
from vultus.server.sessions import COOKIE

_JSON, _FORM = "application/json", "multipart/form-data"
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_ID = "5f0c6f8d2d7e4b1c9a3e8b7d6c5a4f3e"
_TIME = "2027-01-31T12:00:00+00:00"
_TEXT = {"schema": {"type": "string"}}
_HEADERS: Mapping[str, dict[str, Any]] = {
    "401": {"WWW-Authenticate": {"description": "How to show a key.", **_TEXT}},
    "405": {"Allow": {"description": "What this address takes.", **_TEXT}},
    "429": {"Retry-After": {"description": "Seconds to wait.", **_TEXT}},
    "503": {"Retry-After": {"description": "Seconds to wait.", **_TEXT}},
}
_REQUEST_ID = {"X-Request-ID": {"description": "As in the log.", **_TEXT}}

_SESSION = {
    "type": "apiKey",
    "in": "cookie",
    "name": COOKIE,
    "description": "A log-in of the page, in the same browser; what changes something takes "
    "X-CSRF-Token, too.",
}
_EXAMPLES: Mapping[str, Any] = {
    "at": _TIME,
    "audit": f"417:{'9f86d081884c7d65' * 4}",
    "audit_file": "people-5f0c6f8d2d7e.audit.jsonl",
    "box_xyxy": [212.4, 96.0, 301.7, 214.2],
    "code": "no-face",
    "consent": {"purpose": "door", "given_at": _TIME, "until": None},
    "csrf": "Zk2rVb6w",
    "deleted_at": _TIME,
    "deleted_by": "key 1a2b3c4d",
    "detail": "no face found in the photo; it must show one",
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "embedder": "mobilefacenet-y1",
    "enrolled_at": _TIME,
    "expires_at": _TIME,
    "external_id": "e-1017",
    "enrolled_by": "key 1a2b3c4d",
    "fmr": 0.001,
    "fnir": 0.02,
    "fpir": 0.01,
    "fpir_high": 0.013,
    "galleries": ["people"],
    "gallery": "5f0c6f8d2d7e4b1c9a3e8b7d6c5a4f3e",
    "gallery_size": 412,
    "groups": ["staff"],
    "head": f"417:{'9f86d081884c7d65' * 4}",
    "id": _ID,
    "identity": "Ada Lovelace",
    "into": _ID,
    "kept_at": _TIME,
    "key": "vultus_1a2b3c4d_the-secret-of-the-key-is-43-characters-long",
    "measures": {"sharpness": 0.72, "yaw_deg": -4.1},
    "merged_at": _TIME,
    "metadata": {"desk": 7},
    "n_impostor": 2_990_000,
    "name": "Ada Lovelace",
    "origin": "impostor pairs of this site",
    "person": _ID,
    "quality": 0.83,
    "request_id": "f3a1c09be2d74b65",
    "retain_until": _TIME,
    "score": 0.998,
    "similarity": 0.63,
    "source": None,
    "subject": _ID,
    "until": _TIME,
}
"""Of fields by name; what is not here is made up by its schema."""


def complete(told: dict[str, Any]) -> None:
    """Complete, in place, what FastAPI describes.

    Args:
        told: The document, as it can be written as JSON.
    """
    schemas = told["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    told["components"]["securitySchemes"]["session"] = _SESSION
    errors = told["components"].setdefault("responses", {})
    for (_, path), operation in operations_of(told).items():
        own = {POSITION: ANSWER_HEADER} if tells_position(path) else {}
        for status, response in list(operation["responses"].items()):
            if status >= "4":
                errors[f"Problem{status}"] = _error(status, response["description"])
                operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}
            else:
                response["headers"] = {**response.get("headers", {}), **own, **_REQUEST_ID}
                _give_examples(response, schemas)
        _give_examples(operation.get("requestBody", {}), schemas)
        if "security" in operation:
            operation["security"].append({"session": []})


def operations_of(told: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation by method and address."""
    return {
        (method.upper(), path): operation
        for path, methods in told["paths"].items()
        for method, operation in methods.items()
    }


def _error(status: str, phrase: str) -> dict[str, Any]:
    return {
        "description": phrase,
        "headers": {**_HEADERS.get(status, {}), **_REQUEST_ID},
        "content": {MEDIA_TYPE: {"schema": _PROBLEM}},
    }


def _give_examples(body: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    for kind, content in body.get("content", {}).items():
        schema = content.get("schema")
        if kind in (_JSON, _FORM) and schema and not {"example", "examples"} & set(content):
            content["example"] = _example(schema, schemas, "")


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str) -> Any:
    """Something that fits a schema."""
    if "$ref" in schema:
        found = schemas[schema["$ref"].rpartition("/")[2]]
        # A list of them is called by a name of its own, e.g. `threshold`.
        return _example(found, schemas, "" if "properties" in found else name)
    for told in _stated(schema, name):
        return told
    if "anyOf" in schema:
        parts = [part for part in schema["anyOf"] if part.get("type") != "null"]
        return _example(parts[0], schemas, name)
    if schema.get("type") == "object":
        return {
            key: _example(part, schemas, key) for key, part in schema.get("properties", {}).items()
        }
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})]
        return [_example(part, schemas, name.removesuffix("s")) for part in items]
    return _plain(schema)


def _stated(schema: Mapping[str, Any], name: str) -> Iterator[Any]:
    """What is said of it, the best first."""
    if "example" in schema:
        yield schema["example"]
    yield from schema.get("examples", ())
    if "const" in schema:
        yield schema["const"]
    yield from schema.get("enum", ())
    if name in _EXAMPLES and _fits(_EXAMPLES[name], schema):
        yield _EXAMPLES[name]
    if schema.get("default") is not None:
        yield schema["default"]


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether it is of the kind; a field of one name may be of several."""
    kinds = schema.get("anyOf", (schema,))
    return any(_is_of(value, kind) for kind in kinds)


def _is_of(value: Any, schema: Mapping[str, Any]) -> bool:
    if not isinstance(value, _TYPES.get(schema.get("type", ""), ())):
        return False
    if not isinstance(value, list):
        return True
    return all(_is_of(part, schema.get("items", {})) for part in value) or "prefixItems" in schema


def _plain(schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "string":
        return "..." if schema.get("format") != "binary" else "(bytes)"
    if kind == "integer":
        return max(1, schema.get("minimum", 1))
    if kind == "number":
        return min(0.5, schema.get("maximum", 0.5))
    return False if kind == "boolean" else None
