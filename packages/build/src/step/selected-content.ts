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
const DIGEST_FORM = "2";

/** Selects from a result by a COPY source pattern or a path. `owner` false: who owns the files has no effect. What it gives throws BUILD_COPY_SOURCE_NOT_FOUND. */
export function selectContent(scope: StepScope, from: VertexResult, pattern: string, options: SelectionOptions & { readonly owner: boolean }): SelectedContent {
  const { owner, ...how } = options;
  let selection: Promise<readonly Selected[]> | undefined;
  const selected = (): Promise<readonly Selected[]> =>
    (selection ??= openResult(scope, from).then(({ tree }) => selectSource(tree, pattern, { ...how, isContext: from.kind === "context" })));
  const memory = from.kind === "context" ? from.context.memory : undefined;
  const name = JSON.stringify([DIGEST_FORM, pattern, how.parents, how.exclude, how.literal ?? false, owner]);
  const find = async (): Promise<Digest> => {
    const remembered = await memory?.recall(name, scope.io);
    if (remembered !== undefined) return remembered;
    const { reader } = await openResult(scope, from);
    const found = await digestSelection(await selected(), reader, { owner, signal: scope.execution.signal });
    await memory?.remember(name, found, scope.io);
    return found;
  };
  let digest: Promise<Digest> | undefined;
  return { digest: () => (digest ??= find()), selected };
}
