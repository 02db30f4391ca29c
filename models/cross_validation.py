"""Repeated stratified cross-validation: of the zoo, with a file that keeps it, and on any table."""

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bitfold.models import zoo
from bitfold.models.dataset import Dataset
from bitfold.models.datasets import IN_PARTS, load
from bitfold.models.errors import DatasetError, TrainingError
from bitfold.models.files import whole_file
from bitfold.models.quantization import QUANTIZATIONS
from bitfold.models.training import recipe_for, recipe_hash, train

FOLDS = 5
REPEATS = 5
"""Of the 150 flowers; larger data is folded once a seed."""
SEEDS = (0, 1, 2)

# The committed results; `bitfold train --cross-validate` makes them anew.
RESULTS = Path(__file__).parent / "results" / "cross_validation.json"

# What the committed results hold.
NETWORKS: tuple[tuple[str, str], ...] = (
    *(("iris_64_32_32", quantization) for quantization in QUANTIZATIONS),
    *(("irisnet", quantization) for quantization in ("float", "W1A1", "W1A3", "W4A4")),
    *(("iris_64_64", quantization) for quantization in ("float", "W1A1", "W1A3", "W4A4")),
    ("iris_petals", "W1A1-thermometer"),
    *(("digits_conv", quantization) for quantization in ("W1A2", "W2A2")),
)

_FORMAT = "bitfold cross-validation 1"
_IRIS_FOLDS = (30,) * FOLDS


@dataclass(frozen=True)
class CrossValidation:
    """Rows that came out right, of those held out, in each fit of a seed: `correct[seed]`.

    `key` is a hash of all that decides the outcome but the seed: recipe, data, folds. `fold_rows`
    are how many rows each of the folds has; fits go through the folds once or several times.
    """

    topology: str
    quantization: str
    key: str
    correct: dict[int, tuple[int, ...]]
    fold_rows: tuple[int, ...] = _IRIS_FOLDS

    @property
    def accuracies(self) -> np.ndarray:
        """(fits,) float64, all seeds together."""
        return np.concatenate([self._of(seed) for seed in sorted(self.correct)])

    def _of(self, seed: int) -> np.ndarray:
        counts = np.array(self.correct[seed], np.float64).reshape(-1, FOLDS)
        return (counts / self.fold_rows).ravel()

    @property
    def mean(self) -> float:
        return float(self.accuracies.mean())

    @property
    def std(self) -> float:
        """Over all fits: what one fit, judged on one fold, strays from the mean."""
        return float(self.accuracies.std())

    @property
    def seed_means(self) -> dict[int, float]:
        return {seed: float(self._of(seed).mean()) for seed in sorted(self.correct)}

    def to_json(self) -> dict:
        return {
            "topology": self.topology,
            "quantization": self.quantization,
            "key": self.key,
            "mean": self.mean,
            "std": self.std,
            "seed_means": {str(seed): mean for seed, mean in self.seed_means.items()},
            "fits": len(self.accuracies),
            "correct": {str(seed): list(counts) for seed, counts in sorted(self.correct.items())},
            **({} if self.fold_rows == _IRIS_FOLDS else {"fold_rows": list(self.fold_rows)}),
        }

    @classmethod
    def from_json(cls, data: dict) -> "CrossValidation":
        correct = {int(seed): tuple(counts) for seed, counts in data["correct"].items()}
        folds = tuple(data.get("fold_rows", _IRIS_FOLDS))
        return cls(data["topology"], data["quantization"], data["key"], correct, folds)


def look_up(topology: str, quantization: str, path: Path = RESULTS) -> CrossValidation | None:
    """The result for today's recipe and data over all `SEEDS`, or None if `path` has none."""
    result = _read(path).get((topology, quantization))
    if result is None or result.key != cross_validation_key(topology, quantization):
        return None
    return result if set(SEEDS) <= set(result.correct) else None


def cross_validate(
    networks: Sequence[tuple[str, str]] = NETWORKS,
    seeds: Sequence[int] = SEEDS,
    steps: int | None = None,
    jobs: int = 1,
    path: Path = RESULTS,
    progress: Callable[[int, int], None] | None = None,
) -> list[CrossValidation]:
    """Cross-validates (topology, quantization) pairs in `jobs` processes; results go to `path`.

    What `path` already holds for the same key and seed is kept, and every finished pair and seed
    is written at once: an interrupted call is taken up where it stopped. `progress(done, total)`
    counts pairs and seeds. Raises TrainingError for unknown names, and for a topology whose data
    has a test set of its own.
    """
    results = _read(path)
    for network in networks:
        dataset = zoo.topology(network[0]).dataset
        if dataset in IN_PARTS:
            raise TrainingError(
                f"{network[0]}: {dataset} has a test set of its own, and is not cross-validated"
            )
        key = cross_validation_key(*network, steps=steps)
        if network not in results or results[network].key != key:
            folds = tuple(len(fold) for _, fold in _folds(load(dataset), seed=0))[:FOLDS]
            results[network] = CrossValidation(*network, key, correct={}, fold_rows=folds)
    tasks = [
        (*network, seed, steps)
        for network in networks
        for seed in seeds
        if seed not in results[network].correct
    ]
    total = len(networks) * len(seeds)
    done = total - len(tasks)
    if progress:
        progress(done, total)
    # Forking a process in which torch has threads can deadlock.
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        pending = {pool.submit(_count_correct, *task): task for task in tasks}
        for future in as_completed(pending):
            topology, quantization, seed, _ = pending[future]
            result = results[topology, quantization]
            correct = {**result.correct, seed: future.result()}
            results[topology, quantization] = replace(result, correct=correct)
            _write(path, results)
            done += 1
            if progress:
                progress(done, total)
    finally:
        pool.shutdown(cancel_futures=True)
    return [results[network] for network in networks]


def cross_validate_rows(
    rows: Dataset,
    topology: str,
    quantization: str,
    seeds: Sequence[int] = SEEDS,
    steps: int | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """(seeds, FOLDS) float64: the accuracy on each fold of `rows`, trained on the others.

    Nothing is kept. `progress(done, total)` counts seeds. Raises what `train` raises.
    """
    tasks = [(rows, topology, quantization, seed, steps) for seed in seeds]
    if progress:
        progress(0, len(tasks))
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        pending = [pool.submit(_fold_accuracies, *task) for task in tasks]
        for done, _ in enumerate(as_completed(pending), start=1):
            if progress:
                progress(done, len(tasks))
        return np.array([future.result() for future in pending])
    finally:
        pool.shutdown(cancel_futures=True)


def cross_validation_key(topology: str, quantization: str, steps: int | None = None) -> str:
    """sha256 over recipe, data, folds and repeats."""
    rows = load(zoo.topology(topology).dataset)
    digest = hashlib.sha256(f"{FOLDS} folds, {_repeats(rows)} repeats, ".encode())
    recipe = recipe_for(topology, quantization, steps)
    digest.update(recipe_hash(topology, quantization, recipe).encode())
    digest.update(rows.features.astype("<f4").tobytes())
    digest.update(rows.labels.astype("<i8").tobytes())
    return digest.hexdigest()


def _repeats(rows: Dataset) -> int:
    return REPEATS if rows.name == "iris" else 1


def _folds(rows: Dataset, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which rows to train on and which to judge by, fit by fit."""
    from sklearn.model_selection import RepeatedStratifiedKFold

    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=_repeats(rows), random_state=seed)
    return folds.split(rows.features, rows.labels)


def _count_correct(
    topology: str, quantization: str, seed: int, steps: int | None
) -> tuple[int, ...]:
    """Trains on each fold's other rows and counts the fold's rows that come out right."""
    rows = load(zoo.topology(topology).dataset)
    correct = []
    for fit, (training, held_out) in enumerate(_folds(rows, seed)):
        fits = FOLDS * _repeats(rows)
        model = train(topology, quantization, rows.take(training), seed * fits + fit, steps)
        predicted = model.classify(rows.features[held_out])
        correct.append(int((predicted == rows.labels[held_out]).sum()))
    return tuple(correct)


def _fold_accuracies(
    rows: Dataset, topology: str, quantization: str, seed: int, steps: int | None
) -> list[float]:
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    accuracies = []
    for fit, (training, held_out) in enumerate(folds.split(rows.features, rows.labels)):
        model = train(topology, quantization, rows.take(training), seed * FOLDS + fit, steps)
        accuracies.append(model.measure(rows.take(held_out)).accuracy)
    return accuracies


def _read(path: Path) -> dict[tuple[str, str], CrossValidation]:
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text())
        if data["format"] != _FORMAT:
            raise DatasetError(
                f"{path}: format {data['format']!r}; expected {_FORMAT!r}: delete it"
            )
        results = [CrossValidation.from_json(row) for row in data["rows"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path}: not a result file ({error!r}); delete it") from error
    return {(result.topology, result.quantization): result for result in results}


def _write(path: Path, results: dict[tuple[str, str], CrossValidation]) -> None:
    rows = [result.to_json() for _, result in sorted(results.items()) if result.correct]
    with whole_file(path) as partial:
        partial.write_text(json.dumps({"format": _FORMAT, "rows": rows}, indent=1) + "\n")
