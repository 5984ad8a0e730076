import { VarveError } from "@varve/errors";
import { parseGoBoolean } from "./go-boolean.ts";

/** A git source as Dockerfiles and the command line write it. */
export interface GitReference {
  /** What `git fetch` is given. */
  readonly remote: string;
  /** Branch, tag or commit; the remote's HEAD when absent. */
  readonly ref?: string;
  /** The folder of the repository that is meant. */
  readonly subdirectory?: string;
  /** The commit `ref` must stand for, in full or shortened. */
  readonly checksum?: string;
  /** Whether the URL asks for `.git`; absent when it doesn't say. */
  readonly keepGitDir?: boolean;
  /** Absent for true. */
  readonly submodules?: boolean;
}

/** What is known of a text before it is read as a git source. */
export interface GitReferenceOptions {
  /** It is one: an http(s) URL need not end in `.git` (`ADD --keep-git-dir`). */
  readonly known?: boolean;
}

const SCP = /^[a-zA-Z0-9_.-]+@[^/:\s]+:(?!\/\/)/;
const KEYS = ["ref", "tag", "branch", "commit", "checksum", "subdir", "keep-git-dir", "submodules"];
const SWITCHES = ["keep-git-dir", "submodules"];

/**
 * Recognises `git://…`, `ssh://…`, `git@host:path`, `http(s)://….git`, each but the third with an optional query (`?ref= tag= branch= commit=
 * checksum= subdir= keep-git-dir= submodules=`), and each with an optional `#ref[:folder]`. `undefined` for anything else. Throws
 * DOCKERFILE_GIT_REFERENCE for a query that is unknown, repeated, empty or at odds with another.
 */
export function parseGitReference(text: string, options: GitReferenceOptions = {}): GitReference | undefined {
  const [address, fragment = ""] = splitOnce(text, "#");
  const [ref, folder = ""] = splitOnce(fragment, ":");
  if (SCP.test(address)) return { remote: address, ...present({ ref, subdirectory: folder }) };
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  const isHTTP = url.protocol === "http:" || url.protocol === "https:";
  if (!(url.protocol === "git:" || url.protocol === "ssh:" || (isHTTP && (options.known === true || url.pathname.endsWith(".git"))))) return undefined;
  const query = readQuery(url.searchParams, text);
  const checksum = query.get("checksum") ?? query.get("commit") ?? "";
  const named = agreed("ref", [ref, query.get("ref") ?? "", full("refs/tags/", query.get("tag")), full("refs/heads/", query.get("branch"))], text);
  const keepGitDir = switchOf(query, "keep-git-dir", text);
  const submodules = switchOf(query, "submodules", text);
  return {
    remote: splitOnce(address, "?")[0],
    ...present({ ref: named === "" ? checksum : named, subdirectory: agreed("subdir", [folder, query.get("subdir") ?? ""], text), checksum }),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(submodules === undefined ? {} : { submodules }),
  };
}

function readQuery(parameters: URLSearchParams, text: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const [key, value] of parameters) {
    if (!KEYS.includes(key)) throw invalid(text, `has the unknown query ${JSON.stringify(key)}`, `a git URL may have ${KEYS.join(", ")}`);
    if (query.has(key)) throw invalid(text, `has the query ${key} more than once`, "give it once");
    if (value === "" && !SWITCHES.includes(key)) throw invalid(text, `has the query ${key} without a value`, `write ?${key}=VALUE, or leave it out`);
    query.set(key, value);
  }
  return query;
}

/** The one of several ways to say something that was used. */
function agreed(what: string, ways: readonly string[], text: string): string {
  const said = [...new Set(ways.filter((way) => way !== ""))];
  if (said.length > 1) throw invalid(text, `says two things of its ${what}: ${said.join(" and ")}`, "say it once, after # or in the query");
  return said[0] ?? "";
}

function full(prefix: string, name: string | undefined): string {
  return name === undefined || name.startsWith(prefix) ? (name ?? "") : prefix + name;
}

function switchOf(query: ReadonlyMap<string, string>, key: string, text: string): boolean | undefined {
  const value = query.get(key);
  if (value === undefined || value === "") return value === undefined ? undefined : true;
  const parsed = parseGoBoolean(value);
  if (parsed === undefined) throw invalid(text, `has ${key}=${value}`, `${key} is true or false`);
  return parsed;
}

function invalid(text: string, clause: string, hint: string): VarveError {
  return new VarveError("DOCKERFILE_GIT_REFERENCE", `the git source ${text} ${clause}`, { hint });
}

function present(fields: { readonly ref?: string; readonly subdirectory?: string; readonly checksum?: string }): Partial<GitReference> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
