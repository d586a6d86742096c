"""Prints pip constraints that pin every dependency in pyproject.toml to the oldest version it allows."""

import pathlib
import tomllib

project = tomllib.loads((pathlib.Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
for requirement in project["dependencies"] + project["optional-dependencies"]["dev"]:
    print(requirement.replace(">=", "==", 1))
