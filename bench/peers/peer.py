"""What the Python peers share: they answer requests, one JSON line each, until their input ends."""

import json
import sys
import time


def require(import_all):
    """What import_all gives, or the end of this process with the reason on its first line."""
    try:
        return import_all()
    except ImportError as error:
        print(json.dumps({"unavailable": f"{sys.executable}: {error}"}), flush=True)
        sys.exit(0)


def import_torch():
    def import_all():
        import torch

        return torch

    return require(import_all)


def blas_libraries():
    """threadpoolctl's controller of the BLAS libraries in this process; None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController().select(user_api="blas")


def blas_limiter():
    """Sets the threads of the BLAS, which may have its own; does nothing without threadpoolctl."""
    libraries = blas_libraries()
    if libraries is None:
        return lambda threads: None
    return lambda threads: libraries.limit(limits=threads)


BLAS_NAMES = {"openblas": "OpenBLAS", "mkl": "MKL", "blis": "BLIS", "flexiblas": "FlexiBLAS"}


def blas_name():
    """Which BLAS there is and which of its kernels it chose for this processor."""
    libraries = blas_libraries()
    if libraries is None:
        return "an unknown BLAS (no threadpoolctl)"
    names = [
        " ".join(
            filter(
                None,
                [
                    BLAS_NAMES.get(library["internal_api"], library["internal_api"]),
                    library["version"],
                    library.get("architecture"),
                ],
            )
        )
        for library in libraries.info()
    ]
    return " and ".join(dict.fromkeys(names)) or "an unknown BLAS"


def torch_blas(torch):
    """The name of PyTorch's BLAS, and whether its threads are apart from PyTorch's own. PyPI's has MKL inside of it, where
    threadpoolctl sees only numpy's."""
    for line in torch.__config__.show().splitlines():
        if "Math Kernel Library Version" in line:
            version = line.split("Version")[1].split("-")[0].strip()
            return f"MKL {version} {torch.backends.cpu.get_cpu_capability()}", False
    return blas_name(), True


def serve_torch(torch, handlers):
    blas, has_own_threads = torch_blas(torch)
    serve(f"PyTorch {torch.__version__}", handlers, blas, has_own_threads)


def serve(version, handlers, blas, blas_has_own_threads=True):
    """handlers: by the request's "do", functions of the other members. Replies carry the processor time they took."""
    python = f"Python {sys.version.split()[0]}"
    hello = {"version": f"{version}, {blas}, {python}", "blas": blas, "blasHasOwnThreads": blas_has_own_threads}
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        begin = time.process_time()
        try:
            reply = handlers[request.pop("do")](**request) or {}
        except Exception as error:  # the driver names it and goes on without
            reply = {"error": f"{type(error).__name__}: {error}"}
        reply["cpuMs"] = (time.process_time() - begin) * 1000
        print(json.dumps(reply), flush=True)


def time_calls(repeats, call):
    """Milliseconds of one of `repeats` calls."""
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    return {"ms": (time.perf_counter() - begin) * 1000 / repeats}
