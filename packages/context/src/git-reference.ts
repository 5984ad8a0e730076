/** A git source as Dockerfiles and the command line write it. */
export interface GitReference {
  /** What `git fetch` is given. */
  readonly remote: string;
  /** Branch, tag or commit; the remote's HEAD when absent. */
  readonly ref?: string;
  /** The folder of the repository that is meant. */
  readonly subdirectory?: string;
}

const SCP = /^[a-zA-Z0-9_.-]+@[^/:\s]+:(?!\/\/)/;

/**
 * Recognises `git://…`, `ssh://…`, `git@host:path`, `http(s)://….git`, each with an optional `#ref[:folder]` or `?ref=…&subdir=…` (also `branch`, `tag`,
 * `commit`). `undefined` for anything else.
 */
export function parseGitReference(text: string): GitReference | undefined {
  const [address, fragment] = splitOnce(text, "#");
  if (SCP.test(address)) return withFragment(address, fragment, new URLSearchParams());
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  const isGit =
    url.protocol === "git:" || url.protocol === "ssh:" || ((url.protocol === "http:" || url.protocol === "https:") && url.pathname.endsWith(".git"));
  if (!isGit) return undefined;
  const query = new URLSearchParams(url.search);
  return withFragment(address.split("?", 1)[0] ?? address, fragment, query);
}

function withFragment(remote: string, fragment: string | undefined, query: URLSearchParams): GitReference {
  const [ref, folder = ""] = splitOnce(fragment ?? "", ":");
  const named = ref || (query.get("ref") ?? query.get("tag") ?? query.get("branch") ?? query.get("commit") ?? "");
  const subdirectory = folder || (query.get("subdir") ?? "");
  return { remote, ...(named === "" ? {} : { ref: named }), ...(subdirectory === "" ? {} : { subdirectory }) };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
