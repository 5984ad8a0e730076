const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
const CLASS_64 = 2;

/** The programs that proot carries in itself and starts its guests by; those it runs without being told of it unpacks into /tmp. */
export interface ProotLoaders {
  /** For programs of the machine's own kind. */
  readonly native?: Uint8Array;
  /** On x64, for 32-bit programs. */
  readonly bits32?: Uint8Array;
}

/** Finds the executables inside the executable `proot`. */
export function findProotLoaders(proot: Uint8Array): ProotLoaders {
  const bytes = Buffer.from(proot.buffer, proot.byteOffset, proot.length);
  let loaders: ProotLoaders = {};
  for (let at = bytes.indexOf(ELF, 1); at > 0; at = bytes.indexOf(ELF, at + 1)) {
    const inner = bytes.subarray(at);
    const size = executableSize(inner);
    if (size === undefined) continue;
    loaders = { ...loaders, [inner[4] === CLASS_64 ? "native" : "bits32"]: inner.subarray(0, size) };
  }
  return loaders;
}

/** Length of the little-endian executable that bytes begin with, to the end of its headers and segments; `undefined` when they are none. */
function executableSize(bytes: Buffer): number | undefined {
  const is64 = bytes[4] === CLASS_64;
  const [least, word] = is64 ? [64, 8] : [52, 4];
  if (bytes.length < least || bytes[5] !== 1) return undefined;
  const read = (at: number): number => (is64 ? Number(bytes.readBigUInt64LE(at)) : bytes.readUInt32LE(at));
  const [segments, sections] = [read(24 + word), read(24 + 2 * word)];
  const tail = 24 + 3 * word + 6;
  const [segmentSize, segmentCount, sectionSize, sectionCount] = [0, 2, 4, 6].map((at) => bytes.readUInt16LE(tail + at));
  let end = sections + (sectionSize ?? 0) * (sectionCount ?? 0);
  for (let i = 0; i < (segmentCount ?? 0); i++) {
    const at = segments + i * (segmentSize ?? 0);
    if (at + 6 * word > bytes.length) return undefined;
    // p_offset and p_filesz
    end = Math.max(end, is64 ? read(at + 8) + read(at + 32) : read(at + 4) + read(at + 16));
  }
  return segmentCount === 0 || end > bytes.length ? undefined : end;
}
