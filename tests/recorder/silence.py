#!/usr/bin/env python3
"""silence.py OUT: asks this machine's kernel what SO_KEEPALIVE and TCP_USER_TIMEOUT make of a peer that has fallen silent.

Needs Linux, root, Python 3.9, `ip` and `nft`. Each case has two network namespaces of its own, joined by a pair of virtual interfaces. OUT
is a JSON file; the test `oracle_silence` replays it from `tests/oracle/kernel-6.18-silence/silence.json.gz`.
"""
import concurrent.futures
import ctypes
import errno
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time

HZ = 250
SO_TIMESTAMPNS = 35
CLIENT, SERVER, PORT = '10.77.0.1', '10.77.0.2', 80
REQUEST, RESPONSE = 200, 1000
COUNTED = ('TcpRetransSegs TcpOutRsts TcpEstabResets TcpAttemptFails TcpExtTCPKeepAlive TcpExtTCPAbortOnTimeout TcpExtTCPTimeouts '
           'TcpExtTCPLossProbes TcpExtTCPWinProbe').split()


def case(name, until, asks=(0,), client=None, server=None, sysctl=None, dark=(), dies=None, half_close=None):
    """`client`, `server`: [idle, interval, probes] (0: the sysctl's) or None, and TCP_USER_TIMEOUT in ms. Times in seconds."""
    none = (None, 0)
    return {'name': name, 'until': until, 'asks': list(asks), 'client': list(client or none), 'server': list(server or none),
            'sysctl': sysctl or {}, 'dark': list(dark), 'dies': dies, 'half_close': half_close}


def cases():
    short = {'net.ipv4.tcp_keepalive_time': '2', 'net.ipv4.tcp_keepalive_intvl': '1', 'net.ipv4.tcp_keepalive_probes': '3'}
    few = {'net.ipv4.tcp_retries2': '3'}
    keep = [2, 1, 3]
    yield case('client_alive', 8, client=(keep, 0))
    yield case('server_alive', 8, server=(keep, 0))
    yield case('both_alive', 8, client=([3, 1, 3], 0), server=([2, 1, 3], 0))
    yield case('client_alive_by_sysctl', 8, client=([0, 0, 0], 0), sysctl=short)
    yield case('idle_of_its_own', 12, client=([5, 0, 0], 0), sysctl=short)
    yield case('client_dark', 9, client=(keep, 0), dark=[0.5])
    yield case('server_dark', 9, server=(keep, 0), dark=[0.5])
    yield case('dark_by_sysctl', 9, client=([0, 0, 0], 0), sysctl=short, dark=[0.5])
    yield case('dark_and_back', 12, client=(keep, 0), dark=[0.5, 3.5])
    yield case('asks_again_in_between', 9, asks=[0, 1.5], client=(keep, 0))
    yield case('dark_short_patience', 9, client=(keep, 2500), dark=[0.5])
    yield case('dark_patience_below_interval', 12, client=([2, 3, 5], 2500), dark=[0.5])
    yield case('dark_long_patience', 14, client=(keep, 8000), dark=[0.5])
    yield case('patience_alone_is_idle', 8, client=(None, 1000), dark=[0.5])
    yield case('asks_in_the_dark', 9, asks=[0, 1], client=(None, 3000), dark=[0.5])
    yield case('asks_in_the_dark_300ms', 5, asks=[0, 1], client=(None, 300), dark=[0.5])
    yield case('asks_in_the_dark_10s', 16, asks=[0, 1], client=(None, 10000), dark=[0.5])
    yield case('asks_in_the_dark_1ms', 5, asks=[0, 1], client=(None, 1), dark=[0.5])
    yield case('asks_in_the_dark_and_back', 9, asks=[0, 1], client=(None, 4000), dark=[0.5, 2.2])
    yield case('keepalive_waits_for_data', 14, asks=[0, 1], client=(keep, 0), dark=[0.5], sysctl=few)
    yield case('keepalive_waits_for_data_patient', 14, asks=[0, 1], client=(keep, 6000), dark=[0.5], sysctl=few)
    yield case('syn_in_the_dark_2500ms', 6, client=(None, 2500), dark=[-1])
    yield case('syn_in_the_dark_500ms', 6, client=(None, 500), dark=[-1])
    yield case('syn_in_the_dark_7s', 10, client=(None, 7000), dark=[-1])
    yield case('fin_wait2', 9, client=(keep, 0), half_close=1)
    yield case('close_wait', 9, server=(keep, 0), half_close=1)
    yield case('fin_wait2_dark', 9, client=(keep, 0), half_close=1, dark=[1.5])
    yield case('half_open', 14, client=([8, 1, 3], 0), dark=[0.5, 6], dies=1, sysctl={'net.ipv4.tcp_orphan_retries': '1'})
    yield case('half_open_asked', 14, asks=[0, 8], dark=[0.5, 6], dies=1, sysctl={'net.ipv4.tcp_orphan_retries': '1'})


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def enter(name):
    with open(f'/run/netns/{name}') as ns:
        if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), 0x4000_0000):
            raise OSError(ctypes.get_errno(), 'setns')
    # /proc/net is that of the thread group leader's namespace: each part is a process of its own.


def counters():
    found = {}
    for path in ('/proc/self/net/snmp', '/proc/self/net/netstat'):
        lines = open(path).read().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            prefix = names.split()[0][:-1]
            found.update((prefix + name, int(value)) for name, value in zip(names.split()[1:], values.split()[1:]))
    return {name: found[name] for name in COUNTED}


def jiffies_at(moment_ns):
    """The kernel's jiffies at a moment of the monotonic clock, as nanoseconds: whole ticks, and how far the next has come."""
    coarse = lambda: time.clock_gettime_ns(6)       # CLOCK_MONOTONIC_COARSE moves with each tick
    tick, found = 1_000_000_000 // HZ, []
    for _ in range(7):
        before = coarse()
        while coarse() == before:
            pass
        edge = coarse()
        text = open('/proc/timer_list').read()
        now, jiffies = (int(re.search(what, text).group(1)) for what in (r'now at (\d+) nsecs', r'jiffies: (\d+)'))
        found.append(jiffies * tick + moment_ns - (edge + (now - edge) // tick * tick))
    return min(found)                               # the jiffies may be printed after the next tick, never before


def keepalive(sock, options):
    times, patience = options
    if times:
        for option, value in zip((socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT), times):
            if value:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if patience:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)


class Part:
    """One side: what it sees of its socket, until the end."""

    def __init__(self, sock, began, until):
        self.sock, self.began, self.until, self.ended = sock, began, until, None
        sock.setblocking(False)
        self.poll = select.poll()
        self.got = 0

    def now(self):
        return time.monotonic() - self.began

    def wait(self, until, writable=False):
        """Reads until a moment; whether the socket is still good."""
        while self.now() < until and not self.ended:
            self.poll.register(self.sock, select.POLLOUT if writable else select.POLLIN)
            if not self.poll.poll(max(0, (until - self.now()) * 1000)):
                continue
            try:
                if writable:
                    error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if error:
                        raise OSError(error, '')
                    return True
                data = self.sock.recv(65536)
            except BlockingIOError:
                continue
            except OSError as error:
                self.ended = [errno.errorcode[error.errno], self.now()]
                return False
            if not data:
                self.ended = ['EOF', self.now()]
            self.got += len(data)
            if self.on_data:
                self.on_data()
        return not self.ended

    on_data = None


def client(plan, name, began):
    enter(name)
    sock = socket.socket()
    keepalive(sock, plan['client'])
    part = Part(sock, began, plan['until'])
    time.sleep(max(0, -part.now()))
    try:
        sock.connect((SERVER, PORT))
    except BlockingIOError:
        pass
    if part.wait(plan['until'], writable=True):
        part.poll.unregister(sock)
        for ask in plan['asks']:
            if not part.wait(ask):
                break
            try:
                sock.send(bytes(REQUEST))
            except OSError as error:
                part.ended = [errno.errorcode[error.errno], part.now()]
        if plan['half_close'] and part.wait(plan['half_close']):
            sock.shutdown(socket.SHUT_WR)
        part.wait(plan['until'])
    return counters(), part.ended


def server(plan, name, began, listener):
    def answer():
        while part.got >= REQUEST:
            part.got -= REQUEST
            part.sock.send(bytes(RESPONSE))

    listener.settimeout(plan['until'])
    try:
        sock, _ = listener.accept()
    except TimeoutError:
        return counters(), None
    keepalive(sock, plan['server'])
    part = Part(sock, began, plan['until'])
    part.on_data = answer
    part.wait(plan['dies'] or plan['until'])
    if plan['dies']:
        listener.close()
        sock.close()
    time.sleep(max(0, plan['until'] - part.now()))
    return counters(), part.ended


FLAGS = ((0x02, 'S'), (0x01, 'F'), (0x04, 'R'), (0x10, 'A'))


def capture(name, end):
    """Segments at the client's interface: nanoseconds of the real-time clock, from whom, flags, octets."""
    enter(name)
    seen, ready = [], select.poll()
    everything = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
    everything.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    everything.bind(('c', 0))
    ready.register(everything, select.POLLIN)
    while time.monotonic() < end:
        if not ready.poll(50):
            continue
        data, extra, _, addr = everything.recvmsg(4096, 256)
        if addr[1] != 0x0800 or data[9] != 6:
            continue
        sec, nsec = next(struct.unpack('qq', body[:16]) for level, kind, body in extra if kind == SO_TIMESTAMPNS)
        head = (data[0] & 15) * 4
        total = struct.unpack('!H', data[2:4])[0]
        offset, flags = data[head + 12] >> 4, data[head + 13]
        length = total - head - offset * 4
        side = 'c' if socket.inet_ntoa(data[12:16]) == CLIENT else 's'
        marks = ''.join(mark for bit, mark in FLAGS if flags & bit)
        seen.append([sec * 1_000_000_000 + nsec, side, marks, length])
    return seen


def darken(plan, name, began):
    enter(name)
    for i, moment in enumerate(plan['dark']):
        time.sleep(max(0, began + moment - time.monotonic()))
        if i % 2 == 0:
            rules = 'table inet dark { chain i { type filter hook prerouting priority raw; policy drop; }; }'
            subprocess.run(['nft', '-f', '-'], input=rules.encode(), check=True)
        else:
            run('nft', 'delete', 'table', 'inet', 'dark')


def apart(function, *args):
    """Runs a function in a process of its own; its answer comes through a pipe."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.close(reader)
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
            with os.fdopen(writer, 'w') as out:
                json.dump(function(*args), out)
        finally:
            os._exit(0)
    os.close(writer)
    return os.fdopen(reader)


def listening(name):
    enter(name)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((SERVER, PORT))
    listener.listen()
    return listener


def serve(plan, name, began):
    return server(plan, name, began, listening(name))


def record(names, plan):
    try:
        run('ip', 'link', 'add', 'c', 'netns', names[0], 'type', 'veth', 'peer', 'name', 's', 'netns', names[1])
        for name, side, addr in zip(names, 'cs', (CLIENT, SERVER)):
            run('ip', '-n', name, 'addr', 'add', f'{addr}/24', 'dev', side)
            run('ip', '-n', name, 'link', 'set', side, 'up')
            for setting, value in plan['sysctl'].items():
                run('ip', 'netns', 'exec', name, 'sysctl', '-qw', f'{setting}={value}')
        time.sleep(0.5)
        macs = [re.search(r'ether (\S+)', subprocess.check_output(['ip', '-n', n, 'link', 'show', s], text=True)).group(1) for n, s in zip(names, 'cs')]
        run('ip', '-n', names[0], 'neigh', 'replace', SERVER, 'lladdr', macs[1], 'dev', 'c', 'nud', 'permanent')
        run('ip', '-n', names[1], 'neigh', 'replace', CLIENT, 'lladdr', macs[0], 'dev', 's', 'nud', 'permanent')
        began = time.monotonic() + 1.5
        parts = [apart(capture, names[0], began + plan['until']), apart(serve, plan, names[1], began),
                 apart(client, plan, names[0], began), *(apart(darken, plan, name, began) for name in names)]
        answers = [json.load(part) for part in parts]
        zero = answers[0][0][0]
        skew = time.time_ns() - time.monotonic_ns()
        phase = jiffies_at(zero - skew)
        start = (zero - skew) / 1e9 - began
        ended = [end and [end[0], round(end[1] - start, 4)] for end in (answers[2][1], answers[1][1])]
        segments = [[round((at - zero) / 1e9, 4), *rest] for at, *rest in answers[0]]
        return dict(plan, kernel=os.uname().release, phase_ns=phase, segments=segments, client_ended=ended[0], server_ended=ended[1],
                    counters={'c': answers[2][0], 's': answers[1][0]})
    finally:
        for name in names:
            subprocess.run(['ip', 'netns', 'del', name])


def main():
    wanted = set(sys.argv[2:])
    plans = [plan for plan in cases() if not wanted or plan['name'] in wanted]
    names = [[f'tw-{os.getpid()}-{number}-{side}' for side in 'cs'] for number in range(len(plans))]
    for name in sum(names, []):
        run('ip', 'netns', 'add', name)
    with concurrent.futures.ProcessPoolExecutor(6) as pool:
        done = list(pool.map(record, names, plans))
    with open(sys.argv[1], 'w') as out:
        out.write('[\n' + ',\n'.join(json.dumps(one) for one in done) + '\n]\n')


if __name__ == '__main__':
    main()
