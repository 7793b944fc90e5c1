"""What is logged, and how a line looks."""

from __future__ import annotations

from typing import Any


def logging(log_format: str, level: str) -> dict[str, Any]:
    """Return Django's LOGGING: everything to stderr, each line with its request's id."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": "django_guid.log_filters.CorrelationId"},
            "without_links": {"()": "authsvc.observability.WithoutLinks"},
            "without_garbage": {"()": "authsvc.observability.WithoutGarbage"},
        },
        "formatters": {
            "text": {
                "format": "{asctime} {levelname} {name} [{correlation_id}]: {message}",
                "style": "{",
            },
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "format": "{asctime}{levelname}{name}{correlation_id}{message}",
                "style": "{",
                "rename_fields": {
                    "asctime": "at",
                    "levelname": "level",
                    "name": "logger",
                    "correlation_id": "request_id",
                },
            },
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": log_format,
                "filters": ["request_id", "without_links"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # No mail to admins: it would carry the body of the request.
            "django": {"handlers": [], "level": "NOTSET"},
            # Its line for each 4xx says less than that of authsvc.requests.
            "django.request": {"level": "ERROR"},
            "django_guid": {"level": "WARNING"},
            # A stranger's doing, with a traceback each: the request's own line says 400.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            # Its line for each handshake has the whole URL, and whoever put a token there.
            "uvicorn.error": {"level": "ERROR", "filters": ["without_garbage"]},
            # Tells of every connection that is lent and returned.
            "psycopg.pool": {"level": "WARNING" if level in {"DEBUG", "INFO"} else level},
        },
    }
