"""Docker hosts for these tests."""

from tests.testbed.docker.fixtures import engine, lasting_engine, second_engine, second_lasting_engine

__all__ = ["engine", "lasting_engine", "second_engine", "second_lasting_engine"]
