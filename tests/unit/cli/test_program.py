"""The program as a whole: what it loads, how it says that something went wrong, and its exit code."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from tests.unit.cli.answering import Answering, run, trueup
from trueup.cli.program import VERBS, main, program
from trueup.model.errors import SettingsError, TrueupError
from trueup.model.run import RunState

Captured = pytest.CaptureFixture[str]

HEAVY = {
    "asyncio",
    "litestar",
    "msgspec",
    "opentelemetry",
    "pydantic",
    "pygit2",
    "rich",
    "sqlite3",
    "trueup.engine",
    "trueup.settings",
    "yaml",
}


def started(*words: str, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "trueup", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})


def test_the_help_loads_nothing_heavy() -> None:
    code = "import sys; from trueup.cli import main; main(['--help']); print(' '.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name} " in out for name in VERBS)
    assert not HEAVY & set(out.splitlines()[-1].split())


@pytest.mark.parametrize("name", VERBS)
def test_the_help_of_a_verb_says_what_it_does_and_takes(name: str, capsys: Captured) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: trueup {name}" in shown
    command = program.get_command(program.make_context("trueup", [name]), name)
    assert command is not None
    assert command.help
    assert command.short_help == VERBS[name]
    told = re.findall(r"^  (\S.*?)(?:  +(\S.*)|\n {10,}(\S.*))?$", shown.split("\n\n", 2)[-1], re.MULTILINE)
    records = {names: here or below for names, here, below in told}
    for parameter in command.params:
        [meaning] = [records[names] for names in records if re.search(rf"(^|, ){re.escape(_shown(parameter))}( |$)", names)]
        assert meaning, f"{name}: {parameter.name}"


def _shown(parameter: click.Parameter) -> str:
    return parameter.opts[-1] if isinstance(parameter, click.Option) else parameter.make_metavar(click.Context(program))


@pytest.mark.parametrize(
    ("words", "told", "hint"),
    [
        (["paln"], "there is no command `paln`", "did you mean `plan`?"),
        (["plan", "--aap", "x"], "--aap", "`trueup plan --help`"),
        (["plan", "-o", "xml"], "xml", "`trueup plan --help`"),
        (["plan", "-l", "team"], "LABEL=VALUE", ""),
        (["why", "web"], "missing argument 'KEY'", "`trueup why --help`"),
        (["plan", "--revision", "a", "--working-tree"], "exclude each other", "leave one"),
        (["plan", "--server", "https://example.org"], "not there yet", "--server"),
        (["status", "--watch", "-o", "json"], "--watch shows no JSON", "leave --watch out"),
    ],
)
def test_wrong_usage_exits_with_64_and_says_what_next(words: list[str], told: str, hint: str, capsys: Captured) -> None:
    assert trueup(Answering(), *words) == 64
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert told in captured.err
    assert hint in captured.err
    assert not captured.out


def test_an_option_without_its_value_is_told_with_where_to_look(capsys: Captured) -> None:
    assert main(["plan", "--state"]) == 64
    assert "--help` lists what it takes" in capsys.readouterr().err


def test_no_command_shows_the_help(capsys: Captured) -> None:
    assert main([]) == 64
    assert "Commands:" in capsys.readouterr().err


def test_an_error_that_was_foreseen_has_its_look_and_code(capsys: Captured) -> None:
    error = SettingsError("the state cannot be kept", where="/var/lib", hint="name another folder")
    assert trueup(Answering(plan=error), "plan") == 1
    assert capsys.readouterr().err == "error: the state cannot be kept\n  --> /var/lib\n\nhint: name another folder\n"


def test_errors_of_several_tasks_are_all_told(capsys: Captured) -> None:
    group = ExceptionGroup("several", [SettingsError("one"), ExceptionGroup("more", [TrueupError("two")])])
    assert trueup(Answering(plan=group), "plan") == 1
    assert capsys.readouterr().err == "error: one\n\nerror: two\n"


def test_an_error_that_nobody_foresaw_is_one_line_and_never_its_words(capsys: Captured) -> None:
    assert trueup(Answering(plan=ValueError("hunter2")), "plan") == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: something unexpected happened: ValueError\n")
    assert "--debug" in shown
    assert "hunter2" not in shown
    assert "Traceback" not in shown
    trueup(Answering(plan=ValueError("hunter2")), "plan", "--debug")
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_is_told_in_the_words_of_the_system(capsys: Captured) -> None:
    assert trueup(Answering(plan=OSError(28, "No space left on device", "/var/x")), "plan") == 1
    assert capsys.readouterr().err == "error: No space left on device\n  --> /var/x\n"


@pytest.mark.parametrize("words", [("completion", "bash"), ("health", "objects.json")])
def test_a_broken_pipe_is_quiet(words: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "objects.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}', encoding="utf-8")
    process = started(*words)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == 141


def test_ctrl_c_ends_quietly(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\nfrom tests.unit.cli.answering import *\n"
        "class Slow(Answering):\n async def plan(self, *words):\n  print('ready', flush=True); await asyncio.sleep(30); yield\n"
        "sys.exit(trueup(Slow(), 'plan'))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=90)
    assert (process.returncode, err.strip()) == (130, "")


def test_a_terminal_that_knows_no_accents_is_no_reason_to_fail() -> None:
    code = "import sys\nfrom tests.unit.cli.answering import *\nsys.exit(trueup(Answering(logs=['größe']), 'logs', 'web'))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (answer.returncode, answer.stdout) == (0, "gr\\xf6\\xdfe\n")


def test_nothing_is_coloured_where_no_terminal_is(capsys: Captured) -> None:
    trueup(Answering(apply=[run(RunState.FAILED)]), "apply")
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_names_the_program(shell: str, capsys: Captured) -> None:
    assert main(["completion", shell]) == 0
    assert "_TRUEUP_COMPLETE" in capsys.readouterr().out


def test_verbs_complete() -> None:
    process = started(_TRUEUP_COMPLETE="bash_complete", COMP_WORDS="trueup pl", COMP_CWORD="1")
    out, _ = process.communicate(timeout=90)
    assert out == "plain,plan\n"
