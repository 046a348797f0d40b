#!/bin/sh
# A folder of photographs in as many parts as this machine has cores, with GNU parallel: derain-parallel.sh photos clean
# With --sshloginfile FILE and folders that all machines see, in as many as they have. Each part has one core.
parts=$(nproc)
seq 0 $((parts - 1)) | parallel --halt soon,fail=1 --joblog derain.log \
  nlcl-derain "$1" --recursive -o "$2" --skip-existing --quiet --threads 1 --shard "{}/$parts"
