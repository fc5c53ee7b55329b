"""Tests of the room of the same name."""

import pytest

pytest.register_assert_rewrite("tests.experience.contract")
