"""The JSON Schema for editors agrees with the loader: on every shipped board, on what is written, on mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import topology

FOLDER = Path(topology.__file__).parent


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads((FOLDER / "board.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", topology.shipped())
def test_shipped_boards_and_what_is_written_of_them_are_valid(name: str, validator: Any) -> None:
    validator.validate(yaml.safe_load((FOLDER / "boards" / f"{name}.yaml").read_text()))
    validator.validate(yaml.safe_load(topology.to_yaml(topology.load(name))))


def test_the_examples_of_the_documentation_are_valid_and_load(validator: Any) -> None:
    page = (FOLDER.parent / "docs" / "topology-files.md").read_text()
    blocks = [part.split("```")[0] for part in page.split("```yaml\n")[1:]]
    whole = [block for block in blocks if block.startswith("board:")]
    assert len(whole) == 2
    for block in blocks:
        partial = yaml.safe_load(block)
        validator.validate({"nodes": {"chip": 1}, **partial})
    assert [len(topology.loads(block).devices) for block in whole] == [4, 64]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "nodes: {chip: 0}",
        "nodes: {chip: {cuont: 2}}",
        "nodes: {4chip: 2}",
        "nodes: {chip: {kind: robot}}",
        "nodes: {chip: 1}\nkinds: {w: {bandwidth: 50}}",
        "nodes: {chip: 1}\nkinds: {w: {bandwidth: -5 GB/s}}",
        "nodes: {chip: 1}\nkinds: {w: {latency: {source: x}}}",
        "nodes: {chip: 1}\nkinds: {w: {latency: {value: 1 us, mark: X}}}",
        "nodes: {chip: 2}\nlinks: {w: [[0]]}",
        "nodes: {chip: 2}\nlinks: {w: [{from: 0}]}",
        "nodes: {chip: 2}\nlinks: {w: [{ring: chip, mesh: chip}]}",
        "nodes: {chip: 2}\nlinks: {w: [{torus: chip}]}",
        "nodes: {chip: 2}\nlimits: {w: {out: chip}}",
        "nodes: {chip: 2}\nlimits: {w: {bandwidth: 1 GB/s, out: chip, in: chip}}",
        "boards: {x: {copies: 2}}",
        "bord: a\nnodes: {chip: 1}",
    ],
)
def test_mistakes_are_invalid_and_refused_by_the_loader(text: str, validator: Any) -> None:
    assert not validator.is_valid(yaml.safe_load(text))
    from _ringtree.errors import TopologyError

    with pytest.raises(TopologyError):
        topology.loads(text)
