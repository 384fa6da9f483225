"""The mirror against real servers: what they answer, refuse, break off and never say."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed.git_servers import HttpServer, SshServer, git_daemon, http_server, hung_server, ssh_server
from tests.testbed.repositories import Workplace, git, pushed
from trueup.model.errors import Refused, SettingsError, TrueupError, Unreachable
from trueup.toolkit.git.draft import Content, Draft, Person
from trueup.toolkit.git.mirror import Mirror
from trueup.toolkit.git.remote import Credentials, remote
from trueup.toolkit.process import Limits

TOKEN = "t0ken-of-the-operator"
TRUEUP = Person("Trueup", "trueup@example.org")


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture
def server(workplace: Workplace, tmp_path: Path) -> Iterator[HttpServer]:
    with http_server(tmp_path, TOKEN) as served:
        yield served


def mirror_of(tmp_path: Path, url: str, credentials: Credentials | None = None, silence: float | None = 20) -> Mirror:
    limits = Limits(deadline=30, silence=silence, grace=0.5)
    return Mirror(tmp_path / "mirrors", remote(url, credentials), transfer=limits, request=limits)


def told(error: TrueupError) -> str:
    """Everything that a person may see of an error, its causes included."""
    shown = [f"{error} {error.where} {error.hint}"]
    cause: BaseException | None = error
    while cause is not None:
        shown.append(repr(cause))
        cause = cause.__cause__ or cause.__context__
    return "\n".join(shown)


async def push_a_file(mirror: Mirror) -> str:
    head = await mirror.head()
    files = {"pushed": Content(0o100644, mirror.store(b"by Trueup"))}
    return await pushed(mirror, Draft(head.commit, files, "pushed", TRUEUP), head.name)


# ---------------------------------------------------------------------- http


async def test_http_is_fetched_and_pushed_with_a_token(workplace: Workplace, server: HttpServer, tmp_path: Path) -> None:
    workplace.commit({"a": "1" * 100_000})
    mirror = mirror_of(tmp_path, server.url(), Credentials(password=TOKEN))
    await mirror.head()
    commit = await push_a_file(mirror)
    assert git(workplace.origin, "show", f"{commit}:pushed") == "by Trueup"


async def test_a_token_in_the_address_is_used_and_forgotten(workplace: Workplace, server: HttpServer, tmp_path: Path) -> None:
    commit = workplace.commit({"a": "1"})
    mirror = mirror_of(tmp_path, server.url().replace("//", f"//bob:{TOKEN}@"))
    assert (await mirror.head()).commit == commit
    kept = b"".join(path.read_bytes() for path in mirror.folder.rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept


async def test_a_wrong_token_is_told_without_the_token(workplace: Workplace, server: HttpServer, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    for credentials in (None, Credentials(password="wrong-s3cret"), Credentials("bob", "wrong-s3cret")):
        with pytest.raises(SettingsError, match="does not let us in") as caught:
            await mirror_of(tmp_path, server.url(), credentials).head()
        assert "s3cret" not in told(caught.value)
        assert "credentials" in caught.value.hint


async def test_a_token_is_on_no_command_line(workplace: Workplace, server: HttpServer, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    with hung_server() as port:
        hung = asyncio.create_task(mirror_of(tmp_path, f"http://127.0.0.1:{port}/x", Credentials(password=TOKEN)).head())
        await asyncio.sleep(0.3)
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
        hung.cancel()
        await asyncio.gather(hung, return_exceptions=True)
    assert any(str(port).encode() in line for line in lines)
    assert not any(TOKEN.encode() in line for line in lines)


async def test_after_a_redirect_no_other_host_learns_the_token(workplace: Workplace, server: HttpServer, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    with http_server(tmp_path, "another") as stranger:
        server.redirect = f"http://127.0.0.1:{stranger.port}"
        with pytest.raises(TrueupError):
            await mirror_of(tmp_path, server.url(), Credentials(password=TOKEN)).head()
        assert stranger.asked > 0
        assert stranger.seen == []


async def test_the_helpers_of_the_operator_still_work(workplace: Workplace, server: HttpServer, tmp_path: Path) -> None:
    commit = workplace.commit({"a": "1"})
    store = Path(os.environ["HOME"]) / ".git-credentials"
    store.write_text(server.url("").replace("//", f"//bob:{TOKEN}@", 1) + "\n")
    git(tmp_path, "config", "--global", "credential.helper", "store")
    assert (await mirror_of(tmp_path, server.url()).head()).commit == commit


async def test_given_credentials_are_not_stored_by_the_helpers_of_the_operator(
    workplace: Workplace, server: HttpServer, tmp_path: Path
) -> None:
    workplace.commit({"a": "1"})
    git(tmp_path, "config", "--global", "credential.helper", "store")
    await mirror_of(tmp_path, server.url(), Credentials(password=TOKEN)).head()
    assert not (Path(os.environ["HOME"]) / ".git-credentials").exists()


async def test_a_fetch_moves_what_is_new_only(workplace: Workplace, server: HttpServer, tmp_path: Path) -> None:
    workplace.commit({"big": os.urandom(300_000), "a": "1"})
    workplace.push("origin", *(f"HEAD:refs/pull/{number}/head" for number in range(500)))
    mirror = mirror_of(tmp_path, server.url(), Credentials(password=TOKEN))
    await mirror.head()
    first, server.sent = server.sent, 0
    await mirror.head()
    quiet, server.sent = server.sent, 0
    second = workplace.commit({"a": "2"})
    assert (await mirror.head()).commit == second
    assert first > 300_000
    assert quiet < 1000
    assert server.sent < 3000


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (403, SettingsError, "does not let us in"),
        (404, SettingsError, "there is no repository"),
        (500, Unreachable, "is out of order"),
        (503, Unreachable, "is out of order"),
        (429, Unreachable, "is out of order"),
    ],
)
async def test_what_a_server_answers_is_told(
    workplace: Workplace, server: HttpServer, tmp_path: Path, status: int, error: type[TrueupError], words: str
) -> None:
    workplace.commit({"a": "1"})
    server.status = status
    with pytest.raises(error, match=words) as caught:
        await mirror_of(tmp_path, server.url(), Credentials(password=TOKEN)).head()
    assert caught.value.where == server.url()
    assert caught.value.hint


async def test_an_unknown_host_and_a_closed_port_are_told(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="is unknown"):
        await mirror_of(tmp_path, "https://no-such-host.invalid/x").head()
    for scheme in ("http", "git", "ssh"):
        with pytest.raises(Unreachable, match="refuses connections"):
            await mirror_of(tmp_path, f"{scheme}://127.0.0.1:1/x").head()


async def test_a_remote_that_dies_in_the_middle_is_fetched_later(workplace: Workplace, server: HttpServer, tmp_path: Path) -> None:
    first = workplace.commit({"a": "1"})
    mirror = mirror_of(tmp_path, server.url(), Credentials(password=TOKEN))
    await mirror.head()
    second = workplace.commit({"big": os.urandom(500_000)})
    server.cut_after = 200_000
    with pytest.raises(Unreachable, match="went away in the middle") as caught:
        await mirror.head()
    assert caught.value.retry
    assert not mirror.has(second)
    assert mirror.tree(first).read("a") == b"1"
    server.cut_after = None
    assert (await mirror.head()).commit == second
    assert mirror.tree(second).size("big") == 500_000


async def test_a_push_that_a_server_forbids_is_refused_with_its_words(workplace: Workplace, server: HttpServer, tmp_path: Path) -> None:
    commit = workplace.commit({"a": "1"})
    hook = workplace.origin / "hooks/update"
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    hook.chmod(0o755)
    mirror = mirror_of(tmp_path, server.url(), Credentials(password=TOKEN))
    with pytest.raises(Refused, match="GH006: Protected branch update failed") as caught:
        await push_a_file(mirror)
    assert TOKEN not in told(caught.value)
    assert git(workplace.origin, "rev-parse", "main") == commit


async def test_a_push_that_does_not_arrive_is_unreachable(workplace: Workplace, server: HttpServer, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    mirror = mirror_of(tmp_path, server.url(), Credentials(password=TOKEN))
    head = await mirror.head()
    server.status = 502
    with pytest.raises(Unreachable):
        await pushed(mirror, Draft(head.commit, {"a": None}, "x", TRUEUP), head.name)


# ---------------------------------------------------------------------- daemon, ssh


async def test_the_git_protocol_is_fetched_and_pushed(workplace: Workplace, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    with git_daemon(tmp_path) as port:
        mirror = mirror_of(tmp_path, f"git://127.0.0.1:{port}/origin.git")
        commit = await push_a_file(mirror)
        assert git(workplace.origin, "rev-parse", "main") == commit
        with pytest.raises(SettingsError, match="there is no repository"):
            await mirror_of(tmp_path, f"git://127.0.0.1:{port}/nothing.git").head()
    with pytest.raises(Unreachable, match="refuses connections"):
        await mirror.head()


@pytest.fixture
def ssh(workplace: Workplace, tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path, tmp_path / "ssh") as served:
        yield served


async def test_ssh_is_fetched_and_pushed_with_a_key(workplace: Workplace, ssh: SshServer, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    mirror = mirror_of(tmp_path, ssh.url(), Credentials(key_file=str(ssh.key_file), known_hosts=str(ssh.known_hosts)))
    commit = await push_a_file(mirror)
    assert git(workplace.origin, "rev-parse", "main") == commit
    with pytest.raises(SettingsError, match="there is no repository"):
        await mirror_of(tmp_path, ssh.url("nothing.git"), mirror.remote.credentials).head()


async def test_ssh_does_not_let_a_wrong_key_in(workplace: Workplace, ssh: SshServer, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "wrong")], check=True)
    with pytest.raises(SettingsError, match="does not let us in"):
        await mirror_of(tmp_path, ssh.url(), Credentials(key_file=str(tmp_path / "wrong"), known_hosts=str(ssh.known_hosts))).head()
    with pytest.raises(SettingsError, match="there is no key file"):
        await mirror_of(tmp_path, ssh.url(), Credentials(key_file=str(tmp_path / "none"))).head()


async def test_ssh_does_not_speak_to_a_host_that_it_does_not_know(workplace: Workplace, ssh: SshServer, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    (tmp_path / "empty").touch()
    other = ssh.known_hosts.read_text().replace("AAAAC3NzaC1lZDI1NTE5AAAAI", "AAAAC3NzaC1lZDI1NTE5AAAAJ")
    (tmp_path / "other").write_text(other)
    for known_hosts in ("empty", "other"):
        credentials = Credentials(key_file=str(ssh.key_file), known_hosts=str(tmp_path / known_hosts))
        with pytest.raises(SettingsError, match="host key"):
            await mirror_of(tmp_path, ssh.url(), credentials).head()


async def test_a_key_file_that_others_can_read_is_told(workplace: Workplace, ssh: SshServer, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    ssh.key_file.chmod(0o644)
    with pytest.raises(SettingsError, match="others can read it"):
        await mirror_of(tmp_path, ssh.url(), Credentials(key_file=str(ssh.key_file), known_hosts=str(ssh.known_hosts))).head()


# ---------------------------------------------------------------------- hung, killed


@pytest.mark.parametrize("scheme", ["http", "git", "ssh"])
async def test_a_hung_remote_delays_no_other(workplace: Workplace, tmp_path: Path, scheme: str) -> None:
    commit = workplace.commit({"a": "1"})
    with hung_server() as port:
        hung = [asyncio.create_task(mirror_of(tmp_path, f"{scheme}://127.0.0.1:{port}/{number}", silence=2).head()) for number in range(10)]
        await asyncio.sleep(0.2)
        started = time.monotonic()
        assert (await mirror_of(tmp_path, str(workplace.origin)).head()).commit == commit
        assert time.monotonic() - started < 1.5
        errors = await asyncio.gather(*hung, return_exceptions=True)
    assert {type(error) for error in errors} == {Unreachable}
    assert all("does not answer" in str(error) for error in errors)
    assert await vanished(str(port))


async def test_a_cancelled_fetch_ends_its_processes(tmp_path: Path) -> None:
    with hung_server() as port:
        task = asyncio.create_task(mirror_of(tmp_path, f"http://127.0.0.1:{port}/x").head())
        await asyncio.sleep(0.3)
        assert processes_with(str(port))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await vanished(str(port))


async def vanished(word: str) -> bool:
    """No process has the word on its command line, after the moment that dying takes."""
    for _ in range(100):
        if not processes_with(word):
            return True
        await asyncio.sleep(0.02)
    return False


def processes_with(word: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


async def test_a_fetch_that_was_killed_is_made_good_by_the_next(workplace: Workplace, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    mirror = mirror_of(tmp_path, str(workplace.origin))
    await mirror.head()
    second = workplace.commit({f"f{number}": os.urandom(40_000) for number in range(150)})
    for pause in (0.0, 0.01, 0.02, 0.03, 0.05, 0.08):
        fetch = [
            "git",
            f"--git-dir={mirror.objects.directory}",
            "fetch",
            "-q",
            "--no-tags",
            "--",
            str(workplace.origin),
            "+main:refs/trueup/killed",
        ]
        victim = subprocess.Popen(fetch, start_new_session=True)
        await asyncio.sleep(pause)
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
    (mirror.objects.directory / "packed-refs.lock").touch()
    for reference in mirror.objects.directory.glob("refs/trueup/*"):
        reference.with_name(reference.name + ".lock").touch()
    assert (await mirror.head()).commit == second
    assert mirror.tree(second).size("f149") == 40_000
    assert git(mirror.objects.directory, "fsck", "--no-dangling") == ""
