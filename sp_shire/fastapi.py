"""A FastAPI application behind the SHIRE: ``app.add_middleware(ShireAsgiMiddleware, config="sp.yaml")`` and the dependency
`CurrentOstiary`. Decides nothing of its own. In Starlette without FastAPI, ``request.state.ostiary`` is the same object."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from sp_shire.adapters.asgi import ShireAsgiMiddleware
from sp_shire.adapters.doorkeeper import Ostiary

__all__ = ["CurrentOstiary", "Ostiary", "ShireAsgiMiddleware", "ostiary"]


def ostiary(connection: HTTPConnection) -> Ostiary:
    """Who makes this request (or opens this WebSocket). Raises `LookupError` where the application is not protected."""
    return Ostiary.of(connection.scope)


CurrentOstiary = Annotated[Ostiary, Depends(ostiary)]
"""The type of a parameter: ``def members(who: CurrentOstiary) -> ...``."""
