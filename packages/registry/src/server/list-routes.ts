import { ApiError } from "./api-error.ts";
import { type Exchange, replyJson } from "./exchange.ts";

/** GET of a repository's tags, in order, in pages (`n`, `last`; distribution-spec, "Listing Tags"). */
export async function listTags(exchange: Exchange, repository: string): Promise<void> {
  const served = await exchange.images.find(repository);
  if (served === undefined) throw new ApiError("NAME_UNKNOWN", `there is no repository ${repository}`);
  const { items, headers } = page(exchange, [...served.tags.keys()].toSorted(), `/v2/${repository}/tags/list`);
  replyJson(exchange, { name: repository, tags: items }, headers);
}

/** GET of the names of all repositories, in pages. */
export async function listRepositories(exchange: Exchange): Promise<void> {
  const { items, headers } = page(exchange, await exchange.images.repositories(), "/v2/_catalog");
  replyJson(exchange, { repositories: items }, headers);
}

interface Page {
  readonly items: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

function page({ query }: Exchange, all: readonly string[], path: string): Page {
  const count = query.get("n");
  const last = query.get("last");
  if (count !== null && !/^\d{1,9}$/.test(count)) throw new ApiError("PAGINATION_NUMBER_INVALID", "n is no number");
  const rest = last === null ? all : all.filter((item) => item > last);
  const items = count === null ? rest : rest.slice(0, Number(count));
  const end = items.at(-1);
  if (end === undefined || items.length === rest.length || count === null) return { items, headers: {} };
  return { items, headers: { link: `<${path}?${new URLSearchParams({ n: count, last: end }).toString()}>; rel="next"` } };
}
