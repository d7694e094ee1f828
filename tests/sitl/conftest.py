"""The two copters that every comparison runs on."""

import pytest


@pytest.fixture(
    params=["light", pytest.param("ardupilot", marks=[pytest.mark.ardupilot])],
)
def kind(request):
    return request.param
