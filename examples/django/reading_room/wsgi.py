"""The application behind Ostiary."""

import os

from django.core.wsgi import get_wsgi_application
from sp_shire.django import ShireMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reading_room.settings")
application = ShireMiddleware(get_wsgi_application(), "sp.yaml")
