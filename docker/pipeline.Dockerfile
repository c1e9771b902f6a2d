# The pipeline: engine, pager, store writer, live page and `streamgauge topics`. The stage `demo` adds the job `clicks`.
#   docker build -f docker/pipeline.Dockerfile .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# What resolves and installs: not in the images that run.
RUN python -m venv /opt/streamgauge && pip install --no-cache-dir uv==0.13.9
ENV UV_PYTHON=/opt/streamgauge/bin/python UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1
WORKDIR /src
COPY pyproject.toml requirements-full.lock ./
# Versions and hashes are the lock's; what it does not hold is refused.
# Our tracer is no package of the index: it is built below.
RUN sed -i '/"streamgauge-tracer==/d' pyproject.toml \
    && uv pip install --require-hashes --constraint requirements-full.lock --requirement pyproject.toml \
    --extra kafka --extra influx --extra metrics --extra bridge
COPY README.md LICENSE ./
COPY docker/build.lock docker/
COPY tracer tracer
COPY anomaly anomaly
COPY pipelines pipelines
COPY dashboards dashboards
COPY examples examples
COPY streamgauge streamgauge
COPY pyproject.toml ./
RUN uv pip install --no-deps --build-constraint docker/build.lock ./tracer .

FROM ${PYTHON_IMAGE} AS runtime
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin streamgauge \
    && install --directory --owner 10001 --group 10001 --mode 0750 /data
COPY --from=build /opt/streamgauge /opt/streamgauge
ENV PATH=/opt/streamgauge/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /data
EXPOSE 8470
ENTRYPOINT ["streamgauge"]
CMD ["run", "--config", "/etc/streamgauge/streamgauge.toml"]

FROM runtime AS demo
ENTRYPOINT ["python", "-m", "streamgauge.examples.clicks"]
CMD ["--help"]

# Without --target the pipeline is built.
FROM runtime
