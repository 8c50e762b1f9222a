"""Find a target: by the name of a shipped one, or as a file."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from hwsim.errors import TargetError
from hwsim.target.read import read_target
from hwsim.target.target import Target


def load_target(target: str | Path | Target) -> Target:
    """Return a target as it is, from a YAML file, or by the name of a shipped one.

    >>> load_target("generic-int8").weights.bits
    8
    """
    if isinstance(target, Target):
        return target
    if Path(target).suffix in (".yaml", ".yml") or _is_file(Path(target)):
        return read_target(target)
    name = str(target)
    if name in shipped_targets():
        return read_target(_folder() / f"{name}.yaml")
    raise TargetError([_unknown(name)])


def shipped_targets() -> list[str]:
    """Return the names of the targets that come with hwsim, sorted."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for the file system
        return False


def _folder() -> Path:
    """Return the folder of shipped targets: inside the wheel, else beside the checkout."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "targets"
    return packaged if packaged.is_dir() else package.parent / "targets"


def _unknown(name: str) -> str:
    shipped = shipped_targets()
    near = get_close_matches(name.lower().replace("_", "-").replace(" ", "-"), shipped, n=1)
    end = f"; did you mean {near[0]!r}?" if near else "."
    return f"no target named {name!r}{end} Shipped: {', '.join(shipped)}, or give a path to a YAML file"
