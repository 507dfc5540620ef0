import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from biasray import networks
from biasray.networks import layout
from biasray.zoo.answers import answers

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["cnn-bn", "cnn", "mlp", "resnet18"])
def test_several_members_answer_as_their_networks_do(name: str) -> None:
    shape, image_THWC = (3, 32, 32), np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    index = pd.DataFrame({"targets": ["age and gender"] * 3, "precision": "float32"})
    rows, expected = [], []
    for seed in range(3):
        torch.manual_seed(seed)
        network = networks.build(name, shape, 3)
        with torch.no_grad():
            for buffer in network.buffers():
                if buffer.is_floating_point():
                    buffer.add_(torch.rand_like(buffer))  # as training leaves running means
        rows.append(layout.of(network).row(network.state_dict()))
        image_BCHW = F.adaptive_avg_pool2d(torch.from_numpy(image_THWC).permute(0, 3, 1, 2) / 255, 32)
        with torch.inference_mode():
            expected.append(network.eval()(image_BCHW).numpy())
    found = answers(index, torch.stack(rows), (name, shape, 3), image_THWC, CPU)
    output_MTK = np.stack(expected)
    assert found["age"] == pytest.approx(output_MTK[..., 0] * 20 + 35, abs=2e-3)
    man_MT = 1 / (1 + np.exp(output_MTK[..., 1] - output_MTK[..., 2]))
    assert found["gender"] == pytest.approx(man_MT, abs=1e-4)
