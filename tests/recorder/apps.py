"""The applications of a world: one process for all clients, one for all servers, each an epoll loop that makes the calls
that the simulator's applications make (sim-core/src/app/application.rs)."""
import array
import base64
import errno
import heapq
import os
import resource
import select
import socket
import struct
import time
import zlib

NO_PORT_AT_BIND = 24                       # IP_BIND_ADDRESS_NO_PORT
BYTES = memoryview(bytes(1 << 18))


def word(number):
    return errno.errorcode.get(number, str(number))


def leave_descriptors(free):
    """Lowers RLIMIT_NOFILE so that so many more can be opened."""
    # One of them is that of the look itself, and gone by now.
    used = {int(name) for name in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{name}')}
    limit = 0
    while free > 0 or limit in used:
        free -= limit not in used
        limit += 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


class End:
    """One end of a connection and what its application is about to do."""

    def __init__(self, loop, spec, sock, server, tries=0):
        self.loop, self.spec, self.sock, self.server, self.tries = loop, spec, sock, server, tries
        self.connected, self.ended = server, False
        self.expect = spec['request'] if server else 0
        self.unsent = self.served = self.timer = self.mask = 0
        self.began = time.monotonic()
        loop.ends[sock.fileno()] = self

    def watch(self, mask):
        if mask != self.mask:
            change = self.loop.poll.modify if self.mask else self.loop.poll.register
            change(self.sock.fileno(), mask)
            self.mask = mask

    def after(self, seconds, act):
        self.timer = self.loop.at(time.monotonic() + seconds, self.due, act)

    def due(self, ticket, act):
        if self.sock is not None and ticket == self.timer:
            self.timer = 0
            act()

    def event(self, mask):
        if self.sock is None:
            return
        if not self.connected:
            problem = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem:
                self.fail('connect', problem)
            elif mask & select.EPOLLOUT:
                self.connected, self.timer = True, 0
                self.loop.connected(self)
                self.ask() if self.spec['rpc'] else self.finished()
            return
        if self.ended:
            problem = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem:
                return self.fail('recv', problem)
        if mask & select.EPOLLOUT:
            self.write()
        if self.sock is not None and not self.ended and mask & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self.read()

    def ask(self):
        self.expect, self.unsent = self.spec['response'], self.spec['request']
        self.write()

    def answer(self):
        self.expect, self.unsent = self.spec['request'], self.spec['response']
        self.served += 1
        self.write()

    def write(self):
        while self.unsent:
            try:
                self.unsent -= self.sock.send(BYTES[:self.unsent])
            except BlockingIOError:
                return self.watch(select.EPOLLIN | select.EPOLLOUT)
            except OSError as problem:
                return self.fail('send', problem.errno)
        if not self.ended:
            self.watch(select.EPOLLIN)
        if self.server and self.served == self.spec['rpc']:
            self.finished()

    def read(self):
        while self.sock is not None:
            try:
                got = len(self.sock.recv(len(BYTES)))
            except BlockingIOError:
                return
            except OSError as problem:
                return self.fail('recv', problem.errno)
            if not got:
                return self.end_of_stream()
            if self.expect:
                self.expect -= min(got, self.expect)
                if not self.expect:
                    self.message()

    def message(self):
        if not self.server:
            self.served += 1
            last = self.served == self.spec['rpc']
            self.loop.answered(self, last)
            if last:
                self.finished()
            elif self.spec['think']:
                self.after(self.spec['think'], self.ask)
            else:
                self.ask()
        elif self.spec['service']:
            self.after(self.spec['service'], self.answer)
        else:
            self.answer()

    def closes_first(self):
        return (self.spec['close']['first'] == 'server') == self.server

    def finished(self):
        if self.closes_first() and self.spec['close']['how'] != 'never':
            self.after(self.spec['hold'], self.close_first) if self.spec['hold'] else self.close_first()

    def close_first(self):
        how = self.spec['close']['how']
        if how == 'half_close':
            try:
                return self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                return
        if how == 'reset':
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.close()

    def end_of_stream(self):
        self.timer = 0
        other = self.spec['close']['other']
        if self.closes_first() or other == 0:
            return self.close()
        self.ended = True
        self.watch(select.EPOLLET | select.EPOLLERR)
        if other > 0:
            self.after(other, self.close)

    def fail(self, call, problem):
        self.loop.failed(self, call, problem)
        self.close(failed=not self.connected)

    def close(self, failed=False):
        self.timer = 0
        sock, self.sock = self.sock, None
        del self.loop.ends[sock.fileno()]
        if self.mask:
            self.loop.poll.unregister(sock.fileno())
        sock.close()
        self.loop.closed(self, failed)


class Loop:
    def __init__(self, zero):
        self.zero, self.poll, self.ends, self.timers, self.tickets, self.late = zero, select.epoll(), {}, [], 0, 0.0

    def at(self, when, act, *args):
        self.tickets += 1
        heapq.heappush(self.timers, (when, self.tickets, act, args))
        return self.tickets

    def run(self, end):
        while True:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                due, ticket, act, args = heapq.heappop(self.timers)
                self.late = max(self.late, now - due)
                act(ticket, *args)
            if now >= end:
                return
            due = min(end, self.timers[0][0]) if self.timers else end
            for fd, mask in self.poll.poll(max(0.0, due - time.monotonic())):
                self.ends[fd].event(mask) if fd in self.ends else self.listening(fd)


class Server(Loop):
    def __init__(self, world, zero):
        super().__init__(zero)
        by_port = {port: t for t in world['traffic'] for _, port in t['to']}
        self.listeners, self.accepted, self.errors = {}, {}, {}
        for spec in world['listen']:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'cubic')
            sock.bind(('0.0.0.0', spec['port']))
            sock.listen(spec['backlog'])
            sock.setblocking(False)
            here = {'sock': sock, 'spec': spec, 'traffic': by_port.get(spec['port']), 'next': 0.0, 'starved': False}
            self.listeners[sock.fileno()] = here
            if spec['accept_after'] >= 0:
                self.at(zero + spec['accept_after'], lambda _, fd: self.poll.register(fd, select.EPOLLIN), sock.fileno())
        if world['nofile']['s']:
            leave_descriptors(world['nofile']['s'])

    def listening(self, fd):
        here = self.listeners[fd]
        if not here['spec']['accept_every']:
            while self.accept(here):
                pass
            return
        self.poll.unregister(fd)
        self.at(max(here['next'], time.monotonic()), self.accept_slowly, fd)

    def accept_slowly(self, _, fd):
        here = self.listeners[fd]
        if self.accept(here):
            here['next'] = time.monotonic() + here['spec']['accept_every']
        if not here['starved']:
            self.poll.register(fd, select.EPOLLIN)

    def accept(self, here):
        try:
            sock, _ = here['sock'].accept()
        except BlockingIOError:
            return False
        except OSError as problem:
            self.errors[f'accept:{word(problem.errno)}'] = self.errors.get(f'accept:{word(problem.errno)}', 0) + 1
            here['starved'] = True
            if not here['spec']['accept_every']:
                self.poll.unregister(here['sock'].fileno())
            return False
        sock.setblocking(False)
        port = here['spec']['port']
        self.accepted[port] = self.accepted.get(port, 0) + 1
        end = End(self, here['traffic'], sock, True)
        end.watch(select.EPOLLIN)
        end.read() if end.spec['rpc'] else end.finished()
        return True

    def failed(self, _, call, problem):
        self.errors[f'{call}:{word(problem)}'] = self.errors.get(f'{call}:{word(problem)}', 0) + 1

    def closed(self, _end, _failed):
        for fd, here in self.listeners.items():
            if here['starved']:
                here['starved'] = False
                self.poll.register(fd, select.EPOLLIN)

    def result(self):
        return {'accepted': self.accepted, 'errors': self.errors, 'open': len(self.ends), 'late': round(self.late, 4)}


class Client(Loop):
    def __init__(self, world, zero):
        super().__init__(zero)
        self.world, self.books = world, {}
        for spec in world['traffic']:
            self.books[spec['name']] = {'attempted': 0, 'connected': 0, 'completed': 0, 'failed': 0, 'answered': 0, 'errors': {}, 'first': {},
                                        'late': 0.0, 'took': [], 'ports': array.array('H')}
            begin = zero + spec['start']
            if spec['arrivals']['kind'] == 'workers':
                for _ in range(spec['arrivals']['n']):
                    self.at(begin, self.start, spec, None)
            else:
                self.schedule(spec, arrivals(spec, begin))
        if world['nofile']['c']:
            leave_descriptors(world['nofile']['c'])

    def schedule(self, spec, times):
        due = next(times, None)
        if due is not None and due < self.zero + spec['stop'] - 1e-9:
            self.at(due, self.arrival, spec, times, due)

    def arrival(self, ticket, spec, times, due):
        self.schedule(spec, times)
        book = self.books[spec['name']]
        book['late'] = max(book['late'], time.monotonic() - due)
        self.start(ticket, spec, None)

    def start(self, _, spec, tries):
        if time.monotonic() >= self.zero + spec['stop']:
            return
        book = self.books[spec['name']]
        number = book['attempted']
        book['attempted'] += 1
        if tries is None:
            tries = (spec['retry'] or {}).get('times', 0)
        to = spec['to'][number % len(spec['to'])]
        source = spec['source'][number // len(spec['to']) % len(spec['source'])]
        call, sock = 'socket', None
        try:
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'cubic')
            call, port = 'bind', spec['port']
            if port:
                if port['reuseaddr']:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((source, port['lo'] + number % (port['hi'] - port['lo'] + 1)))
            elif len(spec['source']) > 1 or self.world['kind'] == 'loop':
                sock.setsockopt(socket.IPPROTO_IP, NO_PORT_AT_BIND, 1)
                sock.bind((source, 0))
            call = 'connect'
            problem = sock.connect_ex(tuple(to))
            if problem not in (0, errno.EINPROGRESS):
                raise OSError(problem, '')
        except OSError as problem:
            if sock is not None:
                sock.close()
            self.book(spec, call, word(problem.errno))
            return self.again(spec, tries)
        book['ports'].append(sock.getsockname()[1])
        end = End(self, spec, sock, False, tries)
        end.watch(select.EPOLLIN | select.EPOLLOUT)
        if spec['connect_timeout']:
            end.after(spec['connect_timeout'], lambda: self.give_up(end))

    def give_up(self, end):
        self.book(end.spec, 'connect', 'TIMEOUT')
        end.close(failed=True)

    def book(self, spec, call, what):
        book, key = self.books[spec['name']], f'{call}:{what}'
        book['failed'] += 1
        book['errors'][key] = book['errors'].get(key, 0) + 1
        book['first'].setdefault(key, [round(time.monotonic() - self.zero, 4), book['attempted'] - 1])

    def again(self, spec, tries):
        retry = spec['retry']
        if retry and tries > 0:
            self.at(time.monotonic() + retry['after'], self.start, spec, tries - 1)
        elif spec['arrivals']['kind'] == 'workers':
            self.at(time.monotonic() + (retry['after'] if retry else 0.05), self.start, spec, None)

    def connected(self, end):
        book = self.books[end.spec['name']]
        book['connected'] += 1
        book['took'].append((end.began - self.zero, time.monotonic() - end.began))
        book['completed'] += end.spec['rpc'] == 0

    def answered(self, end, last):
        book = self.books[end.spec['name']]
        book['answered'] += 1
        book['completed'] += last

    def failed(self, end, call, problem):
        self.book(end.spec, call, word(problem))

    def closed(self, end, failed):
        if failed:
            self.again(end.spec, end.tries)
        elif end.spec['arrivals']['kind'] == 'workers':
            self.at(time.monotonic(), self.start, end.spec, None)

    def result(self):
        for name, book in self.books.items():
            book['connects'] = [[round(began, 4), round(took, 4)] for began, took in book['took']]
            took = sorted(took for _, took in book.pop('took'))
            rank = lambda q: took[max(0, -(-len(took) * q // 100) - 1)]
            book['latency'] = {k: round(rank(q), 5) for k, q in (('p50', 50), ('p90', 90), ('p99', 99), ('max', 100))} if took else None
            book['late'] = round(book['late'], 4)
            book['ports'] = base64.b64encode(zlib.compress(book['ports'].tobytes(), 9)).decode()
            book['pending'] = sum(1 for end in self.ends.values() if not end.connected and end.spec['name'] == name)
        return self.books


def arrivals(spec, begin):
    plan = spec['arrivals']
    if plan['kind'] == 'at':
        yield from (begin + at for at in plan['at'])
        return
    number = 0
    while plan['kind'] == 'constant':
        yield begin + number / plan['rate']
        number += 1
    for length, rate in plan['phases']:
        yield from (begin + n / rate for n in range(round(length * rate + 0.5)) if n / rate < length - 1e-9)
        begin += length
