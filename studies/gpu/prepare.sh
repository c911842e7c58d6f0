#!/usr/bin/env bash
# Put into .gpu what a GPU machine without internet lacks. Run it in the checkout's root, on a
# machine with internet where the project is installed.
#
#     studies/gpu/prepare.sh [IMAGES.tar.xz]     # or IMAGES=...: a folder with train/ in it, packed
#
# HAS=has.txt     what the GPU machine has: `python3 -m pip list --format=freeze` there; where
#                 nobody says, torch, torchvision, numpy and Pillow
# LIMIT_MIB=64    the most that may travel: the checkout without what git ignores, and .gpu
# PYTHON, GPU_PYTHON, MACHINE     python3; the version there, 3.12; x86_64
set -euo pipefail

images=${1:-${IMAGES:-}}
python=${PYTHON:-python3} limit=${LIMIT_MIB:-64} machine=${MACHINE:-x86_64}
here=studies/gpu
[ -f $here/needed.py ] || { echo "prepare.sh: run it in the checkout's root, not in $PWD" >&2; exit 2; }

mkdir -p .gpu
rm -rf .gpu/wheels .gpu/images # two versions of one package can't be installed together
mkdir .gpu/wheels .gpu/images
"$python" $here/needed.py wheels --python "${GPU_PYTHON:-3.12}" ${HAS:+--has "$HAS"} >.gpu/wheels.txt
platforms=()
for glibc in 2_28 2_27 2_24 2_17 2014 1; do # pip takes each by its name only
  case $glibc in *_*) name=manylinux_$glibc ;; *) name=manylinux$glibc ;; esac
  platforms+=(--platform "${name}_$machine")
done
if [ -s .gpu/wheels.txt ]; then
  "$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version "${GPU_PYTHON:-3.12}" --implementation cp "${platforms[@]}" \
    -d .gpu/wheels -r .gpu/wheels.txt
fi
if [ -n "$images" ]; then cp "$images" .gpu/images/; fi
{ git describe --always --dirty 2>/dev/null || echo unknown; } >.gpu/commit # git itself may not travel

mebibytes() { awk '{ bytes += $1 } END { printf "%d\n", bytes / 1048576 + 0.999 }'; }
checkout=$({ git ls-files -z -co --exclude-standard ':!.gpu' | xargs -0 stat -c %s 2>/dev/null || true; } | mebibytes)
carried=$(find .gpu -type f -printf '%s\n' | mebibytes)
echo "$(find .gpu/wheels -name '*.whl' | wc -l) wheels, images: ${images:-none}"
echo "travels: $checkout MiB of the checkout and $carried MiB of .gpu, of $limit MiB"
if [ $((checkout + carried)) -gt "$limit" ]; then
  echo "prepare.sh: more than $limit MiB travel. Say what the GPU machine has (HAS). The largest:" >&2
  find .gpu -type f -printf '%s %p\n' | sort -rn | awk 'NR <= 5 { printf "%6.1f MiB %s\n", $1 / 1048576, $2 }' >&2
  exit 1
fi
