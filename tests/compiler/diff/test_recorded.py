"""Outputs that were recorded, compared with stages that run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support.command_line import fails, read, works
from support.diffing import FAULTS, assert_is, differ, equal
from support.faults import first_difference, flipped, with_flipped_image


def test_recorded_outputs_are_compared_and_where_no_layer_shows_it_is_said(work, network, bundle):
    bad = flipped(network, FAULTS[2])
    y = bad(work)
    for name in ("y.npy", "y.csv"):
        if name.endswith("npy"):
            np.save(name, y)
        else:
            np.savetxt(name, y, fmt="%d", delimiter=",")
        said = differ("good", name, "--data", "x.npy")
        assert_is(said, first_difference(network, bad, work), network)
        assert said["seen"] == f"{name} shows outputs only; compare with the bundle that gave them"
    np.save("right.npy", network(work))
    equal("right.npy", bundle.path, "--data", "x.npy")


def test_what_a_board_recorded_is_traced_to_the_layer_by_the_rtl_of_its_bundle(
    work, network, bundle
):
    """The fault is in the overlay: its package expects what the network gives."""
    fault = FAULTS[0]
    with_flipped_image(bundle, fault, Path("bad.bundle"))
    works("deploy", "bad.bundle", "--data", "x.npy", "-o", "package")
    works("emulate", "package/on_target.py")
    (results,) = Path("package/results").glob("*.npz")
    bad = flipped(network, fault)
    outputs = network(work), bad(work)
    assert np.load(results)["outputs"].tolist() == outputs[1].tolist()
    shown = np.flatnonzero((outputs[0] != outputs[1]).any(axis=1))
    tensor, sample, channel, *values = first_difference(network, bad, work[shown])
    for file in (results, results.with_suffix(".json")):
        said = differ("good", file)
        assert_is(said, (tensor, shown[sample], channel, *values), network)
        assert said["seen"].startswith("seen in the RTL of bad.bundle, which gives the outputs of")
        assert said["outputs_differ"] == shown.tolist()


def test_what_a_board_recorded_and_no_rtl_gives_is_the_boards(work, network, bundle):
    works("deploy", bundle.path, "--data", "x.npy", "-o", "package")
    (run,) = read(Path("package/package.json"))["runs"]
    y = network(work)
    y[5, 1] += 1
    ids = {name: run[name] for name in ("build_id", "network_id")}
    Path("package/results").mkdir()
    np.savez(f"package/results/{run['name']}.npz", outputs=y, classes=y.argmax(axis=1), **ids)
    said = differ("good", f"package/results/{run['name']}.npz")
    assert (said["first"]["sample"], said["first"]["channel"]) == (5, 1)
    assert said["seen"].endswith("the fault is on the board, or on the way to it")


def test_results_of_another_build_are_refused(work, bundle):
    works("deploy", bundle.path, "-o", "package")
    (run,) = read(Path("package/package.json"))["runs"]
    Path("package/results").mkdir()
    results = f"package/results/{run['name']}.npz"
    ids = {"build_id": "0" * 32, "network_id": run["network_id"]}
    np.savez(results, outputs=np.zeros((100, 3), np.int64), **ids)
    said = fails("diff", "good", results)
    assert f"results of build_id {'0' * 32}, but its package has {run['build_id']}" in said
