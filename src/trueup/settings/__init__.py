"""What the operator sets: a TOML file and ``TRUEUP_*`` become one frozen ``Settings``.

The environment wins over the file, and what the command line says wins over both. A key that nobody knows is an error with its file and
line. Secrets are never written here: only the names of the environment variables or files that hold them.
"""

from trueup.settings.nouns import (
    Identity,
    Limits,
    Log,
    Rendering,
    RepositorySettings,
    Retention,
    SecretSource,
    Settings,
    SourceSettings,
)
from trueup.settings.reading import load

__all__ = [
    "Identity",
    "Limits",
    "Log",
    "Rendering",
    "RepositorySettings",
    "Retention",
    "SecretSource",
    "Settings",
    "SourceSettings",
    "load",
]
