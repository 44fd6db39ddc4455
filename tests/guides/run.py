#!/usr/bin/python3
"""Runs what a guide says: all its blocks of `sh`, in one shell and one empty folder, with the programs of this build on PATH.
What a block of `text` shows has to be in the output of the blocks of `sh` before it.

usage: run.py GUIDE FOLDER...
"""

import os
import re
import subprocess
import sys
import tempfile


def blocks(text):
    """Pairs of (commands, what they show)."""
    found = []
    for language, block in re.findall(r"^```(sh|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "sh":
            found.append((block, []))
        else:
            found[-1][1].append(block.strip())
    return found


def main():
    guide, folders = sys.argv[1], sys.argv[2:]
    with open(guide) as file:
        steps = blocks(file.read())
    if not steps:
        sys.exit(f"{guide} has no commands")
    script = "set -euo pipefail\n" + "".join(f"{commands}\necho '== end of step {at}'\n" for at, (commands, _) in enumerate(steps))
    environment = {**os.environ, "PATH": ":".join([*folders, os.environ["PATH"]])}
    with tempfile.TemporaryDirectory() as work:
        done = subprocess.run(["bash", "-c", script], cwd=work, env=environment, text=True, timeout=100,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout)
    if done.returncode != 0:
        sys.exit(f"{guide}: a command ended with {done.returncode}")
    rest = done.stdout
    for at, (_, shown) in enumerate(steps):
        output, _, rest = rest.partition(f"== end of step {at}\n")
        for text in shown:
            if text not in output:
                sys.exit(f"{guide}: the commands of block {at + 1} do not show: {text}")


if __name__ == "__main__":
    main()
