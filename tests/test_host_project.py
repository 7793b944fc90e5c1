"""``accounts`` in a stranger's project, in processes of its own: a user model cannot be swapped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
USER_MODELS = ["auth.User", "people.Person"]

pytestmark = pytest.mark.parametrize("user_model", USER_MODELS)


def run(*command: str, user_model: str, **variables: str) -> None:
    """Run a module's command in the host project; it must end well."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.host_project.settings",
        "HOST_USER_MODEL": user_model,
        **variables,
    }
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_its_tables_are_made_and_nothing_is_left_to_migrate_or_to_correct(
    user_model: str, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'host.sqlite3'}"

    for command in (
        ["migrate", "--verbosity", "0"],
        ["makemigrations", "--check", "--dry-run"],
        ["check", "--fail-level", "WARNING"],
        ["migrate", "accounts", "zero", "--verbosity", "0"],
    ):
        run("django", *command, user_model=user_model, DATABASE_URL=database)


def test_its_people_register_sign_in_and_sign_out(user_model: str) -> None:
    # Without the conftest of this project's own tests: a stranger has not got it.
    folder = "tests/host_project"
    run(
        *("pytest", f"{folder}/promises.py", f"--confcutdir={folder}"),
        *("-q", "--no-header", "-p", "no:cacheprovider", "--create-db"),
        user_model=user_model,
    )
