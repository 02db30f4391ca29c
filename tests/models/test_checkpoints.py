"""A checkpoint gives back the very same network, or is refused."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from bitfold.models.checkpoints import load_checkpoint, save_checkpoint
from bitfold.models.datasets import load_iris
from bitfold.models.errors import TrainingError
from bitfold.models.training import recipe_hash, train_on_holdout


@pytest.fixture(scope="module")
def model():
    return train_on_holdout("irisnet", "W1A1-thermometer", seed=1, steps=3)


@pytest.mark.parametrize("name", ["float", "W1A1-thermometer", "W4A4", "W6A6-pruned"])
def test_a_loaded_network_is_the_saved_one_bit_for_bit(tmp_path, name):
    model = train_on_holdout("irisnet", name, seed=1, steps=3)
    loaded = load_checkpoint(save_checkpoint(model, tmp_path / "new folder" / "a.safetensors"))
    assert loaded == model
    features = load_iris().features
    assert np.array_equal(loaded.scores(features), model.scores(features))


def test_a_checkpoint_tells_whether_its_recipe_is_still_the_one_in_use(tmp_path, model):
    loaded = load_checkpoint(save_checkpoint(model, tmp_path / "a"))
    assert loaded.recipe_hash == recipe_hash("irisnet", "W1A1-thermometer", model.recipe)
    assert loaded.recipe_hash != recipe_hash("irisnet", "W1A1-thermometer")


def test_saving_leaves_nothing_but_the_checkpoint(tmp_path, model):
    save_checkpoint(model, tmp_path / "a.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_save_that_fails_leaves_the_old_checkpoint(tmp_path, model):
    path = save_checkpoint(model, tmp_path / "a.safetensors")
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_checkpoint(replace(model, split=object()), path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_a_checkpoint_altered_in_any_place_is_refused(tmp_path, model):
    path = save_checkpoint(model, tmp_path / "a")
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    places = {*generator.integers(0, len(content), 150).tolist(), *range(0, 2500, 29)}
    for place in places:
        altered = bytearray(content)
        altered[place] ^= 1 << int(generator.integers(0, 8))
        path.write_bytes(altered)
        with pytest.raises(TrainingError):
            load_checkpoint(path)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, 3000, -1])
def test_a_truncated_checkpoint_is_refused(tmp_path, model, keep):
    path = save_checkpoint(model, tmp_path / "a")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(TrainingError, match="train the network again"):
        load_checkpoint(path)


def test_a_checkpoint_of_another_topology_is_refused(tmp_path, model):
    path = save_checkpoint(replace(model, topology="iris_64_64"), tmp_path / "a")
    with pytest.raises(TrainingError, match="not those of iris_64_64-W1A1-thermometer"):
        load_checkpoint(path)


def test_a_pickle_is_refused_and_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (exit, (1,))

    path = tmp_path / "a.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(TrainingError, match="not a checkpoint"):
        load_checkpoint(path)


def test_a_missing_checkpoint_is_refused_by_name(tmp_path):
    with pytest.raises(TrainingError, match="nowhere"):
        load_checkpoint(tmp_path / "nowhere")
