# Answers of one model package over HTTP: BentoML and the service; no training code's orchestrator, registry or validator.
# The package is mounted at /model (or where CONCORD_PACKAGE says). Build: `make images`.
# With LOCK=whole it has torch and every encoder, for a model that onnxruntime cannot compute or that has libraries of its own.
ARG BASE=python:3.11-slim

FROM ${BASE} AS dependencies
ARG LOCK=serve
RUN python3 -m venv --without-pip /opt/concord
COPY infra/images/install.sh infra/images/slim.sh infra/images/cut.py infra/images/tools.lock infra/images/${LOCK}.lock /opt/concord/locks/
RUN sh /opt/concord/locks/install.sh ${LOCK}.lock

FROM dependencies
RUN echo 'concord:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd
ENV PATH=/opt/concord/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 HOME=/tmp USER=concord OMP_WAIT_POLICY=PASSIVE \
    BENTOML_HOME=/tmp/bentoml BENTOML_DO_NOT_TRACK=True MALLOC_ARENA_MAX=2 ARROW_DEFAULT_MEMORY_POOL=system
WORKDIR /app
COPY components /app/components
COPY serving /app/serving
ARG CODE
LABEL concord.code=${CODE}
# The label tells the truth, and the bytecode of what is imported at start is written while files can be written.
RUN test "$(python -m components.pods.code)" = "${CODE}" && python -c 'import bentoml, serving.http.app, components.prediction.predictor'
ENV PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 3000
CMD ["python", "-m", "serving.start"]
