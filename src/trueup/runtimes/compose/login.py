"""Who we are at a registry of images."""

from dataclasses import dataclass

from trueup.model.secret import Secret


@dataclass(frozen=True, slots=True)
class Login:
    """A name, and the password or token that goes with it."""

    username: str
    password: Secret
