"""The demo's resources by name, for ``ostiary serve sp --app ostiary.command.demo.wsgi:library``. Each is made when it is asked for."""

from flask import Flask

from ostiary.command.demo.applications import DemoResource, make_demo_application
from ostiary.command.demo.layout import RESOURCES
from ostiary.command.demo.people import HOMES


def __getattr__(name: str) -> Flask:
    for resource in RESOURCES:
        if resource.key == name:
            return application_of(resource)
    raise AttributeError(f"{name} is none of {', '.join(resource.key for resource in RESOURCES)}")


def application_of(resource: DemoResource) -> Flask:
    """The bare application, which its SHIRE is still to protect."""
    return make_demo_application(resource, {home.entity_id: home.name for home in HOMES})
