"""
Password hashing at OWASP's parameters, and no more of it at once than the processors bear.

Argon2 lets go of Python's lock, so without a bound each thread of a flood of sign-ins computes at
the same time: every one is slow then, and with them the logout that comes in between.
"""

from __future__ import annotations

import functools
import os
import threading

from django.contrib.auth import hashers

from accounts.conf import get_settings


class Argon2PasswordHasher(hashers.Argon2PasswordHasher):
    """
    Argon2id with 19 MiB, two passes and one lane, unless ``ACCOUNTS`` says otherwise.

    OWASP's Password Storage Cheat Sheet names these. Django's default (100 MiB, eight lanes) costs
    ten times as much, which makes a flood of logins a denial of service. Of one process
    ``PASSWORD_HASHES_AT_ONCE`` threads hash, the others wait for their turn. A hash that was made
    with other parameters is made anew at the next sign-in.
    """

    @property
    def time_cost(self) -> int:  # type: ignore[override]  # a constant of Django's
        """How many passes."""
        return get_settings().argon2_time_cost

    @property
    def memory_cost(self) -> int:  # type: ignore[override]
        """How much memory, in KiB."""
        return get_settings().argon2_memory_kib

    @property
    def parallelism(self) -> int:  # type: ignore[override]
        """How many lanes."""
        return get_settings().argon2_parallelism

    def encode(self, password: str, salt: str) -> str:
        """Return the hash of a new password."""
        with _turns(get_settings().password_hashes_at_once):
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether the hash is this password's."""
        with _turns(get_settings().password_hashes_at_once):
            return super().verify(password, encoded)


@functools.cache
def _turns(at_once: int) -> threading.Semaphore:
    return threading.Semaphore(at_once or os.cpu_count() or 1)
