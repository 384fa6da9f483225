"""The loader of Compose files against the real Compose, on a corpus that uses every element of the specification."""

from pathlib import Path
from subprocess import CalledProcessError

import pytest

from tests.components import missing
from tests.contract.compose_case import CORPUS, Case, manifests
from tests.testbed.docker.compose import compose
from tests.testbed.golang import Missing
from trueup.model.errors import DeclarationError

CASES = [Case(folder.name) for folder in sorted(CORPUS.iterdir())]
WHOLE = [case for case in CASES if not case.faults]
BROKEN = [case for case in CASES if case.faults]
STRICTER = {"build-more", "dockerfiles", "unknown-tag", "dollar-in-env-file", "unsupported", "x-trueup", "outside"}
"""What Compose takes and we do not: it ignores it, warns of it, or does it where we cannot."""

UNSTEADY = {"extends"}
"""Compose goes through services in no fixed order: of a reset in a chain of `extends` it does not say the same each time."""


@pytest.fixture(autouse=True, scope="module")
def _judge() -> None:
    try:
        compose()
    except Missing as error:
        missing(str(error))


@pytest.mark.parametrize("case", [case for case in CASES if case.is_understood], ids=lambda case: case.name)
def test_a_project_means_what_compose_says(case: Case, tmp_path: Path) -> None:
    loaded, judged = case.loaded(), case.judged(tmp_path)
    for attempt in map(str, range(4 if case.name in UNSTEADY else 0)):
        if judged != loaded:
            (tmp_path / attempt).mkdir()
            judged = case.judged(tmp_path / attempt)
    assert loaded == judged


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
def test_every_service_becomes_a_manifest(case: Case) -> None:
    rendered = manifests(case.files, case.options)
    assert {each.key.name for each in rendered if each.key.kind == "Service"} == set(case.loaded()["services"])


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_every_fault_is_told_with_its_place_and_what_to_do(case: Case) -> None:
    with pytest.raises(DeclarationError) as caught:
        manifests(case.files, case.options)
    assert [str(fault).removeprefix("shop/") for fault in caught.value.faults] == case.faults
    assert all(fault.line and fault.hint for fault in caught.value.faults)


@pytest.mark.parametrize("case", [case for case in BROKEN if case.name not in STRICTER], ids=lambda case: case.name)
def test_what_is_refused_is_refused_by_compose_too(case: Case, tmp_path: Path) -> None:
    with pytest.raises(CalledProcessError):
        case.judged(tmp_path)
