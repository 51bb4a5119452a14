"""Write src/vultus/client/operations from the service's own description; run it when that changes.

A module for each tag: the answers as dataclasses, and for each operation a function that makes the
`Call`. `python scripts/client_operations.py --check` says whether they are up to date.
"""

import json
import keyword
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from vultus.server.app import ROUTERS

FOLDER = Path(__file__).resolve().parent.parent / "src" / "vultus" / "client" / "operations"
HEAD = '"""Operations of the service: {tag}. Written by scripts/client_operations.py."""\n'
NOT_CALLED = ("session", "page", "live", "metrics")
"""Tags that are the browser's or the operator's."""
CHANGES_NOTHING = re.compile(
    r"detect|quality|embeddings|/verify$|/crop$|/cluster$|/identify|/search$|audit/verify"
)
"""Addresses of POST that may be asked twice: of decisions two events are the worst."""
CARRIED = "Vultus-Position"
"""A header that clients carry from answer to request by themselves."""
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


class Writer:
    """Turns a description into modules.

    Args:
        told: The description, OpenAPI 3.1.
        names: Method and path -> name of the function that answers it.
    """

    def __init__(self, told: dict[str, Any], names: dict[tuple[str, str], str]) -> None:
        self._schemas = told["components"]["schemas"]
        self._home: dict[str, str] = {}
        self._settling: set[str] = set()
        self._by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
        self._names = names
        for path, methods in told["paths"].items():
            for method, operation in methods.items():
                tag = operation["tags"][0]
                if tag not in NOT_CALLED and "text/event-stream" not in _answer_kinds(operation):
                    self._by_tag.setdefault(tag, []).append((method, path, operation))
        for tag, operations in self._by_tag.items():
            for _, _, operation in operations:
                if (kind := _answer_ref(operation)) is not None:
                    self._settle(kind, tag)

    def modules(self) -> dict[str, str]:
        """The text of each module, not yet formatted."""
        return {tag: self._module(tag) for tag in self._by_tag}

    def _settle(self, name: str, tag: str) -> None:
        """Whose module has a schema, and those that it is made of."""
        if name not in self._home and name not in self._settling:
            self._settling.add(name)
            for inner in re.findall(
                r'"#/components/schemas/(\w+)"', json.dumps(self._schemas[name])
            ):
                self._settle(inner, tag)
            self._home[name] = tag  # after what it is made of

    def _module(self, tag: str) -> str:
        functions = [self._function(*operation) for operation in self._by_tag[tag]]
        classes = [self._class(name) for name, home in self._home.items() if home == tag]
        body = "\n\n".join([*classes, *functions])
        lines = [
            HEAD.format(tag=tag),
            "from collections.abc import Mapping, Sequence",
            "from dataclasses import dataclass",
            "from typing import Any, Literal",
            "from vultus.client.call import UNSET, Call, Unset, quoted",
            "from vultus.client.photos import Photo",
        ]
        for name, home in sorted(self._home.items()):
            if home != tag and re.search(rf"\b{name}\b", body):
                lines.append(f"from vultus.client.operations.{home} import {name}")
        return "\n".join([*lines, "", body])

    def _class(self, name: str) -> str:
        schema = self._schemas[name]
        required = schema.get("required", [])
        fields = sorted(schema.get("properties", {}).items(), key=lambda f: f[0] not in required)
        told = [f"        {key}: {_sentence(f, key)}" for key, f in fields]
        lines = ["@dataclass(frozen=True, slots=True, kw_only=True)", f"class {name}:"]
        lines.append(f'    """{_sentence(schema, name)}\n\n    Attributes:')
        lines += [*told, '    """\n']
        for key, field in fields:
            kind = self._kind(field)
            default = "" if key in required else f" = {_default(field, kind)}"
            if default == " = None" and "None" not in kind:
                kind = f"{kind} | None"
            lines.append(f"    {key}: {kind}{default}")
        return "\n".join(lines)

    def _kind(self, schema: dict[str, Any], *, given: bool = False) -> str:
        """As Python says it; what is given may be any sequence or mapping."""
        if "$ref" in schema:
            return "Mapping[str, Any]" if given else str(schema["$ref"].rpartition("/")[2])
        if "anyOf" in schema:
            kinds = [self._kind(part, given=given) for part in schema["anyOf"]]
            return " | ".join(dict.fromkeys(kinds))
        if "enum" in schema or "const" in schema:
            values = schema.get("enum", [schema.get("const")])
            return f"Literal[{', '.join(json.dumps(value) for value in values)}]"
        if schema.get("type") == "array":
            inner = self._kind(
                (schema.get("prefixItems") or [schema.get("items", {})])[0], given=given
            )
            return f"Sequence[{inner}]" if given else f"tuple[{inner}, ...]"
        if _is_file(schema):
            return "Photo"
        if schema.get("type") == "object":
            return "Mapping[str, Any]" if given else "dict[str, Any]"
        return _PLAIN.get(str(schema.get("type")), "Any")

    def _function(self, method: str, path: str, operation: dict[str, Any]) -> str:
        name = self._names[method.upper(), path]
        gives = _answer_ref(operation) or _plain_answer(operation)
        parameters = [p for p in operation.get("parameters", []) if p["name"] != CARRIED]
        in_path = [p["name"] for p in parameters if p["in"] == "path"]
        kinds = {p["name"]: self._kind(p["schema"], given=True) for p in parameters}
        told = {p["name"]: _sentence(p, p["name"]) for p in parameters}
        arguments = [f"{key}: {kinds[key]}" for key in in_path]
        address = re.sub(r"\{(\w+)\}", r"{quoted(\1)}", path)
        parts = [f'"{method.upper()}"', f'f"{address}"' if in_path else f'"{path}"']
        parts.append({"None": "type(None)", "dict[str, Any]": "dict"}.get(gives, gives))
        named: list[str] = []
        for place in ("query", "header"):
            sent = [p for p in parameters if p["in"] == place]
            for p in sent:
                kind = kinds[p["name"]]
                kind = kind if p.get("required") else _or_unset(kind.replace(" | None", ""))
                named.append(f"{_variable(p['name'])}: {kind}")
            if sent:
                pairs = ", ".join(
                    f'"{_header(p["name"], place)}": {_variable(p["name"])}' for p in sent
                )
                parts.append(f"{'query' if place == 'query' else 'headers'}={{{pairs}}}")
        more, body, about = self._body(operation)
        named = [*more, *named]
        told |= about
        parts += body
        if method in ("get", "put", "delete", "patch") or CHANGES_NOTHING.search(path):
            parts.append("repeatable=True")
        if any(p["name"].lower() == "idempotency-key" for p in parameters):
            parts.append("keyed=True")
        if named:
            named.sort(key=lambda argument: "= UNSET" in argument)
            arguments += ["*", *named]
        lines = [f"def {name}({', '.join(arguments)}) -> Call[{gives}]:"]
        lines.append(f'    """{_summary(operation)}')
        if told:
            lines.append("\n    Args:")
            lines += [f"        {_variable(key)}: {words}" for key, words in told.items()]
        lines.append('    """')
        return "\n".join([*lines, f"    return Call({', '.join(parts)})"])

    def _body(self, operation: dict[str, Any]) -> tuple[list[str], list[str], dict[str, str]]:
        """Arguments, what of the call they make, and what they are."""
        content = operation.get("requestBody", {}).get("content", {})
        if not content:
            return [], [], {}
        form = content.get("multipart/form-data")
        schema = (form or content.get("application/json", {})).get("schema", {})
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        fields = schema.get("properties", {})
        if not fields:
            return ["body: Mapping[str, Any]"], ["body=body"], {"body": "As the guide has it."}
        required = schema.get("required", [])
        arguments = []
        for key, field in fields.items():
            kind = self._kind(field, given=True)
            if form and key == "metadata":  # a JSON text in the form
                kind = "Mapping[str, Any]"
            if form:
                kind = kind.replace(" | None", "")
            arguments.append(f"{key}: {kind if key in required else _or_unset(kind)}")
        about = {key: _sentence(field, key) for key, field in fields.items()}
        if not form:
            return arguments, [f"body={{{_pairs(fields)}}}"], about
        files = [key for key, field in fields.items() if "Photo" in self._kind(field, given=True)]
        sent = [f"form={{{_pairs(key for key in fields if key not in files)}}}"]
        return arguments, [*sent, f"files={{{_pairs(files)}}}"], about


def _pairs(names: Any) -> str:
    return ", ".join(f'"{name}": {name}' for name in names)


def _is_file(schema: dict[str, Any]) -> bool:
    return schema.get("format") == "binary" or "octet-stream" in schema.get("contentMediaType", "")


def _or_unset(kind: str) -> str:
    if kind.endswith(" | None"):
        return f"{kind.removesuffix(' | None')} | Unset | None = UNSET"
    return f"{kind} | Unset = UNSET"


def _header(name: str, place: str) -> str:
    return name.title() if place == "header" else name


def _variable(name: str) -> str:
    plain = name.lower().replace("-", "_")
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def _sentence(schema: dict[str, Any], name: str) -> str:
    words = schema.get("description") or f"{name.replace('_', ' ').capitalize()}."
    return " ".join(words.split()).replace("\\", "\\\\")


def _summary(operation: dict[str, Any]) -> str:
    first = operation.get("description", operation["summary"]).split("\n\n")[0]
    return " ".join(first.split())


def _default(schema: dict[str, Any], kind: str) -> str:
    if schema.get("default") is not None and not isinstance(schema["default"], (list, dict)):
        return repr(schema["default"])
    return "()" if kind.startswith("tuple") else "None"


def _answer(operation: dict[str, Any]) -> dict[str, Any]:
    return next(v for k, v in operation["responses"].items() if str(k).startswith("2"))


def _answer_kinds(operation: dict[str, Any]) -> list[str]:
    return list(_answer(operation).get("content", {}))


def _answer_ref(operation: dict[str, Any]) -> str | None:
    schema = _answer(operation).get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else None


def _plain_answer(operation: dict[str, Any]) -> str:
    kinds = _answer_kinds(operation)
    if not kinds:
        return "None"
    return "dict[str, Any]" if "application/json" in kinds else "bytes"


def written() -> dict[str, str]:
    """File name -> text, formatted as the rest."""
    app = FastAPI()
    names: dict[tuple[str, str], str] = {}
    for router in ROUTERS:
        app.include_router(router)
        for route in router.routes:
            if isinstance(route, APIRoute):
                names |= {(method, route.path): route.name for method in route.methods or ()}
    modules = Writer(app.openapi(), names).modules()
    texts = {f"{tag}.py": text for tag, text in modules.items()}
    listed = ", ".join(sorted(modules))
    about = f'"""What can be asked of a service, by its parts: {listed}."""\n'
    return {name: _formatted(text) for name, text in {**texts, "__init__.py": about}.items()}


def _formatted(text: str) -> str:
    ruff = [sys.executable, "-m", "ruff"]
    for arguments in (
        ["check", "--fix", "--quiet", "--select", "F401,I,UP037", "--stdin-filename", "x.py", "-"],
        ["format", "--quiet", "-"],
    ):
        text = subprocess.run(
            [*ruff, *arguments], input=text, text=True, capture_output=True, check=True
        ).stdout
    return text


def main() -> int:
    """Write them, or say whether they are as written."""
    texts = written()
    if "--check" in sys.argv:
        kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}
        differ = sorted(
            name for name in texts.keys() | kept.keys() if texts.get(name) != kept.get(name)
        )
        print("\n".join(f"not up to date: {name}" for name in differ))
        return bool(differ)
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
