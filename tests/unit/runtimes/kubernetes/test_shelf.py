"""What a watch knows, and what a new state means."""

from typing import Any

import msgspec

from tests.unit.runtimes.kubernetes.objects import CONFIG_MAPS, MARKS, config_map, managed, marked
from trueup.model.health import State
from trueup.model.manifest import Body, Key
from trueup.runtimes.kubernetes.shelf import Shelf

KEY = Key("ConfigMap", "page", "", "shop")
OURS = managed("trueup", {"f:data": {"f:colour": {}}}, "Apply")


def shelf() -> Shelf:
    return Shelf(CONFIG_MAPS, lambda body: State(body.get("state", "healthy")))


def item(version: int, data: dict[str, Any], **more: Any) -> bytes:
    body = marked(config_map(data, managedFields=[OURS], resourceVersion=str(version)))
    listed: Body = {name: value for name, value in {**body, **more}.items() if name not in ("kind", "apiVersion")}
    return msgspec.json.encode(listed)


def moved(here: Shelf, one: bytes) -> bool:
    step = here.put(one)
    return step is not None and here.moved(step) is not None


def test_an_object_is_found_by_its_key_and_by_its_set() -> None:
    here = shelf()
    here.put(item(1, {"colour": "red"}))
    found = here.get(KEY)
    assert found is not None
    assert (found.body["kind"], found.body["data"]) == ("ConfigMap", {"colour": "red"})
    assert [live.key for live in here.of_set(MARKS.id)] == [KEY]
    assert here.drop(KEY)
    assert list(here.of_set(MARKS.id)) == []


def test_what_is_not_recent_is_packed_and_told_as_it_was() -> None:
    here = shelf()
    for number in range(300):
        metadata = {**marked(config_map({}))["metadata"], "name": f"page-{number}", "resourceVersion": "1"}
        here.put(msgspec.json.encode({"metadata": metadata, "data": {"text": "much " * 200}}))
    assert sum(map(len, (each.item for each in here._entries.values()))) < 300_000
    assert [here.get(Key("ConfigMap", f"page-{number}", "", "shop")) is not None for number in range(300)] == [True] * 300
    assert {live.body["data"]["text"] for live in here.of_set(MARKS.id)} == {"much " * 200}
    assert moved(here, item(2, {"colour": "red"}))


def test_an_older_state_changes_nothing() -> None:
    here = shelf()
    here.put(item(10, {"colour": "red"}))
    assert here.put(item(9, {"colour": "blue"})) is None
    found = here.get(KEY)
    assert found is not None
    assert found.body["data"] == {"colour": "red"}


def test_it_moves_with_what_a_plan_sees_and_with_its_health() -> None:
    here = shelf()
    assert moved(here, item(1, {"colour": "red", "count": "1"}))
    assert not moved(here, item(2, {"colour": "red", "count": "2"}))
    assert moved(here, item(3, {"colour": "blue", "count": "2"}))
    assert not moved(here, item(4, {"colour": "blue", "count": "2"}, status={"phase": "x"}))
    assert moved(here, item(5, {"colour": "blue", "count": "2"}, state="degraded"))


def test_what_a_new_list_lacks_is_told() -> None:
    here = shelf()
    here.put(item(1, {}))
    assert here.without([]) == [KEY]
    assert here.without([KEY]) == []
