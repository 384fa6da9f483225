"""Objects of many kinds, as people write them, are as Git says once they are applied: ``tests/cases/kubernetes/kinds.yaml``."""

from pathlib import Path
from typing import cast

from tests.end_to_end.kubernetes.shop import Shop
from trueup.model.manifest import Body
from trueup.model.plan import Verb
from trueup.toolkit.documents import read

KINDS = Path(__file__).parents[2] / "cases" / "kubernetes" / "kinds.yaml"


async def test_what_was_applied_of_any_kind_is_no_change(shop: Shop) -> None:
    bodies = [cast(Body, document.body) for document in read(KINDS.read_bytes(), str(KINDS))]
    for body in bodies:
        body["metadata"]["namespace"] = shop.namespace
        for subject in body.get("subjects", []):
            if subject["kind"] == "ServiceAccount":
                subject["namespace"] = shop.namespace
    desired = shop.desired(*bodies)
    assert set((await shop.changes(desired)).values()) == {Verb.CREATE}
    await shop.make(desired)
    # Nothing is remembered, so that the server is asked about each.
    for memory in ("fresh", "fresher"):
        shop.folder = shop.folder / memory
        async with shop.opened():
            plan = await shop.plan(desired)
            assert {str(action.key): [(each.path, each.before, each.after) for each in action.changes] for action in plan.changes} == {}
            assert plan.summary.unchanged == len(bodies)
