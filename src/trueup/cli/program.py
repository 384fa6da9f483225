"""The program: verbs by name, loaded when they are asked for, and every error told in one look with its exit code."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final

import click

from trueup.model.errors import Several, TrueupError, UsageError

VERBS: Final = {
    "init": "make a repository that works at once",
    "serve": "keep what runs true to what Git says, until stopped",
    "plan": "say what would change, and change nothing",
    "apply": "make it true, and wait until it is healthy",
    "status": "how every application stands",
    "history": "what was done, newest first",
    "drift": "what differs, though Git did not change",
    "why": "which commit, file and line set an object or a field",
    "rollback": "go back to a good revision, with a commit in Git",
    "hold": "keep an application as it is",
    "release": "let go of what is held",
    "approve": "let a plan go that waits for a person",
    "check": "validate declarations and manifests without any target",
    "render": "the manifests that applications render to",
    "health": "the health of the Kubernetes objects in a file, and why",
    "schema": "the JSON Schema of the declarations",
    "logs": "what an object says of itself",
    "completion": "completion for bash, zsh or fish",
}
"""Every verb and its line in the help, so that the help loads none of them."""

EPILOG: Final = """\b
Exit codes:
  0   done, or nothing to do
  1   failed, degraded or timed out
  2   of plan and drift: there are changes
  3   something is held, and waits for a person
  64  wrong usage

`trueup COMMAND --help` says what a command takes. Start with `trueup init`.
"""

INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141


class Program(click.Group):
    """A group whose verbs are modules beside this one."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The verbs, in the order in which people meet them."""
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Load a verb."""
        if name not in VERBS:
            return None
        command: click.Command = import_module(f"trueup.cli.{name}").command
        return command

    def invoke(self, context: click.Context) -> object:
        """Run the verb. Whoever reads may go away in the middle: click would call that a failure."""
        try:
            return super().invoke(context)
        except BrokenPipeError:
            return _leave_pipe()

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that is named. Raises UsageError with a suggestion."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            close = get_close_matches(args[0], VERBS, 1)
            hint = f"did you mean `{close[0]}`?" if close else "`trueup --help` lists the commands"
            raise UsageError(f"there is no command `{args[0]}`", hint=hint)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command("trueup", cls=Program, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="trueup", prog_name="trueup", message="%(prog)s %(version)s", help="Print the version.")
def program() -> None:
    """Trueup keeps what runs true to what Git says."""


def main(arguments: Sequence[str] | None = None, assemble: Callable[..., Any] | None = None) -> int:
    """Run a command line and give its exit code. ``assemble`` puts an engine together; left out: ``trueup.assembly`` does."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _forgive_encoding()
    try:
        code = program.main(words, prog_name="trueup", standalone_mode=False, obj=assemble)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        return _leave_pipe()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return UsageError.exit_code
    except click.ClickException as error:
        return _told(_usage(error), words)
    except Exception as error:  # noqa: BLE001  (the edge of the program: whatever comes here is told in one line)
        return _told(error, words)


def _forgive_encoding() -> None:
    # A terminal that cannot show a character of somebody's subject line is no reason to fail.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")


def _leave_pipe() -> int:
    # Whoever read went away. Python would complain once more when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _usage(error: click.ClickException) -> TrueupError:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"`{context.command_path if context else 'trueup COMMAND'} --help` lists what it takes"
    message = error.format_message().rstrip(".")
    return UsageError(message[:1].lower() + message[1:], hint=hint)


def _told(error: BaseException, words: Sequence[str]) -> int:
    """Tell every error in it; the exit code of the first."""
    from trueup.cli.views import Views

    views = Views()
    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return INTERRUPTED
    known = [leaf if isinstance(leaf, TrueupError) else _unexpected(leaf) for leaf in leaves]
    if "--debug" in words:
        views.tell_raw("".join(traceback.format_exception(error)))
    views.tell_complaints(known)
    return known[0].exit_code


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup | Several):
        for each in error.errors if isinstance(error, Several) else error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _unexpected(error: BaseException) -> TrueupError:
    """An error that nobody foresaw. Its words may hold anything, so only an operating system's are repeated."""
    if isinstance(error, OSError) and error.strerror:
        return TrueupError(error.strerror, where=str(error.filename or ""))
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    hint = "this is a mistake in Trueup: please report it with what `--debug` prints"
    return TrueupError(f"something unexpected happened: {type(error).__name__}", where=place, hint=hint)
