// Deterministic inputs: the same files, bytes and times on every machine.
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** xorshift32: fast, seeded, good enough to be neither constant nor incompressible. */
export function createRandom(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

/** `length` bytes that gzip to about half: half of the bytes from an alphabet of 16, half random. */
export function mixedBytes(random, length) {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) {
    const value = random();
    bytes[i] = (value & 0x300) === 0 ? value & 0xff : 0x61 + (value & 0xf);
  }
  return bytes;
}

/** Fills `root` with `files` files of about `meanSize` bytes, 50 a folder, all times the same. */
export function makeTree(root, { files, meanSize, seed }) {
  const random = createRandom(seed);
  for (let i = 0; i < files; i++) {
    const path = join(root, `d${Math.floor(i / 2500)}/e${Math.floor(i / 50)}/f${i}.js`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, mixedBytes(random, Math.floor((meanSize * (random() % 2000)) / 1000)));
    utimesSync(path, 1_700_000_000, 1_700_000_000);
  }
}

/** Fills `root` with empty files, 100 a folder, 100 folders a folder. */
export function makeEmptyFiles(root, count) {
  for (let i = 0; i < count; i++) {
    const folder = join(root, `d${Math.floor(i / 10_000)}/e${Math.floor(i / 100)}`);
    if (i % 100 === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-number-${i}.js`), "");
  }
}
