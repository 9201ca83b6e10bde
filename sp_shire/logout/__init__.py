"""Single logout, as the asking and as the asked side."""
