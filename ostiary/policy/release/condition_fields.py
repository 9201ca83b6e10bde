"""The keys with which policy documents say when a policy applies; compiles them, decides nothing."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from ostiary.config import WrongSetting, networks
from ostiary.policy.fields import AttributeName, Networks, Texts, ValueTestFields, as_set
from ostiary.policy.names import friendly
from ostiary.policy.release.audience_fields import OneOrMany
from ostiary.policy.release.circumstances import Condition, PersonTest
from ostiary.policy.time_fields import TimesFields


class PersonFields(ValueTestFields):
    """She has a value of this attribute that passes the tests; whether or not it is released."""

    attribute: AttributeName = Field(description="The attribute, internal ones of the resolver included.")
    scope: Texts | None = Field(default=None, description="The scope of the value is one of these.")
    has: bool = Field(default=True, description="false: she has no such value.")

    def test(self) -> PersonTest:
        """The compiled test."""
        return PersonTest(friendly(self.attribute), self.value_test(self.scope), self.has)


_Person = Annotated[tuple[PersonFields, ...], Field(min_length=1), OneOrMany()]


class ConditionFields(TimesFields):
    """When a policy applies. Each key given must hold at the moment of the request; within a list of texts one is enough, and each of
    several tests of the person must hold. Where it is not known whether a key holds, permits do not apply and denials do."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [key]} for key in ("time", "weekdays", "dates", "network", "authn_context", "person")
            ]
        }
    )

    network: Networks | None = Field(
        default=None, description="Networks from which the organisation is asked, such as 192.0.2.0/24."
    )
    authn_context: Texts | None = Field(default=None, description="How she logged in: one of these classes (URIs).")
    person: _Person | None = Field(default=None, description="What must be known about her.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        keys = [key for key in type(self).model_fields if key != "time_zone"]
        if all(getattr(self, key) is None for key in keys):
            raise WrongSetting("policy.empty_condition", expected="one or more of " + ", ".join(keys), found="none")
        return self

    def condition(self) -> Condition:
        """Compiled."""
        times = self.times()
        return Condition(
            times.zone,
            times.time,
            times.weekdays,
            times.dates,
            networks=None if self.network is None else networks(self.network),
            authn_contexts=as_set(self.authn_context),
            person=tuple(test.test() for test in self.person or ()),
        )
