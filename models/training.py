"""Trains a topology in a quantization on labelled rows, the same way every time for a seed."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import nn

from bitfold.models import zoo
from bitfold.models.dataset import Dataset
from bitfold.models.datasets import fifth, holdout
from bitfold.models.errors import TrainingError
from bitfold.models.layers import fold_batch_norms
from bitfold.models.metrics import Metrics, measure
from bitfold.models.quantization import Quantization
from bitfold.models.quantization import quantization as quantization_named

# Part of every recipe's hash: raise it when the code below, the layers or a topology change what
# is learnt.
RECIPE_VERSION = 1

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Recipe:
    """What decides, with the rows and the seed, what a network learns."""

    learning_rate: float
    steps: int
    # Rows a step; None is all of them, with fresh noise and soft targets (iris).
    batch_rows: int | None
    # Whether half of the images of a step are moved, by up to a pixel each way.
    shifts: bool = False
    # Passes in train mode at the end, so that BatchNorm's averages are those of the last weights.
    settling_passes: int = 60
    # Shares of the steps at which pruning begins and at which its mask is final.
    pruning_begins: float = 0.1
    pruning_ends: float = 0.5


def recipe_for(topology: str, quantization: str, steps: int | None = None) -> Recipe:
    """The recipe of a network, with another number of steps if given.

    Raises TrainingError for an unknown name or less than one step.
    """
    bits = quantization_named(quantization).weight_bits
    # Bipolar weights need larger steps: only a change of sign is a change.
    learning_rate = 0.02 if bits == 1 else 0.01
    recipe = {
        "iris": Recipe(learning_rate, steps=400, batch_rows=None),
        "digits": Recipe(learning_rate, steps=1500, batch_rows=64, shifts=True),
        "mnist": Recipe(learning_rate, steps=6000, batch_rows=256),
        "fashion-mnist": Recipe(learning_rate, steps=6000, batch_rows=128),
        "cifar10": Recipe(learning_rate, steps=20_000, batch_rows=128, shifts=True),
        "table": Recipe(learning_rate, steps=1000, batch_rows=128),
    }[zoo.topology(topology).dataset]
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    if recipe.steps < 1:
        raise TrainingError(f"{topology}: steps={recipe.steps}; at least 1 is needed")
    return recipe


def recipe_hash(topology: str, quantization: str, recipe: Recipe | None = None) -> str:
    """sha256 over all that decides what is learnt, but for the rows and the seed.

    Without a `recipe` it is that of `recipe_for`: a model whose hash differs is out of date.
    """
    recipe = recipe or recipe_for(topology, quantization)
    content = {
        "version": RECIPE_VERSION,
        "topology": asdict(zoo.topology(topology)),
        "quantization": asdict(quantization_named(quantization)),
        # What is off says nothing: a recipe keeps its hash when there is more to switch on.
        "recipe": {key: value for key, value in asdict(recipe).items() if value is not False},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class TrainedModel:
    """A trained network and what it came from.

    `module` is on the CPU, in eval mode, its BatchNorms folded.
    """

    topology: str
    quantization: str
    dataset: str
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    seed: int
    # Which rows it was trained on, in words.
    split: str
    recipe: Recipe
    # That of the recipe at the time of training: see `recipe_hash`.
    recipe_hash: str
    module: nn.Module = field(repr=False, compare=False)
    # On rows that it was not trained on; None where none were held out.
    metrics: Metrics | None = None

    @property
    def name(self) -> str:
        stem = self.dataset if self.topology == zoo.ANY_TABLE.name else self.topology
        return f"{stem}-{self.quantization}"

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """(rows, features) of the dataset's dtype to (rows, classes) float32."""
        with torch.no_grad():
            return self.module(torch.from_numpy(rows.astype(np.float32))).numpy()

    def classify(self, rows: np.ndarray) -> np.ndarray:
        """(rows, features) to (rows,) int64, the index of the largest score."""
        return self.scores(rows).argmax(axis=1).astype(np.int64)

    def measure(self, dataset: Dataset) -> Metrics:
        return measure(dataset.labels, self.classify(dataset.features), len(self.class_names))


def train_on_holdout(
    topology: str,
    quantization: str,
    seed: int = 0,
    steps: int | None = None,
    progress: Progress | None = None,
    rows: Dataset | None = None,
) -> TrainedModel:
    """Trains on the topology's own data, or on `rows`, and measures on what is held out.

    That is the data's own test set, or else a fifth of the rows: see `datasets.holdout`. Raises
    what `train` raises, and DatasetError where files are missing.
    """
    if rows is None:
        training, held_out, said = holdout(zoo.topology(topology).dataset, seed)
    else:
        training, held_out, said = fifth(rows, seed)
    model = train(topology, quantization, training, seed, steps, said, progress)
    return replace(model, metrics=model.measure(held_out))


def train(
    topology: str,
    quantization: str,
    rows: Dataset,
    seed: int = 0,
    steps: int | None = None,
    split: str | None = None,
    progress: Progress | None = None,
) -> TrainedModel:
    """Trains on all of `rows`, on a GPU if torch sees one.

    Iris is learnt from an LDA that is fitted on the same rows: every step draws the rows anew with
    noise of the pooled within-class covariance, and the targets are the probabilities that the LDA
    gives those. All else is learnt by cross-entropy on minibatches: not every table is one that an
    LDA tells apart. Both use Adam with a cosine to zero. `progress(step, steps)` is called after
    every step.

    One seed gives one network on one machine. Raises TrainingError for names that are not
    known, rows that don't fit the topology, or less than one step.
    """
    recipe = recipe_for(topology, quantization, steps)
    # Networks this small lose more to a second thread than they gain; and one thread sums in
    # one order.
    with _one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        sizes = rows.features.shape[1], len(rows.class_names)
        module = zoo.build(topology, quantization, *sizes)
        _check_rows(topology, module, rows)
        module.input.fit(rows.features)
        generator = np.random.default_rng(seed)
        if recipe.batch_rows is None:
            batches = _noisy_rows(rows, generator)
        else:
            batches = _minibatches(rows, min(recipe.batch_rows, len(rows)), generator)
        if recipe.shifts:
            batches = _shifted(batches, module.input.format.image, generator)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        _fit(module.to(device), batches, recipe, quantization_named(quantization), device, progress)
        fold_batch_norms(module.to("cpu"))
    return TrainedModel(
        topology=topology,
        quantization=quantization,
        dataset=rows.name,
        feature_names=rows.feature_names,
        class_names=rows.class_names,
        seed=seed,
        split=split or f"all {len(rows)} rows",
        recipe=recipe,
        recipe_hash=recipe_hash(topology, quantization, recipe),
        module=module,
    )


def _fit(
    module: nn.Module,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    recipe: Recipe,
    quantization: Quantization,
    device: str,
    progress: Progress | None,
) -> None:
    weights = [p for p in module.parameters() if p.dim() > 1 and p.requires_grad]
    pruning = _Pruning(weights, recipe, quantization.sparsity)
    optimizer = torch.optim.Adam(
        [parameter for parameter in module.parameters() if parameter.requires_grad],
        lr=recipe.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    module.train()
    for step in range(1, recipe.steps + 1):
        features, targets = next(batches)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(features.to(device)), targets.to(device))
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            if quantization.weight_bits is not None:
                # No quantizer reaches beyond 1; a weight out there would take long to come back.
                for weight in weights:
                    weight.clamp_(-1, 1)
            pruning.apply(step)
            # A negative scale would turn the order of the scores round.
            module.scores.scale.clamp_(min=1e-3)
        if progress:
            progress(step, recipe.steps)
    with torch.no_grad():
        for _ in range(recipe.settling_passes):
            module(next(batches)[0].to(device))


class _Pruning:
    """Zeroes a share of each matrix that rises to `sparsity` while `recipe` says, then stays.

    The smallest go first and never come back. The rise is cubic: fast at first, when there is
    still time to learn around it. Source: Zhu and Gupta, "To prune, or not to prune", 2017.
    """

    def __init__(self, weights: list[nn.Parameter], recipe: Recipe, sparsity: float):
        self.weights = weights
        self.recipe = recipe
        self.sparsity = sparsity
        self.share = 0.0
        self.masks = [torch.ones_like(weight) for weight in weights]

    def apply(self, step: int) -> None:
        begins, ends = self.recipe.pruning_begins, self.recipe.pruning_ends
        ramp = (step / self.recipe.steps - begins) / (ends - begins)
        share = self.sparsity * (1 - (1 - min(max(ramp, 0.0), 1.0)) ** 3)
        for weight, mask in zip(self.weights, self.masks, strict=True):
            weight.mul_(mask)
            if share > self.share:
                smallest = weight.abs().flatten().argsort()[: round(share * weight.numel())]
                mask.view(-1)[smallest] = 0
                weight.mul_(mask)
        self.share = share


def _noisy_rows(
    rows: Dataset, generator: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches of all rows with fresh noise, and the class probabilities an LDA gives them.

    The noise has the pooled within-class covariance, which is what the LDA holds to be true.
    """
    features = rows.features.astype(np.float64)
    teacher = LinearDiscriminantAnalysis(solver="lsqr").fit(features, rows.labels)
    while True:
        noise = generator.multivariate_normal(
            np.zeros(features.shape[1]), teacher.covariance_, size=len(rows)
        )
        noisy = features + noise
        yield (
            torch.from_numpy(noisy.astype(np.float32)),
            torch.from_numpy(teacher.predict_proba(noisy).astype(np.float32)),
        )


def _minibatches(
    rows: Dataset, size: int, generator: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless minibatches of rows and labels, no row twice in an epoch."""
    labels = torch.from_numpy(rows.labels)
    while True:
        order = generator.permutation(len(rows))
        for start in range(0, len(rows) - size + 1, size):
            batch = order[start : start + size]
            yield torch.from_numpy(rows.features[batch].astype(np.float32)), labels[batch]


def _shifted(
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    image: tuple[int, int, int],
    generator: np.random.Generator,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches with half of their images moved by up to a pixel each way; what comes in is 0."""
    _, height, width = image
    for features, labels in batches:
        padded = nn.functional.pad(features.reshape(-1, *image), (1, 1, 1, 1))
        moves = generator.integers(0, 3, (len(padded), 2))
        moves[len(padded) // 2 :] = 1
        moved = [
            one[:, row : row + height, column : column + width]
            for one, (row, column) in zip(padded, moves)
        ]
        yield torch.stack(moved).reshape(features.shape), labels


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _check_rows(topology: str, module: nn.Module, rows: Dataset) -> None:
    inputs = module.input.format.features
    outputs = module.scores.linear.out_features
    if rows.features.shape[1] != inputs or len(rows.class_names) != outputs:
        raise TrainingError(
            f"{topology}: maps {inputs} features to {outputs} classes, but {rows.name} has "
            f"{rows.features.shape[1]} and {len(rows.class_names)}; choose a topology for it"
        )
    if not np.isfinite(rows.features).all():
        raise TrainingError(f"{topology}: {rows.name} has features that are not finite; drop them")
    missing = sorted(set(range(outputs)) - set(rows.labels.tolist()))
    if missing:
        raise TrainingError(
            f"{topology}: no row of {rows.name} is of class "
            f"{', '.join(rows.class_names[label] for label in missing)}; every class is needed"
        )
