"""The command line: arguments in, text or JSON out. Each command calls the function that a notebook would call."""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import hwsim
from hwsim.errors import HwsimError, TargetError

if TYPE_CHECKING:
    from hwsim.pipeline import Result

INVALID, FAILED = 1, 2
"""Exit codes: a target is not valid, no proposal keeps the tolerance, two dumps or reports differ, a gate failed; all
else."""

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def main() -> None:
    """Run the command line."""
    app()


@contextmanager
def errors_in_words() -> Generator[None]:
    """Print an error that was raised on purpose, or of a file, without a traceback, and exit."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (HwsimError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error


def say_version(wanted: bool) -> None:
    """Print the version and exit."""
    if wanted:
        typer.echo(f"hwsim {hwsim.__version__}")
        raise typer.Exit


@app.callback()
def describe(
    _version: Annotated[
        bool, typer.Option("--version", callback=say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Simulate neural networks on integer hardware, bit for bit, and see where bits are lost."""


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option(help="Folder for the two reports.")] = None,
) -> None:
    """Run a small shipped network on two targets and show why one of them errs."""
    with errors_in_words():
        from hwsim.demo import run_demo

        run_demo(out)


@app.command()
def run(  # noqa: PLR0913, PLR0917  one argument for each option
    model: Annotated[Path, typer.Argument(help="A .keras, .h5 or quantised .tflite file.")],
    target: Annotated[str, typer.Option("--target", "-t", help="Name of a shipped target, or a YAML file.")],
    data: Annotated[Path | None, typer.Option(help="Inputs, .npy or .npz; synthetic ones if not given.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="Inputs that choose the ranges, .npy or .npz.")] = None,
    plan: Annotated[Path | None, typer.Option(help="A saved plan, instead of a calibration.")] = None,
    technique: Annotated[list[str] | None, typer.Option(help="Reduce the error so (repeat for more).")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples at a time; results do not depend on it.")] = 32,
    no_reference: Annotated[bool, typer.Option("--no-reference", help="Do not compare with float.")] = False,
    reference: Annotated[
        str | None, typer.Option(help="Compare with this target's run of the plan, not float.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report, plan, program and outputs.")] = None,
    tensors: Annotated[Path | None, typer.Option(help="Write the codes of all tensors here, as .npz.")] = None,
    attribute: Annotated[bool, typer.Option("--attribute", help="Find what each point costs, and what helps.")] = False,
    samples: Annotated[int, typer.Option(min=1, help="With --attribute: how many samples are looked at.")] = 64,
    quick: Annotated[bool, typer.Option("--quick", help="With --attribute: estimate.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a model on a target, bit for bit, and report where bits are lost."""
    with errors_in_words():
        if no_reference and reference:
            raise hwsim.HwsimError("--reference names a target to compare with, --no-reference compares with nothing")
        check_files(model, data, calibration, plan)
        result = hwsim.run(
            model,
            target,
            data,
            calibration=calibration,
            plan=plan,
            reference=reference or not no_reference,
            batch_size=batch_size,
            techniques=technique or (),
            tensors=tensors is not None,
        )
        if attribute:
            import dataclasses

            found = hwsim.attribute(result, samples=samples, quick=quick)
            result = dataclasses.replace(result, report=found.add_to(result.report))
        typer.echo(result.report.to_json() if as_json else str(result.report), nl=not as_json)
        if out is not None:
            save(result, out)
            typer.echo(f"written to {out}", err=True)
        if tensors is not None:
            result.save_tensors(tensors)
            typer.echo(f"written to {tensors}", err=True)


Model = Annotated[Path, typer.Argument(help="A .keras or .h5 file.")]
Datapath = Annotated[str, typer.Option("--target", "-t", help="Name of a shipped target, or a YAML file.")]
Inputs = Annotated[Path | None, typer.Option("--data", help="Inputs, .npy or .npz; synthetic ones if not given.")]
Ranges = Annotated[Path | None, typer.Option("--calibration", help="Inputs that choose the ranges, .npy or .npz.")]
SavedPlan = Annotated[Path | None, typer.Option("--plan", help="A saved plan.")]
OpenSizes = Annotated[
    list[str] | None,
    typer.Option("--shape", help="Sizes that an input leaves open, as image=224,224,3 (repeat for more inputs)."),
]


@app.command()
def points(
    model: Model, target: Datapath, plan: SavedPlan = None, shape: OpenSizes = None, as_json: AsJson = False
) -> None:
    """List where bits can be lost, before anything runs: proved with a plan, else in the worst case."""
    shapes = shapes_of(shape)
    with errors_in_words():
        check_files(model, plan)
        network = hwsim.load(model, target=target, shapes=shapes) if shapes else model
        found = hwsim.truncation_points(network, target, plan)
        if as_json:
            print_json(records(found.rows))
        else:
            typer.echo(str(found))


@app.command()
def negligible(  # noqa: PLR0913, PLR0917  one argument for each option
    model: Model,
    target: Datapath,
    data: Inputs = None,
    calibration: Ranges = None,
    plan: SavedPlan = None,
    error: Annotated[float, typer.Option(min=0, help="Share of the error's energy that a point may move.")] = 0.1,
    flips: Annotated[int, typer.Option(min=0, help="Decisions that a point may flip.")] = 0,
    samples: Annotated[int, typer.Option(min=1, help="How many samples decide.")] = 64,
    as_json: AsJson = False,
) -> None:
    """Lift every truncation point that loses something, and say which can be ignored."""
    with errors_in_words():
        check_files(model, data, calibration, plan)
        criterion = hwsim.Criterion(error=error, flips=flips)
        found = hwsim.negligible(
            model, target, data, criterion=criterion, calibration=calibration, plan=plan, samples=samples
        )
        if as_json:
            print_json(records(found.rows))
        else:
            typer.echo(str(found))


@app.command()
def explain(  # noqa: PLR0913, PLR0917  one argument for each option
    model: Annotated[Path, typer.Argument(help="A .keras, .h5 or quantised .tflite file.")],
    target: Datapath,
    data: Inputs = None,
    calibration: Ranges = None,
    plan: SavedPlan = None,
    samples: Annotated[int, typer.Option(min=1, help="How many samples are looked at.")] = 64,
    quick: Annotated[bool, typer.Option("--quick", help="Estimate, for large networks.")] = False,
    as_json: AsJson = False,
) -> None:
    """Walk through why a model scores badly on a target: import and data, which part, layers, points, what helps."""
    with errors_in_words():
        check_files(model, data, calibration, plan)
        found = hwsim.explain(
            model,
            target,
            data,
            calibration=calibration,
            plan=plan,
            samples=samples,
            quick=quick,
            say=None if as_json else typer.echo,
        )
        if as_json:
            typer.echo(found.to_json())


@app.command()
def profile(
    model: Model,
    data: Inputs = None,
    weights: Annotated[bool, typer.Option("--weights", help="Of the weights instead; needs no data.")] = False,
    shape: OpenSizes = None,
    accumulators: Annotated[bool, typer.Option("--accumulators", help="Also of sums before activations.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the profile here, as .npz.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a model in float and print the statistics of its feature maps."""
    if weights and (data is not None or accumulators or out is not None):
        raise typer.BadParameter("--weights stands without --data, --accumulators and --out")
    shapes = shapes_of(shape)
    with errors_in_words():
        check_files(model, data)
        network = hwsim.load(model, shapes=shapes) if shapes else model
        found = hwsim.profile_weights(network) if weights else float_profile(network, data, accumulators)
        if as_json:
            print_json(found.to_frame().reset_index().to_dict(orient="records"))
        else:
            typer.echo(str(found))
        if out is not None and isinstance(found, hwsim.Profile):
            found.save(out)
            typer.echo(f"written to {out}", err=True)


@app.command()
def analyse(model: Model, target: Datapath, data: Inputs = None) -> None:
    """Say how ranges differ, which bits are wasted, which distribution it is, and what would help."""
    with errors_in_words():
        check_files(model, data)
        from hwsim.loaders import load_for_data

        aim, network = hwsim.load_target(target), load_for_data(model, (data,))[0]
        typer.echo(str(hwsim.analyse(network, float_profile(network, data), aim)))


def float_profile(model: Path | hwsim.Network, data: Path | None, accumulators: bool = False) -> hwsim.Profile:
    """Return the profile of a model, on synthetic data if none is given."""
    from hwsim.loaders import load_for_data
    from hwsim.pipeline import read_samples

    network = load_for_data(model, (data,))[0]
    samples, notes = read_samples(network, data)
    for note in notes if data is None else ():
        typer.echo(note, err=True)
    return hwsim.profile(network, samples.source, accumulators=accumulators)


@app.command()
def decide(
    model: Model,
    target: Datapath,
    data: Inputs = None,
    calibration: Ranges = None,
    out: Annotated[Path | None, typer.Option(help="Write the plan here, as JSON.")] = None,
) -> None:
    """Decide formats, scales and zero points as the target says, and print the plan."""
    with errors_in_words():
        check_files(model, data, calibration)
        from hwsim.process.case import case_of

        plan = case_of(model, target, data, calibration).plan
        typer.echo(str(plan))
        if out is not None:
            plan.save(out)
            typer.echo(f"written to {out}", err=True)


@app.command()
def propose(  # noqa: PLR0913, PLR0917  one argument for each option
    model: Model,
    target: Datapath,
    data: Inputs = None,
    calibration: Ranges = None,
    top1: Annotated[float | None, typer.Option(min=0, max=1, help="Smallest share of decisions as in float.")] = None,
    sqnr: Annotated[float | None, typer.Option(help="Smallest SQNR of the results, in dB.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="How many samples the search runs on.")] = 128,
    out: Annotated[Path | None, typer.Option(help="Write the whole target here, as YAML.")] = None,
    as_json: AsJson = False,
) -> None:
    """Propose per layer the cheapest strategy that keeps a tolerance; exit 1 if none was found."""
    with errors_in_words():
        check_files(model, data, calibration)
        tolerance = hwsim.Tolerance(top1=top1, sqnr=sqnr)
        found = hwsim.propose(model, target, data, tolerance=tolerance, calibration=calibration, samples=samples)
        if as_json:
            print_json(records(found.alternatives))
        else:
            typer.echo(str(found), nl=False)
        if out is not None:
            from hwsim.files import write_whole

            write_whole(out, found.target.to_yaml().encode())
            typer.echo(f"written to {out}", err=True)
    if not found.holds:
        raise typer.Exit(INVALID)


@app.command()
def diff(  # noqa: PLR0913, PLR0917  one argument for each option
    a: Annotated[Path, typer.Argument(help="A report.json; or tensors: .npz, .npy, .hex, or a folder of these.")],
    b: Annotated[Path, typer.Argument(help="The same of the other side.")],
    program: Annotated[Path | None, typer.Option(help="The program of a side, to try causes with.")] = None,
    bits: Annotated[int | None, typer.Option(min=1, max=62, help="Bits of a value; of a word of .hex.")] = None,
    signed: Annotated[bool | None, typer.Option("--signed/--unsigned", help="Whether these have a sign.")] = None,
    shape: Annotated[str | None, typer.Option(help="Shape of tensors from .hex, as 16,8,8,32.")] = None,
    html: Annotated[Path | None, typer.Option(help="Of reports: write the comparison here, as a page.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Of reports: show every layer and point.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two reports: better or worse, and where. Or two dumps of tensors: the first tensor, place and value in
    which they differ, and why. Exit 1 if they differ.
    """
    sizes = shape_of(shape)
    with errors_in_words():
        if are_reports(a, b):
            check_files(a, b)
            if any(one is not None for one in (program, bits, signed, shape)):
                raise hwsim.HwsimError("--program, --bits, --signed and --shape are for tensors, not for reports")
            changes = hwsim.compare_reports(a, b)
            typer.echo(changes.to_json() if as_json else changes.to_text(everything=everything), nl=not as_json)
            if html is not None:
                changes.to_html(html)
                typer.echo(f"written to {html}", err=True)
            raise typer.Exit(0 if changes.equal else INVALID)
        if html is not None or everything:
            raise hwsim.HwsimError("--html and --all are for two reports (.json), not for tensors")
        check_files(a, b, program)
        found = hwsim.diff(a, b, program=program, bits=bits, signed=signed, shape=sizes)
        if as_json:
            typer.echo(found.to_json())
        else:
            from rich.console import Console

            Console().print(found)
    if not found.equal:
        raise typer.Exit(INVALID)


@app.command()
def locate(  # noqa: PLR0913, PLR0917  one argument for each option
    model: Annotated[Path, typer.Argument(help="A model, or the program.hwsim of a run.")],
    layer: Annotated[str, typer.Option(help="The layer, as the report names it.")],
    point: Annotated[str, typer.Option(help="The truncation point in it.")],
    target: Annotated[str | None, typer.Option("--target", "-t", help="A shipped target or a YAML file.")] = None,
    data: Inputs = None,
    calibration: Ranges = None,
    plan: SavedPlan = None,
    number: Annotated[int, typer.Option(min=1, help="How many values.")] = 5,
    worst: Annotated[bool, typer.Option("--worst", help="Those with the largest errors, not the first.")] = False,
    kind: Annotated[str | None, typer.Option(help="`clamping` or `round-off`.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="How many samples to look at.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show values that lost bits at a truncation point, their operands, and Python that computes them."""
    with errors_in_words():
        check_files(model, data, calibration, plan)
        chosen: Any = {"number": number, "kind": kind, "worst": worst, "samples": samples}
        if model.suffix == ".hwsim":
            if any(one is not None for one in (target, calibration, plan)):
                raise hwsim.HwsimError(
                    f"{model} is a program, made for a target; --target, --calibration and --plan are for models"
                )
            found = hwsim.locate(model, data, layer, point, **chosen)
        else:
            if model.suffix == ".json":
                raise hwsim.HwsimError(
                    f"{model}: give the model, or the program.hwsim that a run writes beside its report"
                )
            if target is None:
                raise hwsim.HwsimError("a model needs a --target; only a program (.hwsim) is made for one")
            from hwsim.process.case import case_of

            case = case_of(model, target, data, calibration, plan)
            program = hwsim.lower(case.network, case.plan, case.target)
            chosen |= {"network": case.network, "plan": case.plan}
            found = hwsim.locate(program, case.samples.source, layer, point, **chosen)
        typer.echo(found.to_json() if as_json else str(found))


def are_reports(a: Path, b: Path) -> bool:
    """Whether both files are reports, by their names; raises HwsimError if one alone is."""
    reports = [path for path in (a, b) if path.suffix.lower() == ".json"]
    if len(reports) == 1:
        raise hwsim.HwsimError(
            f"{a} and {b}: {reports[0]} is a report, the other is not; give two reports or two dumps"
        )
    return bool(reports)


@app.command()
def check(  # noqa: PLR0913, PLR0917  one argument for each gate
    report: Annotated[Path, typer.Argument(help="A report.json, as `hwsim run --out` writes it.")],
    max_persistent_overflow: Annotated[int | None, typer.Option(help="Sums outside, at each accumulator.")] = None,
    max_clamping: Annotated[float | None, typer.Option(help="Share of values clamped at each point, 0 to 1.")] = None,
    min_sqnr: Annotated[float | None, typer.Option(help="SQNR of each result, in dB.")] = None,
    min_layer_sqnr: Annotated[float | None, typer.Option(help="Cumulative SQNR of each layer, in dB.")] = None,
    max_flips: Annotated[int | None, typer.Option(help="Samples that decide otherwise, of each result.")] = None,
    min_top1: Annotated[float | None, typer.Option(help="Share of decisions as in float, 0 to 1.")] = None,
    max_import_error: Annotated[float | None, typer.Option(help="Largest difference of the import to Keras.")] = None,
    as_json: AsJson = False,
) -> None:
    """Hold a saved report against limits, for CI; exit 1 if one is not kept, 2 if that cannot be told."""
    with errors_in_words():
        found = hwsim.check(
            report,
            max_persistent_overflow=max_persistent_overflow,
            max_clamping=max_clamping,
            min_sqnr=min_sqnr,
            min_layer_sqnr=min_layer_sqnr,
            max_flips=max_flips,
            min_top1=min_top1,
            max_import_error=max_import_error,
        )
        typer.echo(found.to_json() if as_json else str(found))
    if not found.holds:
        raise typer.Exit(INVALID)


def shapes_of(texts: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """Return the shapes of inputs as the command line has them: ``image=224,224,3``."""
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts or ():
        name, equals, sizes = text.rpartition("=")
        if not equals or not name:
            raise typer.BadParameter(f"--shape takes an input's name and sizes such as image=224,224,3, not {text!r}")
        shapes[name] = shape_of(sizes) or ()
    return shapes


def shape_of(text: str | None) -> tuple[int, ...] | None:
    """Return the sizes of a shape as the command line has it: ``16,8,8,32``."""
    if text is None:
        return None
    sizes = [one.strip() for one in text.split(",")]
    if not all(one.isdecimal() and int(one) > 0 for one in sizes):
        raise typer.BadParameter(f"--shape takes sizes above 0 such as 16,8,8,32, not {text!r}")
    return tuple(map(int, sizes))


def records(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return records as JSON has them: infinity, which it lacks, as text."""
    import dataclasses
    import math

    return [
        {
            name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in dataclasses.asdict(one).items()
        }
        for one in rows
    ]


@app.command()
def techniques(
    model: Annotated[Path, typer.Argument(help="A .keras or .h5 file.")],
    target: Annotated[str, typer.Option("--target", "-t", help="Name of a shipped target, or a YAML file.")],
    data: Annotated[Path | None, typer.Option(help="Inputs, .npy or .npz; synthetic ones if not given.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="Inputs that choose the ranges, .npy or .npz.")] = None,
    technique: Annotated[list[str] | None, typer.Option(help="Only this one, or a+b (repeat for more).")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what each technique that reduces the error buys on a target."""
    with errors_in_words():
        check_files(model, data, calibration)
        found = hwsim.compare_techniques(model, target, data, calibration=calibration, techniques=technique or None)
        typer.echo(found.to_json() if as_json else str(found))


@app.command()
def lite(
    model: Annotated[Path, typer.Argument(help="A quantised .tflite file of 8 bits.")],
    data: Inputs = None,
    against: Annotated[str, typer.Option(help="The target that the others are held against.")] = "tflite-int8",
    as_json: AsJson = False,
) -> None:
    """Show how many codes of each layer differ between the implementations that run .tflite files."""
    with errors_in_words():
        check_files(model, data)
        found = hwsim.compare_implementations(model, data, against=against)
        typer.echo(found.to_json() if as_json else str(found))


@app.command()
def targets(
    target: Annotated[str | None, typer.Argument(help="Explain this one: a shipped name, or a YAML file.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of target files.")] = False,
    validate: Annotated[Path | None, typer.Option(help="Check a YAML file; exit 1 if it is wrong.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the shipped targets, explain one, or validate a file."""
    if sum((target is not None, schema, validate is not None)) > 1:
        raise typer.BadParameter("give one of TARGET, --schema and --validate")
    with errors_in_words():
        if schema:
            print_schema()
        elif validate is not None:
            validate_file(validate)
        elif target is not None:
            explain_target(target, as_json=as_json)
        else:
            list_targets(as_json=as_json)


def list_targets(*, as_json: bool) -> None:
    """Print name and description of every shipped target."""
    from hwsim.target import load_target, shipped_targets

    found = [load_target(name) for name in shipped_targets()]
    if as_json:
        print_json([{"name": one.name, "description": one.description} for one in found])
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("target", "description", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for one in found:
        table.add_row(Text(one.name, no_wrap=True), Text(one.description))
    Console().print(table)


def print_schema() -> None:
    """Print the JSON Schema of target files."""
    from hwsim.target import json_schema

    print_json(json_schema())


def explain_target(name: str, *, as_json: bool) -> None:
    """Print a target in words, or all its settings."""
    from hwsim.target import explain, load_target

    found = load_target(name)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        typer.echo(explain(found), nl=False)


def validate_file(path: Path) -> None:
    """Print the mistakes of a target file, one on a line, and exit 1; or say that it has none."""
    from hwsim.target import load_target

    try:
        found = load_target(path)
    except TargetError as error:
        for mistake in error.mistakes:
            typer.echo(f"error: {mistake}", err=True)
        raise typer.Exit(INVALID) from error
    typer.echo(f"{path}: valid, target {found.name!r}")


def check_files(*paths: Path | None) -> None:
    """Raise HwsimError naming all files that do not exist, before anything slow is imported."""
    missing = [f"{path}: no such file" for path in paths if path is not None and not path.exists()]
    if missing:
        raise HwsimError("\n".join(missing))


def save(result: Result, folder: Path) -> None:
    """Write everything that a run gave into a folder."""
    import numpy as np

    from hwsim.files import write_whole

    result.report.to_html(folder / "report.html")
    result.report.to_json(folder / "report.json")
    result.report.to_csv(folder / "report.csv")
    result.report.to_model_explorer(folder / "model_explorer")
    result.plan.save(folder / "plan.json")
    result.program.save(folder / "program.hwsim")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named_arrays(result))
    write_whole(folder / "outputs.npz", buffer.getvalue())


def named_arrays(result: Result) -> dict[str, Any]:
    """Return codes, outputs and reference by name; for several results by ``codes/name`` and so on."""
    found: dict[str, Any] = {}
    for name in ("codes", "outputs", "reference"):
        values = getattr(result, name)
        if isinstance(values, Mapping):
            found |= {f"{name}/{one}": array for one, array in values.items()}
        elif values is not None:
            found[name] = values
    return found


def print_json(value: object) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2))
