"""Whether the installed libraries are the versions that this release was made for, as its own metadata says."""

import re
import sys
from importlib import metadata

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[^]]*\])?\s*(?P<versions>[^;]*)(?:;\s*(?P<marker>.*))?")
_CLAUSE = re.compile(r"(>=|<=|==|!=|~=|<|>)\s*([\w.*]+)")
_PYTHON_MARKER = re.compile(r"python_version\s*(<|>=)\s*['\"](\d+)\.(\d+)['\"]")


def unmet(distribution: str) -> list[str]:
    """`httpx 0.27.0, wanted ==0.28.*` for every requirement that is not met. Raises PackageNotFoundError where the
    distribution itself is not installed."""
    found = []
    for text in metadata.requires(distribution) or ():
        match = _REQUIREMENT.match(text)
        if match is None or not _applies(match["marker"] or ""):
            continue
        wanted = match["versions"].strip()
        try:
            version = metadata.version(match["name"])
        except metadata.PackageNotFoundError:
            found.append(f"{match['name']} is missing, wanted {wanted or 'any'}")
            continue
        if not satisfies(version, wanted):
            found.append(f"{match['name']} {version}, wanted {wanted}")
    return found


def satisfies(version: str, wanted: str) -> bool:
    """Whether a version meets `>=1.2,<3` or `==1.2.*`. What is not understood counts as met: pip has judged it."""
    have = release_of(version)
    for operator, text in _CLAUSE.findall(wanted):
        bound = release_of(text)
        if operator == "==" and (have[: len(bound)] if text.endswith(".*") else have) != bound:
            return False
        if operator == ">=" and have < bound:
            return False
        if operator == "<" and have >= bound:
            return False
    return True


def release_of(version: str) -> tuple[int, ...]:
    """`3.51.2` -> (3, 51, 2): the leading numbers."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()


def _applies(marker: str) -> bool:
    """Extras do not; of the other markers the Python version is the only one in use."""
    if "extra" in marker:
        return False
    for operator, major, minor in _PYTHON_MARKER.findall(marker):
        bound = (int(major), int(minor))
        if (sys.version_info[:2] >= bound) != (operator == ">="):
            return False
    return True
