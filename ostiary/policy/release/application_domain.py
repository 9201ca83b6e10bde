"""For which application domain a requester asks that names none: the one in which its assertion consumer services lie. Pure."""

from collections.abc import Sequence

from ostiary.policy.urltree import read_url


def domain_of_consumer(url: str) -> str | None:
    """What stands for the application domain of the consumer at this URL: the URL itself, which lies in it; None where it can't be read
    in one way."""
    location = read_url(url)
    return url if location is not None and len(location.readings) == 1 else None


def domain_of_consumers(urls: Sequence[str]) -> str | None:
    """The same of several, where they lie side by side: the same origin and path, but for the last segment. None otherwise, for then they
    may stand for several application domains."""
    places = set()
    for url in urls:
        location = read_url(url)
        if location is None or len(location.readings) != 1:
            return None
        places.add((location.origin, location.readings[0][:-1]))
    return urls[0] if len(places) == 1 else None
