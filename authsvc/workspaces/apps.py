"""This service's own: workspaces, and no host's."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorkspacesConfig(AppConfig):
    """Workspaces and who belongs to them."""

    name = "authsvc.workspaces"
    label = "workspaces"
    verbose_name = _("Workspaces")
