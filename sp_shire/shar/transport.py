"""The SHAR's back channel: the ground floor's, whose failures are told as those of an Attribute Authority."""

from ostiary.errors import Unavailable
from ostiary.saml.soap_transport import HttpSoapTransport as _HttpSoapTransport


class HttpSoapTransport(_HttpSoapTransport):
    """As `ostiary.saml.soap_transport.HttpSoapTransport`."""

    def post(self, url: str, envelope: bytes, *, within: float | None = None) -> bytes:
        """The body of the answer. Raises `Unavailable` (``shar.unreachable``), as `ConnectionDied` where that is what happened."""
        try:
            return super().post(url, envelope, within=within)
        except Unavailable as problem:
            raise type(problem)("shar.unreachable", expected=problem.expected, found=problem.found) from None
