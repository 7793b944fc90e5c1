"""A password hasher that knows how often it was used."""

from __future__ import annotations

import threading

from django.contrib.auth.hashers import MD5PasswordHasher


class CountingHasher(MD5PasswordHasher):
    """The quick one of the tests, under the same name. Verifying encodes, too."""

    used = threading.local()

    def encode(self, password: str, salt: str) -> str:
        """Count it, in this thread, and encode."""
        self.used.times = self.times() + 1
        return super().encode(password, salt)

    @classmethod
    def times(cls) -> int:
        """Return how often this thread has hashed."""
        return int(getattr(cls.used, "times", 0))
