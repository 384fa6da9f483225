"""What targets have for renders, remembered."""

from pathlib import Path
from typing import Any, cast

import pytest

from trueup.engine.offers import TargetOffers
from trueup.engine.targets import Targets
from trueup.model.application import Target, TargetSpec
from trueup.model.errors import Unwritable

TARGET = Target("/repository", "here", TargetSpec(runtime="memory"), "trueup.yaml")


class Saying:
    """Targets that have one thing."""

    def __init__(self) -> None:
        self.asked = 0

    async def offers(self, _target: Target) -> dict[str, Any]:
        self.asked += 1
        return {"apiVersions": ["v1"]}


async def test_a_target_is_asked_once_and_what_it_said_outlives_the_process(tmp_path: Path) -> None:
    saying = Saying()
    for _ in range(2):
        offers = TargetOffers(cast(Targets, saying), lambda target: tmp_path / "offers" / f"{target.name}.json")
        await offers.refresh(TARGET)
        await offers.refresh(TARGET)
        known = offers.known(TARGET)
        assert known is not None
        assert known.values == {"apiVersions": ["v1"]}
    assert saying.asked == 2, "once for each process"


async def test_what_cannot_be_remembered_is_the_operators_to_mend_and_hurts_nobody_who_only_looks_again(tmp_path: Path) -> None:
    (tmp_path / "offers").write_text("no folder")
    offers = TargetOffers(cast(Targets, Saying()), lambda target: tmp_path / "offers" / f"{target.name}.json")
    with pytest.raises(Unwritable) as raised:
        await offers.look(TARGET)
    assert (raised.value.retry, str(tmp_path) in raised.value.where) == (True, True)
    await offers.refresh(TARGET)
