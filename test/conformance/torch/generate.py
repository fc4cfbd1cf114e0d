#!/usr/bin/env python3
"""Writes cases.json.gz and values.bin.gz: what PyTorch answers for losses, softmax and their gradients.

Run with a Python that has PyTorch (made with 1.13.0 on the CPU): python3 generate.py. The layout is described in
vectors.ts, which reads it. All inputs are float32 numbers, so that one set serves both types: each result is PyTorch's
float64 one, and beside it PyTorch's float32 one. The float32 results may differ in their last bits between CPUs.
"""

import gzip
import itertools
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_num_threads(1)
RANDOM = np.random.default_rng(20240601)
FOLDER = os.path.dirname(os.path.abspath(__file__))
INFINITY = float("inf")

cases = []
inputs = []  # float32 arrays, end to end in the file
results = []  # pairs of a float64 and a float32 array, likewise


def put_input(array):
    """Stores the array and gives its offset and length."""
    offset = sum(stored.size for stored in inputs)
    inputs.append(np.ascontiguousarray(array, dtype=np.float32).reshape(-1))
    return [offset, inputs[-1].size]


def put_result(double, single):
    offset = sum(stored.size for stored, _ in results)
    results.append((double.reshape(-1).astype(np.float64), single.reshape(-1).astype(np.float32)))
    return [offset, results[-1][0].size]


def record(name, op, dims, axis, kind, options, stored, expected, differs=None):
    """One case: `stored` are arrays, `expected` pairs of PyTorch's float64 and float32 results."""
    case = {
        "name": f"{op} {'x'.join(map(str, dims))} {name}",
        "op": op,
        "kind": kind,
        "dims": list(dims),
        "axis": axis,
        "options": options,
        "inputs": {key: put_input(array) for key, array in stored.items() if array is not None},
        "expected": {key: put_result(*pair) for key, pair in expected.items()},
    }
    if differs is not None:
        case["differs"] = differs
    cases.append(case)


def with_gradient(function, logits, grad_losses, name):
    """Value and gradient by the first argument in both types, as pairs."""
    values, gradients = [], []
    for dtype in (torch.float64, torch.float32):
        z = torch.tensor(logits, dtype=dtype, requires_grad=True)
        value = function(z, lambda array: None if array is None else torch.tensor(array, dtype=dtype))
        value.backward(None if grad_losses is None else torch.tensor(grad_losses, dtype=dtype))
        values.append(value.detach().numpy())
        gradients.append(z.grad.numpy())
    return {"loss": tuple(values), name: tuple(gradients)}


def sixty_fourths(low, high, dims):
    return np.round(RANDOM.uniform(low, high, dims) * 64) / 64


def logits_of(dims, kind):
    """Multiples of 1/64 within about ±10 ('usual'), or with what the kind says mixed in."""
    z = np.round(RANDOM.normal(0, 3, dims) * 64) / 64
    rows = np.moveaxis(z, 1, -1).reshape(-1, dims[1]).copy()
    for i, row in enumerate(rows):
        if kind == "large":  # ±1e4: most of the row underflows
            where = RANDOM.random(dims[1]) < 0.4
            row[where] = RANDOM.choice([1e4, -1e4], where.sum())
        elif kind == "-Infinity" and i % 2 == 0:
            row[RANDOM.random(dims[1]) < 0.3] = -INFINITY
            if np.all(row == -INFINITY) and dims[1] > 1:
                row[0] = 1
        elif kind == "spoiled":  # every third row has no softmax
            if i % 3 == 0:
                row[RANDOM.integers(dims[1])] = [np.nan, INFINITY][i // 3 % 2]
            if i % 7 == 6:
                row[:] = -INFINITY
    shape = (dims[0],) + tuple(dims[2:]) + (dims[1],)
    return np.ascontiguousarray(np.moveaxis(rows.reshape(shape), -1, 1))


def soft_targets(dims):
    """Multiples of 1/256 that sum to 1, some of them 0."""
    classes = dims[1]
    shape = (dims[0],) + tuple(dims[2:])
    counts = RANDOM.multinomial(256, RANDOM.dirichlet(np.full(classes, 0.3)), shape)
    return np.moveaxis(counts / 256.0, -1, 1)


def difference(logits, target, soft, smoothing, ignored):
    """Where PyTorch multiplies 0 by Infinity or leaves NaN in an ignored row, and we do not: see docs/losses.md."""
    rows = np.moveaxis(logits, 1, -1).reshape(-1, logits.shape[1])
    if soft:
        shares = np.moveaxis(target, 1, -1).reshape(rows.shape)
        found = not smoothing and np.any((shares == 0) & np.isneginf(rows))
        return "zero times Infinity" if found else None
    spoiled = np.isnan(rows).any(1) | np.isposinf(rows).any(1) | np.isneginf(rows).all(1)
    return "ignored row without a softmax" if np.any(ignored.reshape(-1) & spoiled) else None


def add_loss(dims, kind, reduction, weighted, ignore, smoothing, soft, ignored_share=0.3):
    classes = dims[1]
    row_dims = (dims[0],) + tuple(dims[2:])
    logits = logits_of(dims, kind)
    ignored = np.zeros(row_dims, dtype=bool)
    if soft:
        target = soft_targets(dims)
    else:
        target = RANDOM.integers(0, classes, row_dims)
        if ignore is not None:
            target[RANDOM.random(row_dims) < ignored_share] = ignore
            ignored = target == ignore
    weight = sixty_fourths(0.25, 2, classes) if weighted else None
    grad_losses = sixty_fourths(-1, 1, row_dims) if reduction == "none" else None
    expected = with_gradient(
        lambda z, tensor: F.cross_entropy(
            z,
            tensor(target) if soft else torch.tensor(target),
            weight=tensor(weight),
            ignore_index=-100 if ignore is None else ignore,
            reduction=reduction,
            label_smoothing=smoothing,
        ),
        logits,
        grad_losses,
        "gradLogits",
    )
    options = {"reduction": reduction}
    if ignore is not None:
        options["ignoreIndex"] = ignore
    if smoothing:
        options["labelSmoothing"] = smoothing
    words = [kind, reduction, "soft" if soft else "index"]
    words += ["weight"] if weighted else []
    words += [f"ignore {ignore}"] if ignore is not None else []
    words += [f"smoothing {smoothing}"] if smoothing else []
    differs = difference(logits, target, soft, smoothing, ignored)
    if reduction == "mean" and ignored.all():
        differs = "gradient of an empty mean"
    stored = {"logits": logits, "softTargets" if soft else "targets": target}
    stored |= {"weight": weight, "gradOutput": grad_losses}
    record(" ".join(words), "crossEntropy", dims, 1, kind, options, stored, expected, differs)


def option_product():
    """Every combination that PyTorch takes: it refuses ignore_index with probabilities."""
    for reduction, weighted, smoothing in itertools.product(("none", "mean", "sum"), (False, True), (0.0, 0.1)):
        for ignore in (None, 0, -1):
            yield reduction, weighted, ignore, smoothing, False
        yield reduction, weighted, None, smoothing, True


def add_losses():
    product = list(option_product())
    for classes in (1, 2, 3, 5):
        for dims in ((4, classes), (2, classes, 3), (2, classes, 2, 2)):
            for options in product:
                add_loss(dims, "usual", *options)
    # Of larger numbers of classes, each combination in one of the shapes, in turn.
    for classes in (16, 17):
        for i, options in enumerate(product):
            add_loss(((2, classes), (1, classes, 2), (1, classes, 1, 2))[i % 3], "usual", *options)
    for i, options in enumerate(product[::3]):
        add_loss(((2, 101), (1, 101, 2), (1, 101, 2, 1))[i % 3], "usual", *options)
    for i, options in enumerate(product[3::11]):
        add_loss(((2, 1023), (1, 1023, 2), (1, 1023, 1, 2))[i % 3], "usual", *options)
    for kind in ("large", "-Infinity", "spoiled"):
        for i, options in enumerate(product):
            add_loss(((7, 5), (3, 3, 3))[i // 4 % 2], kind, *options)
        for options in product[::5]:
            add_loss((2, 17), kind, *options)
    for reduction, smoothing in itertools.product(("none", "mean", "sum"), (0.0, 0.1)):
        add_loss((3, 4), "usual", reduction, False, -100, smoothing, False, ignored_share=1)


def add_other_losses():
    for classes, reduction in itertools.product((1, 5, 17), ("none", "mean", "sum")):
        dims = (4, classes)
        for weighted, ignore in itertools.product((False, True), (None, 0)):
            add_nll_loss(dims, reduction, weighted, ignore)
        for weighted, pos_weighted in itertools.product((False, True), (False, True)):
            add_binary(dims, reduction, weighted, pos_weighted)
    for classes, reduction in itertools.product((1, 5, 17), ("none", "mean", "sum", "batchmean")):
        for log_target in (False, True):
            add_kl_divergence((4, classes), reduction, log_target)


def add_nll_loss(dims, reduction, weighted, ignore):
    log_probabilities = np.round(np.log(RANDOM.dirichlet(np.ones(dims[1]), dims[0]) + 1e-9) * 64) / 64
    target = RANDOM.integers(0, dims[1], dims[0])
    weight = sixty_fourths(0.25, 2, dims[1]) if weighted else None
    grad_losses = sixty_fourths(-1, 1, dims[0]) if reduction == "none" else None
    expected = with_gradient(
        lambda x, tensor: F.nll_loss(
            x,
            torch.tensor(target),
            weight=tensor(weight),
            ignore_index=-100 if ignore is None else ignore,
            reduction=reduction,
        ),
        log_probabilities,
        grad_losses,
        "gradInput",
    )
    options = {"reduction": reduction}
    if ignore is not None:
        options["ignoreIndex"] = ignore
    words = [reduction] + (["weight"] if weighted else []) + ([f"ignore {ignore}"] if ignore is not None else [])
    stored = {"logProbabilities": log_probabilities, "targets": target, "weight": weight, "gradOutput": grad_losses}
    empty = reduction == "mean" and ignore is not None and np.all(target == ignore)
    differs = "gradient of an empty mean" if empty else None
    record(" ".join(words), "nllLoss", dims, 1, "usual", options, stored, expected, differs)


def add_binary(dims, reduction, weighted, pos_weighted):
    logits = logits_of(dims, "usual")
    logits.reshape(-1)[::7] *= 100
    target = RANDOM.integers(0, 3, dims) / 2.0
    weight = sixty_fourths(0.25, 2, dims) if weighted else None
    pos_weight = sixty_fourths(0.25, 4, dims[1]) if pos_weighted else None
    expected = with_gradient(
        lambda z, tensor: F.binary_cross_entropy_with_logits(
            z, tensor(target), weight=tensor(weight), pos_weight=tensor(pos_weight), reduction=reduction
        ),
        logits,
        np.ones(dims) if reduction == "none" else None,
        "gradLogits",
    )
    words = [reduction] + (["weight"] if weighted else []) + (["posWeight"] if pos_weighted else [])
    stored = {"logits": logits, "softTargets": target, "weight": weight, "posWeight": pos_weight}
    name = "binaryCrossEntropyWithLogits"
    record(" ".join(words), name, dims, 1, "usual", {"reduction": reduction}, stored, expected)


def add_kl_divergence(dims, reduction, log_target):
    log_probabilities = np.round(np.log(RANDOM.dirichlet(np.ones(dims[1]), dims[0]) + 1e-9) * 64) / 64
    target = soft_targets(dims)
    if log_target:
        target = np.round(np.log(target + 1e-6) * 64) / 64
    expected = with_gradient(
        lambda x, tensor: F.kl_div(x, tensor(target), reduction=reduction, log_target=log_target),
        log_probabilities,
        np.ones(dims) if reduction == "none" else None,
        "gradInput",
    )
    options = {"reduction": reduction, "logTarget": log_target}
    words = [reduction] + (["logTarget"] if log_target else [])
    stored = {"logProbabilities": log_probabilities, "softTargets": target}
    record(" ".join(words), "klDivergence", dims, 1, "usual", options, stored, expected)


def add_along_axis():
    shapes = [(1,), (5,), (17,), (3, 1), (2, 3), (3, 16), (2, 101), (1, 1023)]
    shapes += [(2, 3, 5), (3, 2, 2, 3), (17, 3), (101, 2)]
    for dims in shapes:
        for axis in range(-1 if len(dims) > 1 else 0, len(dims)):
            add_rows_along(dims, axis, "usual")
    for kind, dims in itertools.product(("large", "-Infinity", "spoiled"), ((17,), (3, 16), (2, 3, 5), (3, 2, 2, 3))):
        for axis in range(len(dims)):
            add_rows_along(dims, axis, kind)


def add_rows_along(dims, axis, kind):
    others = [dim for k, dim in enumerate(dims) if k != axis % len(dims)]
    rows = logits_of((int(np.prod(others)), dims[axis]), kind)
    logits = np.moveaxis(rows.reshape(*others, dims[axis]), -1, axis).copy()
    functions = {"softmax": torch.softmax, "logSoftmax": torch.log_softmax, "logSumExp": torch.logsumexp}
    for op, function in functions.items():
        types = (torch.float64, torch.float32)
        pair = tuple(function(torch.tensor(logits, dtype=dtype), dim=axis).numpy() for dtype in types)
        record(f"axis {axis} {kind}", op, dims, axis, kind, {}, {"logits": logits}, {"output": pair})


def planes(array, width):
    """All first bytes, then all second ones, …: bytes that vary little stand together, and compress."""
    return array.view(np.uint8).reshape(-1, width).T.tobytes()


def write():
    plain = np.concatenate(inputs)
    plain[np.isnan(plain)] = np.nan
    double = np.concatenate([pair[0] for pair in results])
    single = np.concatenate([pair[1] for pair in results])
    double[np.isnan(double)] = np.nan
    single[np.isnan(single)] = np.nan
    with np.errstate(over="ignore"):
        rounded = double.astype(np.float32)
    rounded[np.isnan(rounded)] = np.nan
    # float32 results as their bits XOR those of the rounded float64 ones: mostly 0.
    off = single.view(np.uint32) ^ rounded.view(np.uint32)
    header = {"torch": torch.__version__, "inputs": int(plain.size), "results": int(double.size), "cases": cases}
    store("cases.json.gz", json.dumps(header, separators=(",", ":")).encode())
    store("values.bin.gz", planes(plain, 4) + planes(double, 8) + planes(off, 4))
    print(f"{len(cases)} cases, {plain.size} inputs, {double.size} results")


def store(name, content):
    with open(os.path.join(FOLDER, name), "wb") as raw:
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as file:
            file.write(content)


add_losses()
add_other_losses()
add_along_axis()
write()
