#!/bin/sh
# Hosts on one machine, to try a cluster out: network namespaces, each with a network card of its own on one switch.
#
#   hosts.sh up 2                               makes hosts 10.77.0.1 and 10.77.0.2
#   hosts.sh up 2 tbf rate 1gbit burst 256kb latency 10ms     with slow links: a qdisc of tc for what each host sends
#   hosts.sh run 1 COMMAND ...                  runs a command on the first of them
#   hosts.sh link 2 down                        cuts the cable of the second
#   hosts.sh down                               takes them away, and ends what runs on them
#
# Needs root and iproute2. SOFTSHARD_HOSTS, by default "softshard", is the beginning of the namespaces' names.
set -eu
name=${SOFTSHARD_HOSTS:-softshard}
switch=$name-switch

case ${1:-} in
up)
  count=$2
  shift 2
  ip netns add "$switch"
  ip -n "$switch" link add switch type bridge
  ip -n "$switch" link set switch up
  host=1
  while [ "$host" -le "$count" ]; do
    ip netns add "$name-$host"
    ip -n "$switch" link add "port$host" type veth peer name eth0 netns "$name-$host"
    ip -n "$switch" link set "port$host" master switch up
    ip -n "$name-$host" address add "10.77.0.$host/24" dev eth0
    ip -n "$name-$host" link set lo up
    ip -n "$name-$host" link set eth0 up
    [ $# -eq 0 ] || ip netns exec "$name-$host" tc qdisc add dev eth0 root "$@"
    host=$((host + 1))
  done
  ;;
run)
  host=$2
  shift 2
  exec ip netns exec "$name-$host" unshare --uts sh -c 'hostname "$0" && exec "$@"' "host-$host" "$@"
  ;;
link) ip -n "$switch" link set "port$2" "$3" ;;
down)
  for space in $(ip netns list | sed -n "s/^\($name-[^ ]*\).*/\1/p"); do
    ip netns pids "$space" | xargs -r kill -KILL
    ip netns delete "$space"
  done
  ;;
*)
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
