"""The VO of tests.voms, with people whose standing differs."""

from tests.voms.conftest import engine as engine
from tests.voms.conftest import vo as vo
