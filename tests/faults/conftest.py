"""What the tests of faults may ask for."""

from tests.races.course import tally

__all__ = ["tally"]
