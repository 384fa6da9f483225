"""The Compose runtime: a Docker Engine, and the projects of Compose files on it."""

from trueup.runtimes.compose.kind import ComposeKind, compose

__all__ = ["ComposeKind", "compose"]
