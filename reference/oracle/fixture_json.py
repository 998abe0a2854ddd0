"""JSON as the fixtures have it: small, stable, a line for each entry of the outer levels."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

NLL_DIGITS = 8


def reference_versions() -> dict[str, str]:
    """Versions of the libraries behind a fixture."""
    names = ("torch", "transformers", "peft", "numpy", "gguf")
    return {name: version(name).split("+")[0] for name in names}


def rounded(values: list[float], digits: int = NLL_DIGITS) -> list[float]:
    """The values with so many significant digits."""
    return [float(f"{value:.{digits}g}") for value in values]


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Writes a document with one line a key, and one line an entry in lists of objects."""
    lines = []
    for key, value in document.items():
        lines.append(f" {json.dumps(key)}: {_value(value)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _value(value: Any) -> str:
    """One value on one line, save that objects in a list get a line each."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n  " + ",\n  ".join(_compact(entry) for entry in value) + "\n ]"
    if isinstance(value, dict) and value and isinstance(next(iter(value.values())), (dict, list)):
        pairs = (f"{json.dumps(key)}: {_compact(entry)}" for key, entry in value.items())
        return "{\n  " + ",\n  ".join(pairs) + "\n }"
    return _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
