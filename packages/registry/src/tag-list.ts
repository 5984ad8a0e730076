import { VarveError } from "@varve/errors";
import { resolveLocation } from "./redirect.ts";
import { readBody } from "./response-body.ts";
import { responseError } from "./response-error.ts";
import { withRetries } from "./retry.ts";
import type { ApiRequest, RegistrySession } from "./session.ts";
import type { HttpResponse } from "./transport.ts";

const PAGE = 1000;
const PAGE_LIMIT = 4 * 1024 * 1024;
const TAGS_LIMIT = 1_000_000;

/** Which repository's tags. */
export interface TagListRequest extends Pick<ApiRequest, "scopes" | "what" | "signal"> {
  readonly repository: string;
}

/** Every tag of a repository, in the registry's order; pages are followed through `Link` (distribution spec, "Listing Tags"). */
export async function listTags(session: RegistrySession, request: TagListRequest): Promise<readonly string[]> {
  const tags = new Set<string>();
  const seen = new Set<string>();
  let target: string | URL | undefined = `/v2/${request.repository}/tags/list?n=${PAGE}`;
  while (target !== undefined && !seen.has(String(target))) {
    seen.add(String(target));
    const page: TagPage = await fetchPage(session, request, target);
    for (const tag of page.tags) tags.add(tag);
    if (tags.size > TAGS_LIMIT) throw new VarveError("REGISTRY_TOO_LARGE", `${request.what} has more than ${TAGS_LIMIT} tags`);
    target = page.next;
  }
  return [...tags];
}

interface TagPage {
  readonly tags: readonly string[];
  readonly next: URL | undefined;
}

function fetchPage(session: RegistrySession, request: TagListRequest, target: string | URL): Promise<TagPage> {
  const { scopes, what, signal } = request;
  return withRetries(
    session.retry,
    async () => {
      const response = await session.exchange({ method: "GET", target, scopes, what, signal });
      if (response.status !== 200) throw await responseError(response, what);
      const bytes = await readBody(response, { limit: PAGE_LIMIT, what, signal });
      return { tags: parseTags(bytes, what), next: nextPage(response) };
    },
    signal,
  );
}

function parseTags(bytes: Uint8Array, what: string): readonly string[] {
  try {
    const body: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof body === "object" && body !== null && "tags" in body) {
      // a repository without tags: null in Go
      if (body.tags === null) return [];
      if (Array.isArray(body.tags) && body.tags.every((tag) => typeof tag === "string")) return body.tags;
    }
  } catch (cause) {
    throw new VarveError("REGISTRY_PROTOCOL", `${what}: the list of tags is not JSON`, { cause });
  }
  throw new VarveError("REGISTRY_PROTOCOL", `${what}: there is no list of tags in the answer`);
}

function nextPage(response: HttpResponse): URL | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(response.header("link") ?? "")?.[1];
  return target === undefined ? undefined : resolveLocation(target, response.url);
}
