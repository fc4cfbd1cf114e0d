"""The pyarrow side of read-tables.ts: writes files of embeddings, and reads them to arrays of numpy."""

import pathlib
import time

from peer import require, serve


def import_all():
    import numpy
    import pyarrow
    import pyarrow.feather
    import pyarrow.parquet

    return numpy, pyarrow


np, pa = require(import_all)

PARQUET = {
    "plain": {"use_dictionary": False, "compression": "none"},
    "zstd": {"use_dictionary": False, "compression": "zstd"},
    "default": {},
}


def write(folder, rows, width):
    """Normal values, a list<float> a row, and a label: a file for each way to write them."""
    random = np.random.default_rng(1)
    x = random.normal(size=(rows, width)).astype(np.float32)
    offsets = pa.array(np.arange(0, x.size + 1, width), pa.int32())
    vectors = pa.ListArray.from_arrays(offsets, pa.array(x.ravel()))
    table = pa.table({"embedding": vectors, "label": random.integers(0, 10, rows)})
    folder = pathlib.Path(folder)
    for name, options in PARQUET.items():
        pa.parquet.write_table(table, folder / f"{name}.parquet", **options)
    pa.feather.write_feather(table, folder / "default.feather")


def read(path, threads):
    """Milliseconds to an array [rows x width] and the labels; sums of both."""
    pa.set_cpu_count(threads)
    begin = time.perf_counter()
    if path.endswith(".feather"):
        table = pa.feather.read_table(path, columns=["embedding", "label"])
    else:
        table = pa.parquet.read_table(path, columns=["embedding", "label"])
    column = table["embedding"].combine_chunks()
    x = column.flatten().to_numpy().reshape(len(column), -1)
    y = table["label"].to_numpy()
    ms = (time.perf_counter() - begin) * 1000
    return {"ms": ms, "dims": list(x.shape), "sums": [float(x.sum(dtype=np.float64)), int(y.sum())]}


serve(f"pyarrow {pa.__version__}", {"write": write, "read": read}, "no BLAS")
