"""
A stranger's project: what the documentation asks of a host, and as little else as Django lets.

HOST_USER_MODEL names its users: Django's own, with integer keys and usernames, or the project's.
"""

from __future__ import annotations

import os
from typing import Any

import environ

SECRET_KEY = "a secret of the host, which nobody else knows"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "tests.host_project.urls"
AUTH_USER_MODEL = os.environ.get("HOST_USER_MODEL", "auth.User")

INSTALLED_APPS = [
    "accounts",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
]
if AUTH_USER_MODEL == "people.Person":
    INSTALLED_APPS.append("tests.host_project.people")
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.web.middleware.SessionRowMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STATIC_URL = "/static/"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

_database: dict[str, Any] = environ.Env.db_url_config(
    os.environ.get("DATABASE_URL") or "sqlite://:memory:"
)
if "postgresql" in _database["ENGINE"]:
    _database["TEST"] = {"NAME": f"test_host_{os.getpid()}"}
DATABASES = {"default": _database}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "KEY_FUNCTION": "accounts.user_cache.raw_key",
    }
}
ACCOUNTS = {"ISSUER": "host", "AUDIENCE": "host"}
