# Flink with what the job's workers import and the Kafka connector: JobManager, TaskManager and `streamgauge flink`.
#   docker build -f docker/flink.Dockerfile .
ARG FLINK_IMAGE=flink:2.2.1-scala_2.12-java17
ARG MAVEN_IMAGE=maven:3.9.11-eclipse-temurin-17

FROM ${MAVEN_IMAGE} AS connector
ARG CONNECTOR=org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2
ARG CONNECTOR_SHA256=5605c691d11a501382c383fecba37a7a552467da5ab7ba904ef5d6f3d62c5616
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        -Dartifact=${CONNECTOR} -DoutputDirectory=/jars \
    && echo "${CONNECTOR_SHA256}  $(echo /jars/*.jar)" | sha256sum --check --strict

FROM ${FLINK_IMAGE} AS build
# hadolint ignore=DL3002
USER 0
# The image's own Python (Ubuntu noble: 3.12), which is what runs in the last stage too.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv python3-dev gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/streamgauge && python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
ENV UV_PYTHON=/opt/streamgauge/bin/python UV_LINK_MODE=copy UV_NO_CACHE=1 PATH=/opt/uv/bin:$PATH
WORKDIR /src
COPY pyproject.toml requirements-full.lock ./
# Our tracer is no package of the index: it is built below.
RUN sed -i '/"streamgauge-tracer==/d' pyproject.toml \
    && uv pip install --require-hashes --constraint requirements-full.lock --requirement pyproject.toml \
    --extra kafka --extra flink
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

FROM ${FLINK_IMAGE}
USER 0
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && ln --symbolic --force /usr/bin/python3 /usr/local/bin/python \
    && install --directory --owner flink --group flink --mode 0750 /checkpoints
COPY --from=build /opt/streamgauge /opt/streamgauge
COPY --from=connector --chown=flink:flink --chmod=0444 /jars/ /opt/connector/
ENV PATH=/opt/streamgauge/bin:$PATH \
    STREAMGAUGE_FLINK_CONNECTOR=/opt/connector/flink-sql-connector-kafka-5.0.0-2.2.jar
USER 9999:9999
