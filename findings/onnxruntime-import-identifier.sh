#!/usr/bin/env bash
# onnxruntime==1.32.0 (Linux wheel), 2026-11
#
# Expected: importing a library for local inference writes nothing outside its own folder, and
#   onnxruntime.disable_telemetry_events() turns telemetry off.
# Happens: on Linux too, `import onnxruntime` writes an identifier of the device and a database of events into the cache
#   folder of the user. disable_telemetry_events() can only be called after the import, when both are there. The
#   environment variable ORT_DISABLE_TELEMETRY=1, set before the import, prevents both. Setting it with os.environ works.
# Why it matters: a tool that promises to reach no other machine and to leave no traces does both by an import.
# What ragcli does: it sets the variable before it imports onnxruntime, and a test looks at the home folder of a fresh
#   process in a user's environment.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile onnxruntime==1.32.0 ||
  { echo "the package cannot be installed" >&2; exit 2; }

# written NAME CODE: how many files a process with an empty home leaves there
written() {
  mkdir "$work/$1"
  env -i HOME="$work/$1" PATH=/usr/bin:/bin "$work/venv/bin/python" -c "$2"
  (cd "$work/$1" && find . -type f | sort) | tee "$work/$1.list" | sed 's/^/    /'
  wc -l < "$work/$1.list"
}

echo "import, then disable_telemetry_events():"
after=$(written after 'import onnxruntime; onnxruntime.disable_telemetry_events()' | tee /dev/stderr | tail -n 1)
echo "os.environ[\"ORT_DISABLE_TELEMETRY\"] = \"1\", then import:"
before=$(written before 'import os; os.environ["ORT_DISABLE_TELEMETRY"] = "1"; import onnxruntime' | tee /dev/stderr | tail -n 1)

if ! grep -q deviceid "$work/after.list" || [ "$after" -lt 1 ]; then
  echo "changed: the import left $after files and no device identifier" >&2
  exit 1
fi
if [ "$before" -ne 0 ]; then
  echo "changed: the variable no longer prevents it ($before files)" >&2
  exit 1
fi
echo "as stated: $after files after the import, 0 with the variable set before it"
