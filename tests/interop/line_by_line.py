"""What the programs beside have in common: they are told what to do line by line. Standard library only, for the system's Python.

Each line of standard input is a JSON list, an action (a method of the program) and its arguments; each gets one line with a JSON answer.
"""

import json
import sys


def serve(program: object, refusal: type[Exception]) -> None:
    """Until nothing comes any more. ``refusal``: by what the program's library says no."""
    for line in sys.stdin:
        action, *arguments = json.loads(line)
        try:
            answer = getattr(program, action)(*arguments)
        except refusal as error:
            answer = f"refused: {error}"
        print(json.dumps(answer), flush=True)
