"""When a training is looked at, and what counts as a collapse."""

from __future__ import annotations

import pytest

from medtrimix.training.health import Limits, Work, collapse, health_steps, knn_steps

LIMITS = Limits(features=64, embeddings=512, images=512, size_counts=True)
HEALTHY = {
    "rankme": 14.0,
    "feature_std": 0.06,
    "alignment": 0.5,
    "uniformity": -1.0,
    "projector_rankme": 6.0,
    "projector_feature_std": 0.02,
    "projector_spread": 0.8,
}


def test_a_healthy_representation_is_left_alone() -> None:
    assert collapse(HEALTHY, limits=LIMITS) == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"projector_rankme": 1.8}, "effective rank (RankMe) of the projector's output is 1.8, below 3"),
        ({"projector_feature_std": 0.002}, "feature std) of the projector's output is 0.002, below 0.0066"),
        ({"projector_spread": 0.08}, "of the projector's output is 0.08, below 0.25"),
        ({"rankme": 1.2}, "of the encoder's features is 1.2, below 2"),
        ({"feature_std": 0.001}, "of the encoder's features is 0.001"),
    ],
)
def test_each_kind_of_collapse_is_named(changed: dict[str, float], said: str) -> None:
    assert said in collapse(HEALTHY | changed, limits=LIMITS)


def test_the_size_counts_only_where_the_loss_sees_it() -> None:
    shrunk = HEALTHY | {"projector_spread": 0.01}
    assert collapse(shrunk, limits=LIMITS)
    assert not collapse(shrunk, limits=Limits(features=64, embeddings=512, images=512, size_counts=False))


def test_short_embeddings_and_methods_without_a_projector_have_limits_of_their_own() -> None:
    two = Limits(features=64, embeddings=2, images=512, size_counts=False)
    assert collapse(HEALTHY | {"projector_rankme": 1.9, "projector_feature_std": 0.5}, limits=two) == ""
    none = Limits(features=64, embeddings=0, images=512, size_counts=False)
    encoder = {name: value for name, value in HEALTHY.items() if "projector" not in name}
    assert collapse(encoder, limits=none) == ""
    assert collapse(encoder | {"rankme": 1.0}, limits=none)


@pytest.mark.parametrize(
    ("total", "epoch", "images"),
    [(760, 36, 256), (7, 3, 64), (3, 3, 64), (1, 10, 64), (20_000, 9000, 512), (50_000, 5, 64)],
)
def test_looking_is_cheap_and_covers_two_epochs_and_the_end(total: int, epoch: int, images: int) -> None:
    work = Work(total_steps=total, steps_per_epoch=epoch, images_per_step=images)
    health = health_steps(work, passes=768)
    assert total - 1 in health
    assert all(0 <= step < total for step in health)
    assert {step for step in (epoch - 1, 2 * epoch - 1) if step < total} <= health
    knn = knn_steps(work, passes=1536, health=health)
    assert total - 1 in knn
    assert knn <= health
    # Embedding costs a quarter of training on an image; four looks are free, whatever they cost.
    cost = (max(len(health) - 3, 0) * 768 + (len(knn) - 1) * 1536) / 4
    assert cost <= 0.0201 * total * images
    if total > 20 * 20:
        assert len(health) >= 10, "long enough to draw a curve"


def test_moments_of_pneumoniamnist_are_the_ends_of_epochs() -> None:
    """4,708 images in batches of 128, two passes, 200,000 images: 781 steps of 36 to an epoch."""
    work = Work(total_steps=781, steps_per_epoch=36, images_per_step=256)
    assert sorted(health_steps(work, passes=768))[:3] == [35, 71, 143]
