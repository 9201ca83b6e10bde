"""Which content encodings a client takes (RFC 9110 12.5.3). Pure, and without Flask."""

from typing import Final

_MAXIMUM: Final = 1000


def takes_gzip(accept_encoding: str) -> bool:
    """Whether gzip is acceptable, by the value of the header; what is not understood is not accepted."""
    weights: dict[str, float] = {}
    for part in accept_encoding[:_MAXIMUM].lower().split(","):
        coding, _, parameter = part.partition(";")
        name, _, weight = parameter.strip().partition("=")
        try:
            weights[coding.strip()] = float(weight) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)
