import type { BytePath } from "@varve/bytes";

// oxlint-disable-next-line no-control-regex -- the ASCII test is the point
const ASCII = /^[\x00-\x7f]*$/;

/** What Node's fs takes for a path of bytes: text where that is the same, else the bytes. */
export function hostPath(path: BytePath | string): string | Buffer {
  return ASCII.test(path) ? path : Buffer.from(path, "latin1");
}

/** The bytes of a path of this process (UTF-8 text). */
export function bytesOfHostPath(path: string): BytePath {
  return Buffer.from(path, "utf8").toString("latin1") as BytePath;
}
