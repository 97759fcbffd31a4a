"""Draws small worlds from a number: the same number, the same world. Plain data, as `tests/src/conformance/worlds/world.rs` reads it.

Each thing is drawn on its own; then what would be too much for a machine that runs several at once is made smaller."""
import random

MESSAGES = [1, 2, 16, 100, 200, 536, 1000, 1447, 1448, 1449, 1460, 2000]
TRACKING = {'syn_sent': [2, 5, 20, 120], 'syn_recv': [2, 5, 60], 'established': [3, 8, 30, 432000], 'fin_wait': [2, 10, 30, 120],
            'close_wait': [2, 10, 60], 'last_ack': [2, 10, 30], 'time_wait': [2, 5, 20, 60, 120], 'close': [1, 4, 10]}
# Setting: how often it is set, and to what.
BOTH = {'tcp_timestamps': (.3, [0, 0, 2]), 'tcp_fin_timeout': (.45, [2, 3, 5, 10, 20, 30, 90]), 'tcp_max_tw_buckets': (.15, [0, 5, 20, 60, 150]),
        'tcp_rfc1337': (.3, [1]), 'tcp_orphan_retries': (.2, [1, 2, 4]), 'tcp_sack': (.1, [0]), 'tcp_early_retrans': (.1, [0]),
        'tcp_invalid_ratelimit': (.1, [0, 100, 2000])}
CLIENT = {**BOTH, 'tcp_tw_reuse': (1, [0, 0, 1, 1, 2]), 'tcp_tw_reuse_delay': (.4, [1, 100, 500, 2500, 10000, 30000]),
          'tcp_syn_retries': (.4, [1, 2, 3, 4]), 'tcp_syn_linear_timeouts': (.4, [0, 1, 2]), 'tcp_window_scaling': (.1, [0])}
SERVER = {**BOTH, 'tcp_synack_retries': (.3, [1, 2, 3]), 'tcp_syncookies': (.3, [0, 0, 2]), 'tcp_max_syn_backlog': (.2, [4, 16, 64, 128]),
          'tcp_abort_on_overflow': (.2, [1]), 'tcp_challenge_ack_limit': (.1, [1, 5, 1000])}


def settings(r, table):
    return {f'net.ipv4.{name}': r.choice(values) for name, (often, values) in table.items() if r.random() < often}


def size(r):
    x = r.random()
    return r.choice(MESSAGES) if x < .7 else r.randrange(2000, 20000) if x < .9 else r.randrange(20000, 200000)


def millis(r, *choices):
    return r.choice(choices) / 1000


def arrivals(r, seconds):
    x = r.random()
    if x < .58:
        return {'kind': 'constant', 'rate': r.choice([2, 3, 5, 7, 8, 10, 12, 15, 20, 25, 30, 40])}
    if x < .73:
        return {'kind': 'workers', 'n': r.randrange(2, 11)}
    if x < .85:
        bursts = [[round(r.uniform(.2, seconds - 1), 1) + .037] * r.choice([5, 10, 20, 40]) for _ in range(r.randrange(1, 5))]
        return {'kind': 'at', 'at': sorted(round(at, 3) for burst in bursts for at in burst)}
    parts = r.randrange(2, 5)
    phases = [[max(2, seconds // parts), r.choice([0, 2, 5, 10, 20, 40])] for _ in range(parts)]
    phases[r.randrange(parts)][1] = r.choice([2, 5, 10, 20, 40])
    return {'kind': 'phases', 'phases': phases}


def traffic(r, name, to, source, seconds):
    plan = arrivals(r, seconds)
    t = {'name': name, 'to': to, 'source': source, 'arrivals': plan, 'stop': seconds, 'request': size(r), 'response': size(r),
         'service': millis(r, 3, 17, 61, 113, 411, 1307) if r.random() < .3 else 0.0, 'rpc': r.randrange(2, 6) if r.random() < .28 else 1}
    t['think'] = millis(r, 3, 29, 107, 431) if t['rpc'] > 1 and r.random() < .5 else 0.0
    t['hold'] = millis(r, 13, 31, 107, 517, 1511, 4713, 9017, 19110) if r.random() < .4 else 0.0
    t['close'] = {'first': r.choice(['client'] * 3 + ['server'] * 2), 'how': r.choices(['graceful', 'half_close', 'reset', 'never'], [60, 18, 15, 7])[0],
                  'other': r.choices([0.0, millis(r, 11, 53, 157, 611, 1130, 2770, 4410, 8130), -1], [65, 22, 13])[0]}
    t['connect_timeout'] = millis(r, 211, 517, 1730, 4310) if r.random() < .15 else None
    t['retry'] = {'after': millis(r, 23, 59, 211, 1013), 'times': r.randrange(1, 5)} if r.random() < .25 else None
    t['port'] = None
    if r.random() < .12:
        low = r.randrange(10000, 19000)
        t['port'] = {'lo': low, 'hi': low + r.randrange(1, 11), 'reuseaddr': r.random() < .6}
    each = (t['request'] + t['response']) * t['rpc']
    most = max(2, min(40, 400_000 // each))
    if plan['kind'] == 'constant':
        plan['rate'] = min(plan['rate'], most)
    if plan['kind'] == 'phases':
        plan['phases'] = [[length, min(rate, most)] for length, rate in plan['phases']]
    if plan['kind'] == 'workers':                       # none goes round without a pause
        t['hold'] = max(t['hold'], millis(r, 107, 211, 517), round(each * plan['n'] / 400_000, 3))
        t['retry'] = {'after': max(.107, (t['retry'] or {}).get('after', .211)), 'times': 1}
    if plan['kind'] == 'at':
        while each * len(plan['at']) > 6_000_000:
            t['request'], t['response'], each = max(1, t['request'] // 2), max(1, t['response'] // 2), each // 2
    if t['close']['first'] == 'server' and t['close']['how'] == 'reset':
        t['hold'] = max(t['hold'], .031)                # else the client's ACK and the RST cross as the scheduler likes
    t['start'] = round(.5 / plan['rate'], 6) if plan['kind'] == 'constant' else .009 if plan['kind'] != 'at' else 0
    return t


def world(seed):
    r = random.Random(f'world {seed}')
    kind = r.choices(['direct', 'router', 'loop'], [66, 24, 10])[0]
    seconds = r.randrange(12, 60) if r.random() < .5 else r.randrange(62, 96)
    ports, low = r.randrange(20, 121) if r.random() < .6 else r.randrange(120, 401), r.randrange(20000, 60000)
    # Addresses of its own: the kernel's table of port perturbations is one for all namespaces.
    net = seed % 250 + 1
    client, server = ('127.1', '127.2') if kind == 'loop' else ('10.1', '10.2')
    cips = [f'{client}.{net}.{i + 2}' for i in range(r.choice([1, 1, 1, 2, 3]))]
    sips = [f'{server}.{net}.{i + 2}' for i in range(r.choice([1, 1, 1, 2]))]
    dark = f'10.3.{net}.2'
    listening = [8000 + i for i in range(r.choice([1, 1, 2, 3]))]
    c, s = settings(r, CLIENT), settings(r, SERVER)
    c['net.ipv4.ip_local_port_range'] = f'{low} {low + ports - 1}'
    if r.random() < .15 and ports > 30:
        at = low + r.randrange(ports - 12)
        c['net.ipv4.ip_local_reserved_ports'] = r.choice([f'{at}', f'{at}-{at + 7}', f'{at},{at + 3},{at + 6}'])
    if r.random() < .2:
        s['net.core.somaxconn'] = r.choice([1, 3, 8, 20])
    files = {'c': r.randrange(5, 80) if r.random() < .1 else None, 's': r.randrange(5, 60) if r.random() < .1 else None}
    if kind == 'loop':
        c, s, files = {**s, **c}, {}, {'c': None, 's': None}
    w = {'seed': seed, 'kind': kind, 'client_ips': cips, 'server_ips': sips, 'dark': dark, 'sysctl': {'c': c, 's': s}, 'nofile': files,
         'duration': seconds + r.choice([2, 3, 5, 9, 14]), 'conntrack': None}
    w['listen'] = [{'port': port, 'backlog': r.choice([0, 1, 2, 3, 5, 8, 16]) if r.random() < .4 else 4096,
                    'accept_after': r.choices([0.0, millis(r, 1511, 4117, 9731, 17390), -1], [82, 13, 5])[0],
                    'accept_every': millis(r, 23, 51, 117, 353) if r.random() < .18 else 0.0} for port in listening]
    shares = [listening] if len(listening) == 1 or r.random() < .5 else [listening[:1], listening[1:]]
    w['traffic'] = [traffic(r, f'w{i}', [[ip, port] for port in share for ip in sips], cips, seconds) for i, share in enumerate(shares)]
    x = r.random()
    if x < .08 and kind != 'loop':
        w['traffic'][-1]['to'] = [[dark, 9999]]
    elif x < .16:
        w['traffic'][-1]['to'] = [[sips[0], 7999]]
    elif x < .24 and kind != 'loop':
        w['traffic'].append(traffic(r, 'dark', [[dark, 9999]], cips[:1], seconds))
    if kind != 'loop' and r.random() < (.6 if kind == 'router' else .2):
        chosen = {f'tcp_timeout_{name}': values[-1] if r.random() < .5 else r.choice(values) for name, values in TRACKING.items()}
        w['conntrack'] = {'where': 'r' if kind == 'router' else r.choice(['c', 's']), **chosen}
        if r.random() < .3:
            w['conntrack']['tcp_loose'] = 0
        if r.random() < .2:
            w['conntrack']['tcp_be_liberal'] = 1
    return w
