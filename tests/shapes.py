"""What ``-o json`` prints, word by word, as a JSON Schema: the contract that scripts of others rely on."""

from typing import Any, Final

from jsonschema_rs import Draft202012Validator

Schema = dict[str, Any]


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _mapping(**keys: Schema) -> Schema:
    """With these keys, all of them and no others."""
    return {"type": "object", "additionalProperties": False, "required": list(keys), "properties": keys}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _words(*words: str) -> Schema:
    return {"enum": list(words)}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _or_empty(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"const": ""}]}


_ANYTHING: Final[Schema] = {}
_TEXT: Final[Schema] = {"type": "string"}
_NAME: Final[Schema] = {"type": "string", "minLength": 1}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_YES: Final[Schema] = {"type": "boolean"}
_COMMIT: Final = _reference("Commit")
_KEY: Final = _reference("Key")
_TIME: Final = _reference("Time")
_VERB: Final = _words("create", "update", "replace", "adopt", "delete", "unchanged")
_STATE: Final = _words("healthy", "suspended", "progressing", "unknown", "missing", "degraded")
_CHANGES: Final = _list(_mapping(path=_TEXT, before=_ANYTHING, after=_ANYTHING))
_WHERE: Final = {"repository": _NAME, "application": _NAME, "target": _NAME}
_API: Final = {"const": "trueup.dev/v1"}

_LISTED: Final = {
    "PlanList": _reference("Plan"),
    "StatusList": _mapping(
        **_WHERE,
        revision=_or_empty(_COMMIT),
        desiredRevision=_or_empty(_COMMIT),
        sync=_words("synced", "outOfSync", "progressing", "held", "failed", "unknown"),
        health=_STATE,
        message=_TEXT,
        lastRun=_TEXT,
    ),
    "DriftList": _mapping(**_WHERE, key=_KEY, changes=_CHANGES, by=_TEXT, since=_or_empty(_TIME)),
    "FaultList": _mapping(file=_TEXT, line=_COUNT, column=_COUNT, message=_NAME, hint=_TEXT),
    "ManifestList": _mapping(key=_KEY, origin=_reference("Origin"), manifest={"type": "object"}),
}

_DEFINITIONS: Final = {
    "Commit": {"type": "string", "pattern": r"^([0-9a-f]{40}|[0-9a-f]{64})$"},
    "Key": {"type": "string", "pattern": r"^[^/]+(/[^/]+){1,2}$"},
    "Time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
    "Hold": _mapping(kind=_words("paused", "approval", "owner", "bad revision", "rewound", "unsigned", "removal"), reason=_TEXT),
    "Origin": _mapping(file=_TEXT, line=_COUNT, commit=_or_empty(_COMMIT)),
    "ObjectHealth": _mapping(key=_KEY, state=_STATE, message=_TEXT),
    "Plan": _mapping(
        apiVersion=_API,
        kind={"const": "Plan"},
        **_WHERE,
        revision=_or_empty(_COMMIT),
        removal=_YES,
        digest=_NAME,
        held=_or_null(_reference("Hold")),
        summary=_mapping(create=_COUNT, update=_COUNT, replace=_COUNT, adopt=_COUNT, delete=_COUNT, unchanged=_COUNT),
        actions=_list(_reference("Action")),
    ),
    "Action": _mapping(
        verb=_VERB,
        key=_KEY,
        when=_words("always", "failed"),
        wave={"type": "integer"},
        after=_list(_KEY),
        effect=_words("none", "signal", "restart", "recreate"),
        verified=_YES,
        reason=_TEXT,
        changes=_CHANGES,
        origin=_reference("Origin"),
    ),
    "Run": _mapping(
        apiVersion=_API,
        kind={"const": "Run"},
        id={"type": "string", "pattern": "^[0-9a-f]{20}$"},
        **_WHERE,
        revision=_or_empty(_COMMIT),
        revisionExact=_YES,
        author=_TEXT,
        subject=_TEXT,
        actor=_TEXT,
        trigger=_words("push", "poll", "drift", "person", "retry", "rollback", "dependency"),
        of=_TEXT,
        plan=_TEXT,
        renderer=_TEXT,
        state=_words("running", "held", "succeeded", "failed", "superseded", "rolledBack"),
        message=_TEXT,
        hold=_or_null(_reference("Hold")),
        startedAt=_TIME,
        finishedAt=_or_null(_TIME),
        outcomes=_list(
            _mapping(
                key=_KEY, verb=_VERB, state=_words("done", "failed", "skipped"), message=_TEXT, seconds={"type": "number", "minimum": 0}
            )
        ),
        health=_mapping(state=_STATE, objects=_list(_reference("ObjectHealth"))),
    ),
    "RunList": _mapping(kind={"const": "RunList"}, items=_list(_reference("Run")), next=_or_null(_NAME)),
    "Why": _mapping(
        kind={"const": "Why"},
        application=_NAME,
        key=_KEY,
        field=_TEXT,
        desired=_ANYTHING,
        live=_ANYTHING,
        commit=_or_empty(_COMMIT),
        author=_TEXT,
        date=_or_null(_TIME),
        subject=_TEXT,
        file=_TEXT,
        line=_COUNT,
        exact=_YES,
        run=_TEXT,
        appliedAt=_or_null(_TIME),
        changedBy=_list(_mapping(manager=_TEXT, at=_or_empty(_TIME), changes=_CHANGES)),
    ),
    "HealthList": _mapping(kind={"const": "HealthList"}, state=_STATE, objects=_list(_reference("ObjectHealth"))),
    **{kind: _mapping(kind={"const": kind}, items=_list(item)) for kind, item in _LISTED.items()},
}

DOCUMENTS: Final = (*_LISTED, "RunList", "Why", "HealthList")
"""Every kind of document that a command prints."""

_VALIDATORS: Final = {kind: Draft202012Validator({**_reference(kind), "$defs": _DEFINITIONS}) for kind in DOCUMENTS}


def misshapen(document: Any) -> list[str]:
    """What of a document is not as the contract says: the place and why."""
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind not in DOCUMENTS:
        return [f"{kind!r} is no document of a command"]
    return [f"{'.'.join(map(str, fault.instance_path))}: {fault.message}" for fault in _VALIDATORS[kind].iter_errors(document)]
