"""Three services: 8080 waits for its clients to close, 8081 closes first, 5432 keeps connections."""
import asyncio


async def until_closed(reader, writer):
    try:
        while await reader.read(4096):
            writer.write(b"x" * 1000)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def once(reader, writer):
    try:
        await reader.read(4096)
        writer.write(b"x" * 1000)
        await writer.drain()
    except OSError:
        pass
    writer.close()


async def main():
    for service, port, backlog in [(until_closed, 8080, 511), (once, 8081, 128), (until_closed, 5432, 244)]:
        await asyncio.start_server(service, "0.0.0.0", port, backlog=backlog)
    await asyncio.sleep(1000)


asyncio.run(main())
