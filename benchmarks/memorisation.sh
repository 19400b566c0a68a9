#!/bin/sh
# Memorisation capacity ("The sooner the better", Section 3.3 and Figure 5; the test is that of Boo et al. 2019): networks
# pruned after few, many and all epochs learn random labels on more and more images; what counts is the training accuracy.
# The paper gives neither the sizes nor the schedule of this test: sizes here are powers of two, the schedule is whole.
#
# Usage: sh benchmarks/memorisation.sh RUNS_DIR [options of energytrain run ...]
#   sh benchmarks/memorisation.sh runs/memorisation --dataset cifar10 --data-dir DIR --model resnet20 --protocol sooner
# EPOCHS (default 200) and SIZES (default "1024 2048 4096 8192 16384 32768") are taken from the environment.
set -eu
runs=$1
shift
epochs=${EPOCHS:-200}
for share in 10 60 100; do
    drawn=$((epochs * share / 100))
    energytrain run --runs-dir "$runs" --name "pruned-at-$drawn" --method lt --prune-ratio 0.8 --skip-ends \
        --epochs "$epochs" --draw-epoch "$drawn" --retrain lr-rewind --retrain-epochs 1 --quiet "$@"
    for size in ${SIZES:-1024 2048 4096 8192 16384 32768}; do
        energytrain run --runs-dir "$runs" --name "memory-$drawn-$size" --method lt --skip-ends --epochs "$epochs" \
            --ticket "$runs/pruned-at-$drawn" --random-labels --limit "$size" --quiet "$@"
    done
done
energytrain report "$runs"
