"""The endpoint of this service alone, under ``auth/`` like those of accounts, and before them."""

from __future__ import annotations

from django.urls import path

from authsvc.workspaces.views import WorkspaceView

app_name = "workspaces"

urlpatterns = [path("workspace", WorkspaceView.as_view(), name="workspace")]
