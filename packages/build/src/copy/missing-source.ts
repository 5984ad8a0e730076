import { baseName, type BytePath, displayPath, joinPath, parentPath, pathComponents, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type FileTree, resolvePath } from "@varve/layer";

/** Where a source that is not there was looked for. */
export interface MissingSource {
  readonly tree: FileTree;
  /** Cleaned. */
  readonly path: BytePath;
  /** As written. */
  readonly pattern: string;
  /** A build context: it has ignore files, and an outside that can't be copied. */
  readonly isContext: boolean;
}

/** The error for a source that is not there: BUILD_COPY_SOURCE_NOT_FOUND, with what is likely wrong. */
export function missingSource(source: MissingSource): VarveError {
  return new VarveError("BUILD_COPY_SOURCE_NOT_FOUND", `${JSON.stringify(displayPath(`/${source.path}` as BytePath))} is not in the source`, {
    hint: hintFor(source),
  });
}

function hintFor({ tree, path, pattern, isContext }: MissingSource): string {
  const link = danglingLink(tree, path);
  if (link !== undefined) return link;
  const wanted = baseName(path);
  const directory = resolvePath(tree, parentPath(path), { followLast: true }).path;
  const close = tree.list(directory).find((name) => name !== wanted && name.toLowerCase() === wanted.toLowerCase());
  if (close !== undefined) return `there is ${displayPath(joinPath(directory, close))}; names are case-sensitive`;
  if (!isContext) return "check the path: it starts at the root of the stage or image that --from names";
  return pattern.split("/").includes("..") ? "paths outside of the build context cannot be copied" : "check the path, the build context and .dockerignore";
}

/** Says so when something on the path is a symlink that leads nowhere. */
function danglingLink(tree: FileTree, path: BytePath): string | undefined {
  let at: BytePath = ROOT;
  for (const name of pathComponents(path)) {
    at = joinPath(at, name);
    const found = resolvePath(tree, at, { followLast: false });
    if (found.entry?.type === "symlink" && resolvePath(tree, at, { followLast: true }).entry === undefined)
      return `${displayPath(found.path)} is a symlink to ${displayPath(found.entry.linkTarget ?? ROOT)}, which is not in the source`;
  }
  return undefined;
}
