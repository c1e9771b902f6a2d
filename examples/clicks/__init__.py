"""A small online-learning job on the wall's clock: clicks on impressions, learnt as they become known.

`python -m streamgauge.examples.clicks --worker w0 --kafka 127.0.0.1:9092` sends its traces to brokers,
with `--log FILE` to the log of a pipeline on this machine. It is what `docker compose --profile demo up` watches.
"""
