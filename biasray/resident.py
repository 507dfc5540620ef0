"""A table of images that are at hand, in memory or in a file mapped into it: any row at any time.

Axes: I image of the store, N row, B example of a batch, C H W.
"""

import warnings
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from biasray.contract import Batch, Table
from biasray.data.dataset import Images


@final
class Resident(Table):
    """uint8 images as stored, turned into float in [0, 1], channels last, as they are fetched.

    Row n shows image n, or `place_N[n]` of a store that may be shared with other tables and processes: on the CPU it is
    not copied. With `colour_N3`, grey images are multiplied by each example's colour, red green blue on [0, 1].
    A GPU gets all images at once, or with `on_host` those of each batch.
    """

    def __init__(
        self,
        image_IHWC: Images,
        target_N: NDArray[np.int64],
        bias_N: NDArray[np.int64] | None = None,
        biases: int = 0,
        colour_N3: NDArray[np.float64] | None = None,
        place_N: NDArray[np.int64] | None = None,
        device: torch.device = torch.device("cpu"),
        dtype: torch.dtype = torch.float32,
        on_host: bool = False,
    ) -> None:
        place_N = np.arange(len(image_IHWC)) if place_N is None else place_N
        assert len(place_N) == len(target_N)
        assert colour_N3 is None or image_IHWC.shape[3] == 1
        assert bias_N is None or ((bias_N >= 0) & (bias_N < biases)).all()  # or groups would collide
        if device.type == "cpu" or on_host:
            with warnings.catch_warnings(action="ignore"):  # a shared store is read-only, and a table only reads
                self.image_IHWC = torch.from_numpy(image_IHWC)
            self.place_N = torch.tensor(place_N)
        else:
            self.image_IHWC = torch.from_numpy(image_IHWC[place_N]).to(device)
            self.place_N = torch.arange(len(place_N), device=device)
        self.target_N = torch.tensor(target_N, device=device)
        self.bias_N = None if bias_N is None else torch.tensor(bias_N, device=device)
        self.scale_N3 = None if colour_N3 is None else torch.from_numpy(colour_N3 / 255).to(device, dtype)
        self.biases, self.dtype = biases, dtype

    def __len__(self) -> int:
        return len(self.target_N)

    def fetch(self, index_B: Tensor, key_B: Tensor) -> Batch:
        place_B = self.place_N[index_B.to(self.place_N.device)]
        device = self.target_N.device
        index_B, key_B = index_B.to(device), key_B.to(device)
        pixel_BHWC = self.image_IHWC[place_B].to(device)
        if self.scale_N3 is None:
            image_BHWC = pixel_BHWC.to(self.dtype).mul_(1 / 255)
        else:
            image_BHWC = pixel_BHWC.to(self.dtype) * self.scale_N3[index_B][:, None, None, :]
        target_B = self.target_N[index_B]
        bias_B = None if self.bias_N is None else self.bias_N[index_B]
        group_B = None if bias_B is None else target_B * self.biases + bias_B
        return Batch(index_B, image_BHWC.permute(0, 3, 1, 2), target_B, bias_B, group_B, key_B)
