"""What the tests of outages may ask for: rows that other processes see, and a tally."""

from tests.races.conftest import db, person
from tests.races.course import tally

__all__ = ["db", "person", "tally"]
