import type { Digest } from "@varve/oci";
import { digestSelection } from "../copy/selection-digest.ts";
import { type Selected, type SelectionOptions, selectSource } from "../copy/selection.ts";
import { openResult, type StepScope, type VertexResult } from "./execution.ts";

/** What a step reads of a tree, and the digest of it. */
export interface SelectedContent {
  /** Found when first asked for. */
  readonly digest: () => Promise<Digest>;
  /** Selected when first asked for; a context that remembers the digest needn't be made a tree for it. */
  readonly selected: () => Promise<readonly Selected[]>;
}

/** Changes when equal selections would get other digests than before. */
const DIGEST_FORM = "3";

/** How a step reads of a tree. */
export interface ContentOptions extends SelectionOptions {
  /** False: who owns the files has no effect. */
  readonly owner: boolean;
  /** Gives the digest where it can be told from an earlier one. */
  readonly replay?: (() => Promise<Digest | undefined>) | undefined;
}

/** Selects from a result by a COPY source pattern or a path. What it gives throws BUILD_COPY_SOURCE_NOT_FOUND. */
export function selectContent(scope: StepScope, from: VertexResult, pattern: string, options: ContentOptions): SelectedContent {
  const { owner, replay, ...how } = options;
  let selection: Promise<readonly Selected[]> | undefined;
  const selected = (): Promise<readonly Selected[]> =>
    (selection ??= openResult(scope, from).then(({ tree }) => selectSource(tree, pattern, { ...how, isContext: from.kind === "context" })));
  const memory = from.kind === "context" ? from.context.memory : undefined;
  const name = JSON.stringify([DIGEST_FORM, pattern, how.parents, how.exclude, how.literal ?? false, owner]);
  const recall = async (): Promise<Digest | undefined> => {
    const known = await memory?.recallAtOnce(name);
    if (known !== undefined) return known;
    const replayed = await replay?.();
    if (replayed === undefined) return memory?.recall(name, scope.io);
    await memory?.remember(name, replayed, scope.io);
    return replayed;
  };
  const find = async (): Promise<Digest> => {
    const remembered = await recall();
    if (remembered !== undefined) return remembered;
    const { reader } = await openResult(scope, from);
    const found = await digestSelection(await selected(), reader, { owner, signal: scope.execution.signal });
    await memory?.remember(name, found, scope.io);
    return found;
  };
  let digest: Promise<Digest> | undefined;
  return { digest: () => (digest ??= find()), selected };
}
