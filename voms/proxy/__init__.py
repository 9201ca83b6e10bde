"""The clients' side: proxies with what VOs say, the services that they are shown to, and what those say in turn."""
