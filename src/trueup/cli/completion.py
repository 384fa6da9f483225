"""``trueup completion``: the script that a shell needs."""

import click
from click.shell_completion import get_completion_class

from trueup.cli.program import VERBS, program
from trueup.cli.verb import Verb, argument
from trueup.cli.views import Views
from trueup.model.errors import UsageError


@click.command("completion", cls=Verb, short_help=VERBS["completion"])
@argument("shell", "Your shell.", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the script that completes verbs and options.

    For bash put `source <(trueup completion bash)` into ~/.bashrc, for zsh the same with zsh into ~/.zshrc, for fish
    `trueup completion fish | source` into ~/.config/fish/config.fish.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"there is no completion for {shell}")
    Views().show_raw(kind(program, {}, "trueup", "_TRUEUP_COMPLETE").source())
    return 0
