#!/usr/bin/env bash
# Measure on a GPU machine, in the checkout's root, what .gpu was prepared for: parts one after
# another, each with a limit of its own, all within one. A part that fails or runs out of time
# does not stop the others.
#
#     OUT=results studies/gpu/run.sh [PARTS]     # PARTS: what is run, studies/gpu/parts.sh
#
# LIMIT=540     seconds in all
# OUT           folder of logs and tables, gpu-results
# WORK          folder of the packages, the unpacked images and the studies; a temporary one
# PYTHON        python3, the one that has torch
# SMOKE=1       the parts of parts.sh in their smallest form, which a CPU runs, too
#
# Exit status: 0 if all parts ended well, 1 if not, 2 if nothing could be run.
set -uo pipefail

START=$SECONDS LIMIT=${LIMIT:-540} PYTHON=${PYTHON:-python3}
mkdir -p "${OUT:=$PWD/gpu-results}" && OUT=$(cd "$OUT" && pwd) || exit 2
ROOT=$PWD
HERE=$(cd "$(dirname "$0")" && pwd)
PARTS=$(realpath "${1:-$HERE/parts.sh}")
[ -f "$ROOT/pyproject.toml" ] || { echo "run.sh: run it in the checkout's root, not in $PWD" >&2; exit 2; }
WORK=${WORK:-$(mktemp -d)}
mkdir -p "$WORK/site" "$WORK/images"
export OUT PYTHONUNBUFFERED=1 TQDM_DISABLE=1 PYTHONPATH="$WORK/site:$ROOT:$ROOT/studies${PYTHONPATH:+:$PYTHONPATH}"
[ ! -s .gpu/commit ] || export COMMIT=${COMMIT:-$(cat .gpu/commit)}
all_well=true
: >"$OUT/parts.txt"

say() { echo "== $*" | tee -a "$OUT/parts.txt"; }

left() { echo $((LIMIT - SECONDS + START)); }

skip() { # NAME REASON: leave a part out
  say "$1: skipped: $2"
  all_well=false
}

part() { # NAME SECONDS COMMAND...: run a part, interrupt it when its time is over
  local name=$1 most=$2 begun=$SECONDS log=$OUT/$1.log status
  shift 2
  [ "$(left)" -gt "$most" ] || most=$(left)
  if [ "$most" -le 0 ]; then
    skip "$name" "no time is left"
    return
  fi
  timeout --signal=INT --kill-after=10 "$most" env --default-signal=INT "$@" >"$log" 2>&1
  status=$?
  case $status in
    0) say "$name: done in $((SECONDS - begun)) s" ;;
    124 | 137) say "$name: out of time after $most s"; all_well=false ;;
    *) say "$name: failed with status $status after $((SECONDS - begun)) s"; all_well=false ;;
  esac
  tail -n "${SHOWN:-8}" "$log"
}

unpack() { # into $WORK/images, meanwhile
  for archive in .gpu/images/*; do
    [ ! -f "$archive" ] || tar -xf "$archive" -C "$WORK/images"
  done
}

images() { # wait until they are unpacked; print the folder that has train/ in it
  while [ ! -e "$WORK/unpacked" ]; do sleep 0.2; done
  find "$WORK/images" -maxdepth 3 -type d -name train -printf '%h\n' -quit
}

if compgen -G '.gpu/wheels/*.whl' >/dev/null; then
  "$PYTHON" -m pip install -q --disable-pip-version-check --no-index --no-deps --no-compile \
    --no-cache-dir --upgrade --target "$WORK/site" .gpu/wheels/*.whl ||
    { say "nothing is run: the wheels can't be installed"; exit 2; }
fi
lacks=$("$PYTHON" "$HERE/needed.py" missing 2>&1) ||
  { say "nothing is run: this machine lacks what .gpu should bring:"; echo "$lacks" | tee -a "$OUT/parts.txt"; exit 2; }
(unpack; touch "$WORK/unpacked") >"$OUT/unpack.log" 2>&1 &
. "$PARTS"
wait
tar -czf "$WORK/all.tar.gz" -C "$OUT" . && mv "$WORK/all.tar.gz" "$OUT/"
say "all: $((SECONDS - START)) s of $LIMIT"
$all_well
