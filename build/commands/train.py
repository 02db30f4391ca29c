"""`bitfold train`: trains a network of the zoo, or cross-validates it."""

from __future__ import annotations

from pathlib import Path

import click

from bitfold.build import console
from bitfold.models.quantization import QUANTIZATIONS
from bitfold.models.zoo import TOPOLOGIES


@click.argument("topology", type=click.Choice(list(TOPOLOGIES)), required=False)
@click.option(
    "--quantization",
    "-q",
    type=click.Choice(list(QUANTIZATIONS)),
    metavar="NAME",
    help=f"Bits of weights (W) and activations (A): {', '.join(QUANTIZATIONS)}.",
)
@click.option("--seed", default=0, show_default=True, help="Of the split and the training.")
@click.option(
    "--steps", type=click.IntRange(min=1), help="Training steps; the recipe's own if left out."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The checkpoint; default TOPOLOGY-QUANTIZATION.safetensors.",
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
    type=click.IntRange(min=1),
    help="Processes for --cross-validate.",
)
def train(topology, quantization, seed, steps, output, cross_validate, jobs) -> dict:
    """Train TOPOLOGY with a quantization and keep it as a checkpoint.

    \b
    bitfold train iris_64_32_32 -q W1A1
    bitfold train --cross-validate
    """
    if cross_validate:
        return _cross_validate(topology, quantization, steps, jobs)
    if not topology or not quantization:
        raise click.UsageError("give TOPOLOGY and --quantization, or --cross-validate")
    output = output or Path(f"{topology}-{quantization}.safetensors")
    from bitfold.models.checkpoints import save_checkpoint
    from bitfold.models.training import train_on_holdout

    with console.progress() as bars:
        task = bars.add_task(f"training {topology}-{quantization}", total=None)
        model = train_on_holdout(
            topology,
            quantization,
            seed,
            steps,
            lambda done, total: bars.update(task, completed=done, total=total),
        )
    save_checkpoint(model, output)
    metrics = model.metrics
    console.out.print(f"{model.name}: trained on {model.split}")
    console.out.print(
        f"held out: {metrics.samples} samples, accuracy {metrics.accuracy:.2%}, "
        f"precision {metrics.precision:.2%}, recall {metrics.recall:.2%}"
    )
    console.out.print(confusion_table(metrics.confusion, model.class_names))
    console.out.print(f"checkpoint: {output}")
    return {
        "network": model.topology,
        "quantization": model.quantization,
        "seed": seed,
        "split": model.split,
        "holdout": metrics.to_json(),
        "checkpoint": str(output),
    }


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


train_command = console.command(train)
