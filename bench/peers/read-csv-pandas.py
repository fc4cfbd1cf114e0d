"""The pandas side of read-csv.ts: pandas.read_csv with each of its engines."""

import time
import warnings

from peer import require, serve


def import_all():
    import numpy
    import pandas
    import pyarrow

    return numpy, pandas, pyarrow


np, pd, pyarrow = require(import_all)
# Newer ones round so by default.
warnings.filterwarnings("ignore", message=".*float_precision")


def write_values(path, features, to):
    """The first columns in the float32 nearest to the float64 nearest to the text."""
    table = pd.read_csv(path, float_precision="round_trip")
    np.ascontiguousarray(table.iloc[:, :features].to_numpy(), dtype=np.float32).tofile(to)
    return {"labels": table.iloc[:, features:].astype(str).to_numpy().ravel().tolist()}


def read(path, engine):
    begin = time.perf_counter()
    pd.read_csv(path, engine=engine)
    return {"ms": (time.perf_counter() - begin) * 1000}


serve(f"pandas {pd.__version__}, pyarrow {pyarrow.__version__}", {"values": write_values, "read": read}, "no BLAS")
