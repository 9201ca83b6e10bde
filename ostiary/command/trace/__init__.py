"""``ostiary trace``: walks a login like a browser, and tells each hop, each message and what its verification looked at.

Nothing here decides about trust: every rule that is reported is the one that the services themselves apply.
"""
