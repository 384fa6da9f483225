"""No value of a secret shows where a real server has a part in it; for values of every look, see ``test_secrets_everywhere``."""

import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.end_to_end.kubernetes.shop import Shop
from trueup.model.application import Policy
from trueup.model.errors import RuntimeFault
from trueup.model.manifest import Body
from trueup.model.wire import encode

NOTE = "kubectl.kubernetes.io/last-applied-configuration"


def forms(value: str) -> list[str]:
    """What a value looks like: itself, base64, and as JSON writes it."""
    return [value, base64.b64encode(value.encode()).decode(), json.dumps(value)[1:-1]]


def secret(shop: Shop, value: str, name: str = "database") -> Body:
    return shop.body(
        "v1", "Secret", name, {"stringData": {"password": value}, "data": {"again": base64.b64encode(value.encode()).decode()}}
    )


async def said(shop: Shop, *steps: object) -> AsyncIterator[str]:
    """Everything that the runtime says on the way."""
    for step in steps:
        desired = shop.desired(step, policy=Policy(adopt=True, self_heal="strict")) if step else shop.desired()  # type: ignore[arg-type]
        try:
            plan = await shop.plan(desired)
            outcomes = [outcome async for outcome in shop.runtime.apply(desired, plan.changes)]
            live = await shop.runtime.live(shop.owner, plan.actions[0].key)
            healths = await shop.runtime.health(desired, {action.key: "" for action in plan.actions})
        except RuntimeFault as fault:
            yield f"{fault} {fault.where} {fault.hint} {fault!r}"
            continue
        for each in (plan, outcomes, live, list(healths.values())):
            yield repr(each) + encode(each).decode()


@pytest.fixture
def overheard(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


async def test_what_kubectl_noted_of_a_secret_does_not_show_when_it_is_taken_over(shop: Shop, overheard: pytest.LogCaptureFixture) -> None:
    value = "correct-horse-battery"
    shop.kubectl("apply", "-f", "-", given=shop.body("v1", "Secret", "database", {"stringData": {"password": value, "old": value}}))
    assert value in shop.get("secrets", "database")["metadata"]["annotations"][NOTE]
    told = "\n".join([text async for text in said(shop, secret(shop, "staple-of-another"))] + overheard.messages)
    assert not [form for each in (value, "staple-of-another") for form in forms(each) if form in told]
    assert "(secret)" in told


async def test_a_server_that_quotes_a_secret_is_not_repeated(shop: Shop) -> None:
    value = "correct-horse-battery"
    for fields in ({"data": {"password": value}}, {"data": {"password": value + "!"}, "type": "kubernetes.io/tls"}, {"immutable": value}):
        told = "\n".join([text async for text in said(shop, shop.body("v1", "Secret", "database", fields))])
        assert "was refused" in told
        assert value not in told or "immutable" in fields


async def test_a_secret_changed_by_hand_is_drift_that_shows_no_value(shop: Shop) -> None:
    desired = shop.desired(secret(shop, "correct-horse-battery"))
    await shop.make(desired)
    shop.patch("secrets", "database", {"stringData": {"password": "put-there-by-hand"}})
    action = await shop.action(desired)
    assert [(each.path, each.before, each.after) for each in action.changes] == [("data.password", "(secret)", "(secret)")]
    await shop.make(desired)
    assert base64.b64decode(shop.get("secrets", "database")["data"]["password"]) == b"correct-horse-battery"
    assert await shop.changes(desired) == {}
