"""One network's pass, shared among processes: each takes some rows of the batch, and all get all embeddings.

A method sees whole batches everywhere and knows nothing of this. Only encoders, where the time goes, share their
passes; what comes after them (heads, losses, mixing, queues) is small and done by every process alike. So whatever a
method does with a batch is the same for any number of processes, up to rounding.

Gradients: let L be the loss, which every process computes. Everything here is differentiated exactly for the sum of
all processes' losses, (number of processes) * L. The mean over processes of a weight's gradient, which is what
`DistributedDataParallel` makes, is then the gradient of L: for an encoder, of which each process saw some rows, and for
a head, of which each saw all.

With one process all of this does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import batch_norm
from torch.nn.modules.batchnorm import _BatchNorm

from medtrimix.errors import InputError


def processes() -> int:
    """How many processes share the work."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def own_rows(total: int) -> slice:
    """Which of so many rows are this process's; the first ones have one more where it doesn't come out even.

    Raises:
        InputError: fewer rows than processes.
    """
    if total < processes():
        raise InputError(
            f"{processes()} processes can't share {total} images.",
            where="compute.processes_per_training",
            fix="Take fewer processes, or larger batches.",
        )
    if processes() == 1:
        return slice(0, total)
    rank, sizes = distributed.get_rank(), _sizes(total)
    return slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))


def gather(part: Tensor, *, total: int) -> Tensor:
    """All processes' rows, in order: (total, ...) from this one's `own_rows(total)`. Differentiable."""
    if processes() == 1:
        return part
    gathered: Tensor = _Gather.apply(part, total)  # type: ignore[no-untyped-call]
    return gathered


def in_shares(network: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """`network(batch)`, where each process does its rows; batch statistics are `SharedBatchNorm`'s matter."""
    if processes() == 1:
        return network(batch)
    return gather(network(batch[own_rows(len(batch))]), total=len(batch))


def on_whole_batch(function: Callable[[Tensor], Tensor], part: Tensor, *, total: int) -> Tensor:
    """`function` of the whole batch, this process's rows of it, from within a shared pass."""
    return function(gather(part, total=total))[own_rows(total)]


def share_batch_statistics(network: nn.Module) -> None:
    """Replaces each batch normalisation in `network` by one of the same weights over all processes' rows."""
    for name, layer in network.named_children():
        if isinstance(layer, _BatchNorm):
            setattr(network, name, SharedBatchNorm.of(layer))
        else:
            share_batch_statistics(layer)


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation with the statistics of all processes' rows, on any device.

    torch's `SyncBatchNorm` is for GPUs only.
    """

    @classmethod
    def of(cls, layer: _BatchNorm) -> SharedBatchNorm:
        """With another one's options, weights and running statistics."""
        assert layer.momentum is not None, "a cumulative average has no part in our networks"
        shared = cls(
            layer.num_features,
            eps=layer.eps,
            momentum=layer.momentum,
            affine=layer.affine,
            track_running_stats=layer.track_running_stats,
        )
        shared.load_state_dict(layer.state_dict())
        return shared.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """As torch's, (B, C) or (B, C, ...)."""
        if not self.training or processes() == 1:
            return super().forward(x)
        results = _Normalise.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        normalised, mean_C, variance_C, count = results
        if self.track_running_stats:
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), self.momentum)
            unbiased_C = variance_C * (count / (count - 1))
            self.running_var.lerp_(unbiased_C.to(self.running_var.dtype), self.momentum)
            self.num_batches_tracked.add_(1)
        result: Tensor = normalised
        return result

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  (torch's name)
        if input.ndim < 2:
            raise ValueError(f"batch normalisation needs (B, C) or (B, C, ...); got {tuple(input.shape)}")


class _Gather(torch.autograd.Function):
    """Concatenation of all processes' rows; backward: each row's gradient from all processes' losses."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, total: int) -> Tensor:
        ctx.total = total
        sizes = _sizes(total)
        assert len(part) == sizes[distributed.get_rank()]
        padded = part.new_zeros(max(sizes), *part.shape[1:])  # all must send tensors of one shape
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in sizes]
        distributed.all_gather(parts, padded)
        return torch.cat([one[:size] for one, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        return gradient[own_rows(ctx.total)], None


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias, mean and (biased) variance over all processes' rows.

    Backward is Ioffe and Szegedy, arXiv 1502.03167, section 3, with its two sums over all processes' rows.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, float]:
        precise = x.to(torch.promote_types(x.dtype, torch.float32))
        own_variance_C, own_mean_C = torch.var_mean(precise, dim=_all_but_channels(x), correction=0)
        own_count_C = torch.full_like(own_mean_C, x.numel() / x.shape[1])
        own_3C = torch.stack([own_count_C, own_mean_C, own_variance_C])
        all_P3C = [torch.empty_like(own_3C) for _ in range(processes())]
        distributed.all_gather(all_P3C, own_3C)
        count_PC, mean_PC, variance_PC = torch.stack(all_P3C, dim=1)
        count_C = count_PC.sum(dim=0)
        mean_C = (count_PC * mean_PC).sum(dim=0) / count_C
        variance_C = (count_PC * (variance_PC + (mean_PC - mean_C).square())).sum(dim=0) / count_C
        count = float(count_C[0])
        ctx.save_for_backward(x, weight, mean_C, torch.rsqrt(variance_C + eps))
        ctx.count = count
        ctx.mark_non_differentiable(mean_C, variance_C)
        return batch_norm(x, mean_C, variance_C, weight, bias, training=False, eps=eps), mean_C, variance_C, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        x, weight, mean_C, scale_C = ctx.saved_tensors
        axes, shape = _all_but_channels(x), (1, -1, *[1] * (x.ndim - 2))
        gradient = gradients[0].to(mean_C.dtype)
        unit = (x.to(mean_C.dtype) - mean_C.view(shape)) * scale_C.view(shape)
        of_bias_C, of_weight_C = gradient.sum(dim=axes), (gradient * unit).sum(dim=axes)
        sums_2C = torch.stack([of_bias_C, of_weight_C])
        distributed.all_reduce(sums_2C)
        mean_2C = sums_2C / ctx.count
        factor_C = scale_C if weight is None else scale_C * weight
        of_x = (gradient - mean_2C[0].view(shape) - unit * mean_2C[1].view(shape)) * factor_C.view(shape)
        learnt = weight is not None
        return of_x.to(x.dtype), of_weight_C if learnt else None, of_bias_C if learnt else None, None


def _all_but_channels(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _sizes(total: int) -> list[int]:
    whole, rest = divmod(total, processes())
    return [whole + (rank < rest) for rank in range(processes())]
