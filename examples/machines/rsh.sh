#!/bin/sh
# What mpirun takes in the place of ssh to start a process on a host of hosts.sh: rsh.sh [options] ADDRESS COMMAND ...
while [ "${1#-}" != "$1" ]; do
  case $1 in -l | -p | -o) shift ;; esac
  shift
done
host=${1##*.}
shift
exec "$(dirname "$0")/hosts.sh" run "$host" sh -c "cd '$PWD' && $*"
