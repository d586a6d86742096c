"""SHA-256 manifests of checkpoint folders, which show damage before a checkpoint is restored.

A checkpoint without a manifest is incomplete; one that differs from its manifest is damaged.
"""

import json
import pathlib

from lapsrn_jax.files import atomic_write, sha256


def write_manifest(folder: pathlib.Path, manifest: pathlib.Path) -> None:
    """Writes the size and SHA-256 of every file below `folder` to `manifest`, which appears only when complete."""
    files = {str(path.relative_to(folder)): _fingerprint(path) for path in _files(folder)}
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(manifest) as partial:
        partial.write_text(json.dumps(files, indent=1))


def damage(folder: pathlib.Path, manifest: pathlib.Path) -> str | None:
    """Returns a short description of the first difference between `folder` and its manifest, or None."""
    try:
        expected = json.loads(manifest.read_text())
        found = {str(path.relative_to(folder)): path for path in _files(folder)}
        for name in sorted(expected.keys() | found.keys()):
            if name not in found:
                return f"{name} is missing"
            if name not in expected:
                return f"{name} is not in the manifest"
            size, digest = expected[name]
            if found[name].stat().st_size != size:
                return f"{name} has {found[name].stat().st_size} bytes instead of {size}"
            if _fingerprint(found[name])[1] != digest:
                return f"{name} was changed"
    except (OSError, ValueError, TypeError, AttributeError):  # a damaged manifest can parse into anything
        return f"its manifest {manifest.name} is unreadable"
    return None


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _fingerprint(path: pathlib.Path) -> tuple[int, str]:
    return path.stat().st_size, sha256(path)
