import { ApiError } from "./api-error.ts";

/** What a path of the distribution API names. */
export type Route =
  | { readonly kind: "base" }
  | { readonly kind: "catalog" }
  | { readonly kind: "uploads"; readonly repository: string }
  | { readonly kind: "upload"; readonly repository: string; readonly id: string }
  | { readonly kind: "blob"; readonly repository: string; readonly digest: string }
  | { readonly kind: "manifest"; readonly repository: string; readonly reference: string }
  | { readonly kind: "tags"; readonly repository: string }
  | { readonly kind: "referrers"; readonly repository: string; readonly digest: string };

/** distribution-spec, "Pulling manifests": `<name>`. */
const NAME = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const NAME_MAX = 255;

/** Finds what a path names; `undefined` for a path outside the API. Throws NAME_INVALID for a repository that cannot be. */
export function parseRoute(path: string): Route | undefined {
  if (path === "/v2" || path === "/v2/") return { kind: "base" };
  if (path === "/v2/_catalog") return { kind: "catalog" };
  if (!path.startsWith("/v2/")) return undefined;
  // a repository may be called `blobs` or `manifests`, so the end of the path decides
  const parts = path.slice("/v2/".length).split("/");
  // `sha256%3A…` is how some clients write a digest
  const last = (parts.at(-1) ?? "").replaceAll(/%3a/gi, ":");
  const second = parts.at(-2);
  const third = parts.at(-3);
  const named = (trailing: number): string => checkedName(parts.slice(0, -trailing).join("/"));
  if (third === "blobs" && second === "uploads")
    return last === "" ? { kind: "uploads", repository: named(3) } : { kind: "upload", repository: named(3), id: last };
  if (second === "blobs" && last === "uploads") return { kind: "uploads", repository: named(2) };
  if (second === "blobs") return { kind: "blob", repository: named(2), digest: last };
  if (second === "manifests") return { kind: "manifest", repository: named(2), reference: last };
  if (second === "referrers") return { kind: "referrers", repository: named(2), digest: last };
  if (second === "tags" && last === "list") return { kind: "tags", repository: named(2) };
  return undefined;
}

function checkedName(name: string): string {
  if (name.length <= NAME_MAX && NAME.test(name)) return name;
  throw new ApiError("NAME_INVALID", `${JSON.stringify(name.slice(0, 100))} cannot name a repository`);
}
