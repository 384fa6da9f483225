"""What becomes of a project."""

import pytest

from tests.unit.renderers.compose.project import faults, rendered, service

CONF = {"app/conf/site.conf": "server {}"}


def test_what_is_in_git_is_named_from_the_root() -> None:
    mounted = service("volumes: [./conf:/conf:ro, /srv/x:/x]", CONF)["volumes"]
    assert [each.get("content", each.get("source")) for each in mounted] == ["/app/conf", "/srv/x"]


def test_what_is_not_in_git_lies_in_the_folder_on_the_host() -> None:
    mounted = service("volumes: [./data:/data, ./conf:/conf]", CONF, directory="/srv/shop")["volumes"]
    assert [each.get("source", each.get("content")) for each in mounted] == ["/srv/shop/data", "/app/conf"]


def test_a_path_that_is_nowhere_is_told() -> None:
    text = "services:\n  web:\n    image: web\n    volumes:\n    - ./data:/data\n"
    assert faults({"app/compose.yaml": text}) == ["app/compose.yaml:5: `app/data` is not in the repository"]


@pytest.mark.parametrize("path", ["../../x:/x", "~/x:/x", "C:\\x:/x"])
def test_no_path_leaves_the_repository(path: str) -> None:
    text = f"services:\n  web:\n    image: web\n    volumes: ['{path}']\n"
    assert len(faults({"app/compose.yaml": text}, directory="/srv")) == 1


def test_configs_are_resolved_into_their_service() -> None:
    text = "configs: [one, {source: two, target: /t, mode: 0440}]"
    declared = "configs: {one: {content: 'a $$b'}, two: {file: ./two.conf}}"
    found = rendered(
        {"app/compose.yaml": f"services:\n  web: {{image: a, {text}}}\n{declared}\n", "app/two.conf": "2"},
    )["Service/shop/web"].body["spec"]["configs"]
    assert found == [{"target": "/one", "text": "a $b"}, {"target": "/t", "mode": "0440", "content": "/app/two.conf"}]


def test_a_secret_is_named_and_never_read() -> None:
    body = "secrets: {a: {environment: TOKEN}, b: {file: ./b.txt}, c: {file: /etc/host.key}}"
    text = f"services:\n  web: {{image: a, secrets: [a, b, {{source: c, target: key}}]}}\n{body}\n"
    spec = rendered({"app/compose.yaml": text, "app/b.txt": "open-sesame", "app/.env": "TOKEN=leaked"})["Service/shop/web"].body["spec"]
    assert spec["secrets"] == [{"target": "/run/secrets/a", "name": "TOKEN"}, {"target": "/run/secrets/b", "content": "/app/b.txt"}]
    assert spec["volumes"] == [{"type": "bind", "target": "/run/secrets/key", "read_only": True, "bind": {}, "source": "/etc/host.key"}]
    assert "leaked" not in str(spec)


def test_what_waits_for_health_comes_in_a_later_wave() -> None:
    text = """
services:
  web: {image: a, depends_on: {api: {condition: service_started}}}
  api: {image: a, depends_on: {migrate: {condition: service_completed_successfully}}}
  migrate: {image: a, depends_on: {db: {condition: service_healthy}}}
  db: {image: a}
"""
    found = rendered({"app/compose.yaml": text})
    waves = {key: manifest.body["metadata"].get("annotations", {}).get("trueup.dev/wave") for key, manifest in found.items()}
    assert waves == {
        "Network/shop/default": None,
        "Service/shop/web": "2",
        "Service/shop/api": "2",
        "Service/shop/migrate": "1",
        "Service/shop/db": None,
    }


def test_only_networks_and_volumes_that_are_used_are_there() -> None:
    text = "services:\n  web: {image: a, networks: [one], volumes: ['data:/d']}\nnetworks: {one: , two: }\nvolumes: {data: , more: }\n"
    found = rendered({"app/compose.yaml": text})
    assert list(found) == ["Network/shop/one", "Volume/shop/data", "Service/shop/web"]
    assert found["Volume/shop/data"].body["spec"] == {"name": "shop_data"}


def test_a_manifest_says_where_its_service_is_written() -> None:
    files = {
        "app/compose.yaml": "include: [part/compose.yaml]\nservices:\n  web:\n    image: a\n",
        "app/part/compose.yaml": "# a comment\nservices:\n\n  part: {image: a}\n",
    }
    origins = {key: (each.origin.file, each.origin.line) for key, each in rendered(files).items() if "Service" in key}
    assert origins == {"Service/shop/web": ("app/compose.yaml", 3), "Service/shop/part": ("app/part/compose.yaml", 4)}


def test_a_build_is_a_folder_of_the_repository() -> None:
    files = {"app/code/Dockerfile": "FROM scratch"}
    built = service("build: {context: code, args: {A: 1}, platforms: [linux/arm64]}", files)["build"]
    assert built == {"content": "/app/code", "dockerfile": "Dockerfile", "args": {"A": "1"}, "platform": "linux/arm64"}


def test_a_secret_of_a_build_is_named_by_what_mounts_it_and_never_lies_on_the_host() -> None:
    build = "{context: code, secrets: [token, {source: key, target: other}]}"
    text = f"services: {{web: {{build: {build}}}}}\nsecrets: {{token: {{environment: T}}, key: "
    files = {"app/code/Dockerfile": "FROM scratch", "app/key": "k"}
    built = rendered(files | {"app/compose.yaml": text + "{file: ./key}}\n"})["Service/shop/web"].body["spec"]["build"]
    assert built["secrets"] == [{"id": "token", "name": "T"}, {"id": "other", "content": "/app/key"}]
    assert len(faults(files | {"app/compose.yaml": text + "{file: /etc/key}}\n"})) == 1


def test_a_platform_holds_for_every_service_that_names_none() -> None:
    files = {"app/compose.yaml": "services: {web: {image: a}, api: {image: a, platform: linux/arm64}}\n"}
    found = rendered({**files, "app/.env": "DOCKER_DEFAULT_PLATFORM=linux/amd64"})
    assert [each.body["spec"].get("platform") for key, each in found.items() if "Service" in key] == ["linux/amd64", "linux/arm64"]
    assert "platform" not in rendered(files)["Service/shop/web"].body["spec"]


def test_the_project_has_the_name_that_is_chosen() -> None:
    files = {"app/compose.yaml": "name: written\nservices: {web: {image: a}}\n"}
    assert "Service/written/web" in rendered(files)
    assert "Service/env/web" in rendered({**files, "app/.env": "COMPOSE_PROJECT_NAME=env"})
    assert "Service/option/web" in rendered(files, project="option")
    assert faults(files, project="No Name") == ["app/trueup.yaml:1: the name of the project does not fit"]


def test_a_variable_of_a_service_that_is_not_wanted_may_be_unset() -> None:
    files = {"app/compose.yaml": "services:\n  web: {image: a}\n  debug: {image: 'a:$TAG', profiles: [debug]}\n"}
    assert faults(files) == []
    assert faults(files, profiles=["debug"]) == ["app/compose.yaml:3: the variable TAG is not set"]


def test_the_environment_of_this_process_reaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "leaked")
    assert service("environment: [FROM_OUTSIDE, 'B=${FROM_OUTSIDE:-own}']")["environment"] == {"FROM_OUTSIDE": None, "B": "own"}
