#!/bin/bash
# Makes a Python environment for actions, once: install.sh [--check] CACHE_DIR [-]. environment.py tells the rest; PYTHON names another Python.
command -v "${PYTHON:-python3}" >/dev/null || { echo "python: there is no ${PYTHON:-python3}" >&2; exit 1; }
exec "${PYTHON:-python3}" -I -S "$(dirname "$0")/environment.py" "$@"
