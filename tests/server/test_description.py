import runpy
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from tests.server.test_app import FREE

from vultus.server.app import describe
from vultus.server.description import operations_of

ROOT = Path(__file__).resolve().parents[2]
TOLD = describe()
OPERATIONS = operations_of(TOLD)
JSON, FORM = "application/json", "multipart/form-data"


def test_the_description_in_the_docs_is_current() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "openapi_reference.py"))
    for name, made in (("openapi.json", "reference"), ("service.md", "page")):
        kept = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
        assert kept == script[made](), "run: python scripts/openapi_reference.py"


def test_the_service_tells_the_same(admin: httpx.Client) -> None:
    told = admin.get("/v1/openapi.json").json()
    assert told == TOLD
    assert told["openapi"].startswith("3.1")


def test_it_is_a_description_as_the_standard_has_it() -> None:
    jsonschema_rs.meta.validate({"$defs": TOLD["components"]["schemas"]})
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("key", OPERATIONS, ids=" ".join)
def test_an_operation_is_described_with_examples_that_fit(key: tuple[str, str]) -> None:
    operation = OPERATIONS[key]
    assert operation["description"]
    assert operation["tags"]
    assert ("x-role" in operation) == (key[1] not in FREE)
    bodies = [operation.get("requestBody", {})]
    bodies += [body for status, body in operation["responses"].items() if status < "4"]
    for body in bodies:
        for kind, content in body.get("content", {}).items():
            if kind in (JSON, FORM):
                _check(content["schema"], content["example"])
    errors = {status: body for status, body in operation["responses"].items() if status >= "4"}
    needed = {"500", "503"} if key[1] in FREE else {"401", "429", "500", "503"}
    assert needed <= set(errors)
    for status, body in errors.items():
        assert body == {"$ref": f"#/components/responses/Problem{status}"}
        content = TOLD["components"]["responses"][f"Problem{status}"]["content"]
        assert set(content) == {"application/problem+json"}


@pytest.mark.parametrize("key", OPERATIONS, ids=" ".join)
def test_every_text_that_is_sent_has_a_longest_length(key: tuple[str, str]) -> None:
    operation = OPERATIONS[key]
    for parameter in operation.get("parameters", ()):
        _check_length(parameter["schema"], parameter["name"])
    for content in operation.get("requestBody", {}).get("content", {}).values():
        _check_length(content["schema"], "body")


def _check(schema: dict[str, Any], example: Any) -> None:
    jsonschema_rs.validate({**schema, "components": TOLD["components"]}, example)


def _check_length(schema: dict[str, Any], where: str) -> None:
    if "$ref" in schema:
        _check_length(TOLD["components"]["schemas"][schema["$ref"].rpartition("/")[2]], where)
        return
    for part in schema.get("anyOf", ()):
        _check_length(part, where)
    for name, part in schema.get("properties", {}).items():
        _check_length(part, f"{where}.{name}")
    if schema.get("type") == "array":
        assert "maxItems" in schema, where
        _check_length(schema["items"], f"{where}[]")
    if schema.get("type") == "string" and schema.get("format") not in ("binary", "date"):
        bounded = {"maxLength", "enum", "const", "contentMediaType"} & set(schema)
        assert bounded, where
