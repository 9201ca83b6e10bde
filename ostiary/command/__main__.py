"""``python -m ostiary.command`` is the same as ``ostiary``."""

from ostiary.command import main

main()
