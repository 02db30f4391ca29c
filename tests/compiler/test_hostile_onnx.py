"""Hostile ONNX files: each ends in one typed error, within its limits, and nothing else happens."""

import os
import resource
import signal
import sys
import time

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support.hostile_onnx import good_model, hostile_files

from bitfold.build.frontend import random_samples, read_qonnx, verify_against_source
from bitfold.build.frontend.sandbox import Limits, call
from bitfold.models.errors import FrontendError, shown

MIB = 2**20
FILES = hostile_files()
# What the error has to name, of some of them.
NAMED = {
    "function_that_calls_itself": "function Again calls itself",
    "loop_of_2_to_the_62": "(Loop): control flow is not supported",
    "weights_of_2_to_the_40": "'w1': 20 values in a shape of",
    "external_data_above": "'../../../../etc/passwd' is not a file beside the model",
    "domain_that_is_a_module": "hostile_module.Relu",
    "made_twice": "makes b, which is there already",
    "scale_1e-45": "quant_a (Quant): an integer is worth 1.4013e-45",
    "inner_scale_3e+38": "quant_c (Quant): an integer is worth 3e+38",
    "weight_scale_1e-43": "first (MatMul): an integer is worth",
    "zero_point_1e+09": "quant_a (Quant): its zero point",
}


@pytest.fixture
def folder(tmp_path):
    """A folder with what hostile files point to."""
    (tmp_path / "external.bin").write_bytes(bytes(80))
    (tmp_path / "link.bin").symlink_to("external.bin")
    return tmp_path


def written(folder, content):
    path = folder / "network.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def peak_bytes(of=resource.RUSAGE_CHILDREN):
    """The most that any process of ours that has ended has held; or, `of` RUSAGE_SELF, this one."""
    return resource.getrusage(of).ru_maxrss * 1024


def test_what_hostile_files_are_made_of_is_read(folder):
    assert read_qonnx(written(folder, good_model())).nodes


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_ends_in_one_error_of_ours(folder, name, capfd):
    path = written(folder, FILES[name])
    before = sorted(folder.iterdir())
    # Other tests in this process may have run larger programs; a child begins as large as it is.
    most = max(peak_bytes(), peak_bytes(resource.RUSAGE_SELF) + 1024 * MIB)
    with pytest.raises(FrontendError) as caught:
        read_qonnx(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "not foreseen" not in message
    assert NAMED.get(name, "") in message
    assert all(len(line) < 1000 and line.isprintable() for line in message.split("\n"))
    assert sorted(folder.iterdir()) == before
    assert capfd.readouterr() == ("", "")
    assert peak_bytes() <= most


def test_a_domain_is_never_imported(folder, monkeypatch):
    (folder / "hostile_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(FrontendError):
        read_qonnx(written(folder, FILES["domain_that_is_a_module"]))
    assert "hostile_module" not in sys.modules


def test_external_data_beside_the_model_is_read(folder):
    path = written(folder, good_model())
    network = read_qonnx(path)
    model = onnx.load(path)
    beside = folder / "beside.onnx"
    onnx.save(model, beside, save_as_external_data=True, location="w.bin", size_threshold=0)
    other = read_qonnx(beside)
    x = network.quantize(random_samples(network, 50))
    assert np.array_equal(other(x), network(x))


def test_functions_that_call_one_another_are_read(folder):
    model = good_model()
    imports = [helper.make_opsetid("local", 1), helper.make_opsetid("", 13)]
    for name, callee, domain in (("Outer", "Inner", "local"), ("Inner", "Relu", "")):
        body = [helper.make_node(callee, ["i"], ["o"], domain=domain)]
        model.functions.append(helper.make_function("local", name, ["i"], ["o"], body, imports))
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.graph.node.insert(2, helper.make_node("Outer", ["b"], ["n"], domain="local"))
    model.graph.node[3].input[0] = "n"
    assert read_qonnx(written(folder, model)).nodes


def test_nodes_that_the_output_does_not_need_are_not_executed(folder):
    model = good_model()
    shape = numpy_helper.from_array(np.array([2**20, 2**20]), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["unused"]))
    path = written(folder, model)
    network = read_qonnx(path)
    assert verify_against_source(network, path, random_samples(network, 10)).exact


def test_what_a_file_says_of_tensors_is_not_believed(folder):
    model = good_model()
    value = helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, [1, 2**40])
    model.graph.value_info.append(value)
    annotation = model.graph.quantization_annotation.add(tensor_name="b")
    annotation.quant_parameter_tensor_names.add(key="finn_datatype", value="BIPOLAR")
    model.metadata_props.add(key="exec_mode", value="remote")
    path = written(folder, model)
    network = read_qonnx(path)
    assert verify_against_source(network, path, random_samples(network, 10)).exact


def test_names_in_errors_are_one_line_of_printable_characters(folder):
    model = good_model()
    model.graph.node[1].name = "first\n\x1b[2Jerror: none\u202e" + "x" * 500
    model.graph.node[1].input[1] = "nowhere\x07"
    with pytest.raises(FrontendError) as caught:
        read_qonnx(written(folder, model))
    lines = str(caught.value).split("\n")
    assert len(lines) == 2 and all(line.isprintable() for line in lines)
    assert r"first\n\x1b[2Jerror: none\u202exxx" in lines[1] and r"nowhere\x07" in lines[1]


def test_names_are_shown_short_and_escaped():
    assert shown("layer.0") == "layer.0"
    assert shown("a\tb\x1b") == r"a\tb\x1b"
    assert len(shown("x" * 1000)) == 80


@pytest.mark.parametrize("text", ["[" * 10_000, "{}", '["a", 3', "NaN", '"' * 9])
def test_names_of_classes_and_features_that_are_no_list_are_left_out(folder, text):
    model = good_model()
    for key in ("class_names", "feature_names"):
        model.metadata_props.add(key=f"bitfold.{key}", value=text)
    network = read_qonnx(written(folder, model))
    assert not network.labels and "feature_names" not in network.info


# The process that files are read in.


SMALL = Limits(seconds=1, memory_bytes=256 * MIB)


def crash(number):
    os.kill(os.getpid(), number)


def fill():
    return [bytearray(16 * MIB) for _ in range(1000)]


def spin():
    while True:
        pass


def write(path):
    path.write_text("something")


def leave():
    raise SystemExit("a library ends the program")


def in_order(values, progress):
    for value in values:
        progress(f"step {value}")
    return sum(values)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_is_an_error_that_names_the_signal(number):
    with pytest.raises(FrontendError, match=f"x.onnx: .* ended with {number.name}"):
        call("x.onnx", SMALL, crash, number)


def test_too_much_memory_is_an_error_that_names_the_limit():
    with pytest.raises(FrontendError, match=r"x.onnx: .* more than 256 MiB of memory"):
        call("x.onnx", SMALL, fill)


def test_too_much_time_is_an_error_that_names_the_limit():
    with pytest.raises(FrontendError, match=r"x.onnx: .* more than 1 s of processor time"):
        call("x.onnx", SMALL, spin)


def test_a_process_that_waits_for_ever_is_ended(monkeypatch):
    monkeypatch.setattr("bitfold.build.frontend.sandbox._PATIENCE", 0.2)
    with pytest.raises(FrontendError, match=r"x.onnx: .* more than 1 s"):
        call("x.onnx", SMALL, time.sleep, 600)


def test_nothing_can_be_written_from_there(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(OSError, match="File too large"):
        call("x.onnx", SMALL, write, path)
    assert not path.exists() or not path.read_text()


def test_a_library_that_ends_the_program_does_not_end_ours():
    with pytest.raises(FrontendError, match="ended without a result"):
        call("x.onnx", SMALL, leave)


def test_results_steps_and_errors_come_back():
    steps = []
    assert call("x.onnx", SMALL, in_order, (1, 2, 3), progress=steps.append) == 6
    assert steps == ["step 1", "step 2", "step 3"]
    with pytest.raises(ZeroDivisionError) as caught:
        call("x.onnx", SMALL, divmod, 1, 0)
    assert "sandbox.py" in str(caught.value.__cause__)


def test_no_process_is_left_behind(folder):
    for name in ("made_twice", "scale_nan"):
        with pytest.raises(FrontendError):
            read_qonnx(written(folder, FILES[name]))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_other_limits_can_be_given(folder):
    model = good_model()
    shape = numpy_helper.from_array(np.array([2**25]), "shape")
    model.graph.initializer.append(shape)
    for node in (
        helper.make_node("Add", ["w1", "no"], ["w"]),
        helper.make_node("ReduceMax", ["zeros"], ["no"], keepdims=0),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
    ):
        model.graph.node.insert(0, node)
    model.graph.node[4].input[1] = "w"
    path = written(folder, model)
    with pytest.raises(FrontendError, match=r"node 0, which makes zeros .* can't be executed"):
        read_qonnx(path, limits=Limits(seconds=10, memory_bytes=100 * MIB))
    assert read_qonnx(path, checked_samples=0).nodes
