"""Their clients: 200/s to 8080, open for 50 ms each; 50/s to 8081; twenty connections to 5432 that are kept."""
import asyncio
import time

SERVER = "10.77.0.2"
live = set()


async def one(port, hold):
    try:
        reader, writer = await asyncio.open_connection(SERVER, port)
        writer.write(b"q" * 200)
        await writer.drain()
        await reader.read(4096)
        if hold:
            await asyncio.sleep(hold)
        else:
            await reader.read(4096)
        writer.close()
    except OSError as error:
        print(error)


async def source(port, rate, hold):
    due = time.monotonic()
    while True:
        task = asyncio.create_task(one(port, hold))
        live.add(task)
        task.add_done_callback(live.discard)
        due += 1 / rate
        await asyncio.sleep(max(0, due - time.monotonic()))


async def pool():
    kept = [await asyncio.open_connection(SERVER, 5432) for _ in range(20)]
    while True:
        for reader, writer in kept:
            writer.write(b"q" * 100)
            await writer.drain()
            await reader.read(4096)
        await asyncio.sleep(0.1)


async def main():
    await asyncio.gather(source(8080, 200, 0.05), source(8081, 50, 0), pool())


asyncio.run(main())
