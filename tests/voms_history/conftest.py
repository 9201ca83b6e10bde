"""The VO of tests/voms, whose clock the tests move."""

from tests.voms.conftest import engine, vo

__all__ = ["engine", "vo"]
