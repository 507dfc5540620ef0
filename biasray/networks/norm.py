"""Batch norm over the global batch, so that two workers train what one would."""

from typing import final

import torch
from torch import Tensor, nn

from biasray.world import Alone, World


@final
class WorldBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with the statistics of all workers, on any device (torch's SyncBatchNorm refuses the CPU)."""

    world: World = Alone()  # set by the loop

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.world.size == 1:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        x = input.float() if input.dtype == torch.bfloat16 else input
        n = self.world.sum(torch.full((), x.numel() // x.shape[1], dtype=x.dtype, device=x.device))
        mean_C = self.world.sum(x.sum((0, 2, 3))) / n
        centred = x - mean_C[:, None, None]
        var_C = self.world.sum(centred.square().sum((0, 2, 3))) / n
        with torch.no_grad():
            self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_((var_C * n / (n - 1)).to(self.running_var.dtype), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale_C = (var_C + self.eps).rsqrt() * self.weight
        return (centred * scale_C[:, None, None] + self.bias[:, None, None]).to(input.dtype)
