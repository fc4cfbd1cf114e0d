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


def blas_limiter():
    """Sets the threads of the BLAS, which has its own in Debian; does nothing without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return lambda threads: None
    libraries = ThreadpoolController().select(user_api="blas")
    return lambda threads: libraries.limit(limits=threads)


def serve(version, handlers):
    """handlers: by the request's "do", functions of the other members. Replies carry the processor time they took."""
    # Before anything else computes: the largest number of threads that a handler may set later.
    print(json.dumps({"version": f"{version}, Python {sys.version.split()[0]}"}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        begin = time.process_time()
        try:
            reply = handlers[request.pop("do")](**request) or {}
        except Exception as error:  # the driver shows it and ends
            reply = {"error": f"{type(error).__name__}: {error}"}
        reply["cpuMs"] = (time.process_time() - begin) * 1000
        print(json.dumps(reply), flush=True)


def time_calls(repeats, call):
    """Milliseconds of one of `repeats` calls."""
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    return {"ms": (time.perf_counter() - begin) * 1000 / repeats}
