"""
The environment: how each variable of the service is read, and what a wrong one is told.

A variable that is absent and one that is empty mean the same. A value that cannot be used raises
ImproperlyConfigured with the variable's name and what it accepts; the value itself is shown only
where it cannot be a secret. ``.env`` in the repository's root fills in what the process does not
have.

Four private variables are for the commands of this repository, not for people::

    AUTHSVC_ENV_FILE=path           another .env; empty: none (the tests)
    AUTHSVC_THROWAWAY_KEYS=1        without SECRET_KEY a key for this one process will do: for
                                    makemigrations, collectstatic and the like, never for a server
    AUTHSVC_PROCESS=server          set by wsgi.py and asgi.py: the database's timeouts hold;
                                    a migration or a clean-up may take its time
    AUTHSVC_STATIC=collected        set by ``serve``: static files come from var/static
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from accounts.conf import HMAC_ALGORITHMS, MIN_KEY_LENGTH

BASE_DIR: Path = Path(__file__).resolve().parent.parent
VAR_DIR: Path = BASE_DIR / "var"
KEPT_KEYS = {"SECRET_KEY": "secret_key", "JWT_SIGNING_KEY": "jwt_signing_key"}

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


def read_dotenv() -> None:
    """Take from .env what the process's environment does not have."""
    path = Path(os.environ.get("AUTHSVC_ENV_FILE", BASE_DIR / ".env") or os.devnull)
    if path.is_file():
        environ.Env.read_env(path, overwrite=False)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with status 1 and one line where the block finds the configuration wrong."""
    try:
        yield
    except ImproperlyConfigured as error:
        sys.exit(f"authsvc cannot start: {' '.join(str(error).split())}")


def wrong(name: str, accepted: str) -> ImproperlyConfigured:
    """Return the error that names the variable and what it accepts."""
    return ImproperlyConfigured(f"{name} must be {accepted}.")


def text(name: str, default: str = "") -> str:
    """Return the variable without the blanks around it."""
    return os.environ.get(name, "").strip() or default


def words(name: str, default: str = "") -> list[str]:
    """Return the parts of a comma-separated list, without empty ones."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def flag(name: str, *, default: bool) -> bool:
    """Return a yes or no."""
    value = text(name, "1" if default else "0").lower()
    if value not in TRUE | FALSE:
        raise wrong(name, f"1 or 0 (also true/false, yes/no, on/off), not {value!r}")
    return value in TRUE


def number(name: str, default: int, *, least: int, most: int) -> int:
    """Return a whole number between ``least`` and ``most``, both included."""
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise wrong(name, f"a whole number from {least} to {most}, not {value!r}")
    return int(value)


def choice(name: str, default: str, *, accepted: Collection[str]) -> str:
    """Return one of the accepted words, whatever the case it was written in."""
    value = text(name, default)
    spellings = {word.lower(): word for word in accepted}
    if value.lower() not in spellings:
        raise wrong(name, f"one of {', '.join(sorted(accepted))}, not {value!r}")
    return spellings[value.lower()]


def origins(name: str) -> list[str]:
    """Return a list of web origins, such as https://app.example.com."""
    found = words(name)
    for origin in found:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}":
            raise wrong(
                name, f"a comma-separated list of origins like https://a.example, not {origin!r}"
            )
    return found


def secret_key() -> str:
    """Return SECRET_KEY; a short one is refused, a missing one too except as the module says."""
    key = text("SECRET_KEY")
    if not key and flag("AUTHSVC_THROWAWAY_KEYS", default=False):
        return secrets.token_urlsafe(48)
    if len(key) < MIN_KEY_LENGTH:
        what = "set" if not key else "longer"
        raise wrong(
            "SECRET_KEY",
            f"{what}: at least {MIN_KEY_LENGTH} random characters, for example from "
            """python3 -c 'import secrets; print(secrets.token_urlsafe(48))'""",
        )
    return key


def secret_key_fallbacks() -> list[str]:
    """Return the keys before SECRET_KEY, which verify and do not sign; a short one is refused."""
    keys = words("SECRET_KEY_FALLBACKS")
    if any(len(key) < MIN_KEY_LENGTH for key in keys):
        accepted = f"a comma-separated list of keys of at least {MIN_KEY_LENGTH} characters"
        raise wrong("SECRET_KEY_FALLBACKS", accepted)
    return keys


def pem_or_secret(name: str) -> str:
    r"""Return a key; in a PEM, which has several lines, ``\n`` may stand for the line's end."""
    return text(name).replace("\\n", "\n")


def email_url() -> dict[str, object]:
    """Return Django's EMAIL_* settings from EMAIL_URL; without it mail goes to stdout."""
    accepted = (
        "like smtp://user:password@host:25, smtp+tls://…:587, smtp+ssl://…:465, consolemail://"
    )
    try:
        found = environ.Env.email_url_config(text("EMAIL_URL", "consolemail://"))
    except (ImproperlyConfigured, ValueError):
        # "from None": the error quotes the URL, and the URL has a password in it.
        raise wrong("EMAIL_URL", accepted) from None
    if "smtp" in found["EMAIL_BACKEND"] and not found["EMAIL_HOST"]:
        raise wrong("EMAIL_URL", accepted)
    return {key: value for key, value in found.items() if key.startswith("EMAIL_")}


def workers() -> int:
    """Return how many processes answer HTTP; without WORKERS, one per processor."""
    return number("WORKERS", os.cpu_count() or 1, least=1, most=256)


def threads() -> int:
    """Return how many requests one process works on at a time."""
    return number("THREADS", 8, least=1, most=256)


def database_pool_size() -> int:
    """Return how many connections one process may hold; a thread needs one at most."""
    return number("DATABASE_POOL_SIZE", threads(), least=1, most=1000)


def port(name: str, default: int) -> int:
    """Return a TCP port."""
    return number(name, default, least=1, most=65535)


def describe_backends() -> str:
    """Return what keeps the data, without addresses or passwords."""
    database = "PostgreSQL" if text("DATABASE_URL").startswith(("p",)) else "SQLite"
    cache = "Redis" if text("REDIS_URL") else "the cache in memory"
    return f"{database} and {cache}"


def kept_secret(name: str) -> str:
    """Return the secret kept in ``var/name``, made and made private at the first call."""
    path = VAR_DIR / name
    VAR_DIR.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text(encoding="ascii").strip()


def prepare_command() -> None:
    """Give any other command the keys that ``run`` has made, so that it finds the same service."""
    read_dotenv()
    for variable, name in KEPT_KEYS.items():
        if not text(variable) and (VAR_DIR / name).is_file():
            os.environ[variable] = kept_secret(name)


def prepare_run() -> None:
    """Set what ``manage.py run`` needs and nobody gave: keys, and no demand for TLS."""
    read_dotenv()
    os.environ["SECURE_SSL_REDIRECT"] = text("SECURE_SSL_REDIRECT", "0")
    for variable, name in KEPT_KEYS.items():
        is_random = variable == "SECRET_KEY" or text("JWT_ALGORITHM", "HS256") in HMAC_ALGORITHMS
        if is_random and not text(variable):
            os.environ[variable] = kept_secret(name)


def prepare_serve() -> None:
    """Set what ``manage.py serve`` needs: real keys only, and static files collected."""
    read_dotenv()
    os.environ.pop("AUTHSVC_THROWAWAY_KEYS", None)
    os.environ["AUTHSVC_STATIC"] = "collected"


def prepare_server() -> None:
    """Set what holds in every process that answers requests: timeouts, and no throwaway keys."""
    os.environ["AUTHSVC_PROCESS"] = "server"
    os.environ.pop("AUTHSVC_THROWAWAY_KEYS", None)
