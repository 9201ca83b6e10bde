"""One home organisation as people are shown it, and a page of them. Data only."""

from dataclasses import dataclass

from ostiary.federation.summary import Summary


@dataclass(frozen=True, slots=True)
class HomeOrganisation:
    """An IdP from which a person may choose."""

    summary: Summary

    @property
    def entity_id(self) -> str:
        """The IdP's entityID."""
        return self.summary.entity_id

    def name(self, language: str) -> str:
        """What to call it in front of a person of this language."""
        return self.summary.name(language)

    @property
    def domain(self) -> str:
        """The first scope that is no pattern: tells organisations of similar name apart. Empty when there is none."""
        return self.summary.domains[0] if self.summary.domains else ""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search: ``shown`` in order, ``total`` how many there were."""

    shown: tuple[HomeOrganisation, ...]
    total: int
