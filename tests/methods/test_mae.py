"""Masked autoencoding against its slow literal restatement, a value by hand, and what it refuses."""

from __future__ import annotations

import pytest
import references.masked_patches as slow
import torch
from torch import Tensor

from medtrimix.errors import InputError
from medtrimix.losses.masked_patches import masked_patches
from medtrimix.methods.mae import MAE, draw_order, visible_patches
from medtrimix.methods.method import ViewBatch
from medtrimix.methods.options import MAEOptions
from medtrimix.nets.encoder import build_encoder
from medtrimix.nets.options import EncoderOptions
from medtrimix.nets.vit import patch_size, patchify, positions

SIZES = pytest.mark.parametrize("size", [(9, 12), (5, 6, 4)], ids=["pictures", "volumes"])
NORMALISED = pytest.mark.parametrize("normalised", [True, False], ids=["normalised", "pixels"])
CHANNELS = 2


def images(size: tuple[int, ...], *, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, CHANNELS, *size, generator=generator, dtype=torch.float64)


def built(size: tuple[int, ...], *, targets: str = "normalised") -> MAE:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderOptions(name="vit", width=0.125), channels=CHANNELS, image_size=size)
    options = MAEOptions.model_validate({"decoder_dim": 32, "decoder_depth": 1, "targets": targets})
    return MAE(options, encoder=encoder)


@SIZES
def test_patches_are_those_of_the_reference(size: tuple[int, ...]) -> None:
    """Also where the last patch reaches beyond the image."""
    patch = patch_size(size)
    assert any(side % p for side, p in zip(size, patch, strict=True))
    expected = torch.stack([torch.stack([torch.stack(p) for p in slow.patches(i, patch=patch)]) for i in images(size)])
    assert torch.equal(patchify(images(size), patch=patch), expected)


@pytest.mark.parametrize(("grid", "dim"), [((3, 4), 64), ((2, 3, 2), 64)])
def test_positions_are_those_of_the_reference(grid: tuple[int, ...], dim: int) -> None:
    expected = torch.tensor(slow.positions(grid, dim=dim))
    torch.testing.assert_close(positions(grid, dim=dim), expected, rtol=1e-5, atol=1e-6)
    assert len({tuple(row.tolist()) for row in positions(grid, dim=dim)}) == len(expected)


@SIZES
@NORMALISED
def test_value_and_gradient_are_those_of_the_reference(size: tuple[int, ...], normalised: bool) -> None:
    patch_BTP = patchify(images(size), patch=patch_size(size))
    masked_BT = torch.rand(patch_BTP.shape[:2], generator=torch.Generator().manual_seed(5)) < 0.6
    guess = torch.randn(patch_BTP.shape, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    fast, literal = (guess.clone().requires_grad_() for _ in range(2))
    seen = masked_patches(fast, patch_BTP, masked_BT=masked_BT, normalised=normalised)
    expected = slow.loss(
        literal, images(size), patch=patch_size(size), masked=masked_BT.tolist(), normalised=normalised
    )
    torch.testing.assert_close(seen, expected, rtol=1e-5, atol=1e-8)
    gradients = [torch.autograd.grad(value, at)[0] for value, at in ((seen, fast), (expected, literal))]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-8)


def test_by_hand() -> None:
    """Patch (1, 3): mean 2, unbiased variance 2, so targets -+1/sqrt(2); a guess of 0 errs by 1/2 in both.

    Unnormalised (1 + 9) / 2 = 5. The other patch is seen: whatever stands there does not count.
    """
    patch, guess = torch.tensor([[[1.0, 3.0], [7.0, 9.0]]]), torch.zeros(1, 2, 2)
    masked = torch.tensor([[True, False]])
    assert masked_patches(guess, patch, masked_BT=masked, normalised=True).item() == pytest.approx(0.5, rel=1e-5)
    assert masked_patches(guess, patch, masked_BT=masked, normalised=False).item() == 5.0


@SIZES
@pytest.mark.parametrize("targets", ["normalised", "pixels"])
def test_the_whole_pass_image_by_image(size: tuple[int, ...], targets: str) -> None:
    """Each image on its own: its visible patches through the encoder, a token for each hidden one, the decoder."""
    method = built(size, targets=targets).double()
    batch, net = ViewBatch(images(size), images(size) + 1, progress=0.0, seed=7, step=3), method.encoder.net
    patch_BTP = patchify(images(size), patch=net.patch)
    grid = [-(-side // p) for side, p in zip(size, net.patch, strict=True)]
    order_BT = draw_order(2, patches=patch_BTP.shape[1], seed=7, step=3)
    count = visible_patches(patch_BTP.shape[1], mask_ratio=0.75)
    assert 0 < count < patch_BTP.shape[1] / 3
    where = torch.tensor(slow.positions(grid, dim=method.encoder.dim), dtype=torch.float64)
    where_decoder = torch.tensor(slow.positions(grid, dim=32), dtype=torch.float64)
    predictions, masked = [], []
    for patches, order in zip(patch_BTP, order_BT.tolist(), strict=True):
        visible = order[:count]
        tokens = torch.stack([net.embed.linear(patches[t]) + where[t] for t in visible])[None]
        for stage in net.stages:
            tokens = stage(tokens)
        seen = dict(zip(visible, method.entrance(net.norm(tokens)[0]), strict=True))
        every = [seen.get(t, method.mask_token) + where_decoder[t] for t in range(len(patches))]
        predictions.append(method.decoder(torch.stack(every)[None])[0])
        masked.append([t not in visible for t in range(len(patches))])
    expected = slow.loss(
        torch.stack(predictions), images(size), patch=net.patch, masked=masked, normalised=targets == "normalised"
    )
    torch.testing.assert_close(method(batch).total, expected, rtol=1e-5, atol=1e-6)


def test_what_is_masked_is_decided_by_seed_and_step() -> None:
    order = draw_order(8, patches=20, seed=1, step=2)
    assert torch.equal(order, draw_order(8, patches=20, seed=1, step=2))
    assert all(sorted(row) == list(range(20)) for row in order.tolist())
    assert len({tuple(row) for row in order.tolist()}) == 8, "each image its own"
    for seed, step in ((1, 3), (2, 2)):
        assert not torch.equal(order, draw_order(8, patches=20, seed=seed, step=step))


@pytest.mark.parametrize(("patches", "ratio", "count"), [(196, 0.75, 49), (49, 0.75, 12), (2, 0.9, 1), (4, 0.01, 3)])
def test_how_many_are_seen(patches: int, ratio: float, count: int) -> None:
    assert visible_patches(patches, mask_ratio=ratio) == count


def test_hidden_pixels_do_not_reach_the_prediction() -> None:
    """Changing a hidden patch changes targets only: with none of its pixels counted the loss would stay."""
    method, size = built((9, 12)), (9, 12)
    tokens: list[Tensor] = []
    method.encoder.net.norm.register_forward_hook(lambda _module, _given, out: tokens.append(out))
    method = method.double()
    image = images(size)
    hidden = draw_order(2, patches=30, seed=0, step=0)[0, -1].item()
    assert patchify(image, patch=(2, 2)).shape[1] == 30
    changed = image.clone()
    row, column = 2 * (hidden // 6), 2 * (hidden % 6)
    changed[0, :, row : row + 2, column : column + 2] += 5
    for each in (image, changed):
        method(ViewBatch(each, each, progress=0.0, seed=0, step=0))
    assert torch.equal(*tokens)


@pytest.mark.parametrize(
    ("guess", "patch", "masked"),
    [
        ((2, 4, 3), (2, 4, 5), torch.ones(2, 4, dtype=torch.bool)),
        ((2, 4), (2, 4), torch.ones(2, 4, dtype=torch.bool)),
        ((2, 4, 1), (2, 4, 1), torch.ones(2, 4, dtype=torch.bool)),
        ((2, 4, 3), (2, 4, 3), torch.ones(2, 5, dtype=torch.bool)),
        ((2, 4, 3), (2, 4, 3), torch.ones(2, 4)),
        ((2, 4, 3), (2, 4, 3), torch.zeros(2, 4, dtype=torch.bool)),
    ],
)
def test_refuses_shapes(guess: tuple[int, ...], patch: tuple[int, ...], masked: Tensor) -> None:
    with pytest.raises(ValueError, match="must"):
        masked_patches(torch.zeros(guess), torch.zeros(patch), masked_BT=masked, normalised=True)


def test_other_encoders_have_no_patches() -> None:
    encoder = build_encoder(EncoderOptions(name="resnet10", width=0.125), channels=1, image_size=(16, 16))
    with pytest.raises(InputError, match=r"Set it to \{name: vit\}"):
        MAE(MAEOptions(), encoder=encoder)
