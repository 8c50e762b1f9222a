"""Write what follows from the code: targets.md, modes.md with its plots, and the schemas of targets and reports.

python docs/make.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hwsim.formats import Overflow, Rounding
from hwsim.report import Report
from hwsim.target import explain, json_schema, load_target, shipped_targets

HERE = Path(__file__).parent

# beside this file, and the judges' table with the tests
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import modes_page  # noqa: E402
import modes_plots  # noqa: E402

MODES = {
    "Rounding": "a [rounding mode](modes.md#rounding)",
    "Overflow": "an [overflow mode](modes.md#overflow)",
}

INTRODUCTION = """\
# Target files

One YAML file describes one datapath. Every key has a default, so a file says only what is special; `name` alone is
needed. [`arithmetic.md`](arithmetic.md) defines what each setting computes, `hwsim targets --validate FILE` checks a
file and names every mistake with its line, and [`target.schema.json`](target.schema.json) (the same as
`hwsim targets --schema`) lets editors complete and check.

Sections go from general to specific and the specific one wins, key by key: the file's own sections, then `operations`
(by kind of operation), then `layers` (by glob patterns of layer names, later ones win). Lists are replaced whole.

```yaml
operations:
  dense: {weights: {bits: 4}}
  average_pool: {rounding: floor}              # short for {pooling: {rounding: floor}}
  add: {left_shift: 12}                        # short for {addition: {left_shift: 12}}
layers:
  "*stem*": {mac: {stages: [{name: accumulator, bits: 32}]}}
```

Stages of accumulation stand from the inside out. Each takes `terms` consecutive values of the level below; the last
takes all that is left. So a 16-lane adder tree that feeds a 20-bit saturating accumulator is

```yaml
mac:
  order: [kernel_height, kernel_width, input_channel]       # loops from the outermost to the innermost
  stages:
    - {name: adder_tree, terms: 16, bits: 20, overflow: wrap, check: last}
    - {name: accumulator, bits: 20, overflow: saturate, check: each}
```

and 16 channels innermost, then the kernel, then the next 16 channels is
`order: [input_channel_tile, kernel_height, kernel_width, input_channel]` with `tile: {input_channel: 16}`.

What lies between accumulator and output is an ordered list of steps. `kind` names the common lists; any other stands
under `steps`. A datapath with a 16-bit multiplier, a rounder that sees 16 guard bits, and a 17-bit register that
saturates before the output does, is

```yaml
requantize:
  kind: steps
  steps:
    - {step: multiply, bits: 16}                                    # the integer that follows from the scales
    - {step: shift_right, rounding: half_away, guard_bits: 16}      # the shift that follows from them
    - {step: fit, bits: 17, overflow: saturate}
    - {step: activation}                                            # ReLU and its kin, at this place
```

Words of other tools are accepted where they say which tool they come from (`rounding: qonnx:HALF_UP`): see
[`modes.md`](modes.md). [`hardware.md`](hardware.md) says how far each shipped target is verified.

This page is written by `docs/make.py` from the schema.
"""


def main() -> None:
    """Write all files."""
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def pages() -> dict[Path, str]:
    """Return the text of every page that is made."""
    schema = json_schema()
    return {
        HERE / "targets.md": INTRODUCTION + "\n" + "\n".join(sections(schema)) + shipped(),
        HERE / "target.schema.json": json.dumps(schema, indent=2) + "\n",
        HERE / "report.schema.json": json.dumps(Report.json_schema(), indent=2) + "\n",
        HERE / "modes.md": modes_page.page(),
        **{HERE / "modes" / f"{mode}.svg": modes_plots.rounding_plot(mode) for mode in Rounding},
        **{HERE / "modes" / f"{mode}.svg": modes_plots.overflow_plot(mode) for mode in Overflow},
    }


def sections(schema: dict[str, Any]) -> list[str]:
    """Return a table for every section of a file."""
    tables = []
    for name, one in schema["properties"].items():
        if "$ref" in one:
            tables += table(f"`{name}`", one, schema)
    return tables


def table(title: str, one: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Return a section's table, and those of the sections inside it."""
    definition = resolved(one, schema)
    lines = [f"## {title}", "", one.get("description") or definition.get("description", ""), ""]
    lines += ["| key | allowed | default | meaning |", "|---|---|---|---|"]
    inner: list[str] = []
    for key, field in definition["properties"].items():
        default = json.dumps(field["default"], ensure_ascii=False) if "default" in field else ""
        section = section_of(field, schema)
        if section is not None:
            inner += table(f"{title[:-1]}.{key}`", section, schema)
            default = "" if len(default) > 40 else default
        for step in kinds_of(field):
            inner += step_table(step, schema)
        meaning = field.get("description", "").replace("\n", " ")
        lines.append(f"| `{key}` | {allowed(field, schema)} | {default} | {meaning} |")
    return [*lines, "", *inner]


def kinds_of(field: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the entries of a list of several kinds can be."""
    lists = [one.get("items", {}) for one in (field, *field.get("anyOf", []))]
    return [kind for entries in lists for kind in entries.get("oneOf", [])]


def step_table(one: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Return the table of one kind of step."""
    definition = resolved(one, schema)
    keys = {key: field for key, field in definition["properties"].items() if key != "step"}
    heading, *rest = table("``", {"properties": keys, "description": definition["description"]}, schema)
    word = definition["properties"]["step"]["const"]
    return [f"### `{{step: {word}}}`", *(rest if keys else rest[:3])]


def resolved(one: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference points to."""
    while "$ref" in one:
        one = schema["$defs"][one["$ref"].rsplit("/", 1)[-1]]
    return one


def section_of(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the section that a key holds, or a list of which it holds."""
    for candidate in (field, field.get("items", {}), *field.get("anyOf", [])):
        if "properties" in resolved(candidate, schema):
            return {key: value for key, value in candidate.items() if key == "$ref"} or resolved(candidate, schema)
    return None


def allowed(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return what a key may hold, in a few words."""
    one = resolved(field, schema)
    mode = MODES.get(field.get("$ref", "").rsplit("/", 1)[-1])
    if mode or kinds_of(one):
        return mode or "a list of steps, see below"
    if "anyOf" in one:
        return " or ".join(allowed(choice, schema) for choice in one["anyOf"])
    if "enum" in one or "const" in one:
        return ", ".join(f"`{value}`" for value in one.get("enum", [one.get("const")]))
    if one.get("type") == "array":
        return f"a list of: {allowed(one.get('items', {}), schema)}"
    return "a section, see below" if "properties" in one else limited(one)


def limited(one: dict[str, Any]) -> str:
    """Return the words for a number, a flag, text or nothing."""
    words = {"boolean": "`true`, `false`", "null": "nothing", "string": "text"}.get(one.get("type", ""), "a number")
    low, above = one.get("minimum"), one.get("exclusiveMinimum")
    high, below = one.get("maximum"), one.get("exclusiveMaximum")
    if low is not None:
        return f"{low} to {high}" if high else f"{low} or more"
    if above is None:
        return words
    return f"above {power(above)}, " + (f"below {power(below)}" if below else f"at most {high}")


def power(limit: int) -> str:
    """Write a large limit as a power of two.

    >>> power(-(1 << 62)), power(50)
    ('-2^62', '50')
    """
    size = abs(limit)
    if size < 1 << 20 or size & (size - 1):
        return str(limit)
    return f"{'-' if limit < 0 else ''}2^{size.bit_length() - 1}"


def shipped() -> str:
    """Return the shipped targets, each as `hwsim targets NAME` explains it."""
    parts = ["\n# Shipped targets\n"]
    for name in shipped_targets():
        parts.append(f"## {name}\n\n```\n{explain(load_target(name)).rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
