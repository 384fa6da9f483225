"""What a user of Docker Compose sees when Git decides."""

import pytest

from tests.end_to_end.compose.site import Site
from tests.end_to_end.estate import Files
from tests.testbed.docker.engine import wait_until

PAGES: Files = {"www/index.html": "hello\n"}
WEB = {"image": "test/healthy:1", "ports": ["8080:80"], "volumes": ["./www:/www:ro"], "depends_on": ["db"]}
DB = {"image": "test/sleep:1", "volumes": ["data:/data"]}


def test_a_commit_becomes_a_page_and_nothing_changes_after_that(site: Site) -> None:
    site.write({"web": WEB, "db": DB}, PAGES, volumes={"data": {}})
    site.apply()
    site.answers("hello")
    before = site.running()

    assert site.changes() == {}
    site.apply("--all")
    assert site.running() == before


def test_one_edited_file_restarts_exactly_the_service_that_mounts_it(site: Site) -> None:
    other = {"image": "test/web:1", "volumes": ["./other:/www"], "ports": ["8081:80"]}
    one_file = {"image": "test/sleep:1", "volumes": ["./settings.conf:/etc/settings.conf:ro"]}
    files = {**PAGES, "other/index.html": "other\n", "settings.conf": "a\n"}
    site.write({"web": WEB, "db": DB, "other": other, "one": one_file}, files, volumes={"data": {}})
    site.apply()
    site.answers("hello")
    before = site.running()

    site.estate.commit({"shop/www/index.html": "changed\n"})
    assert site.changes() == {"Service/shop/web": "update"}
    site.apply()
    site.answers("changed")
    assert _touched(site, before) == {"shop-web-1"}
    assert {name: one[0] for name, one in site.running().items()} == {name: one[0] for name, one in before.items()}

    before = site.running()
    site.estate.commit({"shop/settings.conf": "b\n"})
    site.apply()
    assert site.engine.docker("exec", "shop-one-1", "cat", "/etc/settings.conf") == "b\n"
    assert _touched(site, before) == {"shop-one-1"}


def test_docker_compose_sees_the_project_as_its_own(site: Site) -> None:
    site.write({"web": WEB, "db": DB}, PAGES, volumes={"data": {}})
    site.apply()

    assert site.compose("ps", "--services").split() == ["db", "web"]
    assert '"shop"' in site.compose("ls", "--format=json")
    wait_until(lambda: "healthy" in site.compose("ps", "web"), "it does not become healthy")
    assert site.compose("exec", "-T", "db", "echo", "there") == "there\n"


def test_volumes_outlive_their_services_and_their_application(site: Site) -> None:
    site.write({"web": WEB, "db": DB}, PAGES, volumes={"data": {}})
    site.apply()
    site.engine.docker("exec", "shop-db-1", "sh", "-c", "echo precious > /data/file")

    site.write({"web": {**WEB, "depends_on": []}}, PAGES)
    site.apply("--yes")
    assert set(site.running()) == {"shop-web-1"}
    site.estate.commit({"trueup.yaml": None, "shop/compose.yaml": None})
    site.apply("--yes")
    assert site.containers() == {}
    kept = site.engine.docker("run", "--rm", "--volume", "shop_data:/data", "test/sleep:1", "cat", "/data/file")
    assert kept == "precious\n"


def test_containers_of_others_are_left_alone(site: Site) -> None:
    site.write({"web": WEB, "db": DB}, PAGES, volumes={"data": {}})
    site.apply()
    labels = ["com.docker.compose.project=shop", "com.docker.compose.service=web", "com.docker.compose.oneoff=True"]
    once = [f"--label={label}" for label in labels]
    site.engine.docker("run", "--detach", "--name", "shop-web-run-1", *once, "test/sleep:1")
    site.engine.docker("run", "--detach", "--name", "foreign", "test/sleep:1")
    theirs = {name: site.engine.get(f"/containers/{name}/json")["State"] for name in ("shop-web-run-1", "foreign")}

    site.write({"web": {**WEB, "image": "test/healthy:2", "depends_on": []}}, PAGES)
    site.apply("--yes")
    site.estate.commit({"trueup.yaml": None, "shop/compose.yaml": None})
    site.apply("--yes")
    assert {name: site.engine.get(f"/containers/{name}/json")["State"] for name in theirs} == theirs


def test_what_the_operator_does_not_grant_is_told_with_its_place_and_never_made(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rooted = {"image": "test/sleep:1", "volumes": ["/etc:/host:ro"], "pid": "host"}
    site.write({"root": rooted})
    site.apply()
    before = site.running()

    def grant(names: str) -> None:
        monkeypatch.setenv("TRUEUP_TARGETS", f'{{compose = {{engines = ["*"], grants = {{{names}}}}}}}')

    grant("")
    later = site.trueup("plan", "--all")
    assert later.code == 1
    site.write({"root": {**rooted, "image": "test/sleep:2"}})
    for verb in ("plan", "apply"):
        said = site.trueup(verb)
        assert said.code == 1
        assert "shop/compose.yaml:6" in said.err, said.err
        assert "shop/compose.yaml:3" in later.err, later.err
        for told in ("may not be given /etc of the host", "another pid namespace", "`[targets.compose.grants]`"):
            assert told in said.err, said.err
            assert told in later.err, later.err
    assert site.running() == before

    grant('hostPaths = ["/etc"], hostNamespaces = ["pid"]')
    site.apply()
    assert site.containers()["shop-root-1"]["Config"]["Image"] == "test/sleep:2"


def _touched(site: Site, before: dict[str, tuple[str, str]]) -> set[str]:
    """The containers that were not there before, or were started since."""
    return {name for name, one in site.running().items() if before.get(name) != one}
