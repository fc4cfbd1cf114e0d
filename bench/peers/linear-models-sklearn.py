"""The scikit-learn side of first-model.ts, logistic-regression.ts and penalties.ts: LogisticRegression and its like."""

import pathlib
import time
import warnings

from first_model_data import read_idx, read_images, write_all
from peer import blas_limiter, blas_name, require, serve


def import_all():
    import numpy
    import sklearn.exceptions
    import sklearn.linear_model
    import sklearn.pipeline
    import sklearn.preprocessing

    return numpy, sklearn


np, sklearn = require(import_all)
limit_blas = blas_limiter()
# It warns where it stops before it has converged, which the replies say.
warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
warnings.simplefilter("ignore", FutureWarning)

# By name, pairs of rows and classes.
loaded = {}


def first_model_data(folder, fashion):
    return {"sets": write_all(folder, fashion)}


def many_classes(folder, rows, features, classes, seed):
    """Writes x.npy and y.npy: normal clouds around a centre for each class, rows of length 1. Directions have the variances of
    real embeddings (bench/data/brown-minilm: the k-th largest falls as k^-0.91), and are no columns."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    targets = np.arange(rows, dtype=np.int32) % classes
    centres = random.standard_normal((classes, features), dtype=np.float32)
    x = centres[targets] + 2.5 * random.standard_normal((rows, features), dtype=np.float32)
    x *= np.arange(1, features + 1, dtype=np.float32) ** -0.455
    x = x @ np.linalg.qr(random.standard_normal((features, features)))[0].astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", targets)


def load(name, x, y, divisor=1, rows=None):
    """Rows as float32, divided; of .npy or of Fashion-MNIST's files."""
    if x.endswith(".gz"):
        features, targets = read_images(x), read_idx(y, 8)
    else:
        features, targets = np.load(x), np.load(y)
    features = features[:rows].astype(np.float32) / np.float32(divisor)
    loaded[name] = features, targets[:rows].astype(np.int64)


def probabilities_score(model, x, y):
    probabilities = model.predict_proba(x).astype(np.float64)
    of_target = np.maximum(probabilities[np.arange(len(y)), y], np.finfo(np.float64).tiny)
    return {
        "accuracy": float((probabilities.argmax(axis=1) == y).mean()),
        "loss": float(-np.log(of_target).mean()),
    }


def objective_of(model, x, y, C):
    """Sum of losses + sum of squares / 2C, in float64, of at least three classes."""
    logits = x.astype(np.float64) @ model.coef_.T.astype(np.float64) + model.intercept_.astype(np.float64)
    largest = logits.max(axis=1)
    losses = np.log(np.exp(logits - largest[:, None]).sum(axis=1)) + largest - logits[np.arange(len(y)), y]
    return float(losses.sum() + (model.coef_.astype(np.float64) ** 2).sum() / (2 * C))


def first_model(name, scale, threads):
    """LogisticRegression() as it comes; scaling is part of the time."""
    limit_blas(threads)
    x, y = loaded[f"{name}-train"]
    steps = [sklearn.preprocessing.StandardScaler()] if scale == "standard" else []
    model = sklearn.pipeline.make_pipeline(*steps, sklearn.linear_model.LogisticRegression())
    begin = time.perf_counter()
    model.fit(x, y)
    elapsed = time.perf_counter() - begin
    return {"ms": elapsed * 1000, **probabilities_score(model, *loaded[f"{name}-test"])}


def fit(name, solver, iterations, C, threads):
    """Trains from zeros for a number of iterations, or the default's where it is None."""
    limit_blas(threads)
    x, y = loaded[name]
    settings = {} if iterations is None else {"max_iter": iterations, "tol": 0}
    model = sklearn.linear_model.LogisticRegression(C=C, solver=solver, **settings)
    begin = time.perf_counter()
    model.fit(x, y)
    elapsed = time.perf_counter() - begin
    return {
        "ms": elapsed * 1000,
        "iterations": int(np.max(model.n_iter_)),
        "objective": objective_of(model, x, y, C),
    }


def path(name, Cs, threads, jobs):
    """A model for each C, as many at a time as there are jobs."""
    import joblib

    limit_blas(max(1, threads // jobs))
    x, y = loaded[name]
    fits = [
        joblib.delayed(sklearn.linear_model.LogisticRegression(C=C).fit)(x, y) for C in Cs
    ]
    begin = time.perf_counter()
    models = joblib.Parallel(n_jobs=jobs, prefer="threads")(fits)
    elapsed = time.perf_counter() - begin
    return {
        "ms": elapsed * 1000,
        "objectives": [objective_of(model, x, y, C) for model, C in zip(models, Cs)],
    }


def cross_validate(name, Cs, folds, threads, jobs):
    limit_blas(max(1, threads // jobs))
    x, y = loaded[name]
    # By loss, as ours; its default is accuracy.
    model = sklearn.linear_model.LogisticRegressionCV(
        Cs=Cs, cv=folds, n_jobs=jobs, scoring="neg_log_loss", **newer_settings()
    )
    begin = time.perf_counter()
    model.fit(x, y)
    elapsed = time.perf_counter() - begin
    scores = model.scores_[0] if isinstance(model.scores_, dict) else model.scores_
    losses = -np.asarray(scores).reshape(folds, -1, len(Cs)).mean(axis=1)
    return {
        "ms": elapsed * 1000,
        "C": float(np.ravel(model.C_)[0]),
        "losses": losses.mean(axis=0).tolist(),
        "errors": (losses.std(axis=0, ddof=1) / np.sqrt(folds)).tolist(),
    }


def newer_settings():
    """Attributes without an axis of l1 ratios, which would cost a warning, from 1.8 on."""
    release = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
    return {"use_legacy_attributes": False} if release >= (1, 8) else {}


handlers = {
    "firstModelData": first_model_data,
    "manyClasses": many_classes,
    "load": load,
    "firstModel": first_model,
    "fit": fit,
    "path": path,
    "crossValidate": cross_validate,
}
serve(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}", handlers, blas_name())
