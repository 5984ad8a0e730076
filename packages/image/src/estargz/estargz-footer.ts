/** Bytes of the footer. */
export const FOOTER_SIZE = 51;

/** gzip header with the extra-field flag, no time, unknown system (RFC 1952, 2.3); the extra field's length; subfield SG and its length. */
const HEAD: readonly number[] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, 0x53, 0x47, 22, 0];
const MARK = "STARGZ";
/** An empty stored block that is the last, checksum and length of nothing. */
const TAIL: readonly number[] = [1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];

/** The empty gzip member that ends an eStargz blob and says where its table of contents starts (stargz-snapshotter docs/estargz.md, "Footer"). */
export function encodeFooter(tocOffset: number): Uint8Array {
  return Uint8Array.from([...HEAD, ...new TextEncoder().encode(`${tocOffset.toString(16).padStart(16, "0")}${MARK}`), ...TAIL]);
}

/** Where the table of contents starts, from a blob's last {@link FOOTER_SIZE} bytes; `undefined` when they are no footer. */
export function decodeFooter(bytes: Uint8Array): number | undefined {
  const text = new TextDecoder("latin1").decode(bytes.subarray(HEAD.length, HEAD.length + 22));
  const [, offset] = /^([0-9a-f]{16})STARGZ$/.exec(text) ?? [];
  const framed = HEAD.every((byte, at) => bytes[at] === byte || at === 8 || at === 9) && TAIL.every((byte, at) => bytes[HEAD.length + 22 + at] === byte);
  return bytes.length === FOOTER_SIZE && framed && offset !== undefined ? Number.parseInt(offset, 16) : undefined;
}
