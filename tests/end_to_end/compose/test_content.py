"""What services take along from the repository, and what a change of it does."""

from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import pytest

from tests.end_to_end.compose.site import Site

READER = {"image": "test/sleep:1"}
# It reads its file again when it is told to, and writes down what it read.
LISTENER = ["sh", "-c", "trap 'cat /etc/web.conf >> /tmp/read' HUP; while true; do sleep 0.1; done"]


def read(site: Site, service: str, *paths: str) -> str:
    return site.engine.docker("exec", f"shop-{service}-1", "cat", *paths)


def versions(site: Site) -> int:
    """How many complete versions of files are on the host."""
    listed = site.engine.docker(
        "run", "--rm", "--volume=trueup_shop:/v:ro", "test/sleep:1", "find", "/v/files", "-maxdepth", "1", "-type", "d"
    )
    return len(listed.splitlines()) - 1


def test_configs_and_secrets_are_files_of_the_container(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_SECRETS", '{DB_PASSWORD = {env = "SAFE"}}')
    monkeypatch.setenv("SAFE", "swordfish-9")
    service: dict[str, Any] = {
        **READER,
        "read_only": True,
        "configs": [{"source": "inline", "target": "/inline.conf", "mode": "0440"}, {"source": "file", "target": "/etc/file.conf"}],
        "secrets": [{"source": "password", "mode": "0400", "uid": "1000"}, "token"],
    }
    configs = {"inline": {"content": "inline text\n"}, "file": {"file": "./file.conf"}}
    secrets = {"password": {"environment": "DB_PASSWORD"}, "token": {"file": "./token"}}
    site.write({"web": service}, {"file.conf": "from a file\n", "token": "tok-77\n"}, configs=configs, secrets=secrets)
    said = site.apply()
    assert read(site, "web", "/inline.conf", "/etc/file.conf", "/run/secrets/token") == "inline text\nfrom a file\ntok-77\n"
    assert read(site, "web", "/run/secrets/password") == "swordfish-9"
    modes = site.engine.docker("exec", "shop-web-1", "stat", "-c", "%a %u", "/inline.conf", "/run/secrets/password")
    assert modes == "440 0\n400 1000\n"

    shown = site.engine.docker("inspect", "shop-web-1") + said.out + said.err + site.trueup("plan", "--all", "-o", "json").out
    kept = b"".join(file.read_bytes() for file in Path(site.estate.state).rglob("*") if file.is_file() and "repositories" not in file.parts)
    for secret in ("swordfish-9", "tok-77"):
        assert secret not in shown
        assert secret.encode() not in kept
    site.engine.docker("rm", "--force", "shop-web-1")
    volumes = site.engine.docker("volume", "ls", "--quiet", "--filter", "dangling=true").split()
    assert len(volumes) == 1, "the folder of its secrets is a volume of its own"


@pytest.mark.parametrize("change", [None, "recreate", {"signal": "SIGHUP"}])
def test_an_edited_file_does_what_is_declared(site: Site, change: Any) -> None:
    extension = {} if change is None else {"x-trueup": {"change": change}}
    web = {"image": "test/sleep:1", "command": LISTENER, "volumes": ["./web.conf:/etc/web.conf:ro"], **extension}
    web |= {"deploy": {"update_config": {"monitor": "200ms"}}, "stop_grace_period": "0s"}
    site.write({"web": web, "other": READER}, {"web.conf": "one\n"})
    site.apply()
    before = site.running()
    site.estate.commit({"shop/web.conf": "two, and longer\n"})
    site.apply()
    after = site.running()
    assert read(site, "web", "/etc/web.conf") == "two, and longer\n"
    assert after["shop-other-1"] == before["shop-other-1"]
    same_container = after["shop-web-1"][0] == before["shop-web-1"][0]
    same_start = after["shop-web-1"] == before["shop-web-1"]
    expected = {"None": (True, False), "recreate": (False, False)}.get(str(change), (True, True))
    assert (same_container, same_start) == expected
    if expected == (True, True):
        site.engine.docker("exec", "shop-web-1", "sh", "-c", "sleep 0.5; grep longer /tmp/read")
    (site.estate.workplace.clone / "shop/web.conf").chmod(0o755)
    site.estate.commit({})
    site.apply()
    assert site.engine.docker("exec", "shop-web-1", "stat", "-c", "%a", "/etc/web.conf") == "755\n", "a file that becomes a program"
    assert site.trueup("plan", "--all").code == 0
    assert versions(site) == 1


def test_a_build_context_is_built_again_only_when_it_changes(site: Site) -> None:
    web = {"build": {"context": "./app", "args": {"WORD": "hello"}}, "command": ["/bin/run", "sleep", "1000000"]}
    dockerfile = "FROM test/sleep:1\nARG WORD\nRUN echo $WORD > /word\nCOPY page /page\n"
    site.write({"web": web, "other": READER}, {"app/Dockerfile": dockerfile, "app/page": "one\n", "app/.dockerignore": "notes\n"})
    site.apply()
    assert read(site, "web", "/word", "/page") == "hello\none\n"
    before = site.running()
    site.estate.commit({"shop/app/notes": "nothing that is built\n"})
    site.apply()
    assert site.running() == before
    site.estate.commit({"shop/app/page": "two\n"})
    assert "has to be built" in site.trueup("plan").out
    site.apply()
    assert read(site, "web", "/page") == "two\n"
    assert site.running()["shop-other-1"] == before["shop-other-1"]


def test_a_build_that_fails_stops_nothing_and_names_the_line(site: Site) -> None:
    site.declare(policy={"retry": {"limit": 0}})
    web = {"build": "./app", "command": ["/bin/run", "sleep", "1000000"]}
    site.write({"web": web}, {"app/Dockerfile": "FROM test/sleep:1\n"})
    site.apply()
    before = site.running()
    site.estate.commit({"shop/app/Dockerfile": "FROM test/sleep:1\nRUN echo what is wrong && false\n"})
    said = site.trueup("apply")
    assert said.code == 1
    assert "what is wrong" in said.out + said.err
    assert "shop/app/Dockerfile:2" in said.out + said.err
    assert site.running() == before


def test_old_versions_of_a_folder_leave_the_host(site: Site) -> None:
    web = {**READER, "volumes": ["./conf:/conf:ro"], "deploy": {"update_config": {"monitor": "100ms"}}}
    for number in range(3):
        site.write({"web": web}, {"conf/a": f"{number}\n"})
        assert "(changed a)" in site.trueup("plan").out or not number
        site.apply()
    assert read(site, "web", "/conf/a") == "2\n"
    assert versions(site) == 1

    (site.estate.workplace.clone / "shop/conf/link").symlink_to("nowhere")
    site.write({"web": web}, {"conf/a": "3\n"})
    said = site.trueup("plan")
    assert said.code == 1
    assert "the link `shop/conf/link` leads to nothing" in said.err


def test_files_that_a_prune_took_are_put_back(site: Site) -> None:
    web = {**READER, "volumes": ["./conf:/conf:ro"], "deploy": {"update_config": {"monitor": "100ms"}}}
    site.write({"web": web, "other": READER}, {"conf/a": "one\n"})
    site.apply()
    before = site.running()
    # As in the moment in which the link of an engine far away is exchanged.
    link = next(Path(site.engine.get("/volumes/trueup_shop")["Mountpoint"], "live").iterdir())
    folder = link.readlink()
    link.unlink()
    with pytest.raises(CalledProcessError):
        site.engine.docker("restart", "--time=0", "shop-web-1")
    link.symlink_to(folder)
    assert "degraded: drift: Service/shop/web" in site.trueup("status").err
    site.apply("--all")
    assert read(site, "web", "/conf/a") == "one\n"

    site.engine.docker("rm", "--force", "trueup_shop_carrier")
    site.engine.docker("volume", "rm", "trueup_shop")
    assert "its files are gone" in site.trueup("plan", "--all").out
    site.apply("--all")
    assert read(site, "web", "/conf/a") == "one\n"
    site.engine.docker("restart", "--time=0", "shop-web-1")
    assert read(site, "web", "/conf/a") == "one\n"
    assert site.running()["shop-other-1"] == before["shop-other-1"]
