"""The scikit-learn side of logistic-regression.ts: LogisticRegression's L-BFGS on Fashion-MNIST."""

import gzip
import time
import warnings

from peer import blas_limiter, blas_name, require, serve


def import_all():
    import numpy
    import sklearn.exceptions
    import sklearn.linear_model

    return numpy, sklearn


np, sklearn = require(import_all)
limit_blas = blas_limiter()
images = labels = None
# It warns that it stopped before it converged, which is what we ask for.
warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)


def read_idx(path, header_bytes):
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[header_bytes:], dtype=np.uint8)


def load(images_path, labels_path):
    global images, labels
    images = read_idx(images_path, 16).reshape(-1, 28 * 28).astype(np.float32) / np.float32(255)
    labels = read_idx(labels_path, 8).astype(np.int64)


def run(iterations, penalty, threads):
    """Trains from zeros; the objective is mean loss + penalty / 2 · sum of squares of the weights."""
    limit_blas(threads)
    # The rest is the default of every release: the L2 penalty, and one multinomial model of all classes.
    model = sklearn.linear_model.LogisticRegression(
        C=1 / (penalty * len(labels)), max_iter=iterations, tol=0, solver="lbfgs"
    )
    begin = time.perf_counter()
    model.fit(images, labels)
    elapsed = time.perf_counter() - begin
    logits = (images @ model.coef_.T + model.intercept_).astype(np.float64)
    largest = logits.max(axis=1)
    sums = np.exp(logits - largest[:, None]).sum(axis=1)
    losses = np.log(sums) + largest - logits[np.arange(len(labels)), labels]
    squares = float((model.coef_.astype(np.float64) ** 2).sum())
    return {
        "ms": elapsed * 1000,
        "iterations": int(model.n_iter_[0]),
        "objective": float(losses.mean()) + penalty / 2 * squares,
        "accuracy": float((logits.argmax(axis=1) == labels).mean()),
    }


serve(
    f"scikit-learn {sklearn.__version__}, numpy {np.__version__}", {"load": load, "run": run}, blas_name()
)
