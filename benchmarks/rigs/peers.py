"""
The peers' settings: a new project's, and what the manual of the peer ``BENCH_PEER`` asks for.

They are generous to the peer: its connection to PostgreSQL stays open without health checks, and
it has no log, no figures and no security headers beyond Django's own.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import environ

PEER = os.environ["BENCH_PEER"]
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["auth.example.com"]
ROOT_URLCONF = "benchmarks.rigs.peers_urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
]
DATABASES = {
    "default": {**environ.Env.db_url_config(os.environ["DATABASE_URL"]), "CONN_MAX_AGE": None}
}
AUTHENTICATION = {
    "stock": "rest_framework_simplejwt.authentication.JWTAuthentication",
    "stateless": "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication",
    "rotation": "rest_framework_simplejwt.authentication.JWTAuthentication",
    "knox": "knox.auth.TokenAuthentication",
    "authtoken": "rest_framework.authentication.TokenAuthentication",
    "sessions": "rest_framework.authentication.SessionAuthentication",
    "allauth": "allauth.headless.contrib.rest_framework.authentication.JWTTokenAuthentication",
}
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": [AUTHENTICATION[PEER]]}
SIMPLE_JWT: dict[str, Any] = {"ACCESS_TOKEN_LIFETIME": timedelta(days=1)}
REST_KNOX = {"TOKEN_TTL": timedelta(days=10)}

if PEER == "rotation":
    INSTALLED_APPS += ["rest_framework_simplejwt.token_blacklist"]
    SIMPLE_JWT |= {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
elif PEER == "knox":
    INSTALLED_APPS += ["knox"]
elif PEER == "authtoken":
    INSTALLED_APPS += ["rest_framework.authtoken"]
elif PEER == "allauth":
    INSTALLED_APPS += ["allauth", "allauth.account", "allauth.headless", "allauth.usersessions"]
    MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
    HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"
    HEADLESS_JWT_ALGORITHM = "HS256"
    HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True
