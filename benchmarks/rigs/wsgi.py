"""A peer's entry point for a server."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
