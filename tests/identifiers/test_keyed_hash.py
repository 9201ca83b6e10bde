"""The keyed hash is HMAC-SHA-256 as the library has it, whatever the key and the message."""

import hmac

from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.identifiers.keyed_hash import KeyedHash


@settings(max_examples=200, deadline=None)
@given(key=st.binary(min_size=1, max_size=200), messages=st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_each_message_has_the_hmac_of_the_library(key: bytes, messages: list[bytes]) -> None:
    keyed = KeyedHash(key)
    assert [keyed.of(message) for message in messages] == [hmac.digest(key, message, "sha256") for message in messages]
