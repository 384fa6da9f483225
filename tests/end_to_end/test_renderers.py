"""Applications that a program renders walk like any other."""

from pathlib import Path

import pytest

from tests.components import missing
from tests.end_to_end.estate import Estate, Files, application, documents, eventually, target, thing
from tests.testbed import programs
from tests.testbed.golang import Missing
from trueup.model.run import RunState

CONFINED = {"confine": "require"}


@pytest.fixture
def kustomize() -> dict[str, str]:
    """The settings that name the real program."""
    try:
        return {**CONFINED, "kustomize": str(programs.kustomize())}
    except Missing as error:
        missing(str(error))


OVERLAYS: Files = {
    "trueup.yaml": documents(target(), application("blue"), application("red"), application("other")),
    "blue/kustomization.yaml": "resources: [../base]\nnamePrefix: blue-\n",
    "red/kustomization.yaml": "resources: [../base]\nnamePrefix: red-\n",
    "base/kustomization.yaml": "resources: [a.yaml]\n",
    "base/a.yaml": documents(thing("a", size=1)),
    "other/b.yaml": documents(thing("b", size=1)),
}


async def test_a_base_changes_what_is_built_from_it_and_nothing_else(estate: Estate, kustomize: dict[str, str]) -> None:
    first = estate.commit(OVERLAYS)
    async with estate.operator(render=kustomize) as operator:
        assert {run.state for run in await operator.apply()} == {RunState.SUCCEEDED}
        assert estate.world().owners() == {"Thing/blue-a": "blue", "Thing/red-a": "red", "Thing/b": "other"}
        renders = operator.renders
        second = estate.commit({"base/a.yaml": documents(thing("a", size=2))})
        await operator.apply()
        assert await operator.revisions() == {"blue": second, "red": second, "other": first}
        assert operator.renders == renders + 2
    assert estate.world().specification("Thing/red-a") == {"size": 2}


async def test_a_missing_base_fails_its_application_until_it_is_there(estate: Estate, kustomize: dict[str, str]) -> None:
    estate.commit({path: content for path, content in OVERLAYS.items() if not path.startswith("base/")})
    async with estate.operator(render=kustomize) as operator:
        await operator.apply()
        assert estate.world().owners() == {"Thing/b": "other"}
        assert "`../base` does not exist" in (await operator.status("blue")).message
        estate.commit(OVERLAYS)
        await operator.apply()
    assert set(estate.world().owners()) == {"Thing/blue-a", "Thing/red-a", "Thing/b"}


async def test_without_the_program_an_application_fails_and_the_others_go_on(
    estate: Estate, tmp_path: Path, kustomize: dict[str, str]
) -> None:
    estate.commit(OVERLAYS)
    async with estate.operator(render={"kustomize": str(tmp_path / "nowhere")}) as operator:
        await operator.apply()
        assert "there is no" in (await operator.status("blue")).message
    assert estate.world().owners() == {"Thing/b": "other"}
    estate.commit({"README.md": "installed now"})
    async with estate.operator(render=kustomize) as operator:
        await operator.apply()
    assert set(estate.world().owners()) == {"Thing/blue-a", "Thing/red-a", "Thing/b"}


async def test_a_chart_walks_like_any_folder(estate: Estate) -> None:
    try:
        settings = {**CONFINED, "helm": str(programs.helm())}
    except Missing as error:
        missing(str(error))
    template = "apiVersion: memory.trueup.dev/v1\nkind: Thing\nmetadata: {name: a}\nspec: {size: {{ .Values.size }}}\n"
    chart: Files = {
        "trueup.yaml": documents(target(), application("web", path=".")),
        "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "values.yaml": "size: 1\n",
        "templates/a.yaml": template,
    }
    estate.commit(chart)
    async with estate.operator(render=settings) as operator:
        await operator.apply()
        assert operator.problem is None
        assert estate.world().specification("Thing/a") == {"size": 1}
        commit = estate.commit({"values.yaml": "size: 2\n"})
        await operator.apply()
        assert await operator.revisions() == {"web": commit}
    assert estate.world().specification("Thing/a") == {"size": 2}


async def test_a_machine_that_cannot_confine_says_so(estate: Estate, kustomize: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trueup.toolkit.porter.client.BOOT", "")
    estate.commit(OVERLAYS)
    async with estate.operator(render=kustomize) as operator:
        await operator.apply()
        assert "cannot be confined" in (await operator.status("blue")).message
        assert "renderers cannot be confined" in (await operator.engine.ready())[-1]
    assert estate.world().owners() == {"Thing/b": "other"}
    async with estate.served(render={**kustomize, "confine": "best"}) as operator:
        await eventually(lambda: "renderers run without a file system" in estate.log.getvalue())
        assert not [reason for reason in await operator.engine.ready() if "confined" in reason]
        assert "renderers run without a file system" in (await operator.engine.warnings())[0]
