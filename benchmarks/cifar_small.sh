#!/bin/sh
# Early-Bird Train and its controls on 10,000 images of the real CIFAR-10: the runs behind docs/results.md.
#
# Usage: sh benchmarks/cifar_small.sh DATA_DIR [RUNS_DIR] [SEED]
# DATA_DIR holds cifar-10-batches-py; a run that is done is not repeated, one that was stopped goes on.
set -eu
data=$1
runs=${2:-benchmarks/results/cifar-small}
seed=${3:-0}

train() {
    name=$1
    shift
    energytrain run --dataset cifar10 --data-dir "$data" --limit 10000 --model vgg16 --width 0.25 --epochs 30 \
        --prune-ratio 0.5 --align 1 --device tx2 --seed "$seed" --runs-dir "$runs" --name "$name-s$seed" --quiet "$@"
}

train dense --method dense
train eb-ff --method eb-ff
train eb-reinit --method eb-reinit
train random-ticket --method random-ticket
train eb-ff-no-l1 --method eb-ff --l1 0
train small-dense --method small-dense --like "$runs/eb-ff-s$seed"
train dense-short --method dense-short --like "$runs/eb-ff-s$seed"
energytrain report "$runs"
