#!/usr/bin/env python3
"""record.py SEED.. [--at-once N] [--out DIR]: draws worlds, lets this machine's kernel run them, writes DIR/SEED.json.

Needs Linux, root, Python 3.9, `ip`, and for worlds with tracking `nft`. A seed may be a range, 1000-1059, or a file with a world as JSON.
The processes of a world run with real-time priority, so that other work on the machine does not come between; more worlds at once than there are
processors come between each other. `late` in a recording is how late a timer of its applications was, seconds.
The recordings are what `conformance` reads:

    sudo python3 tests/recorder/record.py 1000-1059 --out /tmp/worlds
    cargo run --release -p tests --bin conformance -- /tmp/worlds/*.json
"""
import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import apps
import draw

STATES = [None, 'ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT_1', 'FIN_WAIT_2', 'TIME_WAIT', 'CLOSE', 'CLOSE_WAIT', 'LAST_ACK', 'LISTEN',
          'CLOSING', 'SYN_RECV']
READ_BACK = ['net.core.somaxconn'] + ['net.ipv4.' + name for name in (
    'ip_local_port_range ip_local_reserved_ports tcp_abort_on_overflow tcp_challenge_ack_limit tcp_early_retrans tcp_fin_timeout '
    'tcp_invalid_ratelimit tcp_max_syn_backlog tcp_max_tw_buckets tcp_orphan_retries tcp_retries2 tcp_synack_retries tcp_rfc1337 tcp_rmem '
    'tcp_wmem tcp_rto_min_us tcp_rto_max_ms tcp_sack tcp_window_scaling tcp_syn_linear_timeouts tcp_syn_retries tcp_syncookies '
    'tcp_timestamps tcp_tw_reuse tcp_tw_reuse_delay').split()]


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def setting(name):
    return '/proc/sys/' + name.replace('.', '/')


def tables():
    return [(open('/proc/net/snmp').read(), ('Tcp:',)), (open('/proc/net/netstat').read(), ('TcpExt:',))]


def counters(read=None):
    found = {}
    for text, groups in read or tables():
        lines = text.splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            if names.split()[0] in groups:
                prefix = names.split()[0][:-1]
                found.update((prefix + name, int(value)) for name, value in zip(names.split()[1:], values.split()[1:]))
    return found


def states():
    count = {}
    for line in open('/proc/net/tcp').read().splitlines()[1:]:
        name = STATES[int(line.split()[3], 16)]
        count[name] = count.get(name, 0) + 1
    return count


def look():
    line = next(line for line in open('/proc/net/sockstat') if line.startswith('TCP:')).split()
    entries = '/proc/sys/net/netfilter/nf_conntrack_count'
    row = {'tw': int(line[line.index('tw') + 1]), 'inuse': int(line[line.index('inuse') + 1]), 'estab': counters()['TcpCurrEstab']}
    row['ct'] = int(open(entries).read()) if os.path.exists(entries) else 0
    return row


def watch(world, zero):
    """Looks once a second; what was never anything but zero is left out."""
    before, times, rows, dumps = counters(), [], [], []
    for second in range(1, int(world['duration']) + 1):
        time.sleep(max(0.0, zero + second - .0001 - time.monotonic()))
        while time.monotonic() < zero + second:
            pass
        if second < world['duration']:
            times.append(round(time.monotonic() - zero, 4))
            rows.append(look())
            if second % 3 == 1:
                dumps.append([round(time.monotonic() - zero, 4), states()])
    after = tables()
    time.sleep(.05)                         # one processor: the others read before anybody reckons
    after = counters(after)
    series = {'t': times}
    for name in ('tw', 'inuse', 'estab', 'ct'):
        if any(row[name] for row in rows):
            series[name] = [row[name] for row in rows]
    before['TcpCurrEstab'] = 0              # a level, not a count
    moved = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    wanted = {name: open(setting(name)).read().strip().replace('\t', ' ') for name in READ_BACK if os.path.exists(setting(name))}
    return {'series': series, 'states': dumps, 'counters': moved, 'sysctl': wanted}


def role(name, world, zero):
    """What one process of a world does; its result goes to standard output."""
    end = zero + world['duration']
    # Nobody else's work is to come between; not before all is loaded, for that would come between another world's.
    # And no look comes between the applications: they hear at once what ends with the world.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(49 if name in 'csr' else 50))
    if name in 'csr':
        result = watch(world, zero)
    else:
        loop = apps.Server(world, zero) if name == 'server' else apps.Client(world, zero)
        loop.run(end)
        time.sleep(.5)                      # sockets stay, and nobody reckons, until the counters have been read
        result = loop.result()
    json.dump(result, sys.stdout)


class Host:
    """A network namespace."""

    def __init__(self, name, seed):
        self.name, self.space = name, f'tw{seed}{name}'
        subprocess.run(['ip', 'netns', 'del', self.space], stderr=subprocess.DEVNULL)
        run('ip', 'netns', 'add', self.space)
        self.ip('link', 'set', 'lo', 'up')

    def ip(self, *words):
        run('ip', '-n', self.space, *words)

    def execute(self, *words, **more):
        return subprocess.Popen(['ip', 'netns', 'exec', self.space, *words], **more)

    def set(self, settings):
        for name, value in settings.items():
            if self.execute('tee', setting(name), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL).communicate(str(value).encode()) is None:
                raise RuntimeError(name)

    def offloads_off(self, link):
        code = ('import fcntl,socket,struct,array\ns=socket.socket()\nfor c in (0x1f,0x24,0x2c):\n a=array.array("B",struct.pack("II",c,0))\n'
                f' fcntl.ioctl(s,0x8946,struct.pack("16sP",b"{link}",a.buffer_info()[0]))')
        if self.execute(sys.executable, '-c', code).wait():
            raise RuntimeError(f'offloads of {link}')


def mac(host, link):
    text = subprocess.run(['ip', '-n', host.space, 'link', 'show', link], check=True, capture_output=True, text=True).stdout
    return re.search(r'link/ether (\S+)', text).group(1)


def join(a, b, seed):
    """A pair of virtual interfaces between two hosts, each named for the other end."""
    one, two = f't{seed}{a.name}{b.name}', f't{seed}{b.name}{a.name}'
    run('ip', 'link', 'add', one, 'netns', a.space, 'type', 'veth', 'peer', 'name', two, 'netns', b.space)
    for host, link in ((a, one), (b, two)):
        host.ip('link', 'set', link, 'up')
        host.offloads_off(link)
    return one, two


def build(world):
    seed, hosts = world['seed'], {'c': Host('c', world['seed'])}
    hosts['c'].set(world['sysctl']['c'])
    if world['kind'] == 'loop':
        # Its packets are those of the other worlds.
        hosts['c'].ip('link', 'set', 'lo', 'mtu', '1500')
        hosts['c'].offloads_off('lo')
        return hosts
    hosts['s'] = Host('s', seed)
    hosts['s'].set(world['sysctl']['s'])
    chain = [hosts['c'], hosts['s']]
    if world['kind'] == 'router':
        hosts['r'] = Host('r', seed)
        chain.insert(1, hosts['r'])
        hosts['r'].set({'net.ipv4.ip_forward': 1})
        hosts['r'].ip('addr', 'add', f'10.9.{seed % 250 + 1}.1/32', 'dev', 'lo')
    links = [join(a, b, seed) for a, b in zip(chain, chain[1:])]
    for host, link, own, to in ((chain[0], links[0][0], 'client_ips', '10.2.0.0/15'), (chain[-1], links[-1][1], 'server_ips', '10.1.0.0/16')):
        for address in world[own]:
            host.ip('addr', 'add', address + '/32', 'dev', link)
        host.ip('route', 'add', to, 'dev', link, 'src', world[own][0])
    # Neighbours are known from the start, so that the first SYN waits for nobody; what is dark is a neighbour, too.
    far = world['server_ips'] + [world['dark']]
    for (a, b), (one, two) in zip(zip(chain, chain[1:]), links):
        for address in far:
            a.ip('neigh', 'add', address, 'lladdr', mac(b, two), 'dev', one, 'nud', 'permanent')
        for address in world['client_ips']:
            b.ip('neigh', 'add', address, 'lladdr', mac(a, one), 'dev', two, 'nud', 'permanent')
        if a.name == 'r':
            a.ip('route', 'add', '10.2.0.0/15', 'dev', one)
        if b.name == 'r':
            b.ip('route', 'add', '10.1.0.0/16', 'dev', two)
    track(world, hosts)
    return hosts


def track(world, hosts):
    if not world['conntrack']:
        return
    host = hosts[world['conntrack']['where']]
    hooks = ('forward',) if host.name == 'r' else ('input', 'output')
    chains = ''.join(f'chain {hook} {{\ntype filter hook {hook} priority 0\nct state new accept\n}}\n' for hook in hooks)
    if host.execute('nft', f'table ip watch {{\n{chains}}}').wait():
        raise RuntimeError('nft')
    host.set({'net.netfilter.nf_conntrack_' + name: value for name, value in world['conntrack'].items() if name != 'where'})


def jiffies_at(moment):
    """The kernel's jiffies at a moment of the monotonic clock, as nanoseconds: whole ticks, and how far the next has come.

    A tick that comes late is missing for a moment, in one reading of five: the latest of several counts."""
    return max(jiffies_once(moment) for _ in range(5))


def jiffies_once(moment):
    stepping = 6                            # CLOCK_MONOTONIC_COARSE: it moves with each tick
    coarse = lambda: time.clock_gettime_ns(stepping)
    tick = round(time.clock_getres(stepping) * 1e9)
    before = coarse()
    while coarse() == before:
        pass
    edge = coarse()
    text = open('/proc/timer_list').read()
    now = int(re.search(r'now at (\d+) nsecs', text).group(1))
    jiffies = int(re.search(r'jiffies: (\d+)', text).group(1))
    last_edge = edge + (now - edge) // tick * tick
    return jiffies * tick + round(moment * 1e9) - last_edge


def beginning(world):
    """When a world begins, and the jiffies then. The same world begins in the same phase of all timers up to a minute, so
    that it can be recorded twice and what differs is the recorder's own."""
    turn = 512 * round(time.clock_getres(6) * 1e9)
    zero = time.monotonic() + 8             # by then every process listens and waits
    wait = (random.Random(f'phase {world["seed"]}').randrange(turn) - jiffies_at(zero)) % turn / 1e9
    return zero + wait, jiffies_at(zero + wait)


# The kernel collects the dead entries of all namespaces in one go, and how often hangs on all of them: one such world at a time.
tracking = threading.Lock()


def record(world, out, cpu):
    os.sched_setaffinity(0, {cpu})
    with tracking if world['conntrack'] else contextlib.nullcontext():
        record_alone(world, out)


def record_alone(world, out):
    hosts = {}
    try:
        hosts = build(world)
        zero, phase = beginning(world)
        begin = lambda host, name: host.execute(sys.executable, os.path.abspath(__file__), '--role', name, '--zero', repr(zero),
                                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        server = hosts.get('s', hosts['c'])
        workers = {'server': begin(server, 'server'), 'client': begin(hosts['c'], 'client'), **{name: begin(host, name) for name, host in hosts.items()}}
        for worker in workers.values():
            worker.stdin.write(json.dumps(world))
            worker.stdin.close()
        results = {name: json.loads(worker.stdout.read()) for name, worker in workers.items()}
        phase = max(phase, jiffies_at(zero))
        seen = {name: results[name] for name in hosts}
        recording = {'world': world, 'pinned': True, 'kernel': os.uname().release, 'phase_ns': phase, 't0': zero,
                     'sysctl': {name: seen[name]['sysctl'] for name in 'cs' if name in seen}, 'client': results['client'], 'server': results['server'],
                     **{what: {name: seen[name][what] for name in seen if what != 'counters' or name != 'r'} for what in ('series', 'states', 'counters')}}
        path = os.path.join(out, f'{world["seed"]}.json')
        with open(path, 'w') as file:
            json.dump(recording, file)
        print(path, flush=True)
    finally:
        for host in hosts.values():
            subprocess.run(['ip', 'netns', 'del', host.space])


def worlds(text):
    if os.path.exists(text):
        return [json.load(open(text))]
    first, _, last = text.partition('-')
    return [draw.world(seed) for seed in range(int(first), int(last or first) + 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', nargs='*')
    parser.add_argument('--at-once', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--out', default='.')
    parser.add_argument('--draw', action='store_true', help='print the worlds, record nothing')
    parser.add_argument('--role', help=argparse.SUPPRESS)
    parser.add_argument('--zero', type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.role:
        return role(args.role, json.load(sys.stdin), args.zero)
    drawn = [world for text in args.what for world in worlds(text)]
    if args.draw:
        return [print(json.dumps(world)) for world in drawn]
    os.makedirs(args.out, exist_ok=True)
    cpus = sorted(os.sched_getaffinity(0))
    with ThreadPoolExecutor(args.at_once) as pool:
        jobs = [pool.submit(record, world, args.out, cpus[i % len(cpus)]) for i, world in enumerate(drawn)]
    for job in jobs:
        job.result()


if __name__ == '__main__':
    main()
