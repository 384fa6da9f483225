"""What all verbs take, and what a verb is: a function of a session and its own options that gives an exit code."""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from trueup.assembly import assemble
from trueup.cli.program import VERBS
from trueup.cli.session import Said, Session
from trueup.model.selection import Selection

Function = Callable[..., Any]

_SECTION: Final = "Options of every command"


class Argument(click.Argument):
    """An argument with what it means, for the help."""

    def __init__(self, declarations: Sequence[str], meaning: str, **attributes: Any) -> None:
        super().__init__(declarations, **attributes)
        self.meaning = meaning


def argument(name: str, meaning: str, **attributes: Any) -> Callable[[Function], Function]:
    """Give an argument to a verb."""
    decorate: Callable[[Function], Function] = click.argument(name, cls=Argument, meaning=meaning, **attributes)
    return decorate


class Verb(click.Command):
    """A command whose help says what its arguments mean, then lists its own options, and then those that every command takes."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Three sections."""
        arguments: list[tuple[str, str]] = []
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for parameter in self.get_params(context):
            record = parameter.get_help_record(context)
            if isinstance(parameter, Argument):
                arguments.append((parameter.make_metavar(context), parameter.meaning))
            elif record:
                (shared if parameter.name in _SHARED else own).append(record)
        for title, records in (("Arguments", arguments), ("Options", own), (_SECTION, shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_arguments(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """They stand above the options already."""


_FOLDER = click.Path(file_okay=False)
_FILE = click.Path(dir_okay=False)


def _output(formats: Sequence[str]) -> click.Option:
    return click.Option(["-o", "--output"], type=click.Choice(formats), default=formats[0], show_default=True, help="The format.")


def _shared() -> list[click.Parameter]:
    """Made anew for each verb: click keeps state in them."""
    return [
        _option("--repo", "URL|PATH", "The repository; left out: the upstream of this clone."),
        _option("--branch", "B", "The branch or tag that is followed; left out: the remote's HEAD."),
        _option("--path", "P", "The folder in the repository; left out: all of it."),
        _option("--state", "DIR", "Where history, approvals and mirrors are; left out: ~/.local/state/trueup.", type=_FOLDER),
        _option("--config", "FILE", "The settings, in TOML.", type=_FILE),
        _option("--server", "URL", "Ask a serve elsewhere; not there yet."),
        click.Option(["--debug"], is_flag=True, help="Print the traceback of an error."),
    ]


def _option(name: str, metavar: str, meaning: str, **attributes: Any) -> click.Option:
    variable = "TRUEUP_" + name.lstrip("-").upper()
    return click.Option([name], metavar=metavar, envvar=variable, show_envvar=True, help=meaning, **attributes)


_SHARED: Final = frozenset({"repo", "branch", "path", "state", "config", "server", "debug", "help"})


def verb(name: str, outputs: Sequence[str] = ("text",)) -> Callable[[Function], click.Command]:
    """Make a function ``(session, **own options) -> exit code`` a verb that also takes what every verb takes.

    ``outputs`` are the formats of ``-o``, the first is the one that is taken when none is said; the output chosen is ``session.output``.
    """

    def decorate(function: Function) -> click.Command:
        @click.pass_context
        def invoke(context: click.Context, /, **options: Any) -> int:
            said = Said(**{key: options.pop(key) for key in Said.KEYS}, output=options.pop("output", outputs[0]))
            options.pop("debug")
            code: int = function(Session(said, context.obj or assemble), **options)
            return code

        command = click.command(name, cls=Verb, short_help=VERBS[name])(functools.update_wrapper(invoke, function))
        command.params += [*([_output(outputs)] if len(outputs) > 1 else []), *_shared()]
        return command

    return decorate


def selecting(everything: bool) -> Callable[[Function], Function]:
    """Options that say which applications are meant; they arrive as ``selection``. ``everything``: with ``--all``."""

    def decorate(function: Function) -> Function:
        def invoke(*arguments: Any, app: tuple[str, ...], label: tuple[str, ...], **options: Any) -> Any:
            selection = Selection(app, tuple(map(_label, label)), options.pop("all", not everything))
            return function(*arguments, selection=selection, **options)

        callback: Function = functools.update_wrapper(invoke, function)
        if everything:
            callback = click.option("--all", is_flag=True, help="Every application, and unchanged objects too.")(callback)
        labels = click.option("-l", "--label", metavar="LABEL=VALUE", multiple=True, help="Applications with this label.")
        return click.option("--app", metavar="NAME", multiple=True, help="An application; may be given again.")(labels(callback))

    return decorate


def _label(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"([^=\s]+)==?(\S*)", text)
    if not match:
        raise click.BadParameter(f"`{text}` is not LABEL=VALUE", param_hint="-l")
    return match[1], match[2]
