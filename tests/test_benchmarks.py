"""The benchmarks' own parts: peers compute what our networks compute, and no result is lost."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import run as benchmarks
from clock_fit import MOST_TOO_FAST, estimated, fit, held_out
from frame import Result, calls_a_second
from networks import binary, random_inputs, six_bit, tfc
from timed import Timed

NETWORKS = {
    "binary": lambda: binary((16, 12, 5)),
    "six bits": lambda: six_bit(widths=(4, 8, 3)),
    "six bits, pruned": lambda: six_bit(0.75, widths=(4, 8, 3)),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_the_peer_computes_the_same_integers(make, tmp_path):
    import da4ml_peer

    network = make()
    peer = da4ml_peer.make(network)
    peer.check(frames=500)
    files = peer.verilog(tmp_path)
    assert "module top " in files[0].read_text()
    assert peer.latency_cycles == files[0].read_text().count("<=")


@pytest.mark.parametrize("make", [*NETWORKS.values(), tfc, lambda: tfc("INT4", "UINT4")])
def test_the_networks_are_the_same_each_time_and_use_their_range(make):
    network = make()
    assert network.id == make().id
    for name, values in network.trace(random_inputs(network, 300, 0)).items():
        assert len(np.unique(values)) > 1, name


def test_results_are_kept_beside_those_of_other_benchmarks(tmp_path, monkeypatch, capsys):
    class Benchmark:
        __doc__ = "What is compared.\n\nHow."
        PACKAGES = ("numpy",)
        run = staticmethod(lambda: [Result("ours", 1234.5, "samples/s", "at least 8")])

    monkeypatch.setattr(benchmarks, "BENCHMARKS", ("first", "second"))
    monkeypatch.setattr(benchmarks.importlib, "import_module", lambda name: Benchmark)
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(benchmarks, "TABLE", tmp_path / "benchmarks.md")
    benchmarks.main(["second"])
    benchmarks.main(["first"])
    assert list(json.loads((tmp_path / "results.json").read_text())) == ["first", "second"]
    table = (tmp_path / "benchmarks.md").read_text()
    assert table.count("| ours | 1,234 samples/s | at least 8 |") == 2
    assert "1,234 samples/s" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no benchmark third"):
        benchmarks.main(["third"])


def test_functions_that_are_compared_take_turns():
    turns = []
    calls_a_second({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, 3, 0.001)
    changes = sum(before != after for before, after in pairwise(turns))
    assert changes == 2 * 3 + 1  # once each to warm up, then three rounds


def test_a_fit_of_the_clock_promises_no_design_of_its_own_much_more_than_it_reaches():
    random = np.random.default_rng(0)
    designs = []
    for i in range(40):
        depth, bits = random.integers(1, 9, 2)
        path = "logic", {"one": 1, "depth": float(depth), "bits": float(bits)}
        ns = (2 + 0.8 * depth) * random.normal(1, 0.05)
        designs.append(Timed(f"stage {i}", path, ns))
        if i % 4 == 3:
            last = designs[-1]
            designs.append(Timed(f"core {i}", None, 1.1 * last.ns, (last.path,), 1000))
    fitted = fit(designs)
    assert all(own.promise <= MOST_TOO_FAST + 1e-6 for own in estimated(designs, fitted))
    assert 0.6 < fitted["logic"]["depth"] < 1.0
    others = held_out(designs)
    assert [other.name for other in others] == [design.name for design in designs]
    assert np.median([abs(other.promise - 1) for other in others]) < 0.15
