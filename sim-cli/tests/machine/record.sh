#!/bin/sh
# Records what the tools of two machines print, a client's and a server's, in two network namespaces with real traffic
# between them. As root, with iproute2, nftables, conntrack and Python 3.9 or later: record.sh DIRECTORY
set -e
out=$1
here=$(dirname "$0")
in_client="ip netns exec record_client"
in_server="ip netns exec record_server"
mkdir -p "$out/client" "$out/server"
ip netns add record_client
ip netns add record_server
trap 'kill $server $clients; ip netns del record_client; ip netns del record_server' EXIT
ip link add rec_c netns record_client type veth peer name rec_s netns record_server
ip -n record_client addr add 10.77.0.1/24 dev rec_c
ip -n record_server addr add 10.77.0.2/24 dev rec_s
ip -n record_client link set rec_c up
ip -n record_server link set rec_s up
$in_server nft -f - <<'RULES'
table ip t { chain c { type filter hook input priority 0; ct state new counter; } }
RULES
$in_client sysctl -qw net.ipv4.ip_local_port_range="20000 60999" net.ipv4.tcp_fin_timeout=30
$in_server python3 "$here/serve.py" & server=$!
sleep 1
$in_client python3 "$here/drive.py" & clients=$!
sleep 66
for end in client server; do ip netns exec record_$end nstat -az > "$out/$end/nstat.1"; done
sleep 10
for end in client server; do
    run="ip netns exec record_$end"
    $run nstat -az > "$out/$end/nstat.2"
    $run sysctl -a > "$out/$end/sysctl" 2> /dev/null
    $run ss -tan > "$out/$end/ss"
    $run ss -s > "$out/$end/ss-s"
    for file in sockstat snmp netstat tcp; do $run cat /proc/net/$file > "$out/$end/$file"; done
    $run cat /proc/net/stat/nf_conntrack > "$out/$end/nfct"
    $run conntrack -S > "$out/$end/conntrack"
done
gzip -9n "$out"/*/*
