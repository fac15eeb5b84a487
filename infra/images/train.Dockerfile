# What a training pod runs: torch, the components, and nothing that orchestrates, registers, validates or serves.
# Build: `make images`, or any builder with --build-arg CODE=$(python -m components.pods.code) and the checkout as its context.
ARG BASE=python:3.11-slim

# Torch and its GPU libraries: one layer that training and flow share, since up to here their Dockerfiles are the same.
FROM ${BASE} AS torch
RUN python3 -m venv --without-pip /opt/concord
COPY infra/images/install.sh infra/images/slim.sh infra/images/cut.py infra/images/tools.lock infra/images/torch.lock /opt/concord/locks/
RUN sh /opt/concord/locks/install.sh torch.lock

FROM torch AS dependencies
COPY infra/images/train.lock /opt/concord/locks/
RUN sh /opt/concord/locks/install.sh train.lock

FROM dependencies
RUN echo 'concord:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd
ENV PATH=/opt/concord/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 HOME=/tmp USER=concord OMP_WAIT_POLICY=PASSIVE
WORKDIR /app
COPY components /app/components
ARG CODE
LABEL concord.code=${CODE}
# The label tells the truth, and the bytecode of what is imported at start is written while files can be written.
RUN test "$(python -m components.pods.code)" = "${CODE}" && python -c 'import components.pods.attempt, components.pods.entry, components.pods.part, s3fs'
ENV PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
CMD ["python", "-m", "components.pods.entry", "--help"]
