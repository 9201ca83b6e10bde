"""To which key of a role, and how, something is encrypted. Pure; the role's metadata decides."""

from ostiary.errors import Refusal
from ostiary.federation.model import Role
from ostiary.saml.encryption import Recipient
from ostiary.saml.encryption_methods import choose_encryption


def recipient_of(entity_id: str, role: Role, *, allow_cbc_for_this_partner: bool = False) -> Recipient | None:
    """The first key of the role that can be encrypted to, those for encryption alone first; None for a role that has no key to encrypt to
    (a key without ``use`` that is not RSA was meant for signing).

    Raises `Refusal` (``encryption.nothing_fits``) when the role lists keys to encrypt to, but this software can use none of them: then its
    owner wants encryption, and a message in the clear would be wrong.
    """
    complaint: Refusal | None = None
    for entry in role.encryption_keys():
        if not entry.key.is_rsa:
            if entry.use == "encryption":
                complaint = Refusal("encryption.nothing_fits", expected="an RSA key", found="a key of another kind")
            continue
        try:
            chosen = choose_encryption(entry.encryption_methods, allow_cbc_for_this_partner=allow_cbc_for_this_partner)
            return Recipient(entity_id, entry.key, chosen)
        except Refusal as refused:
            complaint = refused
    if complaint is not None:
        raise complaint
    return None
