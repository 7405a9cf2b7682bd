"""A bill of materials (CycloneDX) and a table of licences, from the report of `pip install`."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Item = dict[str, Any]


def write(report: Path, into: Path) -> None:
    """Write `sbom.cdx.json` and `LICENCES.md` of what the report says would be installed."""
    said = json.loads(report.read_text())
    items = sorted(said["install"], key=lambda item: canonicalize_name(item["metadata"]["name"]))
    bill = json.dumps(materials(items), indent=1, ensure_ascii=False)
    (into / "sbom.cdx.json").write_text(f"{bill}\n")
    rows = [
        (item["metadata"]["name"], item["metadata"]["version"], licence(item)) for item in items
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    (into / "LICENCES.md").write_text(f"| package | version | licence |\n|---|---|---|\n{table}")


def materials(items: list[Item]) -> dict[str, Any]:
    """In CycloneDX 1.6. The first component is what was asked for; it is the subject."""
    components = {_name(item): _component(item) for item in items}
    (subject,) = [_name(item) for item in items if item["requested"]]
    identity = json.dumps(components, sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}",
        "version": 1,
        "metadata": {"component": components[subject]},
        "components": [each for name, each in components.items() if name != subject],
        "dependencies": [
            {"ref": components[_name(item)]["bom-ref"], "dependsOn": sorted(
                components[name]["bom-ref"] for name in _needs(item) & components.keys()
            )}
            for item in items
        ],
    }  # fmt: skip


def licence(item: Item) -> str:
    """As the package states it: an expression, a short text, or a classifier."""
    metadata = item["metadata"]
    short = metadata.get("license", "").strip()
    if stated := metadata.get("license_expression") or (short if len(short) < 40 else ""):
        return str(stated).replace("\n", " ")
    classified = [line for line in metadata.get("classifier", []) if line.startswith("License ::")]
    return ", ".join(line.rpartition(" :: ")[2] for line in classified) or "not stated"


def _name(item: Item) -> str:
    return canonicalize_name(item["metadata"]["name"])


def _component(item: Item) -> dict[str, Any]:
    name, version = _name(item), item["metadata"]["version"]
    address = f"pkg:pypi/{name}@{version}"
    hashes = item["download_info"].get("archive_info", {}).get("hashes", {})
    return {
        "type": "library", "bom-ref": address, "name": name, "version": version, "purl": address,
        "licenses": [{"license": {"name": licence(item)}}],
        "hashes": [{"alg": "SHA-256", "content": hashes["sha256"]}] if "sha256" in hashes else [],
    }  # fmt: skip


def _needs(item: Item) -> set[str]:
    """Which packages it names as needed here, whatever the extra."""
    lines = [re.sub(r"\s+", " ", line) for line in item["metadata"].get("requires_dist", [])]
    return {canonicalize_name(Requirement(line).name) for line in lines}
