/** What an ADD source that is no path is. */
export type RemoteKind = "http" | "git";

/** `user@host:path`, the form of ssh that git knows. */
const SCP = /^[a-zA-Z0-9_.-]+@[a-zA-Z0-9.-]+:(?!\/\/)/;

/**
 * Recognises what ADD fetches: `http(s)://…` is a file, unless its path ends in `.git` (a `?query` or `#fragment` may follow); `git://`, `ssh://` and
 * `user@host:path` are git. Anything else, other schemes included, is a path.
 */
export function remoteKind(source: string): RemoteKind | undefined {
  if (/^(git|ssh):\/\//.test(source) || SCP.test(source)) return "git";
  if (!/^https?:\/\//.test(source)) return undefined;
  const path = source.replace(/[?#].*$/s, "");
  return path.endsWith(".git") ? "git" : "http";
}
