"""One case of the compatibility suite, done with aiokafka.

    usage: main.py BOOTSTRAP PREFIX CASE

It exits with 0 when the case passes, with 77 when aiokafka cannot do it (the last line on stdout
says why), and with 1 otherwise, with the reason on stderr. Every topic and group begins with
PREFIX. The cases are in produce.py, consume.py, groups.py, offsets.py, admin.py and errors.py; what
they share is in run.py.
"""

import asyncio
import sys
import traceback

# Imported for their cases.
import admin, consume, errors, groups, offsets, produce  # noqa
from run import CASES, Cannot, Run

DEADLINE_S = 60


async def run_case(bootstrap, prefix, case):
    async with asyncio.timeout(DEADLINE_S), Run(bootstrap, prefix) as run:
        await CASES[case](run)


def main():
    if len(sys.argv) != 4 or sys.argv[3] not in CASES:
        sys.exit("usage: main.py BOOTSTRAP PREFIX CASE")
    try:
        asyncio.run(run_case(*sys.argv[1:]))
    except Cannot as reason:
        print(reason)
        return 77
    except TimeoutError:
        traceback.print_exc()
        print(f"not done after {DEADLINE_S} s", file=sys.stderr)
        return 1
    except Exception as error:
        traceback.print_exc()
        print(f"{type(error).__name__}: {error}".splitlines()[0], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
