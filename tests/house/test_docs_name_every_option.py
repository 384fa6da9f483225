"""What the surfaces take is documented: options, their variables, routes."""

from pathlib import Path

import click
import pytest

from trueup.cli.program import VERBS, program
from trueup.model.secret import Secret
from trueup.server.application import Triggered, application


class Nobody(Triggered):
    """An engine that is never asked."""

    async def trigger(self, url: str) -> int:
        return 0

    async def ready(self) -> list[str]:
        return []

    async def warnings(self) -> list[str]:
        return []


def page(root: Path, name: str) -> str:
    return (root / "docs" / "reference" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", VERBS)
def test_every_option_and_its_variable_is_named(root: Path, name: str) -> None:
    text = page(root, "commands.md")
    command = program.get_command(click.Context(program), name)
    assert command is not None
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    names = [name for option in options for name in [*option.opts, *([str(option.envvar)] if option.envvar else [])]]
    assert not [name for name in names if f"`{name}`" not in text and f"`{name} " not in text]


def test_every_route_is_named(root: Path) -> None:
    routes = application(Nobody(), Secret("x", "x"), lambda: b"").routes
    assert len(routes) >= 4
    assert not [route.path for route in routes if f"{route.path}`" not in page(root, "telemetry.md")]
