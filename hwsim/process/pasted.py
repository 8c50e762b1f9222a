"""Parts of a target as YAML to paste."""

from __future__ import annotations

import yaml

from hwsim.target import Target


def layers_yaml(target: Target) -> str:
    """Return the ``layers`` section of a target; in the file that the target was made from it gives the same target."""
    given = target.model_dump(mode="json", exclude_unset=True, include={"layers"})
    return yaml.safe_dump(
        {"layers": given.get("layers", {})}, sort_keys=False, default_flow_style=None, width=100, allow_unicode=True
    )
