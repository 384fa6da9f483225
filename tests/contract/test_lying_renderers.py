"""Each sentence of the contract fails the renderer that lies in just that way."""

import dataclasses

import pytest

from tests.contract import lying_renderers as lying
from trueup.testing import RendererContract, Sample

HONEST = Sample(
    kind=lying.Lines(),
    files={"app/names.lines": b"web\nstore\n", "app/trueup.yaml": b"# the declaration\n"},
    edits={"app/names.lines": b"web\n"},
    appearing={"app/more.lines": b"more\n", "app/prefix": b"shop-"},
    broken={"app/names.lines": b"web\n\nstore\n"},
)

SABOTEURS: dict[str, list[type[lying.Lines]]] = {
    "same_inputs_make_same_manifests": [lying.NeverTheSame, lying.ReadsElsewhere],
    "a_render_reads_nothing_undeclared": [lying.ReadsElsewhere, lying.OverlooksAbsence],
    "the_inputs_are_those_of_the_tree": [lying.DeclaresNames],
    "what_makes_other_manifests_touches_an_input": [lying.DeclaresOnlyFolders, lying.OverlooksAbsence],
    "faults_have_a_file_and_a_line": [lying.ForgetsLines, lying.SkipsWhatIsBroken],
    "every_manifest_says_where_it_comes_from": [lying.ForgetsOrigins],
}


class TestLines(RendererContract):
    """The honest one."""

    sample = HONEST


def test_every_sentence_has_a_saboteur() -> None:
    assert {name for name in dir(RendererContract) if name.startswith("test_")} == {f"test_{sentence}" for sentence in SABOTEURS}


@pytest.mark.parametrize(("sentence", "liar"), [(sentence, liar) for sentence, liars in SABOTEURS.items() for liar in liars])
async def test_the_saboteur_is_caught(sentence: str, liar: type[lying.Lines]) -> None:
    contract = RendererContract()
    contract.sample = dataclasses.replace(HONEST, kind=liar())
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await getattr(contract, f"test_{sentence}")()
