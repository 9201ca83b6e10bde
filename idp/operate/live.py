"""Which keys of the configuration take effect while the identity provider runs; whatever is not listed here needs a restart."""

from typing import Final

from idp.settings import IdpSettings

LIVE: Final = frozenset(
    {
        "assurance",
        "attributes_in_response",
        "branding",
        "handle_lifetime",
        "maintenance",
        "partners",
        "sessions",
        "status",
        "throttle",
        "want_authn_requests_signed",
    }
)

FIXED: Final = tuple(name for name in IdpSettings.model_fields if name not in LIVE)
"""Where it listens, what others were told of it, and what it opened at the start."""
