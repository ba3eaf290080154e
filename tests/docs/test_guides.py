"""The guides agree with the code: links, keys, defaults, and every table that lists what the code has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from doc_pages import REPO, anchors, blocks, code, links, pages, section, table
from ruamel.yaml import YAML

from medtrimix.augment.options import AugmentOptions, Preset
from medtrimix.data.options import AuditOptions
from medtrimix.errors import ConfigError
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.verdict import Verdict
from medtrimix.lowlabel.options import AnyOptions
from medtrimix.methods.options import ArmOptions, MAEOptions, TriMixOptions
from medtrimix.metrics.definitions import METRICS
from medtrimix.pipeline.load import load_study
from medtrimix.pipeline.study import Study

PAGES = pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPO)))
MINIMAL = {
    "name": "name: example",
    "data": "data: {source: phantom}",
    "pretrain": "pretrain: {arms: {scratch: {method: none}}}",
}
TABLES = {
    ("docs/your_own_data.md", "Verdicts"): {verdict.value for verdict in Verdict},
    ("docs/your_own_data.md", "Options of `data`"): set(DataOptions.model_fields),
    ("docs/encoders.md", "Masked autoencoders"): set(MAEOptions.model_fields) - {"method"},
    ("docs/augmentation.md", "Options"): set(AugmentOptions.model_fields),
    ("docs/trimix.md", "Options"): set(TriMixOptions.model_fields) - {"method"},
    ("docs/evaluation.md", "Metrics"): set(METRICS),
    ("docs/evaluation.md", "The leakage audit"): set(get_args(AuditOptions.model_fields["on_leak"].annotation)),
    ("README.md", "The pipeline file"): set(Study.model_fields),
}
"""What the tables of the guides must list, no more and no less."""


def read(page: str) -> str:
    return (REPO / page).read_text(encoding="utf-8")


def broken_links(text: str, *, folder: Path) -> list[str]:
    """Relative links that lead nowhere: no such file, or no such heading in it."""
    found = []
    for target in links(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = folder / name if name else None
        if path is None:
            broken = anchor not in anchors(text)
        else:
            broken = not path.exists() or (anchor and anchor not in anchors(path.read_text(encoding="utf-8")))
        found += [target] if broken else []
    return found


def unknown_keys(text: str) -> list[str]:
    """Keys of `--set key=value` that neither a pipeline file nor its `data` has; `a.b` is the placeholder."""
    keys = re.findall(r"--set ([\w.]+)=", code(text))
    schemas = (Study.model_json_schema(), DataOptions.model_json_schema())
    return [key for key in keys if key != "a.b" and not any(_has(schema, key.split(".")) for schema in schemas)]


def _has(schema: dict[str, Any], path: list[str], node: dict[str, Any] | None = None) -> bool:
    node = schema if node is None else node
    if "$ref" in node:
        return _has(schema, path, schema["$defs"][node["$ref"].rpartition("/")[2]])
    if not path:
        return True
    alternatives = node.get("anyOf", node.get("oneOf", []))
    if alternatives:
        return any(_has(schema, path, alternative) for alternative in alternatives)
    return path[0] in node.get("properties", {}) and _has(schema, path[1:], node["properties"][path[0]])


def wrong_defaults(text: str) -> list[str]:
    """Keys of `data` for which a table names another default than the code."""
    found = []
    for key, (said, *_) in table(text).items():
        field = DataOptions.model_fields[key]
        shown = YAML(typ="safe").load(said.strip("`"))
        right = said == "needed" if field.is_required() else shown == _plain(field.default)
        found += [] if right else [key]
    return found


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@PAGES
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page.read_text(encoding="utf-8"), folder=page.parent) == []


def test_links_can_be_broken() -> None:
    text = "# Here\n[a](README.md) [b](nowhere.md) [c](README.md#nothing) [d](#here) [e](#there) [f](https://x.org)"
    assert broken_links(text, folder=REPO) == ["nowhere.md", "README.md#nothing", "#there"]


@PAGES
def test_overridden_keys_exist(page: Path) -> None:
    assert unknown_keys(page.read_text(encoding="utf-8")) == []


def test_overridden_keys_can_be_wrong() -> None:
    assert unknown_keys("`--set learn.seeds=3 --set data.source=x --set data.source.x=y`") == [
        "learn.seeds",
        "data.source.x",
    ]


def load_example(block: str, *, folder: Path) -> Study:
    """An excerpt of a pipeline file, loaded with the least that a study needs besides."""
    path = folder / "example.yaml"
    needed = [line for key, line in MINIMAL.items() if not re.search(rf"^{key}:", block, re.MULTILINE)]
    path.write_text("\n".join([block, *needed]), encoding="utf-8")
    return load_study(path)


@PAGES
def test_excerpts_of_pipeline_files_load(page: Path, tmp_path: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), language="yaml"):
        load_example(block, folder=tmp_path)


def test_excerpts_can_be_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'precision'"):
        load_example("compute: {precison: fp32}", folder=tmp_path)


@pytest.mark.parametrize(("page", "heading"), TABLES, ids=lambda part: str(part))
def test_tables_are_complete(page: str, heading: str) -> None:
    assert set(table(section(read(page), heading))) == TABLES[page, heading]


def test_a_table_can_be_incomplete() -> None:
    text = section(read("docs/your_own_data.md"), "Verdicts")
    without = re.sub(r"^\| `timeout` .*\n", "", text, flags=re.MULTILINE)
    assert {verdict.value for verdict in Verdict} - set(table(without)) == {"timeout"}


def test_the_defaults_are_those_of_the_code() -> None:
    assert wrong_defaults(section(read("docs/your_own_data.md"), "Options of `data`")) == []


def test_the_defaults_can_be_wrong() -> None:
    text = section(read("docs/your_own_data.md"), "Options of `data`")
    assert wrong_defaults(text.replace("| `30` |", "| `60` |")) == ["timeout_s"]


def augmentation_said(text: str) -> dict[str, list[str]]:
    """The numbers of the augmentation guide: of each option, what each preset makes of it."""
    return table(section(text, "Presets"))


def augmentation_coded() -> dict[str, list[str]]:
    """The same from the code; empty where a preset leaves the default."""
    presets = [AugmentOptions(preset=name) for name in get_args(Preset)]
    found = {}
    for name, field in AugmentOptions.model_fields.items():
        values = [getattr(preset, name) for preset in presets]
        cells = ["" if value == field.default else shown(value) for value in values]
        if name != "preset" and any(cells):
            found[name] = cells
    return found


def shown(value: object) -> str:
    """A value of an option as the guide prints it."""
    if isinstance(value, tuple):
        return ", ".join(shown(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def test_presets_of_augmentation_are_those_of_the_code() -> None:
    assert augmentation_said(read("docs/augmentation.md")) == augmentation_coded()


def test_presets_of_augmentation_can_be_wrong() -> None:
    text = read("docs/augmentation.md").replace("| 0.02 |", "| 0.03 |", 1)
    assert augmentation_said(text) != augmentation_coded()


def test_defaults_of_augmentation_are_those_of_the_code() -> None:
    said = {name: cells[0] for name, cells in table(section(read("docs/augmentation.md"), "Options")).items()}
    assert said == {name: shown(field.default) for name, field in AugmentOptions.model_fields.items()}


def test_measured_speed_is_that_of_the_results() -> None:
    rows = re.findall(r"^\|.*\|$", section(read("docs/augmentation.md"), "Speed"), re.MULTILINE)
    results = read("benchmarks/results/throughput.md").splitlines()
    assert rows
    assert [row for row in rows if row not in results] == []


def missing_options(text: str) -> list[str]:
    """Options of pretraining methods that their row does not name with its default."""
    rows = table(section(text, "Options of the other methods"))
    found = []
    for kind in get_args(get_args(ArmOptions)[0]):
        method = kind.model_fields["method"].default
        if method in ("trimix", "none"):
            continue
        for name, field in kind.model_fields.items():
            known = dict(re.findall(r"`(\w+): ([^`]+)`", rows[method][0]))
            default = str(field.default)
            if name in ("method", "projector", "weights"):
                continue
            if name not in known or (default != known[name] and float(default) != float(known[name])):
                found.append(f"{method}: {name}: {default}")
    return found


def test_options_of_methods_are_named_with_their_defaults() -> None:
    assert missing_options(read("docs/trimix.md")) == []


def test_options_of_methods_can_be_missing() -> None:
    text = read("docs/trimix.md").replace("`queue: 1024`", "`queue: 65536`").replace("`momentum: 0.99`", "momentum")
    assert missing_options(text) == ["byol: momentum: 0.99", "moco_v2: momentum: 0.99", "moco_v2: queue: 1024"]


def test_options_of_learners_are_named() -> None:
    named = set(re.findall(r"\w+", code(read("docs/learners.md"))))
    for kind in get_args(AnyOptions):
        assert set(kind.model_fields) <= named, kind
