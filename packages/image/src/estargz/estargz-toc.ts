import type { TarEntryType, TarHeader } from "@varve/archive";
import { type BytePath, bytePathToBytes, concatBytes, displayPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";

/** The tar entry that holds the table of contents. */
export const TOC_NAME = "stargz.index.json";

/** A row of the table that is not complete yet. */
export interface TocRow {
  /** Rows of files with content: which gzip member the content starts in; its offset is not known before that is compressed. */
  readonly member?: number;
  /** All that is known from the start. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** sha256 of all of a file's content, once it was read. */
  digest?: string;
  /** Whether {@link digest} is still to come. */
  readonly awaitsDigest: boolean;
}

/** A table of contents (stargz-snapshotter docs/estargz.md, "TOC"), written down as rows become complete. */
export interface Toc {
  /** The next row. */
  add(row: TocRow): void;
  /** Tells where the members that are compressed start. */
  settle(starts: readonly number[]): void;
  /** The JSON; every row is complete. */
  finish(): Uint8Array;
}

/** Starts a table. Rows are kept as JSON: about 300 bytes each. */
export function createToc(): Toc {
  const pieces: Uint8Array[] = [new TextEncoder().encode('{"version":1,"entries":[')];
  const encoder = new TextEncoder();
  const pending: TocRow[] = [];
  let count = 0;
  const settle = (starts: readonly number[]): void => {
    let text = "";
    for (let row = pending[0]; row !== undefined; row = pending[0]) {
      const offset = row.member === undefined ? undefined : starts[row.member];
      if ((row.member !== undefined && offset === undefined) || (row.awaitsDigest && row.digest === undefined)) break;
      text += `${count++ === 0 ? "" : ","}${JSON.stringify({ ...row.fields, offset, digest: row.digest })}`;
      pending.shift();
    }
    if (text !== "") pieces.push(encoder.encode(text));
  };
  return {
    add: (row) => void pending.push(row),
    settle,
    finish() {
      settle([]);
      if (pending.length > 0) throw new TypeError(`${pending.length} rows of a table of contents are not complete`);
      return concatBytes([...pieces, encoder.encode("]}")]);
    },
  };
}

const TYPES: Readonly<Record<TarEntryType, string>> = {
  file: "reg",
  hardlink: "hardlink",
  symlink: "symlink",
  char: "char",
  block: "block",
  directory: "dir",
  fifo: "fifo",
};

/** What a tar header says, as the fields of a row. Throws IMAGE_OUTPUT for names JSON can't hold. */
export function fieldsOf(header: TarHeader): Readonly<Record<string, unknown>> {
  const optional = <T>(key: string, value: T, absent: T): Readonly<Record<string, T>> => (value === absent ? {} : { [key]: value });
  return {
    name: textOf(header.name),
    type: TYPES[header.type],
    ...optional("size", header.size, 0),
    ...(Math.floor(header.mtime) === 0 ? {} : { modtime: new Date(Math.floor(header.mtime) * 1000).toISOString().replace(".000Z", "Z") }),
    ...optional("linkName", textOf(header.linkName), ""),
    mode: header.mode,
    uid: header.uid,
    gid: header.gid,
    ...optional("userName", header.userName, ""),
    ...optional("groupName", header.groupName, ""),
    ...optional("devMajor", header.deviceMajor, 0),
    ...optional("devMinor", header.deviceMinor, 0),
    ...(header.xattrs.size === 0
      ? {}
      : { xattrs: Object.fromEntries([...header.xattrs].map(([name, value]) => [name, Buffer.from(value).toString("base64")])) }),
  };
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

function textOf(name: BytePath): string {
  try {
    return strictUtf8.decode(bytePathToBytes(name));
  } catch (cause) {
    throw new VarveError("IMAGE_OUTPUT", `an estargz layer cannot hold ${JSON.stringify(displayPath(name))}, which is not UTF-8`, { cause });
  }
}
