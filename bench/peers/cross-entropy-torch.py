"""The PyTorch side of cross-entropy.ts: cross-entropy and its gradient by the logits."""

import time

from peer import import_torch, serve

torch = import_torch()
import torch.nn.functional as F  # noqa: E402

logits = targets = None

# Elements made at a time: the 64-bit counters of all of them would need gigabytes.
CHUNK = 1 << 22


def prepare(rows, columns):
    """The values of peerLogit and peerTarget in cross-entropy.ts."""
    global logits, targets
    logits = targets = None
    values = torch.empty(rows * columns)
    for begin in range(0, len(values), CHUNK):
        count = torch.arange(begin, min(begin + CHUNK, len(values)), dtype=torch.int64)
        values[begin : begin + CHUNK] = (count * 0x9E3779B1 % 2**32).double() / 2**32 * 8 - 4
    logits = values.reshape(rows, columns).requires_grad_()
    targets = (torch.arange(rows, dtype=torch.int64) * 7919 + 3) % columns


def compute():
    loss = F.cross_entropy(logits, targets)
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss, gradient


def check(indices):
    """The loss, and the gradient's elements at flat indices."""
    loss, gradient = compute()
    return {"loss": float(loss), "gradient": gradient.flatten()[indices].tolist()}


def run(threads):
    torch.set_num_threads(threads)
    begin = time.perf_counter()
    compute()
    return {"ms": (time.perf_counter() - begin) * 1000}


serve(torch, {"prepare": prepare, "check": check, "run": run})
