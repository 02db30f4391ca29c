"""docs/limits.md is what the code does: each limit holds, and the error beyond it is shown."""

from __future__ import annotations

import numpy as np
import pytest
from support.documented_limits import LIMITS, Limit
from support.limits_page import PAGE, refusal, render, scratch
from support.offload_networks import dense_network
from support.small_network import SMALL

from bitfold.models import errors
from bitfold.overlays.offload import Engine
from bitfold.runtime.offload.steps import EngineStep, HostStep, split


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.what)
def test_what_is_at_a_limit_works_and_what_is_beyond_is_refused(limit):
    if limit.number is not None and not limit.slow:
        with scratch():
            limit.attempt(limit.number)
    if limit.constant is not None:
        assert limit.constant == limit.number
    assert refusal(limit)


def test_the_page_shows_these_limits_and_errors():
    assert PAGE.read_text() == render(PAGE.read_text()), (
        "run PYTHONPATH=tests python -m support.limits_page"
    )


def test_a_limit_that_does_not_hold_is_found():
    def nothing(_: object) -> None:
        return

    with pytest.raises(AssertionError, match="was not refused"):
        refusal(Limit("nothing", nothing, "models/errors.py"))


# What gives way without an error.


def test_measurements_beyond_the_quantizer_saturate():
    assert (SMALL.quantize(np.array([[-1e9, 0.0, 1e9]])) == [[0, 0, 15]]).all()


def test_a_program_of_too_many_layers_becomes_several_calls():
    network = dense_network((8,) * 6)
    assert len(split(Engine(layers=5), network)) == 1
    assert [type(step) for step in split(Engine(layers=4), network)] == [EngineStep] * 2


def test_a_layer_and_a_choice_that_the_engine_cannot_hold_are_the_hosts():
    network = dense_network((8, 65), argmax=True)
    assert [type(step) for step in split(Engine(), network)] == [EngineStep, HostStep]
    wide = dense_network((16385, 8, 4))
    assert any(isinstance(step, HostStep) for step in split(Engine(), wide))


def test_every_error_of_the_page_is_one_of_the_family():
    named = {refusal(limit).partition(":")[0] for limit in LIMITS}
    assert all(issubclass(getattr(errors, name), errors.BitfoldError) for name in named)
