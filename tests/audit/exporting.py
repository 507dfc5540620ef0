"""Programs of torch.export, good and hostile, opened in a process of their own; what came of each as JSON.

torch.export starts threads of torch's, and other tests fork: they must not meet. `python -m tests.audit.exporting FOLDER`
"""

import json
import pickle
import sys
import zipfile
from pathlib import Path

import torch

from biasray.audit.targets.exported import exported
from biasray.audit.targets.local import module
from tests.audit.test_targets import SEEN, network, probe

HIDDEN = (
    "data/sample_inputs/model.pt",
    "version",
    "data/sample_inputs/MODEL.PT",
    "data/aotinductor/model/lib.so",
    "data/constants/model_constants_config.json",
    "models/model.json",
)


class Runs:
    """What is run where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (self.mark,)  # type: ignore[return-value]


def hide(good: Path, bad: Path, where: str, mark: Path) -> None:
    """The same program with something in it, at this place, that makes a folder where it is run."""
    runs = f"__import__('os').mkdir({str(mark)!r})"
    with zipfile.ZipFile(good) as archive, zipfile.ZipFile(bad, "w") as changed:
        files = {name: archive.read(name) for name in archive.namelist()}
        place = f"{next(iter(files)).split('/')[0]}/{where}"
        if where.endswith("model.json"):
            files[place] = json.dumps({**json.loads(files[place]), "more": [{"expr_str": runs}]}).encode()
        elif where.endswith("config.json"):
            odd = {"x": {"path_name": "opaque_obj_0", "use_pickle": False, "is_param": False, "tensor_meta": None}}
            files[place] = json.dumps({"config": odd}).encode()
            files[place.replace("model_constants_config.json", "opaque_obj_0")] = pickle.dumps(Runs(mark), protocol=2)
        else:
            files[where if where == "version" else place] = pickle.dumps(Runs(mark), protocol=2)
        for name, content in files.items():
            changed.writestr(name, content)


def said(file: Path) -> str:
    try:
        exported(str(file), SEEN)
    except ValueError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    good, bad, other = folder / "m.pt2", folder / "bad.pt2", folder / "other"
    torch.export.save(torch.export.export(network(), (torch.zeros(1, 3, 32, 32),)), good)
    found = {"expected": module(network(), SEEN).answer(probe()), "answer": exported(str(good), SEEN).answer(probe())}
    hidden = {}
    for k, where in enumerate(HIDDEN):
        hide(good, bad, where, mark := folder / f"ran{k}")
        hidden[where] = {"said": said(bad), "ran": mark.exists()}
    other.write_bytes(b"\x80\x04pickle")
    print(json.dumps({**found, "hidden": hidden, "other": said(other)}))
