"""The Django project that deploys ``accounts``: settings, urls, servers and the workspaces."""
