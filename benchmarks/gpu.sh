#!/usr/bin/env bash
# Every figure that only a GPU can tell, in under 8 minutes on one card of an H200's class. Nothing is fetched: weights
# are random, of the published sizes. Each stage has a time of its own, and one that fails or takes too long leaves the
# others; pictures are held against the CPU's first. Figures: OUT/*.jsonl, tables: OUT/report.txt.
#
#     benchmarks/gpu.sh [OUT]                    # on the GPU
#     DEVICE=cpu QUICK=1 benchmarks/gpu.sh OUT   # a trial of every line with the smallest sizes, on a CPU
set -u
out=${1:-gpu}
device=${DEVICE:-cuda}
dagfusion=${DAGFUSION:-dagfusion}
mkdir -p "$out"
report=$out/report.txt
failed=0

# stage NAME SECONDS CASE [OPTIONS...]
stage() {
    local name=$1 most_s=$2
    shift 2
    local options=(--device "$device" --json "$out/$name.jsonl")
    [ -n "${QUICK:-}" ] && options+=(--quick --repeats 1)
    echo "== $name" | tee -a "$report"
    local began=$SECONDS
    if ! timeout "$most_s" "$dagfusion" bench "$@" "${options[@]}" >>"$report" 2>&1; then
        echo "$name: failed, or took more than $most_s s" | tee -a "$report"
        failed=1
    fi
    echo "$name: $((SECONDS - began)) s"
}

# only WHAT...: the parameters of a full run, which a trial leaves to --quick
only() { [ -z "${QUICK:-}" ] && printf '%s\n' "$@"; }

: >"$report"
"$dagfusion" doctor >>"$report" 2>&1
nvidia-smi >>"$report" 2>/dev/null

stage same 60 same
stage cold 40 cold $(only --set model=tiny)
stage step 60 step $(only --set family=sdxl --set size_px=1024 --set dtype=bfloat16 --set kernel=auto,sage)
stage compiled 80 step --set compile=default $(only --set family=sdxl --set size_px=1024 --set dtype=bfloat16)
stage transformer 90 transformer $(only --set size_px=1024 --set dtype=bfloat16 --set kernel=auto,sage)
stage image 70 image $(only --set model=sdxl --set sampler=euler --set deepcache=1,2 --set steps=20)
stage together 40 together $(only --set size_px=256)
stage load 40 load $(only --set family=sd15)
[ $failed = 0 ] && echo "all stages ended: $report"
exit $failed
