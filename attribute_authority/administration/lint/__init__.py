"""Looks for release policies that do not do what somebody meant by them: rules that never match, that others make pointless, that speak of
what there is not. Reads no file, decides nothing about a release.
"""

from collections.abc import Sequence

from attribute_authority.administration.lint.by_metadata import by_metadata
from attribute_authority.administration.lint.pairs import pointless
from attribute_authority.administration.lint.report import LEVELS, Finding, Level, LintReport, Places, World
from attribute_authority.administration.lint.single import each_policy, patterns_of, unused
from ostiary.config import Document, DocumentError
from ostiary.errors import ConfigurationError
from ostiary.policy.release import ReleasePolicies

__all__ = ["LEVELS", "Finding", "Level", "LintReport", "World", "lint", "refused"]


def refused(problem: ConfigurationError) -> LintReport:
    """What there is to say of documents that can't be used."""
    problems = problem.problems if isinstance(problem, DocumentError) else (problem,)
    return LintReport(
        tuple(Finding("error", one.code, one.file, one.line, problem=one) for one in problems), policies=0, patterns=0
    )


def lint(documents: Sequence[Document], policies: ReleasePolicies, world: World) -> LintReport:
    """Everything there is to say, by file and line. ``documents`` are those that ``policies`` were compiled from."""
    places = Places(documents)
    findings = [*each_policy(policies, world, places), *by_metadata(policies, world, places)]
    about_pairs, cut = pointless(policies, places)
    findings.extend((*about_pairs, *unused(documents)))
    findings.sort(key=lambda one: (one.file, one.line or 0, LEVELS.index(one.level), one.code))
    patterns = sum(1 for policy in policies.policies for _ in patterns_of(policy))
    return LintReport(tuple(findings), len(policies.policies), patterns, cut)
