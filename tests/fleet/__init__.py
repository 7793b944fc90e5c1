"""Many phones over a bad network, on a clock that is not ours."""
