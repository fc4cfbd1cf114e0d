"""The PyTorch side of step.ts: one step of softmax regression by SGD with momentum, and its two products alone."""

from peer import blas_limiter, import_torch, serve_torch, time_calls

torch = import_torch()
import torch.nn.functional as F  # noqa: E402

limit_blas = blas_limiter()
inputs = targets = model = None
# What the products write to: [rows × classes] and [features × classes].
logits = gradient = None


class Model:
    def __init__(self, features, classes, learning_rate, momentum):
        self.weights = torch.zeros(features, classes, requires_grad=True)
        self.bias = torch.zeros(classes, requires_grad=True)
        self.optimizer = torch.optim.SGD(
            [self.weights, self.bias], learning_rate, momentum=momentum, foreach=True
        )

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(torch.addmm(self.bias, inputs, self.weights), targets)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def prepare(rows, features, classes, **options):
    """The values of step-ours.ts."""
    global inputs, targets, model, logits, gradient
    index = torch.arange(rows * features, dtype=torch.int64)
    inputs = ((index * 0x9E3779B1 % 2**32).double() / 2**32 * 2 - 1).float().reshape(rows, features)
    targets = (torch.arange(rows, dtype=torch.int64) * 7919 + 3) % classes
    model = Model(features, classes, **options)
    logits = torch.ones(rows, classes)
    gradient = torch.empty(features, classes)


def check(steps, weights_at):
    """The last of the steps' losses, and elements of the weights at flat indices."""
    for _ in range(steps):
        loss = model.step()
    return {"loss": float(loss), "weights": model.weights.detach().flatten()[weights_at].tolist()}


@torch.no_grad()
def products():
    torch.mm(inputs, model.weights, out=logits)
    torch.mm(inputs.T, logits, out=gradient)


def run(work, threads):
    torch.set_num_threads(threads)
    limit_blas(threads)
    return time_calls(1, model.step if work == "step" else products)


serve_torch(torch, {"prepare": prepare, "check": check, "run": run})
