import { lstat } from "node:fs/promises";
import { isAbsolute, join, relative } from "node:path";
import { type BytePath, cleanPath, displayPath, toBytePath } from "@varve/bytes";
import type { IgnoreRule } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import type { Entry } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import { resolveRoot } from "./directory-context.ts";
import { listDirectory, rootBytes } from "./directory-walk.ts";
import { readIgnoreFile } from "./ignore-file.ts";

/** Which directory is looked at. */
export interface SurveyOptions extends IOOptions {
  /** Host path. */
  readonly path: string;
  /** Host path of the Dockerfile, whose own ignore file wins. */
  readonly dockerfile?: string | undefined;
  /** Host paths of directories that are left out wherever they lie. */
  readonly hidden?: readonly string[] | undefined;
}

/** A path of the context, for people. */
export interface SurveyedFile {
  readonly path: string;
  readonly type: Entry["type"];
  /** In bytes; 0 for what has no contents. */
  readonly size: number;
}

/** What an ignore file says of one path. */
export interface SurveyVerdict {
  readonly path: string;
  /** Whether there is such a file or directory. */
  readonly exists: boolean;
  readonly leftOut: boolean;
  /** Whether it is left out, but a rule may bring back something below it. */
  readonly enteredAllTheSame: boolean;
  /** Host path of the ignore file that applies, when there is one. */
  readonly ignoreFile?: string;
  /** The line that decided; absent when none applies to the path. */
  readonly rule?: IgnoreRule;
}

/** A directory as build context: what is sent and what is not. */
export interface ContextSurvey {
  /** Host path of the ignore file that applies, when there is one. */
  readonly ignoreFile?: string;
  /** What is sent, but for directories; parents first, siblings by bytes. */
  readonly files: readonly SurveyedFile[];
  /** Directories that are sent, the context itself not counted. */
  readonly directories: number;
  /** What an ignore file leaves out; of a directory that needn't be looked into nothing but itself. */
  readonly leftOut: readonly { readonly path: string; readonly rule: IgnoreRule }[];
}

/** Lists a directory as a build would. Directories that are left out are entered only when a rule may bring back something in them. Throws CONTEXT_*. */
export async function surveyContext(options: SurveyOptions): Promise<ContextSurvey> {
  const root = await resolveRoot(options.path);
  const ignore = await readIgnoreFile(options.path, options.dockerfile);
  const leftOut: { readonly path: string; readonly rule: IgnoreRule }[] = [];
  const onIgnored = (path: BytePath): void => {
    const rule = ignore?.matcher.decidedBy(path);
    if (rule !== undefined) leftOut.push({ path: displayPath(path), rule });
  };
  const listing = await listDirectory(root, { ignore: ignore?.matcher, hidden: options.hidden, signal: options.signal, onIgnored });
  const files: SurveyedFile[] = [];
  let directories = -1;
  for (const { path, type, size } of listing.tree(rootBytes(root)).walk()) {
    if (type === "directory") directories++;
    else files.push({ path: displayPath(path), type, size });
  }
  return { ...(ignore === undefined ? {} : { ignoreFile: ignore.path }), files, directories, leftOut };
}

/** Whether one path is sent, and which line decided. `path` is relative to the context, or absolute. Throws CONTEXT_NOT_FOUND for one outside of it. */
export async function explainPath(path: string, options: SurveyOptions): Promise<SurveyVerdict> {
  const root = await resolveRoot(options.path);
  const inside = isAbsolute(path) ? relative(root, path) : path;
  const clean = cleanPath(toBytePath(inside));
  if (inside.split("/").includes("..") && relative(root, join(root, inside)).startsWith(".."))
    throw new VarveError("CONTEXT_NOT_FOUND", `${path} is not in the build context ${options.path}`, { hint: "paths are relative to the context" });
  const ignore = await readIgnoreFile(options.path, options.dockerfile);
  const exists = await lstat(join(root, displayPath(clean))).then(
    () => true,
    () => false,
  );
  // the root has no rule of its own
  const rule = clean === "" ? undefined : ignore?.matcher.decidedBy(clean);
  const leftOut = rule !== undefined && !rule.negated;
  const enteredAllTheSame = leftOut && ignore?.matcher.mayDescend(clean) === true;
  return {
    path: displayPath(clean),
    exists,
    leftOut,
    enteredAllTheSame,
    ...(ignore === undefined ? {} : { ignoreFile: ignore.path }),
    ...(rule === undefined ? {} : { rule }),
  };
}
