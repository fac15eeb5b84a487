"""What ``concord doctor --cluster CONFIG`` runs in a pod.

It reports the code of its image, and answers a question through the exchange.
"""

import argparse
import json
import os
import sys

from components.core.errors import UserError
from components.exchange.exchange import Exchange
from components.pods import exit_codes
from components.pods.code import code_digest

QUESTION, ANSWER = "question.json", "answer.json"
_WAITS = (1.0, 2.0)  # the doctor does not wait long


def main(arguments: list[str] | None = None) -> int:
    """Read a question at a URI and write the answer beside it."""
    parser = argparse.ArgumentParser(
        prog="python -m components.pods.probe", description=main.__doc__
    )
    parser.add_argument("--at", required=True, help="URI of the folder of question and answer")
    at: str = parser.parse_args(arguments).at
    about = {"code": code_digest(), "python": sys.version.split()[0], "user": os.getuid()}
    sys.stdout.write(json.dumps(about) + "\n")
    sys.stdout.flush()
    try:
        exchange = Exchange(at, _WAITS)
        exchange.write_json(ANSWER, {**about, "answer": exchange.read_json(QUESTION)["question"]})
    except FileNotFoundError:
        sys.stderr.write(
            f"exchange: no {QUESTION} at {at}: the pod sees another place than the run does\n"
        )
        return exit_codes.IO
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return exit_codes.IO
    return exit_codes.DONE


if __name__ == "__main__":
    sys.exit(main())
