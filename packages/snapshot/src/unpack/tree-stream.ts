import { type BytePath, comparePaths, ROOT } from "@varve/bytes";
import type { ContentReader, Entry } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import { encodeWriteEntry, inLargePieces, type WriteEntry, writeEntryOf } from "./write-entry.ts";

/** The write stream of a tree's entries, contents opened by `reader`: those of one layer in the order of its tar. */
export function treeWriteStream(
  entries: Iterable<Entry>,
  reader: ContentReader | undefined,
  options: IOOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  return inLargePieces(entryFrames(entries, reader, options));
}

async function* entryFrames(entries: Iterable<Entry>, reader: ContentReader | undefined, options: IOOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const first = new Map<number, BytePath>();
  const files: Entry[] = [];
  const later: WriteEntry[] = [];
  for (const entry of [...entries].sort((a, b) => comparePaths(a.path, b.path))) {
    if (entry.type === "directory") yield encodeWriteEntry(writeEntryOf(entry));
    else if (first.has(entry.node)) later.push({ ...writeEntryOf(entry), type: "hardlink", size: 0, target: first.get(entry.node) ?? ROOT });
    else {
      first.set(entry.node, entry.path);
      if (entry.type === "file") files.push(entry);
      else later.push(writeEntryOf(entry));
    }
  }
  for (const entry of files.sort(byPlace)) {
    yield encodeWriteEntry(writeEntryOf(entry));
    if (entry.size === 0 || entry.content === undefined) continue;
    if (entry.content.kind === "bytes") yield entry.content.bytes;
    else if (reader !== undefined) yield* await reader.open(entry.content, options);
  }
  for (const entry of later) yield encodeWriteEntry(entry);
}

function byPlace(a: Entry, b: Entry): number {
  if (a.content?.kind !== "layer" || b.content?.kind !== "layer") return 0;
  return a.content.diffID === b.content.diffID ? a.content.offset - b.content.offset : a.content.diffID < b.content.diffID ? -1 : 1;
}
