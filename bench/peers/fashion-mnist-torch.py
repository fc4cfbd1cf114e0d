"""The PyTorch side of fashion-mnist.ts: softmax regression by SGD with momentum, an epoch a request."""

import gzip
import time

from peer import blas_limiter, import_torch, serve_torch

torch = import_torch()
import torch.nn.functional as F  # noqa: E402

limit_blas = blas_limiter()
image_bytes = images = labels = None
models = {}


def read_idx(path, header_bytes):
    with gzip.open(path) as file:
        return torch.frombuffer(bytearray(file.read()[header_bytes:]), dtype=torch.uint8)


def load(images_path, labels_path):
    global image_bytes, images, labels
    image_bytes = read_idx(images_path, 16).reshape(-1, 28 * 28)
    images = image_bytes.float().div_(255)
    labels = read_idx(labels_path, 8).long()
    return {"rows": len(labels)}


class Model:
    """Starts from zeros. `gather` is how a batch is made: "index", X[idx]; "into", index_select into one buffer; "bytes",
    index_select of bytes into one buffer, scaled into another."""

    def __init__(self, batch, gather, learning_rate, momentum):
        self.weights = torch.zeros(28 * 28, 10, requires_grad=True)
        self.bias = torch.zeros(10, requires_grad=True)
        self.batch = batch
        self.buffer = None if gather == "index" else torch.empty(batch, 28 * 28)
        self.byte_buffer = torch.empty(batch, 28 * 28, dtype=torch.uint8) if gather == "bytes" else None
        self.optimizer = torch.optim.SGD(
            [self.weights, self.bias], learning_rate, momentum=momentum, foreach=True
        )

    def rows(self, index):
        if self.buffer is None:
            return images[index]
        if self.byte_buffer is not None:
            gathered = torch.index_select(image_bytes, 0, index, out=self.byte_buffer[: len(index)])
            return torch.mul(gathered, 1 / 255, out=self.buffer[: len(index)])
        return torch.index_select(images, 0, index, out=self.buffer[: len(index)])

    def epoch(self, shuffle):
        order = torch.randperm(len(labels)) if shuffle else torch.arange(len(labels))
        loss_sum = torch.zeros(())
        for index in order.split(self.batch):
            self.optimizer.zero_grad(set_to_none=True)
            logits = torch.addmm(self.bias, self.rows(index), self.weights)
            loss = F.cross_entropy(logits, labels[index])
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.detach() * len(index)
        return float(loss_sum) / len(labels)


def create(model, **options):
    models[model] = Model(**options)


def set_threads(threads, blas_threads):
    """torch's own number does not reach a BLAS that has threads of its own, as Debian's OpenBLAS."""
    torch.set_num_threads(threads)
    limit_blas(blas_threads)


def epoch(model, threads, blas_threads, shuffle=True):
    set_threads(threads, blas_threads)
    begin = time.perf_counter()
    loss = models[model].epoch(shuffle)
    return {"ms": (time.perf_counter() - begin) * 1000, "loss": loss}


def evaluate(model):
    trained = models[model]
    with torch.no_grad():
        logits = torch.addmm(trained.bias, images, trained.weights)
        accuracy = (logits.argmax(1) == labels).double().mean()
        return {"loss": float(F.cross_entropy(logits, labels)), "accuracy": float(accuracy)}


serve_torch(torch, {"load": load, "create": create, "epoch": epoch, "evaluate": evaluate})
