#!/bin/sh
# Installs the distributions of a lock into /opt/concord, and leaves neither installer nor cache behind.
# Usage: install.sh LOCK. A builder may mount its own uv cache at /cache, its own CA bundle and its own pip configuration.
set -eu
locks=/opt/concord/locks
cache=--no-cache
# Only a mount: an earlier layer that was built with one leaves an empty folder, which must not fill up in the image.
if grep -q ' /cache ' /proc/self/mountinfo; then cache="--cache-dir=/cache"; fi
python3 -m venv /tools
/tools/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes --requirement "$locks/tools.lock"
/tools/bin/uv pip install --quiet "$cache" --system-certs --link-mode copy --no-deps --require-hashes \
    --python /opt/concord/bin/python --requirements "$locks/$1"
rm -rf /tools
sh "$locks/slim.sh" /opt/concord/lib/python3.11/site-packages
