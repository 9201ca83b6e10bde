"""How a peer is measured, in a process of its own: CPU time of the process and of those that it starts. Standard library only."""

import json
import resource
import sys
import traceback


def cpu_seconds():
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def milliseconds(task, seconds):
    """The best of rounds that go on for so many seconds of CPU time, after one call that is not measured (whose errors show)."""
    task()
    begin = cpu_seconds()
    task()
    loops = max(1, int(0.02 / max(cpu_seconds() - begin, 1e-5)))
    best, end = float("inf"), cpu_seconds() + seconds
    while cpu_seconds() < end or best == float("inf"):
        begin = cpu_seconds()
        for _ in range(loops):
            task()
        best = min(best, (cpu_seconds() - begin) / loops * 1000)
    return best


def must_refuse(accept, messages):
    """A peer that looks at less than both signatures does another task than the one that is measured."""
    refused = 0
    for message in messages:
        try:
            accept(message)
        except Exception:
            refused += 1
    if refused != len(messages):
        raise RuntimeError("it accepts a Response with a broken signature")


def must_be_signed_twice(document):
    # An opening and a closing tag each.
    if document.count(b"SignatureValue>") != 4:
        raise RuntimeError("the Response that it builds is not signed twice")


def report(tasks, seconds):
    """Writes what each task took, or why it could not be measured, as JSON."""
    found = {}
    for name, make in tasks.items():
        try:
            found[name] = milliseconds(make(), seconds)
        except Exception as error:
            traceback.print_exc()
            found[name] = f"{type(error).__name__}: {error}"[:200]
    json.dump(found, sys.stdout)
