"""`python -m streamgauge.pipelines` is the command `streamgauge`."""

import sys

from streamgauge.pipelines.cli import main

if __name__ == "__main__":
    sys.exit(main())
