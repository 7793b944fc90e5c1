"""The WSGI edge: everything but the sockets."""

import os

from django.core.wsgi import get_wsgi_application

from authsvc import environment, requests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsvc.settings")

with environment.one_line_errors():
    environment.prepare_server()
    application = requests.tolerate(get_wsgi_application())
