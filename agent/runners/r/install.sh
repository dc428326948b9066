#!/bin/bash
# Makes a library of R packages for actions, once: install.sh [--lock] CACHE_DIR -. library.py tells the rest; PYTHON names another Python.
command -v "${PYTHON:-python3}" >/dev/null || { echo "r: packages of R are looked for by Python, and there is no ${PYTHON:-python3}" >&2; exit 1; }
exec "${PYTHON:-python3}" -I -S "$(dirname "$0")/library.py" "$@"
