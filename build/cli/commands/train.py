"""`bitfold train`: trains a network of the zoo, or one for a CSV file, or cross-validates it."""

from __future__ import annotations

from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.models.quantization import QUANTIZATIONS
from bitfold.models.zoo import ANY_TABLE, TOPOLOGIES


class _TopologyOrTable(click.Choice):
    """The name of a topology, or the path of a CSV file."""

    def convert(self, value, param, ctx):
        path = Path(value)
        return path if path.suffix.lower() == ".csv" else super().convert(value, param, ctx)


@click.argument(
    "topology",
    type=_TopologyOrTable(list(TOPOLOGIES)),
    metavar="[TOPOLOGY|DATA.csv]",
    required=False,
)
@click.option("--label", metavar="COLUMN", help="The column of DATA.csv that names the class.")
@click.option(
    "--quantization",
    "-q",
    type=click.Choice(list(QUANTIZATIONS)),
    metavar="NAME",
    help=f"Bits of weights (W) and activations (A): {', '.join(QUANTIZATIONS)}.",
)
@click.option(
    "--seed",
    type=console.SEED,
    default=0,
    show_default=True,
    help="Of the split and the training.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Training steps; the recipe's own if left out."
)
@click.option(
    "--output",
    "-o",
    type=console.OUTPUT_FILE,
    help="The checkpoint; default TOPOLOGY-QUANTIZATION.safetensors, or DATA-QUANTIZATION.",
)
@click.option(
    "--cross-validate",
    is_flag=True,
    help="Instead of one training: 5 x 5-fold cross-validation over 3 seeds, into the result file "
    "that the demo shows. Takes up what was interrupted. Without TOPOLOGY: all that it holds.",
)
@click.option(
    "--jobs",
    default=2,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes for --cross-validate.",
)
def train(topology, label, quantization, seed, steps, output, cross_validate, jobs) -> dict:
    """Train TOPOLOGY, or a network for DATA.csv.

    It is kept as a checkpoint. DATA.csv has a line of column names; --label names the column of the
    classes, and all others are numbers to learn from. A fifth of the rows is held out to judge by.

    \b
    bitfold train iris_64_32_32 -q W1A1
    bitfold train wine.csv --label cultivar -q W1A3
    bitfold train --cross-validate
    """
    table = isinstance(topology, Path)
    if table != (label is not None):
        raise click.UsageError("give DATA.csv and --label together")
    if table and not quantization:
        raise click.UsageError("give --quantization with DATA.csv")
    if not cross_validate and not (topology and quantization):
        raise click.UsageError("give TOPOLOGY and --quantization, or --cross-validate")
    rows = None
    if table:
        from bitfold.models.tables import load_table

        rows = load_table(topology, label)
        topology = ANY_TABLE.name
    if cross_validate and not table:
        return _cross_validate(topology, quantization, steps, jobs)
    if cross_validate:
        return _cross_validate_table(rows, quantization, steps, jobs)
    from bitfold.models.checkpoints import save_checkpoint

    model = train_and_show(topology, quantization, seed, steps, rows)
    output = output or Path(f"{model.name}.safetensors")
    save_checkpoint(model, output)
    console.out.print(f"checkpoint: {output}")
    return {
        "network": model.topology,
        "quantization": model.quantization,
        "dataset": model.dataset,
        "seed": seed,
        "split": model.split,
        "holdout": model.metrics.to_json(),
        "checkpoint": str(output),
    }


def train_and_show(topology, quantization, seed, steps, rows):
    """The trained network, for `rows` if given; prints what it reached on those held out."""
    from bitfold.models.training import train_on_holdout

    name = rows.name if rows else topology
    with console.progress() as bars:
        task = bars.add_task(f"training {name}-{quantization}", total=None)
        model = train_on_holdout(
            topology,
            quantization,
            seed,
            steps,
            lambda done, total: bars.update(task, completed=done, total=total),
            rows,
        )
    metrics = model.metrics
    console.out.print(f"{model.name}: trained on {model.split}")
    console.out.print(
        f"held out: {metrics.samples} samples, accuracy {metrics.accuracy:.2%}, "
        f"precision {metrics.precision:.2%}, recall {metrics.recall:.2%}"
    )
    if rows:
        _show_baseline(rows)
    console.out.print(confusion_table(metrics.confusion, model.class_names))
    return model


def _show_baseline(rows) -> None:
    most, share = most_frequent(rows)
    console.out.print(f"saying {most!r} of every row would reach {share:.2%}")


def most_frequent(rows) -> tuple[str, float]:
    """The most frequent class, and its share of the rows: what any network has to beat."""
    counts = [int((rows.labels == label).sum()) for label in range(len(rows.class_names))]
    return rows.class_names[counts.index(max(counts))], max(counts) / len(rows)


def confusion_table(confusion, labels):
    """Rows are what a sample is, columns what it was taken for."""
    table = console.table("is \\ taken for", *map(console.numbers, labels))
    for label, row in zip(labels, confusion):
        table.add_row(label, *(str(count) for count in row))
    return table


def _cross_validate(topology, quantization, steps, jobs) -> dict:
    from bitfold.models import cross_validation as cv

    networks = [
        network
        for network in cv.NETWORKS
        if topology in (None, network[0]) and quantization in (None, network[1])
    ]
    if topology and quantization and not networks:
        networks = [(topology, quantization)]
    with console.progress() as bars:
        task = bars.add_task("cross-validating", total=None)
        results = cv.cross_validate(
            networks,
            steps=steps,
            jobs=jobs,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    table = console.table("network", "quantization", "accuracy", "by seed", console.numbers("fits"))
    for result in results:
        table.add_row(
            result.topology,
            result.quantization,
            f"{result.mean:.1%} ± {result.std:.1%}",
            ", ".join(f"{mean:.1%}" for mean in result.seed_means.values()),
            str(len(result.accuracies)),
        )
    console.out.print(table)
    console.out.print(f"results: {cv.RESULTS}")
    return {"rows": [result.to_json() for result in results]}


def _cross_validate_table(rows, quantization, steps, jobs) -> dict:
    from bitfold.models import cross_validation as cv

    with console.progress() as bars:
        task = bars.add_task(f"cross-validating {rows.name}", total=None)
        accuracies = cv.cross_validate_rows(
            rows,
            ANY_TABLE.name,
            quantization,
            steps=steps,
            jobs=jobs,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    mean, std = float(accuracies.mean()), float(accuracies.std())
    console.out.print(
        f"{rows.name}-{quantization}: accuracy {mean:.1%} ± {std:.1%}, {cv.FOLDS} folds over "
        f"{len(accuracies)} seeds",
    )
    _show_baseline(rows)
    return {
        "dataset": rows.name,
        "quantization": quantization,
        "mean": mean,
        "std": std,
        "accuracies": accuracies.tolist(),
    }


train_command = console.command(train)
train_command.epilog = f"Topologies: {', '.join(TOPOLOGIES)}."
