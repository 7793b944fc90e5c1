"""
The project's settings for the tests, over whatever DATABASE_URL and REDIS_URL name.

Nothing of the developer's own installation counts: no .env, keys of this one process, a database
of this one process.
"""

from __future__ import annotations

import os
import secrets
import tempfile

os.environ["AUTHSVC_ENV_FILE"] = ""
os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
os.environ.setdefault("JWT_SIGNING_KEY", secrets.token_urlsafe(48))
os.environ.setdefault("SECURE_SSL_REDIRECT", "0")

from authsvc.settings import *  # noqa: F403 - the environment comes first
from authsvc.settings import DATABASES, LOGGING

ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Otherwise each test client begins by listing every static file, which takes longer than the test.
WHITENOISE_AUTOREFRESH = True
# A line per request would stand before what a failed test has to say.
LOGGING["loggers"]["authsvc.requests"] = {"level": "WARNING"}

_database = DATABASES["default"]
_name = f"test_authsvc_{os.getpid()}"
if _database["ENGINE"].endswith("sqlite3"):
    # A file, as in use: in memory, threads meet "table is locked" instead of the timeout.
    _name = os.path.join(tempfile.gettempdir(), f"{_name}.sqlite3")
    _database["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
_database["TEST"] = {"NAME": _name}
