import { type GitReference, parseGitReference } from "@varve/dockerfile";

/** A repository given as a build context: as ADD reads it; and, from before there was a scheme, `github.com/owner/name`. Throws DOCKERFILE_GIT_REFERENCE. */
export function parseContextRepository(text: string): GitReference | undefined {
  return text.startsWith("github.com/") ? parseGitReference(`https://${text}`, { known: true }) : parseGitReference(text);
}
