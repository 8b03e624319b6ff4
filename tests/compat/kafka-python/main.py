"""One case of the compatibility suite, done with kafka-python.

    usage: main.py BOOTSTRAP PREFIX CASE

It exits with 0 when the case passes, and with 1 otherwise, with the reason on stderr. Every topic
and group begins with PREFIX. The cases are in produce.py, consume.py, groups.py, offsets.py,
admin.py and errors.py; what they share is in run.py.
"""

import os
import sys
import threading
import traceback

# Imported for their cases.
import admin, consume, errors, groups, offsets, produce  # noqa
from run import CASES, Run

DEADLINE_S = 60


def give_up():
    print(f"not done after {DEADLINE_S} s", file=sys.stderr, flush=True)
    os._exit(1)


def main():
    if len(sys.argv) != 4 or sys.argv[3] not in CASES:
        sys.exit("usage: main.py BOOTSTRAP PREFIX CASE")
    bootstrap, prefix, case = sys.argv[1:]
    deadline = threading.Timer(DEADLINE_S, give_up)
    deadline.daemon = True
    deadline.start()
    try:
        with Run(bootstrap, prefix) as run:
            CASES[case](run)
    except Exception as error:
        traceback.print_exc()
        print(f"{type(error).__name__}: {error}".splitlines()[0], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
