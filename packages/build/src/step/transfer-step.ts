import { type BytePath, toBytePath } from "@varve/bytes";
import type { KeyComponent } from "@varve/cache";
import { openArchive, type OwningReader } from "@varve/context";
import { type ContentReader, type ContentRef, EMPTY_TREE, type FileTree } from "@varve/layer";
import type { TransferVertex } from "@varve/plan";
import { isNumericOwner, readAccounts, requireNumericOwner, resolveOwner } from "../accounts.ts";
import { createCompositeReader } from "../composite-reader.ts";
import { createDestination } from "../copy/destination.ts";
import { extractArchive } from "../copy/extraction.ts";
import { parseModeChange } from "../copy/mode-change.ts";
import { type LinkNumbers, type PlacementOptions, placeSelected } from "../copy/placement.ts";
import type { Selected } from "../copy/selection.ts";
import type { LayerStack } from "../layer-stack.ts";
import { createCopyReplay, type PlacedSource } from "./copy-replay.ts";
import type { StepScope, VertexResult } from "./execution.ts";
import type { LayerStep, ProducedChanges } from "./layer-step.ts";
import { isUnset, type TransferInput } from "./transfer-input.ts";
import { openTransferSource } from "./transfer-source.ts";

/**
 * COPY or ADD as a step. Sources are selected and their contents digested here (that is the key); placing them, extracting
 * archives and reading the parent's tree happen only when the key missed. The caller disposes.
 */
export async function transferStep(scope: StepScope, vertex: TransferVertex, parent: LayerStack, from: VertexResult): Promise<LayerStep & AsyncDisposable> {
  const independent = isIndependent(vertex);
  if (independent || parent.chainID === undefined)
    requireNumericOwner(vertex.chown ?? "", independent ? "--link copies into an empty root filesystem" : undefined);
  const below = independent ? undefined : parent;
  const replay = from.kind === "context" ? createCopyReplay(scope, vertex, from.context, below) : undefined;
  const inputs: TransferInput[] = [];
  const owners: OwningReader[] = [];
  try {
    for (const source of vertex.sources) inputs.push(await openTransferSource(scope, vertex, source, { from, replay }));
  } catch (error) {
    await disposeAll(inputs);
    throw error;
  }
  owners.push(...inputs.flatMap((input) => input.readers));
  const components = async (): Promise<readonly KeyComponent[]> => {
    const sources: KeyComponent[] = [];
    for (const [at, input] of inputs.entries()) sources.push({ name: `source ${at + 1}`, value: await input.digest() });
    return [...outline(vertex), ...sources];
  };
  let placed: PlacedChanges | undefined;
  return {
    vertex,
    parent: below,
    outline: [
      ...outline(vertex),
      {
        name: "sources",
        value: JSON.stringify(vertex.sources.map((source) => (source.kind === "inline" ? source.name : source.kind === "path" ? source.pattern : source.url))),
      },
    ],
    components,
    ...(from.kind === "context" ? { unread: { from: vertex.from, place: outline(vertex) } } : {}),
    async produce() {
      const tar = await replay?.tar();
      return tar === undefined ? (placed = await produce(scope, vertex, below, inputs, owners)) : { tar, [Symbol.asyncDispose]: () => Promise.resolve() };
    },
    made: async (made) => replay?.keep(made, placedSource(placed, vertex)),
    [Symbol.asyncDispose]: () => disposeAll(inputs),
  };
}

/** `--link` layers don't depend on what is below; a `--chmod` turns that off, as in BuildKit (fact 27). */
function isIndependent(vertex: TransferVertex): boolean {
  return vertex.link && (vertex.chmod === undefined || vertex.chmod === "");
}

/** Where and how it places what it reads. */
function outline(vertex: TransferVertex): KeyComponent[] {
  const option = (name: string, value: string | undefined): KeyComponent[] => (value === undefined || value === "" ? [] : [{ name, value }]);
  return [{ name: "destination", value: vertex.destination }, ...option("chown", vertex.chown), ...option("chmod", vertex.chmod)];
}

/** What a COPY or ADD changes, and where the sources went. */
interface PlacedChanges extends ProducedChanges {
  readonly places: readonly { readonly selected: Selected; readonly top: BytePath }[];
}

/** A directory that was all there was to be copied. */
function placedSource(placed: PlacedChanges | undefined, vertex: TransferVertex): PlacedSource | undefined {
  const [place] = placed?.places ?? [];
  if (placed?.places.length !== 1 || place?.selected.root.type !== "directory") return undefined;
  return { ...place, base: placed.base, owner: isUnset(vertex.chown) };
}

async function produce(
  scope: StepScope,
  vertex: TransferVertex,
  parent: LayerStack | undefined,
  inputs: readonly TransferInput[],
  owners: readonly OwningReader[],
): Promise<PlacedChanges> {
  const { execution, io } = scope;
  const base = parent === undefined ? EMPTY_TREE : await execution.trees.tree(parent, io);
  const opened: AsyncDisposable[] = [];
  const readers = [...owners];
  const destination = createDestination(base);
  const links: LinkNumbers = { next: 1 };
  const places: { readonly selected: Selected; readonly top: BytePath }[] = [];
  const placement = await placementOf(vertex, base, execution.layerReader, scope);
  try {
    for (const input of inputs) {
      for (const selected of await input.selected()) {
        const archive = input.unpack ? await unpackable(scope, selected.root.content, createCompositeReader(readers, execution.layerReader)) : undefined;
        if (archive === undefined) places.push({ selected, top: placeSelected(destination, selected, placement, links) });
        else {
          opened.push(archive);
          readers.push(archive.reader);
          await extractArchive(destination, archive.entries, placement, { mtime: selected.root.mtime, links });
        }
      }
    }
    const dispose = (): Promise<void> => disposeAll(opened);
    const reader = createCompositeReader(readers, execution.layerReader);
    return { changes: destination.finish(), reader, base, places, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await disposeAll(opened);
    throw error;
  }
}

async function placementOf(vertex: TransferVertex, base: FileTree, reader: ContentReader, scope: StepScope): Promise<PlacementOptions> {
  const destination = vertex.destination.startsWith("/") ? vertex.destination : `/${vertex.destination}`;
  const chown = vertex.chown ?? "";
  const accounts = chown === "" || isNumericOwner(chown) ? { users: [], groups: [] } : await readAccounts(base, reader, scope.io);
  return {
    destination: toBytePath(destination),
    ...(chown === "" ? {} : { owner: resolveOwner(chown, accounts) }),
    ...(vertex.chmod === undefined || vertex.chmod === "" ? {} : { mode: parseModeChange(vertex.chmod) }),
  };
}

async function unpackable(scope: StepScope, content: ContentRef | undefined, reader: ContentReader): ReturnType<typeof openArchive> {
  if (content === undefined) return undefined;
  return openArchive(await reader.open(content, scope.io), { directory: scope.execution.spool, signal: scope.execution.signal });
}

async function disposeAll(opened: readonly AsyncDisposable[]): Promise<void> {
  await Promise.all(opened.map((one) => one[Symbol.asyncDispose]()));
}
