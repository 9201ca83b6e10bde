"""What a recipient's metadata asks for is what she gets, GCM before CBC, and never RSA 1.5."""

import pytest

from ostiary.errors import Refusal
from ostiary.federation.model import EntityKey, SpRole
from ostiary.federation.recipients import recipient_of
from ostiary.saml import names
from ostiary.saml.encryption_methods import (
    CBC_BITS,
    OUR_METHODS,
    Encryption,
    EncryptionMethod,
    choose_encryption,
)
from tests.saml.world import SP, refusal_code, signer

GCM128, GCM192, GCM256 = (EncryptionMethod(n) for n in (names.AES128_GCM, names.AES192_GCM, names.AES256_GCM))
CBC128, CBC256 = EncryptionMethod(names.AES128_CBC), EncryptionMethod(names.AES256_CBC)
OAEP, OAEP11 = EncryptionMethod(names.RSA_OAEP_MGF1P), EncryptionMethod(names.RSA_OAEP)
RSA15, DES = EncryptionMethod(names.RSA_1_5), EncryptionMethod(names.TRIPLEDES_CBC)
UNHEARD_OF = EncryptionMethod("urn:x-new:cipher")
DEFAULT = Encryption(names.AES256_GCM, names.RSA_OAEP_MGF1P, names.SHA1, names.MGF1_SHA1)


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ((), DEFAULT),
        ((UNHEARD_OF,), DEFAULT),
        ((GCM128,), Encryption(names.AES128_GCM)),
        ((GCM192, GCM256), Encryption(names.AES192_GCM)),
        ((DES, CBC128, GCM128), Encryption(names.AES128_GCM)),
        ((OAEP,), DEFAULT),
        ((RSA15, OAEP), DEFAULT),
        ((OAEP11,), Encryption(names.AES256_GCM, names.RSA_OAEP, names.SHA256, names.MGF1_SHA256)),
        ((OAEP, OAEP11), DEFAULT),
        (
            (EncryptionMethod(names.RSA_OAEP, names.SHA512, names.MGF1_SHA384),),
            Encryption(names.AES256_GCM, names.RSA_OAEP, names.SHA512, names.MGF1_SHA384),
        ),
        (
            (EncryptionMethod(names.RSA_OAEP, names.SHA256),),
            Encryption(names.AES256_GCM, names.RSA_OAEP, names.SHA256, names.MGF1_SHA1),
        ),
        (
            (EncryptionMethod(names.RSA_OAEP_MGF1P, names.SHA256, names.MGF1_SHA256),),
            Encryption(names.AES256_GCM, names.RSA_OAEP_MGF1P, names.SHA256, names.MGF1_SHA1),
        ),
        (
            (EncryptionMethod(names.RSA_OAEP, "urn:x-new:digest"), OAEP),
            Encryption(names.AES256_GCM, names.RSA_OAEP_MGF1P, names.SHA1, names.MGF1_SHA1),
        ),
    ],
)
def test_the_first_that_is_sound_is_taken(methods: tuple[EncryptionMethod, ...], expected: Encryption) -> None:
    assert choose_encryption(methods) == expected


@pytest.mark.parametrize(
    "methods",
    [(CBC128,), (DES, CBC256, OAEP), (DES,), (RSA15,), (GCM128, RSA15), (EncryptionMethod(names.RSA_OAEP, "urn:x"),)],
)
def test_nothing_weak_is_used_because_it_is_asked_for(methods: tuple[EncryptionMethod, ...]) -> None:
    assert refusal_code(lambda: choose_encryption(methods)) == "encryption.nothing_fits"


def test_cbc_is_used_for_a_partner_who_is_named_and_has_nothing_better() -> None:
    assert choose_encryption((CBC256, CBC128), allow_cbc_for_this_partner=True).cipher == names.AES256_CBC
    assert choose_encryption((CBC256, GCM128), allow_cbc_for_this_partner=True).cipher == names.AES128_GCM
    assert choose_encryption((), allow_cbc_for_this_partner=True).cipher == names.AES256_GCM
    with pytest.raises(Refusal):
        choose_encryption((DES,), allow_cbc_for_this_partner=True)


RSA, SECOND, EC = signer("rsa", "sp").public, signer("rsa", "sp2").public, signer("p256", "sp").public


def test_the_key_for_encryption_goes_before_the_one_for_everything() -> None:
    role = SpRole(keys=(EntityKey(RSA), EntityKey(EC, "signing"), EntityKey(SECOND, "encryption", None, (GCM128,))))
    chosen = recipient_of(SP, role)
    assert chosen is not None
    assert (chosen.entity_id, chosen.key, chosen.encryption.cipher) == (SP, SECOND, names.AES128_GCM)
    assert [entry.key for entry in role.encryption_keys()] == [SECOND, RSA]


def test_a_key_that_cannot_be_used_gives_way_to_one_that_can() -> None:
    role = SpRole(keys=(EntityKey(EC, "encryption"), EntityKey(RSA, "encryption", None, (CBC128,)), EntityKey(SECOND)))
    chosen = recipient_of(SP, role)
    assert chosen is not None
    assert chosen.key == SECOND


@pytest.mark.parametrize("keys", [(), (EntityKey(RSA, "signing"),), (EntityKey(EC),)])
def test_who_has_no_key_to_encrypt_to_gets_no_encryption(keys: tuple[EntityKey, ...]) -> None:
    assert recipient_of(SP, SpRole(keys=keys)) is None


@pytest.mark.parametrize("keys", [(EntityKey(EC, "encryption"),), (EntityKey(RSA, None, None, (CBC128,)),)])
def test_who_asks_for_encryption_that_is_not_used_here_gets_nothing_in_the_clear(keys: tuple[EntityKey, ...]) -> None:
    assert refusal_code(lambda: recipient_of(SP, SpRole(keys=keys))) == "encryption.nothing_fits"


def test_cbc_for_a_named_partner_reaches_the_recipient() -> None:
    role = SpRole(keys=(EntityKey(RSA, None, None, (CBC128,)),))
    chosen = recipient_of(SP, role, allow_cbc_for_this_partner=True)
    assert chosen is not None
    assert chosen.encryption.cipher == names.AES128_CBC


def test_what_our_own_metadata_asks_for_is_what_we_would_choose() -> None:
    assert choose_encryption(OUR_METHODS) == Encryption(
        names.AES256_GCM, names.RSA_OAEP, names.SHA256, names.MGF1_SHA256
    )
    assert not {one.algorithm for one in OUR_METHODS} & {*CBC_BITS, names.RSA_1_5}
