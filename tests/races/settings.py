"""The settings of the racers: those of the tests, with a counting hasher and one of the past."""

from tests.settings import *  # noqa: F403 - all of them

PASSWORD_HASHERS = [
    "tests.races.hashing.CountingHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
