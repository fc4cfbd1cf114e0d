"""The PyTorch side of rows.ts: softmax, log-softmax, and cross-entropy with its gradient, on rows of logits."""

from peer import import_torch, serve_torch, time_calls

torch = import_torch()
import torch.nn.functional as F  # noqa: E402

logits = targets = rows_of_targets = None

# Elements made at a time: the 64-bit counters of all of them would need gigabytes.
CHUNK = 1 << 22


def prepare(rows, columns):
    """The values of fillRows in rows-ours.ts."""
    global logits, targets, rows_of_targets
    logits = targets = None
    values = torch.empty(rows * columns)
    for begin in range(0, len(values), CHUNK):
        count = torch.arange(begin, min(begin + CHUNK, len(values)), dtype=torch.int64)
        values[begin : begin + CHUNK] = (count * 0x9E3779B1 % 2**32).double() / 2**32 * 8 - 4
    logits = values.reshape(rows, columns)
    rows_of_targets = torch.arange(rows, dtype=torch.int64)
    targets = (rows_of_targets * 7919 + 3) % columns


def autograd():
    leaf = logits.detach().requires_grad_()
    loss = F.cross_entropy(leaf, targets)
    return loss.detach(), torch.autograd.grad(loss, leaf)[0]


def by_hand():
    """softmax - one-hot in place of the logits: fewer passes than autograd, and no memory but the logits'."""
    torch.softmax(logits, 1, out=logits)
    at_targets = logits[rows_of_targets, targets]
    logits[rows_of_targets, targets] = at_targets - 1
    logits.mul_(1 / len(targets))
    return -at_targets.log().mean(), logits


def softmax():
    return None, torch.softmax(logits, 1, out=logits)


def log_softmax():
    return None, torch.log_softmax(logits, 1, out=logits)


WORK = {"autograd": autograd, "by hand": by_hand, "softmax": softmax, "log_softmax": log_softmax}


@torch.no_grad()
def compute(setting):
    with torch.set_grad_enabled(setting == "autograd"):
        return WORK[setting]()


def check(setting, indices):
    """The loss, and the result's elements at flat indices."""
    loss, result = compute(setting)
    return {"loss": loss if loss is None else float(loss), "values": result.flatten()[indices].tolist()}


def run(setting, threads, repeats):
    torch.set_num_threads(threads)
    return time_calls(repeats, lambda: compute(setting))


serve_torch(torch, {"prepare": prepare, "check": check, "run": run})
