#!/bin/sh
# One training on several machines, which all see the folders and have nlcl-train built with NLCL_MPI,
# and with NLCL_NCCL if they have GPUs:
#   train-mpi.sh HOSTS run --rainy photos/rain --clean photos/dry --steps 20000
# HOSTS has a line `name slots=N` for each machine, N processes there. A step has 8 batches, whoever takes them: the sum of all
# N divides 8, and the same run goes on with another number of processes by `train-mpi.sh HOSTS run --resume`.
# Ctrl-C gives the processes ten seconds to write their checkpoint.
hosts=$1 run=$2
shift 2
if [ "$1" = --resume ]; then set -- --resume "$run"; else set -- --output "$run" --accumulate 8 "$@"; fi
exec mpirun --hostfile "$hosts" --bind-to none --mca odls_base_sigkill_timeout 10 nlcl-train "$@"
