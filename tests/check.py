"""``make check``: everything that can be judged without running the service."""

from __future__ import annotations

import filecmp
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "docs" / "openapi.yaml"
PYTHON = [sys.executable]
MANAGE = [sys.executable, "manage.py"]


def main() -> int:
    """Take every step, say how it went, and return 1 when one failed."""
    with tempfile.TemporaryDirectory() as directory:
        schema = Path(directory) / "openapi.yaml"
        passed = [
            step("format", [*PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."]),
            step("lint", [*PYTHON, "-m", "ruff", "check", "--quiet", "."]),
            step("types", [*PYTHON, "-m", "mypy"]),
            step("migrations", [*MANAGE, "makemigrations", "--check", "--dry-run"]),
            step("deployment", [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"]),
            step("schema", [*MANAGE, *spectacular(schema)]) and unchanged(schema),
            compose(),
            messages(),
            performance(),
        ]
    return 0 if all(passed) else 1


def production() -> Mapping[str, str]:
    """Return the environment of a plausible installation, with keys that nobody keeps."""
    names = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in names if name in os.environ} | {
        "AUTHSVC_ENV_FILE": "",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": "postgres://authsvc@database.example/authsvc",
        "REDIS_URL": "redis://cache.example:6379/0",
        "ALLOWED_HOSTS": "auth.example.com",
        "CSRF_TRUSTED_ORIGINS": "https://auth.example.com",
        "CORS_ALLOWED_ORIGINS": "https://app.example.com",
        "TRUSTED_PROXIES": "1",
        "METRICS_TOKEN": secrets.token_urlsafe(24),
        "EMAIL_URL": "smtp+tls://mail.example:587",
    }


def performance() -> bool:
    """Count the check's instructions, where that can be done, and say what was found."""
    command = [*PYTHON, "-m", "benchmarks.quick"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = (ended.stdout + ended.stderr).strip()
    passed = report("performance", "" if ended.returncode == 0 else said or "failed")
    if passed:
        print(f"  {said}", flush=True)
    return passed


def step(name: str, command: list[str], *, environment: Mapping[str, str] | None = None) -> bool:
    """Run the command; what it printed is shown only when it failed."""
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=environment or production(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return report(name, "" if ended.returncode == 0 else ended.stdout or "failed")


def report(name: str, problem: str) -> bool:
    """Print one line for the step, and the problem when there is one; return whether it passed."""
    print(f"{name:12} {'ok' if not problem else 'FAILED'}", flush=True)
    if problem:
        print(problem.rstrip(), flush=True)
    return not problem


def spectacular(target: Path) -> list[str]:
    """Return the command that writes the OpenAPI document."""
    return ["spectacular", "--validate", "--fail-on-warn", "--file", str(target)]


def unchanged(schema: Path) -> bool:
    """Compare the OpenAPI document with the published one."""
    same = not SCHEMA.exists() or filecmp.cmp(schema, SCHEMA, shallow=False)
    renew = f"manage.py spectacular --file {SCHEMA.relative_to(ROOT)}"
    return report("openapi.yaml", "" if same else f"The schema changed; if it is meant: {renew}")


def compose() -> bool:
    """Let docker judge the compose file; without docker, see whether it is YAML."""
    environment = {**os.environ, "SECRET_KEY": "x" * 48, "POSTGRES_PASSWORD": "x"}
    probe = [shutil.which("docker") or "docker", "compose", "version"]
    if (
        shutil.which("docker")
        and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    ):
        return step("compose", ["docker", "compose", "config", "--quiet"], environment=environment)
    try:
        yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        return report("compose", str(error))
    return report("compose", "")


def messages() -> bool:
    """See whether the compiled translations are those of the catalogues."""
    if not (ROOT / "tests" / "check_messages.py").exists():
        return True
    return step("messages", [*PYTHON, "-m", "tests.check_messages"])


if __name__ == "__main__":
    sys.exit(main())
