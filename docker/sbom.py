"""Write what is inside an image as CycloneDX: Debian's packages and Python's, with versions.

usage: python docker/sbom.py cpu|cuda|sidecar ... [--out FOLDER]

The image itself is asked, not what it was built from.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import images
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

#: Printed by the image's own Python.
ASK_PYTHON = """
import json
from importlib.metadata import distributions
found = {(each.metadata["Name"], each.version) for each in distributions()}
print(json.dumps(sorted(found)))
"""


def asked(name: str, *words: str) -> str:
    """What a program of the image says."""
    command = [images.docker(), "run", "--rm", "--network", "none", "--entrypoint", words[0]]
    done = subprocess.run(
        [*command, images.TAGS[name], *words[1:]], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"error: {images.TAGS[name]} does not say what it holds: {done.stderr.strip()}")
    return done.stdout


def debian(name: str) -> list[PackageURL]:
    """Debian's packages."""
    form = "${Package}\\t${Version}\\t${Architecture}\\n"
    lines = asked(name, "dpkg-query", "--show", "--showformat", form).splitlines()
    return [
        PackageURL("deb", "debian", package, version, {"arch": architecture})
        for package, version, architecture in (line.split("\t") for line in lines)
    ]


def python(name: str) -> list[PackageURL]:
    """Python's packages."""
    found = json.loads(asked(name, "python", "-c", ASK_PYTHON))
    return [PackageURL("pypi", None, package, version) for package, version in found]


def bom(name: str) -> Bom:
    """The list of an image."""
    whole = Component(name=images.TAGS[name].partition(":")[0], type=ComponentType.CONTAINER)
    parts = [
        Component(name=url.name, version=url.version, purl=url, bom_ref=str(url))
        for url in (*debian(name), *python(name))
    ]
    made = Bom(components=parts)
    made.metadata.component = whole
    made.register_dependency(whole, parts)
    return made


def main() -> None:
    """Write the lists."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="+", choices=list(images.TAGS))
    parser.add_argument("--out", type=Path, default=images.PROJECT / "build")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.names:
        path = given.out / f"sbom-{name}.json"
        found = bom(name)
        path.write_text(JsonV1Dot6(found).output_as_string(indent=1) + "\n")
        print(f"{path}: {len(found.components)} packages in {images.TAGS[name]}")


if __name__ == "__main__":
    main()
