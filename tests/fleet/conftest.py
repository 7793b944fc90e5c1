"""What the fleet may ask for."""

from tests.races.course import tally

__all__ = ["tally"]
