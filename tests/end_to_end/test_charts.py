"""Charts and their dependencies: in the repository, vendored, or in a real chart repository that the operator allows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components import missing
from tests.end_to_end.estate import Estate, Files, application, documents, target
from tests.testbed import programs
from tests.testbed.charts import ChartRepository, chart_repository
from tests.testbed.golang import Missing

TOKEN = "open-sesame"
THING = "apiVersion: memory.trueup.dev/v1\nkind: Thing\nmetadata: {name: %s}\nspec: {size: {{ .Values.size }}}\n"


@pytest.fixture
def program() -> str:
    try:
        return str(programs.helm())
    except Missing as error:
        missing(str(error))


@pytest.fixture
def charts(tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChartRepository]:
    monkeypatch.setenv("CHARTS_TOKEN", TOKEN)
    monkeypatch.setattr("trueup.toolkit.sources.cache.CALM", 0.0)
    (tmp_path / "helm").mkdir()
    with chart_repository(tmp_path / "helm", TOKEN) as repository:
        yield repository


def settings(program: str, *allowed: str) -> dict[str, Any]:
    """The operator's: these addresses may be taken from, with the token."""
    sources = [{"url": url, "token_env": "CHARTS_TOKEN"} for url in allowed]
    return {"render": {"confine": "require", "helm": program}, "sources": sources}


def chart(name: str, *dependencies: str, folder: str = "") -> Files:
    """A chart that makes one Thing of its own name."""
    written = f"apiVersion: v2\nname: {name}\nversion: 1.0.0\ndependencies:\n" + "".join(f"- {each}\n" for each in dependencies)
    place = folder or name
    return {f"{place}/Chart.yaml": written, f"{place}/values.yaml": "size: 1\n", f"{place}/templates/a.yaml": THING % name}


async def test_dependencies_in_the_repository_need_not_be_vendored(estate: Estate, program: str) -> None:
    web = chart("web", '{name: shared, version: 1.0.0, repository: "file://../lib/shared"}')
    shared = chart("shared", '{name: deep, version: 1.0.0, repository: "file://../deep"}', folder="lib/shared")
    estate.commit({"trueup.yaml": documents(target(), application("web")), **web, **shared, **chart("deep", folder="lib/deep")})
    async with estate.operator(**settings(program)) as operator:
        (plan,) = await operator.plan()
        origins = {str(action.key): (action.origin.file, action.origin.line) for action in plan.actions}
        assert origins == {f"Thing/{name}": (f"{folder}/templates/a.yaml", 2) for name, folder in PLACES.items()}
        await operator.apply()
        assert operator.problem is None
        commit = estate.commit({"lib/deep/values.yaml": "size: 2\n"})
        await operator.apply()
        assert await operator.revisions() == {"web": commit}
    assert estate.world().specification("Thing/deep") == {"size": 2}


PLACES = {"web": "web", "shared": "lib/shared", "deep": "lib/deep"}


@pytest.mark.parametrize(
    ("repository", "told"),
    [("file://../../beyond", "leaves the repository"), ("file://../web", "depends on itself"), ("file://../nowhere", "has no Chart.yaml")],
)
async def test_a_dependency_that_cannot_be_taken_is_told_with_its_line(estate: Estate, program: str, repository: str, told: str) -> None:
    web = chart("web", f'{{name: other, version: 1.0.0, repository: "{repository}"}}')
    estate.commit({"trueup.yaml": documents(target(), application("web")), **web})
    async with estate.operator(**settings(program)) as operator:
        await operator.apply()
        message = (await operator.status("web")).message
    assert message.startswith("web/Chart.yaml:5: ")
    assert told in message


async def test_a_chart_of_a_repository_is_applied_like_any_other(estate: Estate, program: str, charts: ChartRepository) -> None:
    digest = charts.publish("till", {"values.yaml": "size: 1\n", "templates/a.yaml": THING % "till"})
    pinned = {"repository": charts.url, "name": "till", "version": "1.0.0", "digest": digest}
    declared = application("web", render={"with": "helm", "chart": pinned, "valueFiles": ["values.yaml"]})
    estate.commit({"trueup.yaml": documents(target(), declared), "web/values.yaml": "size: 3\n"})
    async with estate.operator(**settings(program, charts.url)) as operator:
        (plan,) = await operator.plan()
        assert plan.actions[0].origin.file == "trueup.yaml"
        await operator.apply()
        assert operator.problem is None
        charts.down = True
        estate.commit({"web/values.yaml": "size: 4\n"})
        await operator.apply()
        assert operator.problem is None
    assert estate.world().specification("Thing/till") == {"size": 4}


async def test_a_dependency_of_a_repository_is_pinned_by_lock_and_digest(estate: Estate, program: str, charts: ChartRepository) -> None:
    digest = charts.publish("till", {"values.yaml": "size: 1\n", "templates/a.yaml": THING % "till"})
    web = chart("web", f'{{name: till, version: ">=1.0.0", repository: "{charts.url}"}}')
    lock = f"dependencies:\n- {{name: till, version: 1.0.0, repository: '{charts.url}'}}\n"
    estate.commit({"trueup.yaml": documents(target(), application("web")), **web})
    async with estate.operator(**settings(program, charts.url)) as operator:
        await operator.apply()
        assert "its version is not pinned" in (await operator.status("web")).message
        assert charts.asked == []
        newer = chart("web", f'{{name: till, version: 1.0.1, repository: "{charts.url}"}}')
        estate.commit({**newer, "web/Chart.lock": lock})
        await operator.apply()
        assert "has the dependency `till` at 1.0.0, and this file asks for 1.0.1" in (await operator.status("web")).message
        estate.commit(web)
        await operator.apply()
        assert "is not pinned by a digest" in (await operator.status("web")).message
        declared = await operator.engine.store(operator.engine.memory.declared, operator.repository.identity, "web")
        assert declared is not None
        told = declared.faults[0]
        assert f"digests: {{till-1.0.0: {digest}}}" in told.hint
        assert (told.file, told.line) == ("web/Chart.yaml", 5)
        render = {"with": "helm", "digests": {"till-1.0.0": digest}}
        estate.commit({"trueup.yaml": documents(target(), application("web", render=render))})
        (plan,) = await operator.plan()
        origins = {action.key.name: (action.origin.file, action.origin.line) for action in plan.actions}
        assert origins == {"till": ("web/Chart.yaml", 5), "web": ("web/templates/a.yaml", 2)}
        await operator.apply()
        assert operator.problem is None
    assert estate.world().names() == ["Thing/till", "Thing/web"]


async def test_a_chart_that_is_not_allowed_is_not_asked_for(estate: Estate, program: str, charts: ChartRepository) -> None:
    pinned = {"repository": charts.url, "name": "till", "version": "1.0.0", "digest": charts.publish("till", {})}
    estate.commit({"trueup.yaml": documents(target(), application("web", render={"with": "helm", "chart": pinned}))})
    async with estate.operator(**settings(program, "https://elsewhere.example")) as operator:
        await operator.apply()
        assert "is not among the sources that the operator allows" in (await operator.status("web")).message
    assert charts.asked == []


async def test_a_chart_that_is_published_later_is_found_without_a_commit(estate: Estate, program: str, charts: ChartRepository) -> None:
    digest = charts.publish("till", {"values.yaml": "size: 1\n", "templates/a.yaml": THING % "till"})
    pinned = {"repository": charts.url, "name": "till", "version": "1.0.0", "digest": digest}
    estate.commit({"trueup.yaml": documents(target(), application("web", render={"with": "helm", "chart": pinned}))})
    charts.down = True
    async with estate.operator(**settings(program, charts.url)) as operator:
        await operator.apply()
        assert "answers 503" in (await operator.status("web")).message
        charts.down = False
        await operator.apply()
        assert operator.problem is None
    assert estate.world().names() == ["Thing/till"]


async def test_a_clock_inside_of_an_archive_is_found(estate: Estate, program: str, charts: ChartRepository) -> None:
    template = (THING % "till").replace("{{ .Values.size }}", "{{ now | unixEpoch }}")
    pinned = {
        "repository": charts.url,
        "name": "till",
        "version": "1.0.0",
        "digest": charts.publish("till", {"templates/a.yaml": template}),
    }
    estate.commit({"trueup.yaml": documents(target(), application("web", render={"with": "helm", "chart": pinned}))})
    async with estate.operator(**settings(program, charts.url)) as operator:
        await operator.apply()
        assert "Thing/till comes out different each time: spec.size" in (await operator.status("web")).message


# ---------------------------------------------------------------------- charts that a kustomization names


@pytest.fixture
def both(program: str) -> dict[str, str]:
    """The settings that name both programs."""
    try:
        return {"confine": "require", "helm": program, "kustomize": str(programs.kustomize())}
    except Missing as error:
        missing(str(error))


async def test_a_kustomization_may_name_a_chart_in_the_repository(estate: Estate, both: dict[str, str]) -> None:
    kustomization = "namePrefix: my-\nhelmCharts:\n- {name: till, valuesFile: v.yaml, valuesInline: {}}\n"
    files: Files = {"web/kustomization.yaml": kustomization, "web/v.yaml": "size: 2\n", **chart("till", folder="web/charts/till")}
    estate.commit({"trueup.yaml": documents(target(), application("web")), **files})
    async with estate.operator(render=both) as operator:
        (plan,) = await operator.plan()
        assert (plan.actions[0].origin.file, plan.actions[0].origin.line) == ("web/kustomization.yaml", 3)
        await operator.apply()
        assert operator.problem is None
        assert estate.world().specification("Thing/my-till") == {"size": 2}
        commit = estate.commit({"web/charts/till/templates/a.yaml": (THING % "till").replace("size: {", "size: 1{")})
        await operator.apply()
        assert await operator.revisions() == {"web": commit}
    assert estate.world().specification("Thing/my-till") == {"size": 12}


async def test_a_kustomization_may_name_a_chart_of_a_repository(estate: Estate, both: dict[str, str], charts: ChartRepository) -> None:
    digest = charts.publish("till", {"values.yaml": "size: 1\n", "templates/a.yaml": THING % "till"})
    kustomization = f"helmCharts:\n- {{name: till, repo: '{charts.url}', version: 1.0.0, valuesInline: {{size: 5}}}}\n"
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/kustomization.yaml": kustomization})
    async with estate.operator(**{**settings("", charts.url), "render": both}) as operator:
        await operator.apply()
        assert "is not pinned by a digest" in (await operator.status("web")).message
        render = {"with": "kustomize", "digests": {"till-1.0.0": digest}}
        estate.commit({"trueup.yaml": documents(target(), application("web", render=render))})
        await operator.apply()
        assert operator.problem is None
    assert estate.world().specification("Thing/till") == {"size": 5}


async def test_a_chart_of_a_kustomization_that_comes_out_different_each_time_is_told(estate: Estate, both: dict[str, str]) -> None:
    files = chart("till", folder="web/charts/till")
    files["web/charts/till/templates/a.yaml"] = (THING % "till").replace("{{ .Values.size }}", "{{ randAlpha 9 }}")
    kustomization = "helmCharts:\n- name: till\n"
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/kustomization.yaml": kustomization, **files})
    async with estate.operator(render=both) as operator:
        await operator.apply()
        message = (await operator.status("web")).message
    assert message.startswith("web/kustomization.yaml:2: Thing/till comes out different each time: spec.size")


async def test_a_chart_of_a_kustomization_that_fails_is_told_without_its_secrets(estate: Estate, both: dict[str, str]) -> None:
    files = chart("till", folder="web/charts/till")
    files["web/charts/till/templates/a.yaml"] = '{{ fail (printf "no: %s" .Values.password) }}'
    kustomization = "helmCharts:\n- name: till\n  valuesInline: {password: open-sesame}\n"
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/kustomization.yaml": kustomization, **files})
    async with estate.operator(render=both) as operator:
        await operator.apply()
        message = (await operator.status("web")).message
    assert message.startswith("web/")
    assert "no: ***" in message
    assert "sesame" not in message
