"""Topologies have the shapes they promise, and quantizations only the values they promise."""

import numpy as np
import pytest
import torch

from bitfold.models import zoo
from bitfold.models.convolutions import Residual
from bitfold.models.datasets import load_iris
from bitfold.models.errors import TrainingError
from bitfold.models.layers import Dense, Repeated, fold_batch_norms
from bitfold.models.quantization import QUANTIZATIONS, quantization

IRIS = [name for name, topology in zoo.TOPOLOGIES.items() if topology.dataset == "iris"]
IMAGES = ("digits_conv", "fashion_conv", "resnet8", "separable", "cnv")
QUANTIZED = [name for name in QUANTIZATIONS if name != "float"]


def matrices(module):
    return [tuple(p.shape) for p in module.parameters() if p.dim() > 1 and p.requires_grad]


@pytest.mark.parametrize(
    ("topology", "shapes"),
    [
        ("irisnet", [(30, 4), (30, 30), (3, 30)]),
        ("iris_64_32_32", [(64, 4), (32, 64), (32, 32), (3, 32)]),
        ("iris_64_64", [(64, 4), (64, 64), (3, 64)]),
        ("tfc", [(64, 784), (64, 64), (64, 64), (10, 64)]),
        ("digits_conv", [(16, 1, 3, 3), (32, 16, 3, 3), (10, 128)]),
        (
            "fashion_conv",
            [(16, 1, 3, 3), (32, 16, 3, 3), (32, 32, 3, 3), (64, 512), (10, 64)],
        ),
        (
            "cnv",
            [
                *[(64, 3, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (128, 128, 3, 3)],
                *[(256, 128, 3, 3), (256, 256, 3, 3), (512, 256), (512, 512), (10, 512)],
            ],
        ),
    ],
)
@pytest.mark.parametrize("name", ["float", "W1A1", "W4A4"])
def test_a_topology_has_the_weight_matrices_it_is_known_by(topology, shapes, name):
    assert matrices(zoo.build(topology, name)) == shapes


@pytest.mark.parametrize("topology", IRIS)
@pytest.mark.parametrize("name", QUANTIZATIONS)
def test_every_iris_topology_builds_in_every_quantization(topology, name):
    module = zoo.build(topology, name).eval()
    scores = module(torch.from_numpy(load_iris().features))
    assert scores.shape == (150, 3) and torch.isfinite(scores).all()


@pytest.mark.parametrize("name", ["float", "W1A2", "W2A2", "W4A4"])
@pytest.mark.parametrize("topology", IMAGES)
def test_every_topology_of_images_makes_scores_of_its_rows(topology, name):
    module = zoo.build(topology, name)
    rows = torch.from_numpy(module.input.random_rows(2, seed=0))
    with torch.no_grad():
        scores = fold_batch_norms(module)(rows)
    assert scores.shape == (2, 10) and torch.isfinite(scores).all()
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in module.modules())


def test_the_residual_topology_adds_thrice_and_the_separable_one_convolves_each_channel():
    joins = [part for part in zoo.build("resnet8", "W2A2").modules() if isinstance(part, Residual)]
    assert len(joins) == 3
    depthwise = [(16, 1, 3, 3), (32, 1, 3, 3), (64, 1, 3, 3), (64, 1, 3, 3)]
    found = [shape for shape in matrices(zoo.build("separable", "W4A4")) if shape[1:] == (1, 3, 3)]
    assert found == depthwise


@pytest.mark.parametrize("topology", ["resnet8", "separable"])
def test_what_pads_with_zero_is_refused_activations_that_have_none(topology):
    with pytest.raises(TrainingError, match=f"{topology}: pads with 0, .* 2 bits or more"):
        zoo.build(topology, "W1A1")


def test_images_are_refused_a_thermometer():
    with pytest.raises(TrainingError, match="images have no thermometer; choose W1A1"):
        zoo.build("digits_conv", "W1A1-thermometer")


def test_a_thermometer_widens_only_the_first_learnt_layer():
    assert matrices(zoo.build("irisnet", "W1A1-thermometer")) == [(30, 64), (30, 30), (3, 30)]


@pytest.mark.parametrize("name", QUANTIZED)
def test_weights_and_activations_take_only_the_values_of_their_encoding(name):
    torch.manual_seed(0)
    module = zoo.build("iris_64_32_32", name)
    scheme = quantization(name)
    activations = []
    for layer in module.hidden:
        layer.register_forward_hook(lambda _, __, output: activations.append(output.detach()))
    module.train()(torch.from_numpy(load_iris().features))

    bits = scheme.weight_bits
    for linear in [layer.linear for layer in (*module.hidden, module.scores)]:
        weight = linear.quant_weight()
        integers = (weight.value / weight.scale).detach().unique()
        largest = 2 ** (bits - 1) - 1
        expected = [-1, 1] if bits == 1 else list(range(-largest, largest + 1))
        assert set(integers.tolist()) <= set(expected)
        assert integers.abs().max() > 0.8 * largest
        # A power of two: products and sums in float32 are then exact.
        assert np.frexp(weight.scale.item())[0] == 0.5

    bits = scheme.activation_bits
    for values in activations:
        if bits == 1:
            assert values.unique().tolist() == [-1, 1]
        else:
            integers = values * 2**bits / 4
            assert torch.equal(integers, integers.round())
            assert integers.min() == 0 and 2 ** (bits - 2) < integers.max() < 2**bits


def test_a_thermometer_counts_the_levels_that_a_measurement_reaches():
    thermometer = zoo.build("irisnet", "W1A1-thermometer").input.thermometer
    features = load_iris().features
    thermometer.fit(features)
    codes = torch.arange(256.0)[:, None].repeat(1, 4) / 32
    with torch.no_grad():
        marks = thermometer(codes).reshape(256, 4, 16)
        reached = (thermometer(torch.from_numpy(features)).reshape(150, 4, 16) > 0).sum(dim=2)
    assert marks.unique().tolist() == [-1, 1]
    # A level once reached stays reached, and a higher one is never reached before a lower one.
    assert (marks.diff(dim=0) >= 0).all() and (marks.diff(dim=2) <= 0).all()
    assert reached.amin(dim=0).tolist() == [0, 0, 0, 0]
    assert reached.amax(dim=0).tolist() == [16, 16, 16, 16]
    # No integer of the input lies on a level.
    levels = -thermometer.linear.bias.detach() * 32
    assert torch.equal(levels - levels.floor(), torch.full((64,), 0.5))


def test_the_levels_of_a_thermometer_are_evenly_spaced():
    thermometer = zoo.build("irisnet", "W1A1-thermometer").input.thermometer
    thermometer.fit(load_iris().features)
    gaps = (-thermometer.linear.bias.detach() * 32).reshape(4, 16).diff(dim=1)
    assert (gaps.amax(dim=1) - gaps.amin(dim=1)).max() <= 1


@pytest.mark.parametrize("name", ["float", "W1A1", "W4A4"])
def test_a_repeated_layer_is_the_same_function_in_training_and_evaluation(name):
    torch.manual_seed(0)
    layer = Dense(quantization(name), 30, 30)
    repeated = Repeated(layer, times=2)
    layer.norm.momentum = 1.0  # the averages become those of the one batch below
    x = torch.randn(500, 30)
    with torch.no_grad():
        training = repeated.train()(x)
        evaluation = repeated.eval()(x)
        once = layer.eval()(x)
    # One step of an activation may flip where the two round differently, in one value of 15,000.
    assert (training - evaluation).abs().gt(1e-4).sum() <= 5
    assert (evaluation - once).abs().gt(1e-4).sum() > 1000


def test_a_repeated_layer_normalizes_all_its_applications_together():
    torch.manual_seed(0)
    layer = Dense(quantization("float"), 8, 8)
    layer.norm.momentum = 1.0
    x = torch.randn(400, 8) * 3 + 1
    first = layer.linear(x)
    second = layer.linear(torch.relu((first - first.mean(0)) / first.std(0, unbiased=False)))
    Repeated(layer, times=2).train()(x)
    both = torch.cat([first, second])
    assert torch.allclose(layer.norm.running_mean, both.mean(0), atol=1e-4)
    assert torch.allclose(layer.norm.running_var, both.var(0, unbiased=False), rtol=1e-4)


def test_folding_a_batch_norm_does_not_change_what_a_network_computes():
    torch.manual_seed(0)
    module = zoo.build("irisnet", "float")
    x = torch.from_numpy(load_iris().features)
    with torch.no_grad():
        for _ in range(20):
            module.train()(x)
        before = module.eval()(x)
        after = fold_batch_norms(module)(x)
    assert not any(isinstance(part, torch.nn.BatchNorm1d) for part in module.modules())
    assert torch.allclose(before, after, rtol=1e-4, atol=1e-5)


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(TrainingError, match=r"'lenet'.*irisnet.*tfc"):
        zoo.build("lenet", "W1A1")
    with pytest.raises(TrainingError, match=r"'W3A3'.*W1A1-thermometer.*W8A8"):
        zoo.build("irisnet", "W3A3")
