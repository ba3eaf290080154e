"""The commands. Heavy modules are imported inside them, so that `--help` and `check` answer at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

app = typer.Typer(
    name="medtrimix",
    help="From raw hospital images to label-efficient classifiers: one file, one command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Pipeline = Annotated[Path, typer.Argument(help="The pipeline file (YAML).", show_default=False)]
Overrides = Annotated[
    Optional[list[str]],  # noqa: UP045 (typer reads this at run time)
    typer.Option("--set", metavar="A.B=C", help="Override a key of the pipeline file; repeatable."),
]
Workspace = Annotated[
    Path,
    typer.Option(envvar="MEDTRIMIX_WORKSPACE", help="Folder for everything that medtrimix writes."),
]


def _version(wanted: bool) -> None:
    if wanted:
        from medtrimix import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@app.command()
def run(pipeline: Pipeline, overrides: Overrides = None, workspace: Workspace = Path("workspace")) -> None:
    """Run a study from raw files to the report; what is done already is not done again."""
    from medtrimix.cli.run import run_study

    run_study(pipeline, overrides=tuple(overrides or ()), workspace=workspace)


@app.command()
def ingest(
    source: Annotated[
        str, typer.Argument(help="Folder, manifest, MedMNIST .npz, or dicomweb+https://...", show_default=False)
    ],
    folder: Annotated[Path, typer.Option("--out", help="Folder for the result; new or to be continued.")],
    labels: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Table of labels (CSV or parquet), joined by path, series, study or patient."),
    ] = None,
    label: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Label column; repeated: columns of 0 and 1, one per finding."),
    ] = None,
    overrides: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="A.B=C", help="Key of the section `data`, e.g. volume.size=[64,64,64]."),
    ] = None,
    pipeline: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Pipeline file whose section `data` gives the options."),
    ] = None,
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Decoding processes; one per core (8 at most) without it."),
    ] = None,
) -> None:
    """Read a source into an array store with a manifest and a quality page; goes on where it was interrupted."""
    from medtrimix.cli.ingest import ingest_source
    from medtrimix.pipeline.data_section import load_data_section

    options = load_data_section(
        pipeline, overrides=tuple(overrides or ()), source=source, labels=labels, label=tuple(label or ())
    )
    ingest_source(folder, options=options, workers=workers)


@app.command()
def check(pipeline: Pipeline, overrides: Overrides = None) -> None:
    """Read a pipeline file and report every mistake in it, with its line."""
    from medtrimix.pipeline.load import load_study

    study = load_study(pipeline, overrides=tuple(overrides or ()))
    label_subsets = sum(study.learn.seeds_of(budget) for budget in study.learn.label_budgets)
    cells = len(study.pretrain.arms) * study.pretrain.seeds * len(study.learn.learners) * label_subsets
    typer.echo(f"{pipeline.name} is valid: {len(study.pretrain.arms)} arms, {cells} cells.")


@app.command()
def results(
    name: Annotated[Optional[str], typer.Argument(help="Name of the study; all of them without it.")] = None,  # noqa: UP045
    workspace: Workspace = Path("workspace"),
    form: Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="How to print.")] = "table",
) -> None:
    """Print the results of finished studies."""
    from medtrimix.cli.results import print_results

    print_results(name, workspace=workspace, form=form)


@app.command()
def compare(
    run_a: Annotated[str, typer.Argument(help="Id or name of a run; STUDY/NAME for a run of one study.")],
    run_b: Annotated[str, typer.Argument(help="The other.")],
    workspace: Workspace = Path("workspace"),
    tracking_uri: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Where MLflow has the runs; the workspace's own database without it."),
    ] = None,
    metric: Annotated[str, typer.Option(help="Which one to show when there are many comparisons.")] = "auc",
) -> None:
    """Compare two studies, arms or cells on the test set that they share."""
    from medtrimix.cli.compare import print_comparison

    print_comparison(run_a, run_b, workspace=workspace, tracking_uri=tracking_uri, metric=metric)


@app.command()
def schema() -> None:
    """Print the JSON schema of the pipeline file, for editors."""
    import json

    from medtrimix.pipeline.study import Study

    typer.echo(json.dumps(Study.model_json_schema(), indent=1))


@app.command()
def ui(
    workspace: Workspace = Path("workspace"),
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
) -> None:
    """Serve the runs of the workspace in MLflow's pages, on this machine only."""
    from medtrimix.cli.ui import serve

    serve(workspace, port=port)


@app.command(name="demo-data")
def demo_data(
    folder: Annotated[Path, typer.Argument(help="New folder for the export.", show_default=False)],
    kind: Annotated[Literal["radiograph", "ct"], typer.Option(help="Radiographs, or CT series.")] = "radiograph",
    patients: Annotated[int, typer.Option(min=2, help="Number of synthetic patients.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
) -> None:
    """Write a synthetic hospital export: real DICOM of made-up patients, to try medtrimix with."""
    from medtrimix.cli.demo import write_demo

    write_demo(folder, kind=kind, patients=patients, seed=seed)
