"""Trainings of every method for one process or several: in a module of its own, so that other processes find it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from medtrimix.methods.method import Method, ViewBatch
from medtrimix.methods.options import MAEOptions, MoCoV2Options, PretrainingOptions, TriMixOptions
from medtrimix.methods.table import METHODS, TWO_VIEW_METHODS, build_method
from medtrimix.nets.encoder import build_encoder
from medtrimix.nets.options import EncoderOptions, ProjectorOptions
from medtrimix.nets.sharing import SharedBatchNorm, gather, own_rows, processes, share_batch_statistics
from medtrimix.training.average import WithAverage
from medtrimix.training.loop import LoopOptions, make_fabric, train

BATCH, SIZE, STEPS = 13, 12, 3  # 13 does not come out even
_PROJECTOR = {"projector": ProjectorOptions(hidden_dim=32, dim=16)}
State = dict[str, Tensor]


def _small(options: type[Any], **given: object) -> Any:
    if options is TriMixOptions:
        return options.model_validate({"base": {"method": given.pop("base", "simclr"), **_PROJECTOR}, **given})
    extra = {"queue": 2 * BATCH, "key_group": 5} if options is MoCoV2Options else {}
    return options.model_validate({**(_PROJECTOR if "projector" in options.model_fields else {}), **extra, **given})


MEMBERS: dict[str, PretrainingOptions] = {
    **{options.model_fields["method"].default: _small(options) for options in METHODS},
    **{
        f"trimix, {name}": _small(TriMixOptions, **given)
        for name, given in {
            "features, share per sample": {"mixing": "features", "lambda_per": "sample"},
            "head": {"extraction": "head"},
            "teacher": {"clean": "teacher"},
            "hidden": {"mixing": "hidden"},
            "cutmix": {"blend": "cutmix"},
            "near": {"partners": "near"},
        }.items()
    },
    **{
        f"trimix, {options.model_fields['method'].default}": _small(
            TriMixOptions, base=options.model_fields["method"].default
        )
        for options in TWO_VIEW_METHODS
    },
}


def views_at(number: int) -> ViewBatch:
    """Two noisy views in float64: this process's rows of them, gathered."""
    generator = torch.Generator().manual_seed(1 + number)
    blocks = torch.randn(BATCH, 1, 3, 3, generator=generator, dtype=torch.float64)
    image = torch.nn.functional.interpolate(blocks, size=SIZE)
    view1, view2 = image + 0.3 * torch.randn(2, BATCH, 1, SIZE, SIZE, generator=generator, dtype=torch.float64)
    view1, view2 = (gather(view[own_rows(BATCH)], total=BATCH) for view in (view1, view2))
    return ViewBatch(view1, view2, progress=0.5, seed=2, step=number)


class Watch:
    """Keeps the curve and asks to stop after some steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.curve: dict[int, float] = {}
        self._stop_after = stop_after

    def rewind(self, step: int) -> None:
        self.curve = {done: value for done, value in self.curve.items() if done < step}

    def step(self, step: int, *, total_steps: int, terms: Mapping[str, float]) -> None:
        assert step < total_steps
        self.curve[step] = terms["loss"]

    def flush(self) -> None:
        pass

    def should_stop(self) -> bool:
        return self._stop_after is not None and max(self.curve) + 1 >= self._stop_after


def build(options: PretrainingOptions) -> Method:
    torch.manual_seed(0)
    kind = EncoderOptions(name="vit" if isinstance(options, MAEOptions) else "resnet10", width=0.125)
    encoder = build_encoder(kind, channels=1, image_size=(SIZE, SIZE))
    if processes() > 1:
        share_batch_statistics(encoder)
    return build_method(options, encoder=encoder).double()


def fabric() -> Fabric:
    return make_fabric(device="cpu", precision="fp32", processes=processes())


def trained(
    options: PretrainingOptions, *, folder: Path, watch: Watch, steps: int = STEPS, accumulate: int = 1
) -> WithAverage:
    method = build(options)
    folder.mkdir(parents=True, exist_ok=True)
    averaged = WithAverage(method, network=method.encoder, after_step=method.after_step, decay=0.7)
    train(
        averaged,
        optimizer=torch.optim.SGD(method.parameters(), lr=0.05, momentum=0.9),
        batch_at=views_at,
        after_step=averaged.after_step,
        fabric=fabric(),
        options=LoopOptions(
            total_steps=steps, warmup_steps=1, checkpoint=folder / "checkpoint.pt", accumulate=accumulate
        ),
        monitor=watch,
    )
    return averaged


def all_members(folder: Path) -> dict[str, State]:
    """What a few steps make of each method."""
    states = {}
    for number, (name, options) in enumerate(MEMBERS.items()):
        states[name] = trained(options, folder=folder / str(number), watch=Watch()).state_dict()
    states["accumulated"] = trained(
        MEMBERS["trimix"], folder=folder / "accumulated", watch=Watch(), accumulate=2
    ).state_dict()
    return states


def normalised(axes: int, *, affine: bool) -> State:
    """Output, running statistics and gradients of a batch normalisation, over all rows."""
    generator = torch.Generator().manual_seed(axes)
    x = 3 + torch.randn(7, 4, *[5] * axes, generator=generator, dtype=torch.float64)
    weight = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    layer: nn.Module = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[axes](4, affine=affine)
    if affine:
        nn.init.normal_(layer.weight, generator=generator)
        nn.init.normal_(layer.bias, generator=generator)
    if processes() > 1:
        layer = SharedBatchNorm.of(layer)  # type: ignore[arg-type]
    layer.double()
    own = x[own_rows(7)].clone().requires_grad_()
    out = layer(own)
    (out.pow(3) * weight[own_rows(7)]).sum().backward()
    assert own.grad is not None
    found = {"out": gather(out.detach(), total=7), "gradient": gather(own.grad, total=7), **layer.state_dict()}
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None
        if processes() > 1:
            torch.distributed.all_reduce(parameter.grad)
        found[f"gradient of {name}"] = parameter.grad
    return found


NORMALISATIONS = {
    f"{axes} axes, {'affine' if affine else 'plain'}": (axes, affine)
    for axes in (0, 1, 2, 3)
    for affine in (True, False)
}


def all_normalisations() -> dict[str, State]:
    return {name: normalised(axes, affine=affine) for name, (axes, affine) in NORMALISATIONS.items()}


def gathered_gradient() -> Tensor:
    """d/dx of the mean over processes of a loss of the whole batch, (5, 2), and of each one's own rows."""
    x = torch.arange(10, dtype=torch.float64).view(5, 2)
    own = x[own_rows(5)].clone().requires_grad_()
    (gather(own, total=5).pow(2).sum() + own.sum() * processes()).backward()
    assert own.grad is not None
    return gather(own.grad, total=5) / processes()


def stopped_and_resumed(folder: Path, *, stop_after: int) -> tuple[Watch, State]:
    """The second of two parts of a training."""
    from medtrimix.errors import Interrupted

    leads = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
    first = Watch(stop_after if leads else None)  # the others have no say, and stop nevertheless
    try:
        trained(MEMBERS["byol"], folder=folder, watch=first, steps=5)
    except Interrupted:
        assert len(first.curve) == stop_after
    else:
        raise AssertionError("it did not stop")
    rest = Watch()
    rest.curve = first.curve
    return rest, trained(MEMBERS["byol"], folder=folder, watch=rest, steps=5).state_dict()


def everything(folder: Path) -> dict[str, Any]:
    """All that several processes do in these tests."""
    torch.set_num_threads(1)
    return {
        "normalisations": all_normalisations(),
        "gradient": gathered_gradient(),
        "whole": trained(MEMBERS["byol"], folder=folder / "whole", watch=Watch(), steps=5).state_dict(),
        "resumed": stopped_and_resumed(folder / "parts", stop_after=2),
        "members": all_members(folder),
    }
