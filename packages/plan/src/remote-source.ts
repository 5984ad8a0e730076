import { type GitReference, type GitReferenceOptions, parseGitReference } from "@varve/dockerfile";

/** What an ADD source that is no path is. */
export type RemoteSource = { readonly kind: "http" } | { readonly kind: "git"; readonly reference: GitReference };

/**
 * Recognises what ADD fetches: `http(s)://…` is a file, unless its path ends in `.git` (a `?query` or `#fragment` may follow) or it is known to be
 * git; `git://`, `ssh://` and `user@host:path` are git. Anything else, other schemes included, is a path. Throws DOCKERFILE_GIT_REFERENCE.
 */
export function remoteSource(source: string, options?: GitReferenceOptions): RemoteSource | undefined {
  const reference = parseGitReference(source, options);
  if (reference !== undefined) return { kind: "git", reference };
  return /^https?:\/\//.test(source) ? { kind: "http" } : undefined;
}
