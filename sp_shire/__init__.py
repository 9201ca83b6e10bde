"""The resource side: the SHIRE establishes sessions, the SHAR asks for attributes, policies accept them and decide.

Wrap a WSGI application: ``application = ShireMiddleware(application, "sp.yaml")``; an ASGI application:
``application = ShireAsgiMiddleware(application, "sp.yaml")``. Inside, ``Ostiary.of(environ)`` (or ``scope``) says who is there;
`sp_shire.flask`, `sp_shire.django` and `sp_shire.fastapi` make it ``request.ostiary`` and the like; `sp_shire.testing` stands in for all
of it in tests of the application. Everything else here may change. Importing this package loads nothing that a protected application does
not need: no database, no directory, no Flask.
"""

from sp_shire.adapters.asgi import ShireAsgiMiddleware
from sp_shire.adapters.doorkeeper import Ostiary
from sp_shire.adapters.wsgi import ShireMiddleware

__all__ = ["Ostiary", "ShireAsgiMiddleware", "ShireMiddleware"]
