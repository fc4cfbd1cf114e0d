"""The PyTorch side of linear-cross-entropy.ts: cross-entropy over a linear layer, with all gradients."""

from peer import blas_limiter, import_torch, serve_torch, time_calls

torch = import_torch()
import torch.nn.functional as F  # noqa: E402

limit_blas = blas_limiter()
inputs = weights = bias = targets = None


def weyl(count, scale):
    """The values of fillWeyl in linear-cross-entropy-ours.ts."""
    index = torch.arange(count, dtype=torch.int64)
    return ((index * 0x9E3779B1 % 2**32).double() / 2**32 * 2 - 1).mul_(scale).float()


def prepare(rows, features, classes):
    global inputs, weights, bias, targets
    inputs = weyl(rows * features, 1).reshape(rows, features).requires_grad_()
    # F.linear takes [classes × features].
    weights = weyl(features * classes, 0.1).reshape(features, classes).T.contiguous().requires_grad_()
    bias = weyl(classes, 1).requires_grad_()
    targets = (torch.arange(rows, dtype=torch.int64) * 7919 + 3) % classes


def compute():
    loss = F.cross_entropy(F.linear(inputs, weights, bias), targets)
    return loss, torch.autograd.grad(loss, (inputs, weights, bias))


def check(elements):
    """The loss, and elements of the gradients at flat indices; those of the weights as [features × classes]."""
    loss, (grad_inputs, grad_weights, grad_bias) = compute()
    classes = len(bias)
    at = torch.tensor(elements["gradWeights"])
    return {
        "loss": float(loss.detach()),
        "gradInputs": grad_inputs.flatten()[elements["gradInputs"]].tolist(),
        "gradWeights": grad_weights[at % classes, at.div(classes, rounding_mode="floor")].tolist(),
        "gradBias": grad_bias[elements["gradBias"]].tolist(),
    }


def run(threads):
    torch.set_num_threads(threads)
    limit_blas(threads)
    return time_calls(1, compute)


serve_torch(torch, {"prepare": prepare, "check": check, "run": run})
