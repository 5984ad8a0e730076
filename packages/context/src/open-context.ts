import { type ByteStream, collectBytes, peekBytes } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import { archiveContext, fileContext, gitContext } from "./archive-context.ts";
import { openArchive } from "./archive-tree.ts";
import { type BuildContext, TEXT_LIMIT } from "./context.ts";
import { parseContextRepository } from "./context-repository.ts";
import { type DirectoryContextOptions, emptyContext, openDirectoryContext } from "./directory-context.ts";
import { gitTree } from "./git-tree.ts";
import { httpFile } from "./http-file.ts";

/** Where a build context comes from. */
export type ContextSpec =
  | ({ readonly kind: "directory" } & Omit<DirectoryContextOptions, "signal">)
  /** A tar (compressed or not) or the text of a Dockerfile, told by content. `directory` keeps what must be kept meanwhile. */
  | { readonly kind: "stream"; readonly title: string; readonly stream: ByteStream; readonly directory: string }
  /** A git repository, a tar, or a Dockerfile by URL. `keepGitDir` holds where a repository's URL doesn't say. */
  | { readonly kind: "url"; readonly url: string; readonly directory: string; readonly keepGitDir?: boolean }
  /** A git repository; whatever else is at the URL is the one file `context`, as with BuildKit's named contexts. */
  | { readonly kind: "named-url"; readonly url: string; readonly directory: string };

/** A context, and the Dockerfile when that is what was given in its place. */
export interface OpenedContext {
  readonly context: BuildContext;
  readonly dockerfile?: string;
}

/** Opens a build context. The caller disposes it. */
export async function openContext(spec: ContextSpec, options?: IOOptions): Promise<OpenedContext> {
  switch (spec.kind) {
    case "directory":
      return { context: await openDirectoryContext({ ...spec, signal: options?.signal }) };
    case "stream":
      return openStream(spec.title, spec.stream, spec.directory, options);
    case "url":
      return openURL(spec, options);
    case "named-url":
      return { context: await openNamedURL(spec, options) };
  }
}

/** Whether a context argument is a URL (or git's `user@host:path`) and not a path. Throws DOCKERFILE_GIT_REFERENCE. */
export function isContextURL(text: string): boolean {
  return /^https?:\/\//.test(text) || parseContextRepository(text) !== undefined;
}

async function openNamedURL({ url, directory }: Extract<ContextSpec, { kind: "named-url" }>, options: IOOptions | undefined): Promise<BuildContext> {
  const reference = parseContextRepository(url);
  if (reference === undefined) return fileContext(url, await httpFile(url, { directory, signal: options?.signal }));
  return gitContext(url, await gitTree(reference, { directory, signal: options?.signal, keepGitDir: reference.keepGitDir ?? false }));
}

async function openURL({ url, directory, keepGitDir }: Extract<ContextSpec, { kind: "url" }>, options: IOOptions | undefined): Promise<OpenedContext> {
  const reference = parseContextRepository(url);
  if (reference !== undefined) {
    const checkout = await gitTree(reference, { directory, signal: options?.signal, keepGitDir: reference.keepGitDir ?? keepGitDir ?? false });
    return { context: gitContext(url, checkout) };
  }
  const file = await httpFile(url, { directory, signal: options?.signal });
  try {
    const { content } = file.entry;
    if (content === undefined) throw new TypeError("a downloaded file has content");
    return await openStream(url, await file.reader.open(content, options), directory, options);
  } finally {
    await file[Symbol.asyncDispose]();
  }
}

/** The longest header to tell a tar from a text by, compressed or not. */
const HEAD = 64 * 1024;

async function openStream(title: string, stream: ByteStream, directory: string, options: IOOptions | undefined): Promise<OpenedContext> {
  const { head, stream: whole } = await peekBytes(stream, HEAD);
  if (isText(head)) {
    const tooLarge = (): VarveError => new VarveError("CONTEXT_TOO_LARGE", `the Dockerfile from ${title} is larger than ${TEXT_LIMIT / 1024 / 1024} MiB`);
    const bytes = await collectBytes(whole, TEXT_LIMIT, tooLarge);
    return { context: emptyContext(title), dockerfile: new TextDecoder().decode(bytes) };
  }
  const archive = await openArchive(whole, { directory, signal: options?.signal });
  if (archive === undefined) {
    throw new VarveError("CONTEXT_INVALID_ARCHIVE", `${title} is neither a tar nor a Dockerfile`, {
      hint: "give a tar (compressed or not) as context, or the text of a Dockerfile",
    });
  }
  return { context: await archiveContext(title, archive) };
}

/** A tar's header and every compressed form have a zero or another control byte within their first 512 bytes; a Dockerfile has none. */
function isText(head: Uint8Array): boolean {
  return head.subarray(0, 512).every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d || byte === 0x0c);
}
