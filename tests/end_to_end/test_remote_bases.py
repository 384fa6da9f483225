"""A kustomization may name a commit of another repository, which Trueup fetches and the operator allows."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components import missing
from tests.end_to_end.estate import Estate, Files, application, documents, eventually, target, thing
from tests.testbed import programs
from tests.testbed.charts import chart_repository
from tests.testbed.git_servers import HttpServer, http_server
from tests.testbed.golang import Missing
from tests.testbed.repositories import Workplace

TOKEN = "open-sesame"
LARGE_FILE = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1\n"
REMOTE: Files = {
    "base/kustomization.yaml": "resources: [../parts/a.yaml]\nconfigurations: [../parts/names.yaml]\n",
    "parts/names.yaml": "namePrefix: [{path: metadata/name}]\n",
    "parts/a.yaml": documents(thing("a", size=1)),
    "prefix/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: far-\n",
}


@pytest.fixture
def program() -> str:
    try:
        return str(programs.kustomize())
    except Missing as error:
        missing(str(error))


@pytest.fixture
def remote(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path / "remote")


@pytest.fixture
def served(remote: Workplace) -> Iterator[HttpServer]:
    with http_server(remote.origin.parent, TOKEN) as server:
        yield server


def settings(program: str, *allowed: str) -> dict[str, Any]:
    """The operator's: these addresses may be taken from, with the token."""
    token = {"token_env": "BASES_TOKEN"}
    return {"render": {"confine": "require", "kustomize": program}, "sources": [{"url": url, **token} for url in allowed]}


def overlay(url: str, commit: str, **render: Any) -> Files:
    """An application over the base at a commit."""
    declared = application("web", render={"with": "kustomize", **render})
    kustomization = f"namePrefix: my-\nresources:\n- {url}//base?ref={commit}\n"
    return {"trueup.yaml": documents(target(), declared), "web/kustomization.yaml": kustomization}


async def test_a_base_is_what_it_was_at_the_pinned_commit(
    estate: Estate, program: str, remote: Workplace, served: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASES_TOKEN", TOKEN)
    first = remote.commit(REMOTE)
    second = remote.commit({"parts/a.yaml": documents(thing("a", size=2))})
    component = f"{served.url()}//prefix?ref={first}"
    estate.commit(overlay(served.url(), first, components=[component]))
    async with estate.operator(**settings(program, served.url())) as operator:
        await operator.apply()
        assert operator.problem is None
        assert estate.world().specification("Thing/far-my-a") == {"size": 1}
        asked = served.asked
        commit = estate.commit({"web/kustomization.yaml": f"resources: ['{served.url()}//base?ref={second}']\n"})
        await operator.apply()
        assert operator.problem is None
        assert served.asked > asked
        assert await operator.revisions() == {"web": commit}
    assert estate.world().specification("Thing/far-a") == {"size": 2}
    cache = [str(each.relative_to(estate.state)) for each in (estate.state / "sources" / "commits").glob("*/*.git")]
    assert {each.rpartition("/")[2] for each in cache} == {f"{first}.git", f"{second}.git"}


async def test_once_fetched_the_other_server_is_not_needed_any_more(
    estate: Estate, program: str, remote: Workplace, served: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASES_TOKEN", TOKEN)
    commit = remote.commit(REMOTE)
    estate.commit(overlay(served.url(), commit))
    async with estate.operator(**settings(program, served.url())) as operator:
        await operator.apply()
        served.status = 503
        estate.commit({"web/kustomization.yaml": f"namePrefix: your-\nresources: ['{served.url()}//base?ref={commit}']\n"})
        await operator.apply()
        assert operator.problem is None
    assert estate.world().names() == ["Thing/your-a"]


async def test_a_server_that_was_out_of_order_is_tried_again_without_a_commit(
    estate: Estate, program: str, remote: Workplace, served: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASES_TOKEN", TOKEN)
    monkeypatch.setattr("trueup.toolkit.sources.cache.CALM", 0.0)
    commit = remote.commit(REMOTE)
    estate.commit(overlay(served.url(), commit))
    served.status = 503
    async with estate.served(**settings(program, served.url())) as operator:
        await eventually(lambda: "is out of order" in estate.log.getvalue())
        served.status = 0
        await eventually(lambda: estate.world().names() == ["Thing/my-a"])
        assert (await operator.status("web")).sync == "synced"


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("", "is not pinned"),
        ("?ref=main", "is not pinned"),
        ("?ref=v1.2.0", "is not pinned"),
        ("?ref=" + "1" * 40, "is not among the sources that the operator allows"),
    ],
)
async def test_what_is_not_pinned_or_not_allowed_is_told_with_its_line_and_nobody_is_asked(
    estate: Estate, program: str, served: HttpServer, reference: str, told: str
) -> None:
    kustomization = f"namePrefix: my-\nresources:\n- {served.url()}//base{reference}\n"
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/kustomization.yaml": kustomization})
    async with estate.operator(render={"kustomize": program}) as operator:
        await operator.apply()
        assert operator.problem is not None
        message = (await operator.status("web")).message
        assert told in message
        assert message.startswith("web/kustomization.yaml:3")
    assert served.asked == 0


async def test_a_base_reads_no_file_of_the_repository_that_names_it(
    estate: Estate, program: str, remote: Workplace, served: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASES_TOKEN", TOKEN)
    commit = remote.commit({"base/kustomization.yaml": "resources: [../../../secret.yaml]\n"})
    estate.commit({**overlay(served.url(), commit), "secret.yaml": documents(thing("secret"))})
    async with estate.operator(**settings(program, served.url())) as operator:
        await operator.apply()
        message = (await operator.status("web")).message
    assert message.startswith("web/kustomization.yaml:3")
    assert "base/kustomization.yaml:1: `../../../secret.yaml` leaves the repository" in message


async def test_what_comes_from_a_base_is_traced_to_the_line_that_names_it(
    estate: Estate, program: str, remote: Workplace, served: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASES_TOKEN", TOKEN)
    commit = remote.commit(REMOTE)
    mine = estate.commit(overlay(served.url(), commit))
    async with estate.operator(**settings(program, served.url())) as operator:
        (plan,) = await operator.plan()
        origin = plan.actions[0].origin
        assert (origin.file, origin.line, origin.commit) == ("web/kustomization.yaml", 3, mine)
        broken = remote.commit({"parts/a.yaml": "a: [\n"})
        estate.commit(overlay(served.url(), broken))
        await operator.apply()
        message = (await operator.status("web")).message
    assert message.startswith(f"web/kustomization.yaml:3: `{served.url()}` at {broken[:7]}, parts/a.yaml:")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": LARGE_FILE}, "base/a.yaml:0: the file is kept in Git LFS"),
        ({"base/kustomization.yaml": "helmCharts: [{name: web}]\n"}, "base/kustomization.yaml:1: there is no chart in `charts/web`"),
        ({"base/kustomization.yaml": "resources: [missing.yaml]\n"}, "base/kustomization.yaml:1: `missing.yaml` does not exist"),
        ({"other/kustomization.yaml": "resources: []\n"}, "has no kustomization.yaml"),
    ],
)
async def test_what_is_wrong_in_a_base_is_told_at_the_line_that_names_it(
    estate: Estate, program: str, remote: Workplace, served: HttpServer, files: Files, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASES_TOKEN", TOKEN)
    estate.commit(overlay(served.url(), remote.commit(files)))
    async with estate.operator(**settings(program, served.url())) as operator:
        await operator.apply()
        message = (await operator.status("web")).message
    assert message.startswith("web/kustomization.yaml:3: ")
    assert told in message


async def test_a_file_over_http_is_pinned_by_its_digest(
    estate: Estate, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trueup.toolkit.sources.cache.CALM", 0.0)
    monkeypatch.setenv("BASES_TOKEN", TOKEN)
    with chart_repository(tmp_path, TOKEN) as files:
        (tmp_path / "charts").mkdir()
        served, url = tmp_path / "charts/install.yaml", f"{files.url}/install.yaml"
        served.write_text(documents(thing("far", size=1)))
        digest = f"sha256:{hashlib.sha256(served.read_bytes()).hexdigest()}"
        kustomization = f"namePrefix: my-\nresources:\n- {url}\nconfigurations: [names.yaml]\n"
        names = {"web/names.yaml": REMOTE["parts/names.yaml"]}
        estate.commit({"trueup.yaml": documents(target(), application("web")), "web/kustomization.yaml": kustomization, **names})
        async with estate.operator(**settings(program, files.url)) as operator:
            await operator.apply()
            assert "is not pinned" in (await operator.status("web")).message
            assert files.asked == []
            declared = application("web", render={"with": "kustomize", "digests": {url: digest}})
            estate.commit({"trueup.yaml": documents(target(), declared)})
            (plan,) = await operator.plan()
            assert (plan.actions[0].origin.file, plan.actions[0].origin.line) == ("web/kustomization.yaml", 3)
            await operator.apply()
            assert operator.problem is None
            assert estate.world().names() == ["Thing/my-far"]
            served.write_text(documents(thing("exchanged")))
            shutil.rmtree(estate.state / "sources")
            estate.commit({"web/kustomization.yaml": kustomization.replace("my-", "your-")})
            await operator.apply()
            assert "is not what was pinned" in (await operator.status("web")).message
    assert estate.world().names() == ["Thing/my-far"]
