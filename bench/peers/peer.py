"""What the Python peers share: they answer requests, one JSON line each, until their input ends."""

import json
import sys
import time


def import_torch():
    """torch, or the end of this process with the reason on its first line."""
    try:
        import torch
    except ImportError as error:
        print(json.dumps({"unavailable": str(error)}), flush=True)
        sys.exit(0)
    return torch


def serve(torch, handlers):
    """handlers: by the request's "do", functions of the other members. Replies carry the processor time they took."""
    # Before anything else computes: the largest number that a handler may set later.
    hello = {"torch": torch.__version__, "python": sys.version.split()[0]}
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        begin = time.process_time()
        try:
            reply = handlers[request.pop("do")](**request) or {}
        except Exception as error:  # the driver shows it and ends
            reply = {"error": f"{type(error).__name__}: {error}"}
        reply["cpuMs"] = (time.process_time() - begin) * 1000
        print(json.dumps(reply), flush=True)
