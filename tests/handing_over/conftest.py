"""A resource whose settings a test chooses, and somebody who has logged in there with attributes that it chooses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ostiary.attributes import make_attribute
from ostiary.config import load_settings
from sp_shire.settings import ShireSettings
from tests.simulator import Simulation
from tests.sp_shire.conftest import Core, memory_stores

# XML holds neither NUL nor most other control characters; these it holds.
HOSTILE = ["Ada\r\nSet-Cookie: a=b", "Ada\nX: y", "Ada\rX: y", "Ada\tAbe", "Ada\x85Abe", "Ada\u2028Abe"]
MEMBER = make_attribute("eduPersonScopedAffiliation", ["member@northgate.example", "staff@northgate.example"])
# A resource that believes everything, so that a test sees what its own last line of defence does.
BELIEVES_ALL = "rules:\n  - id: everything\n    attribute: [eduPersonScopedAffiliation, displayName, isMemberOf, pairwise-id, subject-id]\n"
ENVIRON = {"eduPersonScopedAffiliation": "affiliation", "displayName": "display_name", "isMemberOf": "X-Groups"}


@pytest.fixture
def resource(federation: Simulation, tmp_path: Path) -> Callable[..., Core]:
    """The library, with these settings and otherwise its own, and a policy that accepts whatever a home organisation says."""
    policy = tmp_path / "accept.yaml"
    policy.write_text(BELIEVES_ALL)

    def make(**changes: Any) -> Core:
        own = load_settings(federation.layout.directory("library") / "sp.yaml", ShireSettings)
        changed = ShireSettings.model_validate({**own.model_dump(), "accept": [policy], "environ": ENVIRON, **changes})
        return Core(federation, changed, memory_stores())

    return make
