"""``ostiary vo ...``: the VO on the command line, in modules by what they manage. Each command can answer in JSON."""
