"""The configuration of arms: what YAML may say, what comes of it, and that reading it is cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from medtrimix.config.model import Config
from medtrimix.methods.options import (
    ArmOptions,
    BarlowTwinsOptions,
    NoneOptions,
    SimCLROptions,
    TriMixOptions,
)

ARM: TypeAdapter[Config] = TypeAdapter(ArmOptions)


def test_the_method_decides_what_else_may_be_said() -> None:
    assert ARM.validate_json('{"method": "trimix"}') == TriMixOptions()
    assert ARM.validate_json('{"method": "simclr", "temperature": 0.5}') == SimCLROptions(temperature=0.5)
    assert ARM.validate_json('{"method": "barlow_twins"}') == BarlowTwinsOptions()
    assert ARM.validate_json('{"method": "none"}') == NoneOptions()


def test_defaults() -> None:
    assert SimCLROptions().temperature == 0.2
    assert BarlowTwinsOptions().off_diagonal_weight == 0.0051
    options = TriMixOptions()
    assert (options.base, options.extraction) == (SimCLROptions(temperature=0.5), "soft_assignment")
    assert (options.extraction_weight, options.consistency_weight, options.alpha) == (1.0, 1.0, 1.0)
    assert (options.mixing, options.lambda_per, options.ramp_up) == ("images", "batch", 0.0)


def test_a_base_brings_what_goes_with_it() -> None:
    options = ARM.validate_json('{"method": "trimix", "base": "barlow_twins"}')
    assert options == TriMixOptions(base=BarlowTwinsOptions(), extraction="unmix", consistency_weight=0.1)
    given = ARM.validate_json('{"method": "trimix", "base": {"method": "barlow_twins"}, "consistency_weight": 0.05}')
    assert given == TriMixOptions(base=BarlowTwinsOptions(), extraction="unmix", consistency_weight=0.05)


def test_the_temperature_in_trimix_is_its_own() -> None:
    default = ARM.validate_json('{"method": "trimix", "base": "simclr"}')
    assert default == TriMixOptions() == ARM.validate_json('{"method": "trimix", "base": {"method": "simclr"}}')
    given = ARM.validate_json('{"method": "trimix", "base": {"method": "simclr", "temperature": 0.2}}')
    assert given == TriMixOptions(base=SimCLROptions(temperature=0.2))


@pytest.mark.parametrize("options", [TriMixOptions(), TriMixOptions(base=BarlowTwinsOptions(), extraction="none")])
def test_what_is_written_down_reads_the_same(options: TriMixOptions) -> None:
    assert ARM.validate_json(options.model_dump_json()) == options


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ('{"method": "jigsaw"}', ()),
        ('{"method": "simclr", "temperature": 0}', ("simclr", "temperature")),
        ('{"method": "trimix", "base": "mae"}', ("trimix", "base")),
        ('{"method": "trimix", "base": {"method": "simclr", "heat": 1}}', ("trimix", "base", "simclr", "heat")),
        ('{"method": "trimix", "alpha": 0}', ("trimix", "alpha")),
        ('{"method": "trimix", "ramp_up": 1.5}', ("trimix", "ramp_up")),
        ('{"method": "trimix", "lambda": 1}', ("trimix", "lambda")),
        ('{"method": "trimix", "base": "barlow_twins", "lambda_per": "sample"}', ("trimix",)),
        ('{"method": "trimix", "clean": "second", "extraction": "none"}', ("trimix",)),
        ('{"method": "trimix", "clean": "teacher", "extraction_weight": 0}', ("trimix",)),
        ('{"method": "trimix", "blend": "cutmix", "originals": 3}', ("trimix",)),
        ('{"method": "none", "temperature": 1}', ("none", "temperature")),
    ],
)
def test_refusals_name_their_place(given: str, place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as refusal:
        ARM.validate_json(given)
    assert [error["loc"] for error in refusal.value.errors()] == [place]


@pytest.mark.parametrize("given", [{"extraction": "none"}, {"extraction_weight": 0.0}])
def test_mixtures_that_nothing_looks_at_are_refused(given: dict[str, object]) -> None:
    """They would cost a pass that the base by itself does not need."""
    with pytest.raises(ValidationError, match=r"take the base as the method, \{method: vicreg\}"):
        TriMixOptions.model_validate({"base": "vicreg", "consistency_weight": 0.0, **given})
    assert TriMixOptions.model_validate({"base": "vicreg", **given}).consistency_weight == 0.1


def heavy_imports(*modules: str) -> set[str]:
    """Which of the slow packages are loaded by a fresh Python that imports these modules."""
    program = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    return {"torch", "monai", "mlflow", "pandas", "sklearn", "numpy", "scipy"} & set(loaded)


def test_options_import_nothing_heavy() -> None:
    assert heavy_imports("medtrimix.methods.options", "medtrimix.nets.options", "medtrimix.augment.options") == set()


def test_heavy_imports_would_be_seen() -> None:
    assert "torch" in heavy_imports("medtrimix.losses.nt_xent")
