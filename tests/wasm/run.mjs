// Runs a WebAssembly program that may write lines and end, and nothing else: whatever more it asks of an operating system ends it with an error.
// node tests/wasm/run.mjs PROGRAM.wasm
import { readFile } from "node:fs/promises";
import { writeSync } from "node:fs";

let memory;
const view = () => new DataView(memory.buffer);

class Exit {
  constructor(code) { this.code = code; }
}

const system = {
  // Standard output and standard error: a list of (address, length).
  fd_write(fd, list, count, written) {
    let total = 0;
    for (let i = 0; i < count; i++) {
      const at = view().getUint32(list + 8 * i, true);
      const length = view().getUint32(list + 8 * i + 4, true);
      writeSync(fd, new Uint8Array(memory.buffer, at, length));
      total += length;
    }
    view().setUint32(written, total, true);
    return 0;
  },
  // No arguments, and an empty environment.
  environ_sizes_get(count, size) {
    view().setUint32(count, 0, true);
    view().setUint32(size, 0, true);
    return 0;
  },
  environ_get: () => 0,
  // Seeds of hash maps, which no result may hang on: always zeros here.
  random_get(at, length) {
    new Uint8Array(memory.buffer, at, length).fill(0);
    return 0;
  },
  proc_exit(code) { throw new Exit(code); },
};

const refused = (name) => () => { throw new Error(`the program asks for ${name}`); };
const module = await WebAssembly.compile(await readFile(process.argv[2]));
const names = WebAssembly.Module.imports(module).map(({ name }) => name);
const imports = Object.fromEntries(names.map((name) => [name, system[name] ?? refused(name)]));
const { exports } = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: imports });
memory = exports.memory;
try {
  exports._start();
} catch (end) {
  if (!(end instanceof Exit)) throw end;
  process.exitCode = end.code;
}
