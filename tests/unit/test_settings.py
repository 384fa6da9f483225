"""What the operator sets: file, environment and command line in their order, and every fault with its place."""

from pathlib import Path

import pytest

from trueup.model.errors import SettingsError
from trueup.settings import RepositorySettings, load


def written(folder: Path, text: str) -> Path:
    file = folder / "trueup.toml"
    file.write_text(text, encoding="utf-8")
    return file


def fault(folder: Path, text: str) -> SettingsError:
    with pytest.raises(SettingsError) as raised:
        load(written(folder, text), {}, {})
    return raised.value


def test_nothing_set_is_enough() -> None:
    settings = load(None, {}, {})
    assert settings.state == Path.home() / ".local/state/trueup"
    assert settings.address == ("127.0.0.1", 8420)
    assert settings.trigger.token() is None


def test_the_state_folder_is_the_one_of_the_desktop_specification() -> None:
    assert load(None, {"XDG_STATE_HOME": "/srv/state"}, {}).state == Path("/srv/state/trueup")
    assert load(None, {"XDG_STATE_HOME": "relative"}, {}).state == Path.home() / ".local/state/trueup"


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'listen = "127.0.0.1:1"\n[limits]\nconcurrency = 1\nfetches = 1\n[log]\nlevel = "debug"\n')
    environment = {"TRUEUP_LISTEN": "127.0.0.1:2", "TRUEUP_LIMITS_CONCURRENCY": "2"}
    settings = load(file, environment, {"listen": "127.0.0.1:3"})
    assert (settings.listen, settings.limits.concurrency, settings.limits.fetches, settings.log.level) == ("127.0.0.1:3", 2, 1, "debug")


def test_tables_come_from_the_environment_as_values_of_toml() -> None:
    environment = {
        "TRUEUP_REPOSITORIES": '[{url = "https://example.org/shop", poll = "5s"}]',
        "TRUEUP_TARGETS": '{host = {roots = ["/srv"]}}',
    }
    settings = load(None, environment, {})
    assert [(each.url, each.poll) for each in settings.repositories] == [("https://example.org/shop", 5.0)]
    assert settings.targets == {"host": {"roots": ["/srv"]}}


def test_files_are_found_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n", encoding="utf-8")
    settings = load(written(tmp_path, 'state = "state"\n[trigger]\ntoken_file = "token"\n'), {}, {})
    token = settings.trigger.token()
    assert settings.state == tmp_path / "state"
    assert token is not None
    assert token.reveal() == "s3cret"


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("\nlisen = 1\n", 2, "unknown key `lisen`", "did you mean `listen`?"),
        ("[limits]\n\nconcurency = 1\n", 3, "unknown key `concurency`", "did you mean `concurrency`?"),
        ('[[repositories]]\nurl = "a"\n[[repositories]]\nurl = "b"\npol = "1s"\n', 5, "unknown key `pol`", "did you mean `poll`?"),
        ('[[repositories]]\nurl = "a"\nrewind = "maybe"\n', 3, "repositories.0.rewind", ""),
        ('[secrets]\ndb = {env = "A", file = "B"}\n', 2, "name either `env` or `file`", ""),
        ('[secrets.db]\nevn = "A"\n', 2, "unknown key `evn`", "did you mean `env`?"),
        ('[limits]\nmanifest_size = "big"\n', 2, "3MiB", ""),
        ("a = 1\nb = \n", 2, "this is no TOML", "quotes"),
    ],
)
def test_a_fault_is_told_with_file_and_line(tmp_path: Path, text: str, line: int, message: str, hint: str) -> None:
    error = fault(tmp_path, text)
    assert message in error.message
    assert error.where == f"{tmp_path}/trueup.toml:{line}"
    assert hint in error.hint


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    error = fault(tmp_path, 'lisen = "x"\n[log]\nformat = "xml"\n')
    assert error.message.startswith("the settings have 2 faults")
    assert f"{tmp_path}/trueup.toml:1: unknown key `lisen` (did you mean `listen`?)" in error.message
    assert f"{tmp_path}/trueup.toml:3: `log.format` must be `text` or `json`" in error.message


def test_a_fault_in_the_environment_names_the_variable() -> None:
    with pytest.raises(SettingsError) as raised:
        load(None, {"TRUEUP_LIMITS_CONCURRENCY": "many"}, {})
    assert raised.value.where == "environment TRUEUP_LIMITS_CONCURRENCY"


def test_a_slip_in_a_variable_is_refused_and_a_variable_of_somebody_else_is_not() -> None:
    with pytest.raises(SettingsError, match="TRUEUP_LIMITS_CONCURENCY") as raised:
        load(None, {"TRUEUP_LIMITS_CONCURENCY": "1"}, {})
    assert raised.value.hint == "did you mean `TRUEUP_LIMITS_CONCURRENCY`?"
    load(None, {"TRUEUP_GIT_PASSWORD": "x"}, {})


def test_a_secret_never_shows_in_a_fault(tmp_path: Path) -> None:
    error = fault(tmp_path, '[[repositories]]\nurl = "https://me:hunter2@example.org/x"\ntoken = "hunter2"\npoll = "hunter2"\n')
    assert "hunter2" not in error.message + error.where + error.hint


def test_a_secret_that_is_not_there_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(written(tmp_path, '[secrets]\ndb = {env = "DB_PASSWORD"}\nkey = {file = "none"}\n'), {}, {})
    for name, told in (("db", "DB_PASSWORD"), ("other", "other"), ("key", "cannot be read")):
        with pytest.raises(SettingsError, match=told) as raised:
            settings.secret(name)
        assert raised.value.hint
    monkeypatch.setenv("DB_PASSWORD", "s3cret")
    assert (settings.secret("db").reveal(), str(settings.secret("db"))) == ("s3cret", "(secret)")


def test_a_repository_knows_how_one_gets_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret", encoding="utf-8")
    chosen = RepositorySettings(url="https://example.org/shop/", token_file=str(tmp_path / "token"), username="bot", path="/apps/")
    assert (chosen.repository.url, chosen.repository.path) == ("https://example.org/shop", "apps")
    credentials = chosen.remote().credentials
    assert credentials is not None
    assert (credentials.username, credentials.password) == ("bot", "s3cret")
    assert RepositorySettings(url="https://example.org/shop").remote().credentials is None


def test_a_repository_of_the_command_line_takes_the_place_of_the_same_one(tmp_path: Path) -> None:
    settings = load(written(tmp_path, '[[repositories]]\nurl = "https://example.org/shop"\npoll = "5s"\n'), {}, {})
    again = settings.with_repository(settings.repositories[0].model_copy(update={"poll": 1.0}))
    assert [each.poll for each in again.repositories] == [1.0]
    assert settings.of_repository(RepositorySettings(url="https://example.org/shop").repository).poll == 5.0


@pytest.mark.parametrize("listen", ["8420", "127.0.0.1:web", "127.0.0.1:99999"])
def test_an_address_to_listen_at_has_host_and_port(listen: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        load(None, {}, {"listen": listen})
