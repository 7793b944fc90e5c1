"""The project as an app, so that ``manage.py run`` and ``manage.py serve`` are found."""

from django.apps import AppConfig


class AuthsvcConfig(AppConfig):
    """Holds the commands; the models are in ``accounts`` and ``authsvc.workspaces``."""

    name = "authsvc"
