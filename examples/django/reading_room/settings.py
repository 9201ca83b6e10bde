"""The settings of the reading room; two of them are for Ostiary."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).parents[1]
SECRET_KEY = os.environ.get("SECRET_KEY", "for trying out only")
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "reading_room.urls"
INSTALLED_APPS = ["reading_room"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "sp_shire.django.OstiaryMiddleware",  # request.ostiary
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
WSGI_APPLICATION = "reading_room.wsgi.application"  # which is behind Ostiary; `runserver` asks for it
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
