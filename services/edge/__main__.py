"""`python -m services.edge --home DIR --port N`: the embedded Qdrant as a process of its own."""

import argparse
import importlib.util
import logging
import os
import sys
from pathlib import Path
from types import ModuleType


def main() -> int:
    """Serve until told to stop; 0 when stopped, else the exit code of the reason (see CannotOpen), 78 without a key."""
    parser = argparse.ArgumentParser(prog="python -m services.edge", description="Serve Qdrant's gRPC on loopback.")
    parser.add_argument("--home", type=Path, required=True, help="folder of the vectors")
    parser.add_argument("--port", type=int, required=True, help="gRPC port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--reset", action="store_true", help="first drop every collection that the folder holds")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s", stream=sys.stderr)
    api_key = os.environ.get("MOAT_QDRANT__API_KEY", "")
    if not api_key:
        logging.critical("MOAT_QDRANT__API_KEY is empty: the server demands a key from every caller.")
        return 78  # EX_CONFIG
    load_stubs_alone()

    from services.edge.refusal import CannotOpen
    from services.edge.server import serve

    try:
        serve(arguments.home, arguments.port, api_key, reset=arguments.reset)
    except CannotOpen as reason:
        logging.critical("%s %s", reason.detail, reason.hint)
        return reason.exit_code
    return 0


def load_stubs_alone() -> None:
    """Let `qdrant_client.grpc` be imported without `qdrant_client` itself.

    The package's own first lines load its HTTP client, 600 pydantic models and numpy: 50 MB and a second
    that this process, which needs only the protobuf stubs, would carry for nothing.
    """
    found = importlib.util.find_spec("qdrant_client")
    if found is None or found.submodule_search_locations is None:
        raise ModuleNotFoundError("qdrant_client is not installed")
    package = ModuleType("qdrant_client")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["qdrant_client"] = package


if __name__ == "__main__":
    sys.exit(main())
