"""Which algorithms to encrypt with, for one recipient: pure choice among what her metadata asks for. Encrypts nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.errors import Refusal
from ostiary.saml import names

# Bits of the key of each block cipher.
GCM_BITS: Final[dict[str, int]] = {names.AES128_GCM: 128, names.AES192_GCM: 192, names.AES256_GCM: 256}
CBC_BITS: Final[dict[str, int]] = {names.AES128_CBC: 128, names.AES192_CBC: 192, names.AES256_CBC: 256}
OAEP_DIGESTS: Final = (names.SHA1, names.SHA256, names.SHA384, names.SHA512)
OAEP_MASKS: Final = (names.MGF1_SHA1, names.MGF1_SHA256, names.MGF1_SHA384, names.MGF1_SHA512)

_CIPHERS: Final = frozenset({*GCM_BITS, *CBC_BITS, names.TRIPLEDES_CBC})
_TRANSPORTS: Final = frozenset({names.RSA_OAEP, names.RSA_OAEP_MGF1P, names.RSA_1_5})


@dataclass(frozen=True, slots=True)
class EncryptionMethod:
    """md:EncryptionMethod (SAML metadata 2.4.1.1): a block cipher or a key transport. ``digest`` and ``mask`` (xenc11:MGF) belong to OAEP,
    None where the owner names none."""

    algorithm: str
    digest: str | None = None
    mask: str | None = None


@dataclass(frozen=True, slots=True)
class Encryption:
    """The algorithms to use: ``cipher`` for the data, ``transport`` with ``digest`` and ``mask`` (that of MGF1) for its key."""

    cipher: str = names.AES256_GCM
    transport: str = names.RSA_OAEP_MGF1P
    digest: str = names.SHA1
    mask: str = names.MGF1_SHA1


DEFAULT_ENCRYPTION: Final = Encryption()
"""AES-256-GCM under rsa-oaep-mgf1p, which every peer reads: for a recipient that names no algorithms."""


OUR_METHODS: Final = (
    *(EncryptionMethod(cipher) for cipher in (names.AES256_GCM, names.AES192_GCM, names.AES128_GCM)),
    EncryptionMethod(names.RSA_OAEP, names.SHA256, names.MGF1_SHA256),
    EncryptionMethod(names.RSA_OAEP_MGF1P),
)
"""What our own metadata asks for, most wanted first. CBC is not on it: see `ostiary.saml.decryption.Decryption`."""


def choose_encryption(methods: Sequence[EncryptionMethod], *, allow_cbc_for_this_partner: bool = False) -> Encryption:
    """The first block cipher and the first key transport on the recipient's list that this software uses. `DEFAULT_ENCRYPTION` fills in
    what the list leaves open; algorithms of other kinds say nothing. GCM goes before CBC wherever it stands.

    CBC is used with ``allow_cbc_for_this_partner`` only: who can change CBC ciphertext can read it by watching for errors (Jager and
    Somorovsky 2011), unless the recipient first verifies a signature over it. RSA 1.5 is never used.

    Raises `Refusal` (``encryption.nothing_fits``) when the list names block ciphers, or key transports, but none to be used.
    """
    return _with_transport(_cipher(methods, allow_cbc_for_this_partner), methods)


def _cipher(methods: Sequence[EncryptionMethod], allow_cbc: bool) -> str:
    listed = [one.algorithm for one in methods if one.algorithm in _CIPHERS]
    if not listed:
        return DEFAULT_ENCRYPTION.cipher
    usable = [one for one in listed if one in GCM_BITS]
    if allow_cbc:
        usable += [one for one in listed if one in CBC_BITS]
    if not usable:
        expected = "AES-GCM or AES-CBC" if allow_cbc else "AES-GCM among the block ciphers"
        raise Refusal("encryption.nothing_fits", expected=expected, found=", ".join(listed)[:500])
    return usable[0]


def _with_transport(cipher: str, methods: Sequence[EncryptionMethod]) -> Encryption:
    listed = [one for one in methods if one.algorithm in _TRANSPORTS]
    if not listed:
        return Encryption(cipher)
    for one in listed:
        if one.algorithm == names.RSA_OAEP:
            # Where the owner leaves it open: it is written into each message, and SHA-256 costs nothing more.
            digest = one.digest or names.SHA256
            mask = one.mask or (names.MGF1_SHA256 if one.digest is None else names.MGF1_SHA1)
        elif one.algorithm == names.RSA_OAEP_MGF1P:
            digest, mask = one.digest or names.SHA1, names.MGF1_SHA1
        else:
            continue
        if digest in OAEP_DIGESTS and mask in OAEP_MASKS:
            return Encryption(cipher, one.algorithm, digest, mask)
    raise Refusal(
        "encryption.nothing_fits",
        expected="RSA-OAEP with a digest that is known here",
        found=", ".join(f"{one.algorithm} {one.digest or ''}".strip() for one in listed)[:500],
    )
