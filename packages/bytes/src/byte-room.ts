/** Sizes are multiples of it, so that one room does for many. */
const GRAIN = 256 * 1024;
/** What lies idle at most, in bytes. */
const IDLE = 24 * 1024 * 1024;
/** Smaller ones cost less made anew. */
const WORTH = 64 * 1024;

const idle: ArrayBufferLike[] = [];
let idleBytes = 0;
/** The view that each room was last given out as: another one has no say over it any more. */
const taken = new WeakMap<ArrayBufferLike, Uint8Array>();
/** The bytes that own the buffer they are in. */
const owners = new WeakMap<ArrayBufferLike, Uint8Array>();

/**
 * Room for bytes, which may hold others' bytes still; shared between threads where there are any. Given back by {@link giveRoom} it is used again: a buffer made anew for each
 * megabyte costs the kernel's zeroing of it and, since V8 counts it as memory pressure, full collections. It need not be given back.
 */
export function takeRoom(size: number): Uint8Array {
  if (size < WORTH) return new Uint8Array(size);
  const buffer = takeIdle(size) ?? createBuffer(Math.ceil(size / GRAIN) * GRAIN);
  const room = new Uint8Array(buffer, 0, size);
  taken.set(buffer, room);
  return room;
}

/**
 * Says that nothing else is in the buffer of `bytes`: given to {@link giveRoom}, it is freed at once. Left to the collector, buffers of a megabyte that made few objects beside them
 * added up to 350 MB.
 */
export function ownRoom(bytes: Uint8Array): void {
  if (bytes.buffer.byteLength >= WORTH) owners.set(bytes.buffer, bytes);
}

/**
 * Gives back what {@link takeRoom} gave or {@link ownRoom} was told of, which nobody may use any more; other bytes, and what was given back before, are left
 * alone.
 */
export function giveRoom(room: Uint8Array): void {
  const { buffer } = room;
  if (owners.get(buffer) === room) {
    owners.delete(buffer);
    free(buffer);
    return;
  }
  if (taken.get(buffer) !== room) return;
  taken.delete(buffer);
  if (idleBytes + buffer.byteLength > IDLE) return;
  idle.push(buffer);
  idleBytes += buffer.byteLength;
}

let nowhere: InstanceType<typeof MessageChannel>["port1"] | undefined;

/** What is transferred to a port whose other end is closed is freed by whoever would have delivered it. */
function free(buffer: ArrayBufferLike): void {
  if (!(buffer instanceof ArrayBuffer)) return;
  if (nowhere === undefined) {
    const { port1, port2 } = new MessageChannel();
    port2.close();
    nowhere = port1;
  }
  nowhere.postMessage(undefined, [buffer]);
}

/** The smallest that is large enough, and no more than is reasonable. */
function takeIdle(size: number): ArrayBufferLike | undefined {
  let best = -1;
  let bestSize = 4 * size + 2 * GRAIN;
  for (const [at, { byteLength }] of idle.entries()) {
    if (byteLength < size || byteLength >= bestSize) continue;
    best = at;
    bestSize = byteLength;
  }
  if (best < 0) return undefined;
  idleBytes -= bestSize;
  return idle.splice(best, 1)[0];
}

function createBuffer(size: number): ArrayBufferLike {
  return typeof SharedArrayBuffer === "undefined" ? new ArrayBuffer(size) : new SharedArrayBuffer(size);
}
