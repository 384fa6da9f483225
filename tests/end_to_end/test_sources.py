"""What renders take from outside is fetched from real servers, verified, bounded and kept."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components import missing
from tests.end_to_end.estate import Files
from tests.testbed.charts import ChartRepository, chart_repository, token_gate
from tests.testbed.docker.registry import PASSWORD, USER, Registry
from tests.testbed.git_servers import git_daemon, http_server, hung_server, ssh_server
from tests.testbed.golang import Missing
from tests.testbed.repositories import Workplace
from trueup.model.errors import Refused, SettingsError, TrueupError, Unreachable
from trueup.toolkit.git.remote import Credentials
from trueup.toolkit.sources.allowed import Allowed, Policy
from trueup.toolkit.sources.cache import Sources
from trueup.toolkit.sources.charts import Pinned

TOKEN = "open-sesame"
BASE: Files = {"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": "kind: A\n"}


def sources(folder: Path, url: str, credentials: Credentials | None = None, **bounds: float) -> Sources:
    """A cache that may take everything below an address."""
    return Sources(folder / "cache", Policy([Allowed(url, credentials)]), **bounds)  # type: ignore[arg-type]


@pytest.fixture
def base(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path / "served")


@pytest.fixture
def charts(tmp_path: Path) -> Iterator[ChartRepository]:
    try:
        with chart_repository(tmp_path / "helm") as repository:
            (tmp_path / "helm").mkdir()
            yield repository
    except Missing as error:
        missing(str(error))


def test_a_commit_is_fetched_once_and_then_needs_no_server(tmp_path: Path, base: Workplace) -> None:
    old = base.commit(BASE)
    base.commit({"base/a.yaml": "kind: B\n"})
    with http_server(base.origin.parent, TOKEN) as served:
        given = Credentials(password=TOKEN)
        assert sources(tmp_path, served.url(), given).commit(served.url(), old).read("base/a.yaml") == b"kind: A\n"
        url, asked = served.url(), served.asked
        assert sources(tmp_path, url, given).commit(url, old).names("base") == ["a.yaml", "kustomization.yaml"]
        assert served.asked == asked
    assert sources(tmp_path, url).commit(url, old).names("") == ["base"]


def test_a_commit_is_fetched_by_every_way_that_git_speaks(tmp_path: Path, base: Workplace) -> None:
    commit = base.commit(BASE)
    with git_daemon(base.origin.parent) as port:
        url = f"git://127.0.0.1:{port}/origin.git"
        assert sources(tmp_path, url).commit(url, commit).names("") == ["base"]
    with ssh_server(base.origin.parent, tmp_path / "ssh") as served:
        given = Credentials(key_file=str(served.key_file), known_hosts=str(served.known_hosts))
        assert sources(tmp_path, served.url(), given).commit(served.url(), commit).names("") == ["base"]


def test_without_credentials_nobody_gets_in_and_none_are_guessed(tmp_path: Path, base: Workplace) -> None:
    commit = base.commit(BASE)
    with http_server(base.origin.parent, TOKEN) as served:
        with pytest.raises(SettingsError, match="does not let us in"):
            sources(tmp_path, served.url()).commit(served.url(), commit)
        assert served.seen == []


def test_a_git_server_that_redirects_is_not_followed(tmp_path: Path, base: Workplace) -> None:
    commit = base.commit(BASE)
    with http_server(base.origin.parent) as other, http_server(base.origin.parent) as served:
        served.redirect = f"http://127.0.0.1:{other.port}"
        with pytest.raises(TrueupError):
            sources(tmp_path, served.url()).commit(served.url(), commit)
        assert other.asked == 0


def test_what_does_not_answer_is_given_up(tmp_path: Path) -> None:
    with hung_server() as port:
        url = f"http://127.0.0.1:{port}/origin.git"
        with pytest.raises(Unreachable, match="does not answer"):
            sources(tmp_path, url, deadline=0.5).commit(url, "0" * 40)
        with pytest.raises(Unreachable, match="does not answer"):
            sources(tmp_path, url, deadline=0.5).chart(Pinned(url, "web", "1.0.0", "sha256:" + "0" * 64))


def test_a_commit_that_is_not_there_yet_is_told_and_not_kept(tmp_path: Path, base: Workplace) -> None:
    base.commit(BASE)
    with http_server(base.origin.parent) as served, pytest.raises(Unreachable, match="has no commit"):
        sources(tmp_path, served.url()).commit(served.url(), "1" * 40)
    assert not list((tmp_path / "cache").rglob("*.git"))


def test_a_repository_that_is_too_large_is_refused(tmp_path: Path, base: Workplace) -> None:
    noise = "".join(f"{number * 7919 % 1000003}\n" for number in range(200000))
    commit = base.commit({"large.txt": noise})
    with http_server(base.origin.parent) as served, pytest.raises(Refused, match="is larger than"):
        sources(tmp_path, served.url(), largest=100_000).commit(served.url(), commit)
    assert not list((tmp_path / "cache").rglob("*.git"))


def test_a_chart_is_fetched_once_by_its_digest(tmp_path: Path, charts: ChartRepository) -> None:
    digest = charts.publish("web", {})
    pinned = Pinned(charts.url, "web", "1.0.0", digest)
    assert sources(tmp_path, charts.url).published(pinned) == digest
    archive = sources(tmp_path, charts.url).chart(pinned)
    charts.down = True
    assert sources(tmp_path, charts.url).chart(pinned) == archive
    (kept,) = (tmp_path / "cache").rglob("*.tgz")
    kept.write_bytes(b"exchanged")
    with pytest.raises(Unreachable):
        sources(tmp_path, charts.url).chart(pinned)
    charts.down = False
    assert sources(tmp_path, charts.url).chart(pinned) == archive


def test_a_chart_that_was_exchanged_is_refused(tmp_path: Path, charts: ChartRepository) -> None:
    digest = charts.publish("web", {})
    charts.publish("web", {"values.yaml": "exchanged: true\n"})
    with pytest.raises(Refused, match="is not what was pinned"):
        sources(tmp_path, charts.url).chart(Pinned(charts.url, "web", "1.0.0", digest))


def test_an_archive_elsewhere_is_fetched_only_where_the_operator_allows_it_and_without_the_credentials(
    tmp_path: Path, charts: ChartRepository
) -> None:
    pinned = Pinned(charts.url, "web", "1.0.0", charts.publish("web", {}))
    with chart_repository(charts.folder) as other:
        charts.redirect = f"http://127.0.0.1:{other.port}"
        with pytest.raises(SettingsError, match="is not among the sources"):
            sources(tmp_path, charts.url).chart(pinned)
        assert other.asked == []
        charts.token = TOKEN
        policy = Policy([Allowed(charts.url, Credentials(password=TOKEN)), Allowed(f"{charts.redirect}/charts")])
        assert Sources(tmp_path / "cache", policy).chart(pinned)
        assert len(other.asked) == 1
        assert other.seen == []


def test_an_archive_that_is_too_large_is_refused(tmp_path: Path, charts: ChartRepository) -> None:
    pinned = Pinned(charts.url, "web", "1.0.0", charts.publish("web", {}))
    with pytest.raises(Refused, match="is larger than"):
        sources(tmp_path, charts.url, largest=100).chart(pinned)


def test_a_chart_is_fetched_from_a_registry(tmp_path: Path, charts: ChartRepository) -> None:
    digest = charts.publish("web", {})
    with Registry.serving(tmp_path / "registry", "127.0.0.1") as registry:
        url = f"oci://{registry.address}/charts"
        charts.push("web-1.0.0", url)
        pinned = Pinned(url, "web", "1.0.0", digest)
        assert sources(tmp_path, url).published(pinned) == digest
        assert sources(tmp_path, url).chart(pinned) == (charts.folder / "charts/web-1.0.0.tgz").read_bytes()
        with pytest.raises(SettingsError, match="is not among the sources"):
            sources(tmp_path, f"https://{registry.address}/charts").chart(pinned)
        with pytest.raises(Unreachable, match="answers 404"):
            sources(tmp_path, url).chart(Pinned(url, "web", "1.0.0", f"sha256:{'0' * 64}"))


def test_a_registry_that_asks_who_one_is_is_told_only_by_the_settings(tmp_path: Path, charts: ChartRepository) -> None:
    digest = charts.publish("web", {})
    with Registry.serving(tmp_path / "registry", "127.0.0.1", closed=True) as registry:
        url = f"oci://{registry.address}/charts"
        charts.push("web-1.0.0", url, "--username", USER, "--password", PASSWORD)
        pinned = Pinned(url, "web", "1.0.0", digest)
        with pytest.raises(SettingsError, match="does not let us in"):
            sources(tmp_path, url).chart(pinned)
        assert sources(tmp_path, url, Credentials(USER, PASSWORD)).chart(pinned)


def test_what_is_damaged_is_fetched_again_and_what_nobody_uses_goes(
    tmp_path: Path, base: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trueup.toolkit.sources.cache.CALM", 0.0)
    first = base.commit(BASE)
    with http_server(base.origin.parent) as served:
        sources(tmp_path, served.url()).commit(served.url(), first)
        (kept,) = (tmp_path / "cache").glob("commits/*/*.git")
        for pack in (kept / "objects/pack").iterdir():
            pack.unlink()
        cache = sources(tmp_path, served.url())
        with pytest.raises(Unreachable):
            cache.commit(served.url(), first)
        assert cache.commit(served.url(), first).read("base/a.yaml") == b"kind: A\n"
        os.utime(kept, (0, 0))
        second = base.commit({"base/a.yaml": "kind: B\n"})
        cache.commit(served.url(), second)
    assert [each.name for each in (tmp_path / "cache").glob("commits/*/*.git")] == [f"{second}.git"]


def test_a_registry_that_wants_a_token_names_who_gives_it(tmp_path: Path, charts: ChartRepository) -> None:
    digest = charts.publish("web", {})
    with Registry.serving(tmp_path / "registry", "127.0.0.1") as registry, token_gate(registry.address) as gate:
        charts.push("web-1.0.0", f"oci://{registry.address}/charts")
        url = f"oci://127.0.0.1:{gate.port}/charts"
        pinned = Pinned(url, "web", "1.0.0", digest)
        assert sources(tmp_path, url, Credentials(USER, PASSWORD)).chart(pinned)
        assert gate.told == [f"service=test&scope=repository:charts/web:pull {USER}:{PASSWORD}"]
        gate.realm = "http://localhost:1/token"
        with pytest.raises(SettingsError, match="is not among the sources"):
            sources(tmp_path / "other", url, Credentials(USER, PASSWORD)).chart(pinned)
