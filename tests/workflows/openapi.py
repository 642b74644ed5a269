"""Validate requests and answers against the reduced OpenAPI description (`openapi.json`)."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

FIXTURE = Path(__file__).with_name("openapi.json")
URN = "urn:github"
# Path parameters that may hold slashes; every other one is a single segment.
WIDE = {"path", "ref", "basehead", "branch", "tag", "environment_name"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path, e.g. `POST /repos/{owner}/{repo}/issues`."""

    method: str
    path: str
    spec: dict[str, Any]
    pattern: re.Pattern[str]

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def permissions(self) -> list[str]:
        """`scope:level`; any one of them suffices."""
        return list(self.spec["permissions"])


class Description:
    """The parsed fixture with matchers and cached validators."""

    def __init__(self, path: Path = FIXTURE) -> None:
        # Absolute references, so that a schema taken out of the document still resolves.
        text = path.read_text().replace('"#/components/', f'"{URN}#/components/')
        self.document = json.loads(text)
        self.registry: Registry[Any] = Registry().with_resource(
            URN, Resource.from_contents(self.document, default_specification=DRAFT7)
        )
        self.operations = [
            Operation(method=method, path=template, spec=spec, pattern=_pattern(template))
            for template, methods in self.document["paths"].items()
            for method, spec in methods.items()
        ]
        # Literal segments win over parameters: /releases/latest before /releases/{release_id}.
        self.operations.sort(key=lambda op: (op.path.count("{"), -len(op.path)))
        self._accepted: set[bytes] = set()

    def match(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        for operation in self.operations:
            if operation.method == method and (found := operation.pattern.fullmatch(path)):
                return operation, {k: unquote(v) for k, v in found.groupdict().items()}
        return None

    @functools.cache  # noqa: B019 - one description lives as long as the test session
    def _validator(self, key: str, part: str) -> jsonschema.Draft7Validator:
        operation = next(op for op in self.operations if op.key == key)
        schema = (
            operation.spec["body"]["schema"]
            if part == "body"
            else operation.spec["responses"][part]
        )
        return jsonschema.Draft7Validator(schema, registry=self.registry)

    def request_problems(
        self, operation: Operation, query: dict[str, list[str]], content_type: str, body: bytes
    ) -> list[str]:
        """What GitHub's description does not allow in this request.

        Stricter than GitHub in one respect: parameters and properties it would ignore are problems too,
        because a client that sends them believes in something that does not happen.
        """
        problems = []
        known = {p["name"]: p for p in operation.spec["parameters"] if p["in"] == "query"}
        for name, values in query.items():
            if name not in known:
                problems.append(f"unknown query parameter {name}")
                continue
            schema = known[name].get("schema", {})
            value: Any = values[-1]
            if schema.get("type") == "integer":
                value = int(value) if value.lstrip("-").isdigit() else value
            elif schema.get("type") == "boolean":
                value = {"true": True, "false": False}.get(value.lower(), value)
            validator = jsonschema.Draft7Validator(schema, registry=self.registry)
            problems += [f"query {name}: {e.message}" for e in validator.iter_errors(value)]
        problems += [
            f"missing query parameter {name}"
            for name, p in known.items()
            if p.get("required") and name not in query
        ]
        expected = operation.spec.get("body")
        if expected is None:
            if body and body != b"null" and operation.method != "GET":
                problems.append("a body where none is described")
            return problems
        if expected["type"] != "application/json":
            return problems
        if not body:
            return problems + (["body missing"] if expected["required"] else [])
        try:
            value = json.loads(body)
        except ValueError as error:
            return [*problems, f"body is not JSON: {error}"]
        if "json" not in content_type:
            problems.append(f"Content-Type is {content_type!r}")
        properties = expected["schema"].get("properties")
        if properties and isinstance(value, dict):
            problems += [
                f"unknown body property {name}" for name in value if name not in properties
            ]
        problems += [
            f"body {error.json_path}: {error.message[:200]}"
            for error in self._validator(operation.key, "body").iter_errors(value)
        ]
        return problems

    def response_problems(self, operation: Operation, status: int, value: Any) -> list[str]:
        """Where one of the fake's own answers departs from the description."""
        if status >= 400:
            return []
        code = str(status)
        if code not in operation.spec["responses"]:
            return [f"status {status} is not described for {operation.key}"]
        schema = operation.spec["responses"][code]
        if schema is None:
            return []
        digest = hashlib.sha256(
            f"{operation.key} {code} ".encode() + json.dumps(value, sort_keys=True).encode()
        ).digest()
        if digest in self._accepted:
            return []
        validator = self._validator(operation.key, code)
        if isinstance(value, list) and schema.get("type") == "array":
            problems = [p for item in value for p in self._item_problems(operation, code, item)]
        else:
            problems = [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(value)]
        if not problems:
            self._accepted.add(digest)
        return problems

    def _item_problems(self, operation: Operation, code: str, item: Any) -> list[str]:
        digest = hashlib.sha256(
            f"{operation.key} {code} item ".encode() + json.dumps(item, sort_keys=True).encode()
        ).digest()
        if digest in self._accepted:
            return []
        validator = self._validator(operation.key, code)
        problems = [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors([item])]
        if not problems:
            self._accepted.add(digest)
        return problems


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    text = ""
    for index, part in enumerate(parts):
        if index % 2:
            text += f"(?P<{part}>{'.+' if part in WIDE else '[^/]+'})"
        else:
            text += re.escape(part)
    return re.compile(text)


def complete(description: Description, schema: Any, partial: Any) -> Any:
    """`partial` with every required field it lacks filled in by a dull value that fits the schema.

    GitHub's objects carry dozens of URLs nobody reads; handlers state what matters and this adds the rest.
    """
    schema = _resolved(description, schema)
    if isinstance(partial, list) and "items" in schema:
        return [complete(description, schema["items"], item) for item in partial]
    if not isinstance(partial, dict):
        return partial
    result = dict(partial)
    properties = schema.get("properties", {})
    for name, value in partial.items():
        if name in properties and isinstance(value, (dict, list)):
            result[name] = complete(description, properties[name], value)
    for name in schema.get("required", []):
        if name not in result:
            result[name] = _filler(description, properties.get(name, {}))
    return result


def _resolved(description: Description, schema: dict[str, Any]) -> dict[str, Any]:
    while True:
        if "$ref" in schema:
            schema = description.document["components"]["schemas"][schema["$ref"].split("/")[-1]]
        elif "allOf" in schema and "properties" not in schema:
            schema = schema["allOf"][0]
        elif "properties" not in schema and (options := schema.get("anyOf") or schema.get("oneOf")):
            schema = next((o for o in options if o.get("type") != "null"), options[0])
        else:
            return schema


def _nullable(schema: dict[str, Any]) -> bool:
    kinds = schema.get("type")
    options = schema.get("anyOf") or schema.get("oneOf") or []
    return (isinstance(kinds, list) and "null" in kinds) or any(
        o.get("type") == "null" for o in options
    )


def _filler(description: Description, schema: dict[str, Any]) -> Any:
    if _nullable(schema):
        return None
    schema = _resolved(description, schema)
    if _nullable(schema):
        return None
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        return complete(description, schema, {})
    return {"string": "", "integer": 0, "number": 0, "boolean": False, "array": []}.get(
        str(kind), {}
    )
