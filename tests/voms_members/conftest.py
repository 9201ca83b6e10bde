"""The VO of tests/voms, and what these tests do with it."""

from tests.voms.conftest import engine as engine
from tests.voms.conftest import vo as vo
