"""Surface 1, the command line: one file per verb, ``views`` is the only place that prints."""

from trueup.cli.program import main

__all__ = ["main"]
