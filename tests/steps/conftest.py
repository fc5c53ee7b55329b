"""The steps are tested on the runs that the tests of retraining make."""

from tests.retrain.conftest import moods_file  # noqa: F401
from tests.retrain.conftest import moods_run  # noqa: F401
from tests.retrain.conftest import own_cache  # noqa: F401
