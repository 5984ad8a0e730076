import { type BytePath, collectBytes, toBytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { createTreeBuilder, type FileTree } from "@varve/layer";
import { type Archive, archiveTree } from "./archive-tree.ts";
import { type BuildContext, type OwningReader, TEXT_LIMIT } from "./context.ts";
import type { GitTree } from "./git-tree.ts";
import type { HttpFile } from "./http-file.ts";

/** A tar as build context; its owners are kept and ignore files in it have no effect, as in BuildKit. Owns the archive; throws what {@link archiveTree} throws. */
export async function archiveContext(title: string, archive: Archive): Promise<BuildContext> {
  try {
    return treeContext(title, await archiveTree(archive), archive.reader, () => archive[Symbol.asyncDispose]());
  } catch (error) {
    await archive[Symbol.asyncDispose]();
    throw error;
  }
}

/** A checkout as build context. The context owns it. */
export function gitContext(title: string, checkout: GitTree): BuildContext {
  return treeContext(title, checkout.tree, checkout.reader, () => checkout[Symbol.asyncDispose]());
}

/** A downloaded file as build context: its one file is named `context` and never unpacked. The context owns it. */
export function fileContext(title: string, file: HttpFile): BuildContext {
  const builder = createTreeBuilder();
  builder.set({ ...file.entry, path: toBytePath("context") });
  return treeContext(title, builder.finish(), file.reader, () => file[Symbol.asyncDispose]());
}

function treeContext(title: string, tree: FileTree, reader: OwningReader, dispose: () => PromiseLike<void>): BuildContext {
  return {
    title,
    reader,
    tree: () => Promise.resolve(tree),
    async readFile(path: BytePath, options) {
      const entry = tree.lookup(path);
      if (entry?.type !== "file" || entry.content === undefined) return undefined;
      const tooLarge = (): VarveError => new VarveError("CONTEXT_TOO_LARGE", `${path} is larger than ${TEXT_LIMIT / 1024 / 1024} MiB`);
      return collectBytes(await reader.open(entry.content, options), TEXT_LIMIT, tooLarge);
    },
    async [Symbol.asyncDispose]() {
      await dispose();
    },
  };
}
