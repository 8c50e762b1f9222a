"""Write the pages that follow from the code: docs/targets.md and docs/target.schema.json.

python docs/make.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hwsim.target import explain, json_schema, load_target, shipped_targets

HERE = Path(__file__).parent

MODES = {
    "Rounding": "a [rounding mode](arithmetic.md#1-rounding)",
    "Overflow": "an [overflow mode](arithmetic.md#2-fit)",
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

This page is written by `docs/make.py` from the schema.
"""


def main() -> None:
    """Write both files."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


def pages() -> dict[Path, str]:
    """Return the text of every page that is made."""
    schema = json_schema()
    return {
        HERE / "targets.md": INTRODUCTION + "\n" + "\n".join(sections(schema)) + shipped(),
        HERE / "target.schema.json": json.dumps(schema, indent=2) + "\n",
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
        lines.append(f"| `{key}` | {allowed(field, schema)} | {default} | {field.get('description', '')} |")
    return [*lines, "", *inner]


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
    mode = MODES.get(field.get("$ref", "").rsplit("/", 1)[-1])
    if mode:
        return mode
    one = resolved(field, schema)
    if "anyOf" in one:
        return " or ".join(allowed(choice, schema) for choice in one["anyOf"])
    if "enum" in one or "const" in one:
        return ", ".join(f"`{value}`" for value in one.get("enum", [one.get("const")]))
    if one.get("type") == "array":
        return f"a list of: {allowed(one.get('items', {}), schema)}"
    if "properties" in one:
        return "a section, see below"
    return limited(one)


def limited(one: dict[str, Any]) -> str:
    """Return the words for a number, a flag, text or nothing."""
    low = one.get("minimum", one.get("exclusiveMinimum"))
    high = one.get("maximum")
    words = {"boolean": "`true`, `false`", "null": "nothing", "string": "text"}.get(one.get("type", ""), "a number")
    if low is None:
        return words
    return (
        f"above {low}, at most {high}"
        if "exclusiveMinimum" in one
        else f"{low} to {high}"
        if high
        else f"{low} or more"
    )


def shipped() -> str:
    """Return the shipped targets, each as `hwsim targets NAME` explains it."""
    parts = ["\n# Shipped targets\n"]
    for name in shipped_targets():
        parts.append(f"## {name}\n\n```\n{explain(load_target(name)).rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
