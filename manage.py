#!/usr/bin/env python3
"""Django's command line for this project; ``run`` and ``serve`` start the service."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

from authsvc import environment

PREPARED = {"run": environment.prepare_run, "serve": environment.prepare_serve}


def main(arguments: list[str]) -> None:
    """Run the command; a wrong configuration is one line and exit status 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsvc.settings")
    with environment.one_line_errors():
        PREPARED.get(arguments[1] if len(arguments) > 1 else "", environment.prepare_command)()
        execute_from_command_line(arguments)


if __name__ == "__main__":
    main(sys.argv)
