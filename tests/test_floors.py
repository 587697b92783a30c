"""
What an installation may resolve to: nothing with a known hole, whatever else it holds back.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
REQUIREMENTS = [
    Requirement(each)
    for each in [
        *PROJECT["dependencies"],
        *(each for name, needed in EXTRAS.items() if name != "dev" for each in needed),
    ]
]

# The last version with the hole; `nox -s audit`, which needs a network, finds what is missing here.
HOLES = {
    "CVE-2024-39689": ("certifi", "2024.6.2"),
    "CVE-2025-43859": ("h11", "0.15.0"),
    "CVE-2026-45409": ("idna", "3.14"),
    "CVE-2026-63374": ("anyio", "4.14.1"),
    "CVE-2026-69247": ("cryptography", "49.0.0"),
}


@pytest.mark.parametrize("hole", HOLES)
def test_known_holes_are_kept_out(hole: str) -> None:
    """
    A floor of the package's own keeps out every version with the hole.
    """
    name, version = HOLES[hole]
    [requirement] = [each for each in REQUIREMENTS if each.name == name]

    assert not requirement.specifier.contains(version)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_each_has_a_floor(requirement: Requirement) -> None:
    """
    Every requirement says from which version on, so that the oldest set can be installed and tested.
    """
    floors = [Version(each.version) for each in requirement.specifier if each.operator == ">="]

    assert len(floors) == 1
