import { familiarReference, formatPlatform, formatReference, parseReference, type Platform } from "@varve/oci";

/** What a `--build-context` stands for: an image, a stage of the same file, or a folder of files read as a context. */
export type NamedContext =
  | { readonly kind: "image"; readonly reference: string }
  | { readonly kind: "target"; readonly stage: string }
  | { readonly kind: "context"; readonly name: string };

/** The stage that the value of a `--build-context` names, in lower case; `undefined` for one that names none. */
export function targetStage(value: string): string | undefined {
  return /^target:(.*)$/s.exec(value)?.[1]?.toLowerCase();
}

/**
 * Finds the named context that a stage, image or source name means. Names are compared as image references (`alpine` is
 * `docker.io/library/alpine:latest`); `name::platform` wins where it fits. `scratch` and `context` can't be replaced. Throws OCI_INVALID_REFERENCE
 * for a `docker-image://` that is none.
 */
export function findNamedContext(contexts: Readonly<Record<string, string>>, name: string, platform: Platform): NamedContext | undefined {
  if (["scratch", "context"].includes(name.toLowerCase())) return undefined;
  const wanted = contextName(name);
  const entries = Object.entries(contexts);
  const found = entries.find(([key]) => contextName(key) === `${wanted}::${formatPlatform(platform)}`) ?? entries.find(([key]) => contextName(key) === wanted);
  if (found === undefined) return undefined;
  const [key, value] = found;
  const image = /^docker-image:\/\/(.*)$/s.exec(value)?.[1];
  if (image !== undefined) return { kind: "image", reference: formatReference(parseReference(image)) };
  const stage = targetStage(value);
  if (stage !== undefined) return { kind: "target", stage };
  return value.startsWith("oci-layout://") ? { kind: "image", reference: value } : { kind: "context", name: key };
}

function contextName(text: string): string {
  const [name = "", platform] = text.split("::", 2);
  const suffix = platform === undefined ? "" : `::${platform}`;
  try {
    return `${familiarReference(parseReference(name)).replace(/:latest$/, "")}${suffix}`;
  } catch {
    return name + suffix;
  }
}
