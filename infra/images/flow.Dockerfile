# The flow itself, as the pod of a Prefect work pool, and the command line: everything but servers and development tools.
# Build: `make images`.
ARG BASE=python:3.11-slim

# Torch and its GPU libraries: one layer that training and flow share, since up to here their Dockerfiles are the same.
FROM ${BASE} AS torch
RUN python3 -m venv --without-pip /opt/concord
COPY infra/images/install.sh infra/images/slim.sh infra/images/cut.py infra/images/tools.lock infra/images/torch.lock /opt/concord/locks/
RUN sh /opt/concord/locks/install.sh torch.lock

FROM torch AS dependencies
COPY infra/images/flow.lock /opt/concord/locks/
RUN sh /opt/concord/locks/install.sh flow.lock && \
    printf '#!/opt/concord/bin/python\nfrom concord_entry import main\nmain()\n' > /opt/concord/bin/concord && chmod 755 /opt/concord/bin/concord

FROM dependencies
RUN echo 'concord:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd
ENV PATH=/opt/concord/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 HOME=/tmp USER=concord OMP_WAIT_POLICY=PASSIVE \
    GIT_PYTHON_REFRESH=quiet CONCORD_HOME=/tmp/concord
WORKDIR /app
COPY components /app/components
COPY concord_entry /app/concord_entry
COPY serving /app/serving
COPY infra /app/infra
COPY flows /app/flows
COPY conf /app/conf
ARG CODE
LABEL concord.code=${CODE}
# The label tells the truth, and the bytecode of what is imported at start is written while files can be written.
RUN test "$(python -m components.pods.code)" = "${CODE}" && python -c 'import flows.cli, flows.retrain'
ENV PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
CMD ["concord", "--help"]
