# What run.sh runs, the most important first: 540 s in all.
small=() device=() processes=4
[ -z "${SMOKE:-}" ] || small=(--smoke) device=(--device cpu) processes=0

# where torch sees no GPU, all tests below would be skipped, and that would look well
[ -n "${SMOKE:-}" ] || part device 60 "$PYTHON" -c \
  'import torch; print("torch", torch.__version__, "on", torch.cuda.get_device_name())'

if lacks=$("$PYTHON" "$HERE/needed.py" missing --tests); then
  part tests 100 "$PYTHON" -m pytest -v --tb=short -n $processes -p no:cacheprovider \
    -o filterwarnings=default -m gpu tests/train/test_gpu.py tests/bench/test_result.py
else
  skip tests "${lacks//$'\n'/; }"
fi

part bench 70 "$PYTHON" studies/measure_gpu.py "${small[@]}" --rows speed --minutes 1 --out "$OUT/bench"
SHOWN=40 part probe 120 "$PYTHON" studies/gpu/probe.py "${small[@]}" "${device[@]}" \
  --seconds 110 --out "$OUT/probe.json"

data=(--data-dir "$(images)")
if [ -n "${SMOKE:-}" ] || [ -n "${data[1]}" ]; then
  cd "$WORK" # studies are begun here
  SHOWN=24 part search 125 "$PYTHON" "$ROOT/studies/gpu/search_rate.py" "${small[@]}" "${data[@]}" \
    --seconds 100 --out "$OUT/search.json"
  SHOWN=24 part recipes 120 "$PYTHON" "$ROOT/studies/gpu/two_recipes.py" "${small[@]}" "${data[@]}" \
    --seconds 110 --out "$OUT/recipes.json"
  cd "$ROOT"
else
  skip search "no images have come along"
  skip recipes "no images have come along"
fi

# what time is left for: the other rows of the engine's table
[ -n "${SMOKE:-}" ] || SHOWN=25 part rows "$(left)" "$PYTHON" studies/measure_gpu.py "${data[@]}" \
  --out "$OUT/rows" --rows captured losses overhead accuracy memory workers average equal_batch
