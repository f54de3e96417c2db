#!/usr/bin/env bash
# Installs the real software that the scenario tests run: each in a virtual environment of its own under .integration/,
# at the versions of requirements/NAME.txt, and Chromium from Debian. What is there already is left alone.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)/.integration"
python="${PYTHON:-python3}"
mkdir -p "$root"

for requirements in "$here"/requirements/*.txt; do
    name="$(basename "$requirements" .txt)"
    cmp -s "$requirements" "$root/$name/installed.txt" && continue
    echo "installing $name into .integration/$name"
    rm -rf "${root:?}/$name"
    "$python" -m venv "$root/$name"
    "$root/$name/bin/pip" install --quiet --requirement "$requirements"
    cp "$requirements" "$root/$name/installed.txt"
done

if ! command -v chromium > /dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        apt-get update --quiet=2
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends chromium
    else
        echo "Chromium is not there, and can only be installed by root on Debian: tests of pages will be skipped" >&2
    fi
fi
