import { stat } from "node:fs/promises";
import { isAbsolute, join, normalize } from "node:path";
import { type ByteStream, collectBytes, toBytePath } from "@varve/bytes";
import { type BuildContext, httpFile, isContextURL, openContext, type OpenedContext, TEXT_LIMIT } from "@varve/context";
import { VarveError } from "@varve/errors";
import { createHash } from "node:crypto";
import { type IOOptions, parseReference } from "@varve/oci";
import type { BuildOptions } from "./build-options.ts";
import { builderArgsOf } from "./builder-args.ts";
import { readSmallFile } from "./text-file.ts";

/** A Dockerfile's text and the context it is built with. */
export interface Definition {
  readonly text: string;
  /** As shown in errors. */
  readonly file: string;
  readonly context: BuildContext;
}

/** Folders of the store a context may use. */
export interface DefinitionFolders {
  /** For what must be on disk during the build. */
  readonly spool: string;
  /** Where stat caches of directories are kept. */
  readonly contexts: string;
  /** The store itself: it is no part of any context. */
  readonly store: string;
}

/** How a context is opened. */
export interface DefinitionIO extends IOOptions {
  /** Hears what a context can't give, as a clause for people. */
  readonly onWarning?: (message: string) => void;
}

const NAMES = ["Dockerfile", "dockerfile"];

/** Finds and reads the Dockerfile and opens the main context (nothing of which is listed yet). The caller disposes the context. */
export async function openDefinition(options: BuildOptions, folders: DefinitionFolders, io: DefinitionIO): Promise<Definition> {
  if (options.context === "-" && options.file === "-")
    throw new VarveError("BUILD_INVALID_OPTION", "the context and the Dockerfile cannot both come from stdin", { hint: "give one of them as a path" });
  if (options.context === "-" || isContextURL(options.context)) return openRemote(options, folders, io);
  const given = options.dockerfile ?? (options.file === "-" ? await readStdin() : undefined);
  if (given !== undefined) {
    const context = await openDirectory(options.context, undefined, folders, io);
    return { text: given, file: options.file ?? "Dockerfile", context };
  }
  if (options.file !== undefined && /^https?:\/\//.test(options.file)) {
    const context = await openDirectory(options.context, undefined, folders, io);
    return { text: await fetchDockerfile(options.file, folders, io), file: options.file, context };
  }
  const path = options.file ?? (await findDockerfile(options.context));
  const text = await readDockerfile(path, options, io);
  return { text, file: path, context: await openDirectory(options.context, path, folders, io) };
}

/** A context given by name: `--build-context name=source`. A URL that is no repository's is the one file `context`. The caller disposes it. */
export async function openNamedContext(source: string, folders: DefinitionFolders, io: DefinitionIO): Promise<BuildContext> {
  if (!isContextURL(source)) return openDirectory(source, undefined, folders, io);
  return (await openContext({ kind: "named-url", url: source, directory: folders.spool }, io)).context;
}

/**
 * Finds out before the build that contexts given by name have names that a Dockerfile can say, as buildx does, and that every folder is there.
 * Throws BUILD_INVALID_OPTION, CONTEXT_NOT_FOUND.
 */
export async function requireNamedContexts({ buildContexts = {} }: BuildOptions): Promise<void> {
  for (const [name, source] of Object.entries(buildContexts)) {
    requireContextName(name);
    if (!isContextURL(source) && !/^(?:(?:docker-image|oci-layout):\/\/|target:)/.test(source)) await requireDirectory(source);
  }
}

/** BuildKit compares names as image references; `name::platform` is one for a platform. */
function requireContextName(name: string): void {
  try {
    parseReference(name.replace(/::.*$/s, ""));
  } catch (cause) {
    throw new VarveError("BUILD_INVALID_OPTION", `invalid context name ${JSON.stringify(name)}`, {
      cause,
      hint: /[A-Z]/.test(name) ? `names are in lower case, in --from too: ${name.toLowerCase()}` : "a name is one that an image could have",
    });
  }
}

async function openDirectory(path: string, dockerfile: string | undefined, folders: DefinitionFolders, io: DefinitionIO): Promise<BuildContext> {
  const id = createHash("sha256")
    .update(isAbsolute(path) ? path : join(process.cwd(), path))
    .digest("hex");
  const opened = await openContext(
    { kind: "directory", path, dockerfile, cache: join(folders.contexts, id), hidden: [folders.store], spool: folders.spool, onWarning: io.onWarning },
    io,
  );
  return opened.context;
}

async function openRemote(options: BuildOptions, folders: DefinitionFolders, io: DefinitionIO): Promise<Definition> {
  const opened: OpenedContext =
    options.context === "-"
      ? await openContext({ kind: "stream", title: "-", stream: options.stdin ?? (process.stdin as ByteStream), directory: folders.spool }, io)
      : await openContext({ kind: "url", url: options.context, directory: folders.spool, keepGitDir: builderArgsOf(options).keepGitDir }, io);
  try {
    return await withDockerfile(options, opened, io);
  } catch (error) {
    await opened.context[Symbol.asyncDispose]();
    throw error;
  }
}

async function withDockerfile(options: BuildOptions, opened: OpenedContext, io: DefinitionIO): Promise<Definition> {
  const { context } = opened;
  const given = options.dockerfile ?? opened.dockerfile ?? (options.file === "-" ? await readStdin() : undefined);
  if (given !== undefined) return { text: given, file: options.file ?? "Dockerfile", context };
  for (const name of options.file === undefined ? NAMES : [options.file]) {
    const bytes = await context.readFile(toBytePath(name.replace(/^(\.?\/)+/, "")), io);
    if (bytes !== undefined) return { text: decode(bytes), file: name, context };
  }
  throw notFound(options.file ?? "Dockerfile", `in ${context.title}`);
}

async function findDockerfile(context: string): Promise<string> {
  for (const name of NAMES) {
    const path = normalize(join(context, name));
    if (
      await stat(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  await requireDirectory(context);
  throw notFound("Dockerfile", `in ${context}`);
}

async function requireDirectory(context: string): Promise<void> {
  // says what is wrong with the context itself first
  const opened = await openContext({ kind: "directory", path: context });
  await opened.context[Symbol.asyncDispose]();
}

async function readDockerfile(path: string, options: BuildOptions, io: IOOptions): Promise<string> {
  const tooLarge = (): VarveError => new VarveError("CONTEXT_TOO_LARGE", `${path} is larger than ${TEXT_LIMIT / 1024 / 1024} MiB`);
  try {
    return decode(await readSmallFile(path, TEXT_LIMIT, tooLarge, io));
  } catch (cause) {
    io.signal?.throwIfAborted();
    if (cause instanceof VarveError) throw cause;
    const inContext = join(options.context, path);
    const there =
      !isAbsolute(path) &&
      (await stat(inContext).then(
        () => true,
        () => false,
      ));
    throw notFound(
      path,
      "",
      there
        ? `the path is relative to the current directory; write -f ${inContext}`
        : (cause as NodeJS.ErrnoException).code === "ENOENT" && !isAbsolute(path)
          ? `-f is relative to the current directory, ${process.cwd()}`
          : (cause as Error).message,
    );
  }
}

function notFound(path: string, where: string, hint?: string): VarveError {
  return new VarveError("BUILD_DOCKERFILE_NOT_FOUND", where === "" ? `Dockerfile not found: ${path}` : `there is no ${path} ${where}`, {
    hint: hint ?? "name the file with -f",
  });
}

/** As buildx: beside a local context, the Dockerfile may be at a URL. */
async function fetchDockerfile(url: string, { spool }: DefinitionFolders, io: IOOptions): Promise<string> {
  const tooLarge = (): VarveError => new VarveError("CONTEXT_TOO_LARGE", `${url} is larger than ${TEXT_LIMIT / 1024 / 1024} MiB`);
  await using file = await httpFile(url, { directory: spool, signal: io.signal });
  const { content } = file.entry;
  if (content === undefined) throw new TypeError("a downloaded file has content");
  return decode(await collectBytes(await file.reader.open(content, io), TEXT_LIMIT, tooLarge));
}

async function readStdin(): Promise<string> {
  const tooLarge = (): VarveError => new VarveError("CONTEXT_TOO_LARGE", `the Dockerfile on stdin is larger than ${TEXT_LIMIT / 1024 / 1024} MiB`);
  return decode(await collectBytes(process.stdin as ByteStream, TEXT_LIMIT, tooLarge));
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
