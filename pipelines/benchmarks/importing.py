"""The Ray Data importer against one process that decodes, resizes and writes the same Parquet with Pillow."""

import io
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tqdm import tqdm

from biasray import storage
from biasray.data.decode import decode
from biasray.data.importing import slice_rows
from biasray.engine.cluster import connect
from biasray.engine.ingest import import_data
from pipelines.cli import about, run


@dataclass(frozen=True, kw_only=True)
class Config:
    """Time the import of a folder in UTKFace's layout, after Ray has started, against a single-process loop."""

    source: str | None = None
    """Folder with real faces to take the JPEG bytes from. Default: noise, which is slower to decode."""
    images: int = 60_000
    """Files to import; real ones are repeated with a byte that makes each unique."""
    size: int = 64
    """Pixels a side."""
    out: str = "pipelines/benchmarks/results/importing.json"
    """Where the figures are written."""


def main(config: Config) -> dict[str, Any]:
    connect()
    with tempfile.TemporaryDirectory() as top:
        faces = Path(top) / "UTKFace"
        write_faces(faces, config)
        plain = single_process(faces, Path(top) / "plain", config.size, pillow)
        ours = single_process(faces, Path(top) / "ours", config.size, decode)
        first, _ = ray_data(faces, f"{top}/first", config.size)  # starts Ray Data's own actors and imports in the workers
        again, manifest = ray_data(faces, f"{top}/again", config.size)
        peak = peak_of_workers()
    cores = os.cpu_count() or 1
    result = {
        "about": about(),
        "images": config.images,
        "cores": cores,
        "pillow_loop_images_per_second": config.images / plain,
        "loop_with_our_decoder_images_per_second": config.images / ours,
        "first_import_after_ray_init_images_per_second": config.images / first,
        "second_import_images_per_second": config.images / again,
        "first_import_to_pillow_loop_per_core": plain / first / cores,
        "second_import_to_pillow_loop_per_core": plain / again / cores,
        "second_import_to_loop_with_our_decoder_per_core": ours / again / cores,
        "bytes_per_image_decoded": config.size**2 * 3,
        "bytes_per_image_in_parquet": sum(s["bytes"] for s in manifest["shards"]) / config.images,
        "peak_bytes_of_a_worker": peak,
    }
    storage.write_json(config.out, result)
    print("\n".join(f"{k}: {v:,.3g}" if isinstance(v, float) else f"{k}: {v}" for k, v in result.items() if k != "about"))
    return result


def ray_data(source: Path, out: str, size: int) -> tuple[float, dict[str, Any]]:
    """Seconds of an import, and its manifest."""
    began = time.perf_counter()
    with tqdm(desc="Ray Data", unit=" images") as bar:
        manifest = import_data("utkface", str(source), out, size, progress=bar.update)
    return time.perf_counter() - began, manifest


def peak_of_workers() -> int:
    """The largest resident memory that any Ray worker has had, in bytes; 0 where /proc does not tell."""
    most = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes().startswith(b"ray::"):
                peak = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM"))
                most = max(most, 1024 * int(peak.split()[1]))
        except OSError:
            continue  # it has ended meanwhile
    return most


def write_faces(folder: Path, config: Config) -> None:
    folder.mkdir()
    if config.source:
        real = [file.read_bytes() for file in sorted(Path(config.source).glob("*.jpg"))]
    else:
        random, real = np.random.default_rng(0), []
        for _ in range(200):
            with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
                Image.fromarray(random.integers(0, 256, (200, 200, 3), dtype=np.uint8)).save(file.name)
                real.append(Path(file.name).read_bytes())
    for k in range(config.images):
        # Bytes behind a JPEG's end are ignored by decoders, and make each file one of its own.
        data = real[k % len(real)] + k.to_bytes(4, "little")
        (folder / f"{20 + k % 60}_{k % 2}_{k % 5}_{10**16 + k}.jpg.chip.jpg").write_bytes(data)


def pillow(encoded: bytes, size: int, mode: str) -> np.ndarray:
    """Decode and resize as one writes it by hand."""
    image = Image.open(io.BytesIO(encoded)).convert(mode)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def single_process(source: Path, out: Path, size: int, decoder: Callable[[bytes, int, Any], np.ndarray]) -> float:
    """Seconds of a loop over the same files: decode, resize, and Parquet files of as many rows."""
    out.mkdir()
    step = slice_rows(size, 3)
    files = sorted(source.iterdir())
    began = time.perf_counter()
    for start in tqdm(range(0, len(files), step), desc="single process"):
        part = files[start : start + step]
        images = [decoder(file.read_bytes(), size, "RGB").tobytes() for file in part]
        table = pa.table({"id": [f.name for f in part], "image": pa.array(images, pa.binary(size * size * 3))})
        pq.write_table(table, out / f"{start}.parquet", compression="zstd", use_dictionary=False, write_statistics=False)
    return time.perf_counter() - began


if __name__ == "__main__":
    run(Config, main)
