import { formatPlatform, type Platform } from "@varve/oci";

/** The `key` of a base image: what `bases` of `planBuild` is indexed by. */
export function baseKey(reference: string, platform: Platform): string {
  const version = platform["os.version"];
  return `${reference} ${formatPlatform(platform)}${version === undefined ? "" : `(${version})`}`;
}
