import { isVarveError, VarveError } from "@varve/errors";
import { type Digest, isDigest } from "./digest.ts";

/**
 * An image's name, normalised as Docker does (distribution/reference): `nginx` is
 * `{ registry: "docker.io", repository: "library/nginx", tag: "latest" }`.
 */
export interface Reference {
  /** Host, with port when given; `index.docker.io` becomes `docker.io`. Not yet the API host. */
  readonly registry: string;
  readonly repository: string;
  /** Absent only when a digest is given without a tag. */
  readonly tag?: string;
  readonly digest?: Digest;
}

const DEFAULT_REGISTRY = "docker.io";
const LEGACY_DEFAULT_REGISTRY = "index.docker.io";
const OFFICIAL = "library/";
const DEFAULT_TAG = "latest";
const REPOSITORY_MAX = 255;

const LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])`;
const COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const REGISTRY = new RegExp(`^${HOST}(?::[0-9]+)?$`);
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const BARE_DIGEST = /^[a-f0-9]{64}$/;
/** Longer texts cannot be references: registry 255, repository 255, tag 128, digest 71, separators. */
const TEXT_MAX = 1024;

/**
 * Parses and normalises a name as people write it (distribution/reference `ParseNormalizedNamed`, then `TagNameOnly`).
 * Throws OCI_INVALID_REFERENCE; its message quotes the text.
 */
export function parseReference(text: string): Reference {
  if (text.length > TEXT_MAX) throw invalid(text, "it is too long");
  if (BARE_DIGEST.test(text)) throw invalid(text, "64 hex digits cannot be a repository's name");
  const { registry, rest } = splitRegistry(text);
  const at = rest.indexOf("@");
  const named = at < 0 ? rest : rest.slice(0, at);
  const digest = at < 0 ? undefined : checkedDigest(text, rest.slice(at + 1));
  const colon = named.indexOf(":");
  const repository = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (repository.toLowerCase() !== repository) {
    const [before, name] = text.endsWith(rest) ? [text.slice(0, -rest.length), repository] : ["", repository.replace(OFFICIAL, "")];
    throw invalid(text, `the repository's name must be lower case`, `write ${before}${name.toLowerCase()}${tag === undefined ? "" : `:${tag}`}`);
  }
  if (!REGISTRY.test(registry)) throw invalid(text, "the registry's host is malformed");
  if (!REPOSITORY.test(repository)) throw invalid(text, "the repository's name is malformed");
  if (repository.length > REPOSITORY_MAX) throw invalid(text, `the repository's name is longer than ${REPOSITORY_MAX} characters`);
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, "the tag is malformed");
  const effectiveTag = tag ?? (digest === undefined ? DEFAULT_TAG : undefined);
  return {
    registry,
    repository,
    ...(effectiveTag === undefined ? {} : { tag: effectiveTag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** As {@link parseReference}; `undefined` for a text that is none, such as a name another program wrote into a store. */
export function tryParseReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (isVarveError(error, "OCI_INVALID_REFERENCE")) return undefined;
    throw error;
  }
}

/** The full, normalised text: `docker.io/library/nginx:latest`, `host:5000/a/b:1@sha256:…`. */
export function formatReference(reference: Reference): string {
  return `${reference.registry}/${reference.repository}${suffix(reference)}`;
}

/** The short form Docker shows: `nginx:latest`, `someone/app:1`, `host:5000/a/b:1`. */
export function familiarReference(reference: Reference): string {
  const { registry, repository } = reference;
  if (registry !== DEFAULT_REGISTRY) return formatReference(reference);
  const name = repository.startsWith(OFFICIAL) ? repository.slice(OFFICIAL.length) : repository;
  // docker.io/library/a/b is not an official image: its short form would mean docker.io/a/b
  return `${name.includes("/") ? repository : name}${suffix(reference)}`;
}

function suffix(reference: Reference): string {
  return (reference.tag === undefined ? "" : `:${reference.tag}`) + (reference.digest === undefined ? "" : `@${reference.digest}`);
}

function splitRegistry(text: string): { registry: string; rest: string } {
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  // capitals cannot be in a repository, so what has some must be a host
  const isHost = slash >= 0 && (first === "localhost" || /[.:]/.test(first) || first.toLowerCase() !== first);
  const registry = !isHost ? DEFAULT_REGISTRY : first === LEGACY_DEFAULT_REGISTRY ? DEFAULT_REGISTRY : first;
  const rest = isHost ? text.slice(slash + 1) : text;
  return { registry, rest: registry === DEFAULT_REGISTRY && !rest.includes("/") ? OFFICIAL + rest : rest };
}

function checkedDigest(text: string, digest: string): Digest {
  if (isDigest(digest)) return digest;
  throw invalid(text, "the digest is malformed", "a digest is sha256: followed by 64 lower-case hex digits");
}

function invalid(text: string, why: string, hint?: string): VarveError {
  return new VarveError("OCI_INVALID_REFERENCE", `invalid image reference ${JSON.stringify(text.slice(0, 200))}: ${why}`, { hint });
}
