"""The SHAR's back channel: the ground floor's, whose failures are told as those of an Attribute Authority."""

from ostiary.errors import Unavailable
from ostiary.saml.soap_transport import POOLS_WITH_DEADLINE
from ostiary.saml.soap_transport import HttpSoapTransport as _HttpSoapTransport

__all__ = ["POOLS_WITH_DEADLINE", "HttpSoapTransport"]


class HttpSoapTransport(_HttpSoapTransport):
    """As `ostiary.saml.soap_transport.HttpSoapTransport`."""

    def post(self, url: str, envelope: bytes) -> bytes:
        """The body of the answer. Raises `Unavailable` (``shar.unreachable``)."""
        try:
            return super().post(url, envelope)
        except Unavailable as problem:
            raise Unavailable("shar.unreachable", expected=problem.expected, found=problem.found) from None
