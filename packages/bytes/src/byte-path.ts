declare const bytePath: unique symbol;

/**
 * A path whose names are bytes: a latin1 string, one character (U+0000…U+00FF) a byte, so that any name a file system
 * or a tar can hold survives. Inside a tree it is relative, `/`-separated, without `.`/`..`/empty components; the root is `""`.
 * Decode it with {@link displayPath} only to show it.
 */
export type BytePath = string & { readonly [bytePath]: true };

/** The root of a tree. */
export const ROOT: BytePath = "" as BytePath;

const encoder = new TextEncoder();
const fatalDecoder = new TextDecoder("utf-8", { fatal: true });
// oxlint-disable-next-line no-control-regex -- the ASCII test is the point
const ASCII = /^[\x00-\x7f]*$/;

/** The bytes of a JavaScript (Unicode) string's UTF-8 form, as a byte string. */
export function toBytePath(text: string): BytePath {
  return (ASCII.test(text) ? text : latin1FromBytes(encoder.encode(text))) as BytePath;
}

/** A byte string from raw bytes. */
export function bytePathFromBytes(bytes: Uint8Array): BytePath {
  return latin1FromBytes(bytes) as BytePath;
}

/** The raw bytes of a byte string. */
export function bytePathToBytes(path: BytePath): Uint8Array {
  const bytes = new Uint8Array(path.length);
  for (let i = 0; i < path.length; i++) bytes[i] = path.charCodeAt(i);
  return bytes;
}

/** For people: UTF-8 where the bytes are UTF-8, else each byte above 0x7f as `\xNN`. Not reversible. */
export function displayPath(path: BytePath): string {
  if (ASCII.test(path)) return path;
  try {
    return fatalDecoder.decode(bytePathToBytes(path));
  } catch {
    return path.replaceAll(/[\x80-\xff]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`);
  }
}

/** Joins two relative paths; either may be the root. No cleaning. */
export function joinPath(parent: BytePath, name: BytePath): BytePath {
  return (parent === "" ? name : name === "" ? parent : `${parent}/${name}`) as BytePath;
}

/** The parent of a relative path; the root's parent is the root. */
export function parentPath(path: BytePath): BytePath {
  const slash = path.lastIndexOf("/");
  return (slash < 0 ? "" : path.slice(0, slash)) as BytePath;
}

/** The last component; `""` for the root. */
export function baseName(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf("/") + 1) as BytePath;
}

/** The components of a relative path; none for the root. */
export function pathComponents(path: BytePath): BytePath[] {
  return path === "" ? [] : (path.split("/") as BytePath[]);
}

/**
 * Cleans as Go's `path.Clean("/" + p)[1:]` does: drops empty and `.` components, clamps `..` at the root.
 * For paths a user writes; names from archives are checked, not cleaned.
 */
export function cleanPath(path: string): BytePath {
  const out: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") out.pop();
    else out.push(part);
  }
  return out.join("/") as BytePath;
}

/** Order of names by their bytes. (latin1 strings compare by code unit, which is by byte.) */
export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Order of paths as a walk gives them: parents before children, siblings by bytes (`a`, `a/b`, `a.c`, not `a`, `a.c`, `a/b`). */
export function comparePaths(a: BytePath, b: BytePath): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    return x === 0x2f ? -1 : y === 0x2f ? 1 : x - y;
  }
  return a.length - b.length;
}

function latin1FromBytes(bytes: Uint8Array): string {
  let text = "";
  // apply() has an argument limit; 8 KiB pieces stay well under it
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return text;
}
