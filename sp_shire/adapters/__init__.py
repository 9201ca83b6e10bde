"""How requests reach the core: WSGI, ASGI, a web server that asks; what the application is told, and what nobody else may tell it."""
