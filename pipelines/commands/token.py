"""The command `token`: a new token for a person or a program, and the lines of the configuration that let it in."""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets
import sys

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.config.people import Token, faults_of


def token(args: argparse.Namespace) -> int:
    """Print a token, once, and what to put into the configuration: its hash, which opens nothing."""
    made = f"sg_{secrets.token_urlsafe(32)}"
    one = Token(name=args.name, role=args.role, sha256=hashlib.sha256(made.encode()).hexdigest())
    for fault in faults_of([one]):
        raise UseError(f"--name {str(fault).partition(': ')[2]}")
    if args.json:
        print(json.dumps({"token": made, "name": one.name, "role": one.role, "sha256": one.sha256}))
        return 0
    print(f'[[tokens]]\nname = "{one.name}"\nrole = "{one.role}"\nsha256 = "{one.sha256}"')
    print(
        f"{made}\nis the token of {one.name}, told this once: give it to its holder, put the lines above at the end of"
        " the configuration, and start the pipeline anew", file=sys.stderr,
    )  # fmt: skip
    return 0
