import { displayPath } from "@varve/bytes";
import type { ContentReader, LayerEntry, LayerIndex } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import { firstDifference } from "./content-comparison.ts";
import type { FieldDifference } from "./field-difference.ts";

/** The first entry of two layers that differs. */
export interface EntryDifference {
  /** For people, with a slash in front; of the first entry, or of the second where the first layer has no more. */
  readonly path: string;
  readonly fields: readonly FieldDifference[];
}

/** A layer and what reads its files. */
export interface ReadableLayer {
  readonly index: LayerIndex;
  readonly reader: ContentReader;
}

/** The first difference of two layers, in the order of their entries; `undefined` when they hold the same entries, though their tars may be written differently. */
export async function compareLayers(first: ReadableLayer, second: ReadableLayer, options: IOOptions = {}): Promise<EntryDifference | undefined> {
  const left = [...first.index.entries()];
  const right = [...second.index.entries()];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [a, b] = [left[at], right[at]];
    if (a === undefined || b === undefined || keyOf(a) !== keyOf(b)) return presence({ left, right }, at);
    const fields = metadataFields(a, b);
    if (fields.length === 0 && a.digest === b.digest) continue;
    const content = a.kind === "file" && b.kind === "file" && a.digest !== b.digest ? [await contentField([first, a], [second, b], options)] : [];
    return { path: shown(a), fields: [...fields, ...content] };
  }
  return undefined;
}

/** A whiteout of a path is not the path. */
function keyOf(entry: LayerEntry): string {
  return `${entry.kind === "whiteout" || entry.kind === "opaque" ? entry.kind : ""} ${entry.path}`;
}

function shown(entry: LayerEntry): string {
  const what = entry.kind === "whiteout" ? " (deletion)" : entry.kind === "opaque" ? " (opaque)" : "";
  return `/${displayPath(entry.path)}${what}`;
}

/** Which of the two entries at a place the other layer lacks; neither, when the order differs. */
function presence({ left, right }: { readonly left: readonly LayerEntry[]; readonly right: readonly LayerEntry[] }, at: number): EntryDifference {
  const [a, b] = [left[at], right[at]];
  if (a !== undefined && !right.some((entry) => keyOf(entry) === keyOf(a)))
    return { path: shown(a), fields: [{ field: "presence", first: "there", second: undefined }] };
  if (b !== undefined && !left.some((entry) => keyOf(entry) === keyOf(b)))
    return { path: shown(b), fields: [{ field: "presence", first: undefined, second: "there" }] };
  const entry = a ?? b;
  return {
    path: entry === undefined ? "/" : shown(entry),
    fields: [{ field: "order", first: String(at), second: String(right.findIndex((one) => entry !== undefined && keyOf(one) === keyOf(entry))) }],
  };
}

function metadataFields(a: LayerEntry, b: LayerEntry): readonly FieldDifference[] {
  const differ = (field: string, of: (entry: LayerEntry) => string | undefined): readonly FieldDifference[] => {
    const [first, second] = [of(a), of(b)];
    return first === second ? [] : [{ field, first, second }];
  };
  return [
    ...differ("type", (entry) => entry.kind),
    ...differ("mode", (entry) => entry.mode.toString(8).padStart(4, "0")),
    ...differ("owner", (entry) => `${entry.uid}:${entry.gid}`),
    ...differ("mtime", (entry) => timeOf(entry.mtime)),
    ...differ("link", (entry) => (entry.linkTarget === undefined ? undefined : displayPath(entry.linkTarget))),
    ...differ("device", (entry) => (entry.device === undefined ? undefined : `${entry.device.major}:${entry.device.minor}`)),
    ...differ("xattrs", (entry) =>
      entry.xattrs === undefined ? undefined : [...entry.xattrs].map(([name, value]) => `${name}=${Buffer.from(value).toString("hex")}`).join(" "),
    ),
  ];
}

function timeOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().replace(".000Z", "Z");
}

async function contentField(
  first: readonly [ReadableLayer, LayerEntry],
  second: readonly [ReadableLayer, LayerEntry],
  options: IOOptions,
): Promise<FieldDifference> {
  const open = ([{ index, reader }, { offset, size, digest }]: readonly [ReadableLayer, LayerEntry]): ReturnType<ContentReader["open"]> =>
    reader.open({ kind: "layer", diffID: index.diffID, offset, size, ...(digest === undefined ? {} : { digest }) }, options);
  const found = await firstDifference(await open(first), await open(second));
  return { field: "content", first: found.first, second: found.second, offset: found.offset };
}
