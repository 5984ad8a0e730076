import { type BytePath, joinPath, ROOT } from "@varve/bytes";
import type { BuildContext, KnownListing, ListingMemory } from "@varve/context";
import type { StoredLayer } from "@varve/image";
import { decodeLayerIndex, type EntryChange, type FileTree, type LayerReplay, type LayerTar, replayLayer, replayLayerTar } from "@varve/layer";
import { createSha256 } from "@varve/archive";
import { type Digest, digestFromHex } from "@varve/oci";
import type { TransferVertex } from "@varve/plan";
import { combineSelection, outlineSelected } from "../copy/selection-digest.ts";
import type { Selected } from "../copy/selection.ts";
import type { LayerStack } from "../layer-stack.ts";
import { type CopyNote, decodeCopyNote, encodeCopyNote, FIXED, UNREAD } from "./copy-note.ts";
import type { StepScope } from "./execution.ts";

/** Changes when an equal step would make another layer than before. */
const FORM = 1;

/** A source that was placed. */
export interface PlacedSource {
  readonly selected: Selected;
  /** Where in the layer. */
  readonly top: BytePath;
  /** What it was placed on. */
  readonly base: FileTree;
  /** Whether the source's owner has an effect. */
  readonly owner: boolean;
}

/** The layer a COPY made of the context last time, and what became of its files: where contents and times are all that changed, the layer is made of that one. */
export interface CopyReplay {
  /** Digest of what the step reads. */
  readonly digest: () => Promise<Digest | undefined>;
  /** The layer; `undefined` when it must be made from nothing. */
  tar(): Promise<LayerTar | undefined>;
  /** Keeps how the layer was made: from nothing, of what was placed, or by {@link tar}. */
  keep(made: Pick<StoredLayer, "diffID" | "index">, placed: PlacedSource | undefined): Promise<void>;
}

/** What is known once the context was compared. */
interface Comparison {
  readonly known: KnownListing;
  readonly note: CopyNote;
  readonly replay: LayerReplay;
  readonly digest: Digest;
}

/** For a step that copies one path of a context whose listings are kept. `parent` is what it is laid on, where that matters. */
export function createCopyReplay(scope: StepScope, vertex: TransferVertex, context: BuildContext, parent: LayerStack | undefined): CopyReplay | undefined {
  const [source] = vertex.sources;
  const { listings } = context;
  if (vertex.kind !== "copy" || vertex.unpack === true || listings === undefined || vertex.sources.length !== 1 || source?.kind !== "path") return undefined;
  const { destination, chown, chmod, parents, exclude, link } = vertex;
  const name = JSON.stringify([FORM, source.pattern, destination, chown ?? "", chmod ?? "", parents, exclude, link]);
  const below = parent === undefined ? "any" : (parent.chainID ?? "scratch");
  let comparison: Promise<Comparison | undefined> | undefined;
  const compare = (): Promise<Comparison | undefined> => (comparison ??= compareWithLast(scope, context, listings, { name, below }));
  return {
    digest: async () => (await compare())?.digest,
    async tar() {
      const found = await compare();
      if (found === undefined) return undefined;
      const { source: copied, strip } = found.note;
      const files = { states: found.known.states, root: `${listings.root}/${copied}${copied === "" ? "" : "/"}` as BytePath, strip };
      return replayLayerTar(found.replay, files, context.reader, scope.io);
    },
    async keep(made, placed) {
      const found = await comparison;
      if (placed === undefined) {
        if (found !== undefined) await found.known.keep(encodeCopyNote({ ...found.note, diffID: made.diffID }));
        return;
      }
      await listings.keep(name, (rowOf, rows) => describeCopy(made, placed, { rowOf, rows, below }));
    },
  };
}

async function compareWithLast(
  { execution, io }: StepScope,
  context: BuildContext,
  listings: ListingMemory,
  { name, below }: { readonly name: string; readonly below: string },
): Promise<Comparison | undefined> {
  if (context.reader.batches?.readFiles === undefined) return undefined;
  const known = await listings.recall(name, io);
  const note = known === undefined ? undefined : decodeCopyNote(known.note);
  if (known === undefined || note?.parent !== below) return undefined;
  const changes = await changesOf(known, note, context, io);
  const encoded = changes === undefined ? undefined : await execution.store.readLayerIndex(note.diffID, io);
  if (changes === undefined || encoded === undefined) return undefined;
  try {
    const replay = replayLayer(decodeLayerIndex(encoded), changes);
    const digest = combineSelection([{ outline: note.outline, contents: sha256Of(replay.contents) }]);
    return { known, note, replay, digest };
  } catch {
    // an index that is not what it should be: the layer is made from nothing
    await listings.forget(name);
    return undefined;
  }
}

async function changesOf(
  known: KnownListing,
  { places }: CopyNote,
  { reader }: BuildContext,
  io: StepScope["io"],
): Promise<readonly EntryChange[] | undefined> {
  const changes: EntryChange[] = [];
  for (const { row, entry } of known.changes) {
    const place = places[row];
    if (place === UNREAD) continue;
    if (place === undefined || place === FIXED || entry === undefined || entry.xattrs !== undefined) return undefined;
    const { content, mtime, size } = entry;
    if (content === undefined) changes.push({ entry: place - 1, mtime });
    else changes.push({ entry: place - 1, mtime, size, digest: await reader.digest(content, io) });
  }
  return changes.toSorted((a, b) => a.entry - b.entry);
}

/** What is to be kept of a layer made from nothing; `undefined` where it can't be made of what is kept. */
function describeCopy(
  made: Pick<StoredLayer, "diffID" | "index">,
  { selected, top, base, owner }: PlacedSource,
  listing: { readonly rowOf: (path: BytePath) => number | undefined; readonly rows: number; readonly below: string },
): { readonly note: Uint8Array; readonly files: readonly number[] } | undefined {
  const entries = new Map<BytePath, { readonly number: number; readonly kind: string }>();
  let fileCount = 0;
  for (const { path, kind } of made.index.entries()) {
    if (kind === "hardlink" || kind === "whiteout" || kind === "opaque") return undefined;
    if (kind === "file") fileCount++;
    entries.set(path, { number: entries.size, kind });
  }
  const places = new Uint32Array(listing.rows);
  const files: number[] = [];
  let last = -1;
  for (const { relative, entry } of selected.entries()) {
    const row = listing.rowOf(joinPath(selected.root.path, relative));
    const path = joinPath(top, relative);
    const placed = entries.get(path);
    if (entry.type === "file") {
      // each has an entry of its own, in the same order
      if (placed?.kind !== "file" || row === undefined || placed.number <= last) return undefined;
      last = placed.number;
      files.push(row);
    }
    if (row === undefined) continue;
    const isOwn = placed !== undefined && placed.kind === entry.type && relative !== ROOT && entry.xattrs === undefined && base.lookup(path) === undefined;
    places[row] = isOwn && (entry.type === "directory" || entry.content?.kind === "disk") ? placed.number + 1 : FIXED;
  }
  if (files.length !== fileCount) return undefined;
  const strip = top === ROOT ? 0 : top.length + 1;
  const outline = outlineSelected(selected, { owner });
  const note = { parent: listing.below, diffID: made.diffID, outline, source: selected.root.path, strip, places };
  return { note: encodeCopyNote(note), files };
}

function sha256Of(bytes: Uint8Array): Digest {
  const hash = createSha256();
  hash.update(bytes);
  return digestFromHex(hash.hex());
}
