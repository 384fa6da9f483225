"""A Compose runtime that lies is caught too, with a real engine behind it: no sentence holds there by accident."""

from pathlib import Path

import pytest

from tests.contract import liars
from tests.contract.compose_ground import ComposeGround
from tests.contract.test_saboteurs import SABOTEURS
from tests.testbed.docker.engine import Engine
from trueup.model.contracts import Runtime
from trueup.model.manifest import Body
from trueup.model.secret import Secret
from trueup.testing import RuntimeContract

POWERLESS = {
    # A name is given once: an engine refuses to make what is there, whatever a liar read of it.
    ("what_belongs_to_nobody_is_adopted_by_name_only", liars.NeverLooksAgain),
    # What is on its way when a walk is broken off is done by the engine all the same.
    ("interrupted_half_way_walking_again_finishes", liars.BelievesItsRecord),
}
LYING = [(sentence, liar) for sentence, lying in SABOTEURS.items() for liar in lying if (sentence, liar) not in POWERLESS]


@pytest.fixture(autouse=True)
def on_an_engine(engine: Engine) -> None:
    """One that is empty."""
    ComposeGround.engine = engine


@pytest.mark.parametrize(("sentence", "liar"), LYING)
async def test_the_saboteur_is_caught(sentence: str, liar: type[liars.Liar], tmp_path: Path) -> None:
    class LyingGround(ComposeGround):
        patience = 2.0

        def secret_bodies(self, secret: Secret, prefix: str) -> list[Body]:
            # Where these liars look for it; the manifests themselves hold nothing but its name.
            return [{**body, "stringData": {"password": secret}} for body in super().secret_bodies(secret, prefix)]

        async def open(self) -> Runtime:
            return liar(await super().open(), self)

    contract = RuntimeContract()
    contract.ground = LyingGround
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await getattr(contract, f"test_{sentence}")(tmp_path)
