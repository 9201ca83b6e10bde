"""The reverse proxy for an application that can't be changed: what is passed on in either direction, and the connections to it."""
