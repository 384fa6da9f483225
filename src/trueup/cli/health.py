"""``trueup health``: the health of the Kubernetes objects in a file, and why."""

import sys
from pathlib import Path
from typing import Final

import click

from trueup.cli.program import VERBS
from trueup.cli.shapes import health_list
from trueup.cli.texts.health import health_complaints, health_lines
from trueup.cli.verb import Verb, argument
from trueup.cli.views import Views
from trueup.model.errors import UsageError
from trueup.model.health import ObjectHealth, State, worst
from trueup.runtimes.kubernetes.health import Rules, health_of, objects_in, rules_in, scripts_in

STANDARD_INPUT: Final = "-"


@click.command("health", cls=Verb, short_help=VERBS["health"])
@argument("file", "A file of Kubernetes objects, in YAML or JSON; `-` is standard input.", metavar="FILE|-")
@click.option("--rules", metavar="PATH", help="A trueup.yaml whose target declares rules, or a folder of Argo CD's health scripts.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The format.")
@click.option("--debug", is_flag=True, expose_value=False, help="Print the traceback of an error.")
def command(file: str, rules: str | None, output: str) -> int:
    """The health that Trueup gives to the Kubernetes objects in FILE (as `kubectl get -o yaml` prints them), and why. No cluster is asked.

    Exits with 1 when an object is degraded.
    """
    views = Views()
    objects = _judged(file, _rules(rules))
    if output == "json":
        views.show_document(health_list(objects))
    else:
        views.show(health_lines(objects, views.width))
    views.tell_complaints(health_complaints(objects))
    return int(worst(each.state for each in objects) is State.DEGRADED)


def _judged(file: str, rules: Rules) -> list[ObjectHealth]:
    """In the order of the file."""
    try:
        objects = objects_in(_read(file), "standard input" if file == STANDARD_INPUT else file)
        healths = [(key, health_of(body, rules)) for key, body in objects]
        return [ObjectHealth(key, health.state, health.message) for key, health in healths]
    finally:
        rules.close()


def _rules(path: str | None) -> Rules:
    if path is None:
        return Rules()
    return Rules(scripts=scripts_in(Path(path))) if Path(path).is_dir() else Rules(rules_in(_read(path), path))


def _read(file: str) -> bytes:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint="name a file, or `-` for standard input") from error
