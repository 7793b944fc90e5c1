"""
Django's settings for the service. What differs between installations is in ``environment``.

Without DATABASE_URL and REDIS_URL everything works in one process; see docs/auth/AUTH_README.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from authsvc import backends, environment, logs, token_keys

environment.read_dotenv()

BASE_DIR: Path = environment.BASE_DIR
VAR_DIR: Path = environment.VAR_DIR

SECRET_KEY = environment.secret_key()
SECRET_KEY_FALLBACKS = environment.secret_key_fallbacks()
DEBUG = environment.flag("DEBUG", default=False)
# The names of this machine are always taken: health checks use them, and a link made with one of
# them leads an attacker nowhere.
ALLOWED_HOSTS = [*environment.words("ALLOWED_HOSTS"), "localhost", "127.0.0.1", "[::1]"]
TRUSTED_PROXIES = environment.number("TRUSTED_PROXIES", 0, least=0, most=16)
HTTPS = environment.flag("SECURE_SSL_REDIRECT", default=True)

INSTALLED_APPS = [
    # First, for its changepassword to be found before Django's own.
    "accounts",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "django_guid",
    "authsvc",
    "authsvc.workspaces",
]

MIDDLEWARE = [
    "authsvc.edge.RequestIdMiddleware",
    "authsvc.observability.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "authsvc.policies.ContentSecurityPolicyMiddleware",
    "authsvc.edge.CorsMiddleware",
    "authsvc.edge.SessionMiddleware",
    "authsvc.edge.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "authsvc.edge.CsrfViewMiddleware",
    "authsvc.edge.AuthenticationMiddleware",
    "authsvc.edge.SessionRowMiddleware",
    "authsvc.edge.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "authsvc.urls"
WSGI_APPLICATION = "authsvc.wsgi.application"
ASGI_APPLICATION = "authsvc.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
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

DATABASES = backends.databases()
CACHES = backends.caches()

# Who is signed in

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "accounts.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "accounts.validators.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
ACCOUNTS: dict[str, Any] = {
    **token_keys.jwt_keys(),
    "ISSUER": "authsvc",
    "AUDIENCE": "authsvc",
    "USER_CACHE_KEYS": ["user_workspace:{user_id}"],
    "TRUSTED_PROXIES": TRUSTED_PROXIES,
    "RATE_LIMITS": environment.flag("RATE_LIMITS", default=True),
    "REQUIRE_HTTPS": HTTPS,
    # Each process its share of the processors.
    "PASSWORD_HASHES_AT_ONCE": max(1, (os.cpu_count() or 1) // environment.workers()),
}

# The browser: cookies, origins, transport

SESSION_ENGINE = "accounts.web.session_store"
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
# As long as a session may live at most; its row knows when it ends before that.
SESSION_COOKIE_AGE = 30 * 24 * 60 * 60
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = environment.origins("CSRF_TRUSTED_ORIGINS")
CORS_ALLOWED_ORIGINS = environment.origins("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/auth/"
CORS_EXPOSE_HEADERS = ["Retry-After", "WWW-Authenticate"]
LANGUAGE_COOKIE_NAME = "__Host-language" if HTTPS else "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
# In the session, which is there where anything is said; not in one more cookie.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
LOGIN_URL = "accounts_web:login"
LOGIN_REDIRECT_URL = "accounts_web:sessions"
X_FRAME_OPTIONS = "DENY"
# What other people's pages need besides is in authsvc.policies. 'self' includes the WebSocket.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
SECURE_SSL_REDIRECT = HTTPS
# A redirect would invite apps to send tokens in the clear first: the API refuses plain HTTP itself.
SECURE_REDIRECT_EXEMPT = [r"^auth(/|$)", r"^(healthz|readyz|metrics)$"]
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
# What ``check --deploy`` says about transport is no news to whoever turned it off.
SILENCED_SYSTEM_CHECKS = [
    # Looks for Django's CsrfViewMiddleware by its name; authsvc.edge has a subclass of it.
    "security.W003",
    *([] if HTTPS else ["security.W004", "security.W008", "security.W012", "security.W016"]),
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200

# Language and time

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# Static files

STATIC_URL = "/static/"
STATIC_COLLECTED = environment.text("AUTHSVC_STATIC") == "collected"
STATIC_ROOT = VAR_DIR / "static" if STATIC_COLLECTED else None
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED
WHITENOISE_AUTOREFRESH = False
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# The API: the views of accounts carry their own authentication, permissions and renderers

REST_FRAMEWORK: dict[str, Any] = {
    "EXCEPTION_HANDLER": "accounts.api.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "accounts.api.schema.EnvelopeSchema",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "authsvc",
    "VERSION": "1.0.0",
    "DESCRIPTION": (
        "Signing in and, above all, signing out: revocable sessions per device.\n\n"
        "Every answer is an object of the same five keys: `success`, `message` for people, "
        "`data`, and for an error its `code` for programs and the first offending `field`. "
        "Times are RFC 3339 in UTC, ids are UUIDs. Any path answers 405 `method_not_allowed` "
        "to other methods, and any other path under `/auth/` 404 `not_found`."
    ),
    "OAS_VERSION": "3.1.0",
    "TAGS": [
        {"name": "sign in", "description": "Accounts, and tokens for a device"},
        {"name": "sign out", "description": "Everywhere, here, elsewhere, or by token"},
        {"name": "sessions", "description": "The signed-in devices"},
        {"name": "password", "description": "Change it, or reset a forgotten one"},
        {"name": "profile", "description": "Who the caller is"},
        {"name": "workspace", "description": "Where the caller works"},
        {"name": "events", "description": "What happened to the caller"},
        {"name": "staff", "description": "For those with the permission"},
    ],
    "COMPONENT_SPLIT_PATCH": False,
    "ENFORCE_NON_BLANK_FIELDS": True,
}

# Mail, logs and figures

vars().update(environment.email_url())
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = environment.text("EMAIL_FROM", "authsvc@localhost")
METRICS_TOKEN = environment.text("METRICS_TOKEN")
LOG_FORMAT = environment.choice("LOG_FORMAT", "text", accepted={"json", "text"})
LOG_LEVEL = environment.choice(
    "LOG_LEVEL", "INFO", accepted={"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
)
# Every request has an id: the proxy's, if it is a UUID, else a new one. Logs and answer carry it.
DJANGO_GUID = {
    "GUID_HEADER_NAME": "X-Request-ID",
    "VALIDATE_GUID": True,
    "RETURN_HEADER": True,
    "EXPOSE_HEADER": False,
    "UUID_FORMAT": "string",
}
LOGGING: dict[str, Any] = logs.logging(LOG_FORMAT, LOG_LEVEL)
