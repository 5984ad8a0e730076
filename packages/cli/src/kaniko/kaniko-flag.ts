/** How a flag of kaniko's executor is written. */
type FlagKind = "text" | "list" | "switch";

/** A flag of kaniko's executor: what it is for here, or why it has no meaning. */
export interface KanikoFlag {
  readonly kind: FlagKind;
  readonly short?: string;
  /** For the help. */
  readonly does: string;
  /** Taken and said to have no meaning here: why. */
  readonly without?: string;
  /** Refused: what to do in its place. */
  readonly refused?: string;
}

const OWN_ROOT = "each step has a root filesystem of its own; the builder's files are never part of the image";
const EXACT = "what a step changed is found from the file system itself, exactly";

/** The flags of kaniko 1.24, the last before it was archived, in the order of its README. */
export const KANIKO_FLAGS: Readonly<Record<string, KanikoFlag>> = {
  dockerfile: { kind: "text", short: "f", does: "the Dockerfile: a path, else looked for in the context (default Dockerfile)" },
  context: { kind: "text", short: "c", does: "dir://PATH, tar://PATH, tar://stdin, git://HOST/PATH#REF, https://…, or a path (default /workspace/)" },
  "context-sub-path": { kind: "text", does: "the folder of the context to build from" },
  destination: { kind: "list", short: "d", does: "push the image under this name (repeatable)" },
  "no-push": { kind: "switch", does: "build only" },
  "no-push-cache": { kind: "switch", does: "do not write to --cache-repo" },
  "build-arg": { kind: "list", does: "set an ARG (repeatable)" },
  label: { kind: "list", does: "set a label (repeatable)" },
  target: { kind: "text", does: "build this stage" },
  "custom-platform": { kind: "text", does: "build for this platform" },
  "tar-path": { kind: "text", does: "write the image to a tar that docker load takes" },
  "oci-layout-path": { kind: "text", does: "write the image as an OCI layout to this folder" },
  "digest-file": { kind: "text", does: "write the image's digest to a file" },
  "image-name-with-digest-file": { kind: "text", does: "write NAME@DIGEST of each destination to a file" },
  "image-name-tag-with-digest-file": { kind: "text", does: "write NAME:TAG@DIGEST of each destination to a file" },
  cache: { kind: "switch", does: "use what earlier builds made" },
  "cache-repo": { kind: "text", does: "keep what steps make in this repository (default: DESTINATION/cache)" },
  "cache-ttl": { kind: "text", does: "take nothing older from --cache-repo, as in 6h (default 336h)" },
  "cache-copy-layers": { kind: "switch", does: "", without: "COPY is cached as all steps are, and --cache=false turns that off" },
  "cache-run-layers": { kind: "switch", does: "", without: "RUN is cached as all steps are, and --cache=false turns that off" },
  "cache-dir": { kind: "text", does: "", without: "base images are kept in the store, $VARVE_HOME" },
  "compressed-caching": { kind: "switch", does: "", without: "memory does not grow with layers" },
  compression: { kind: "text", does: "gzip or zstd (default gzip)" },
  "compression-level": { kind: "text", does: "how hard to compress: gzip 0 to 9, zstd 1 to 22" },
  reproducible: { kind: "switch", does: "set every time to 0, so that the same input gives the same digest" },
  insecure: { kind: "switch", does: "push over http, or without checking the certificate" },
  "insecure-pull": { kind: "switch", does: "pull over http, or without checking the certificate" },
  "insecure-registry": { kind: "list", does: "the same for one registry, both ways (repeatable)" },
  "skip-tls-verify": { kind: "switch", does: "as --insecure" },
  "skip-tls-verify-pull": { kind: "switch", does: "as --insecure-pull" },
  "skip-tls-verify-registry": { kind: "list", does: "as --insecure-registry (repeatable)" },
  git: { kind: "list", does: "branch=NAME of a git context" },
  verbosity: { kind: "text", short: "v", does: "trace, debug, info, warn, error, fatal or panic (default info)" },
  "log-format": { kind: "text", does: "text, color or json" },
  "credential-helpers": { kind: "list", does: "", without: "Docker's config.json names the helper of each registry" },
  "azure-container-registry-config": { kind: "text", does: "", refused: "write the registry's credentials into Docker's config.json" },
  "registry-certificate": { kind: "list", does: "", refused: "point NODE_EXTRA_CA_CERTS at the authority's PEM file" },
  "registry-client-cert": { kind: "list", does: "", refused: "varve has no client certificates yet" },
  "registry-mirror": { kind: "list", does: "", refused: "name the mirror in FROM, or give a base with --build-arg" },
  "registry-map": { kind: "list", does: "", refused: "name the registry in FROM, or give a base with --build-arg" },
  bucket: { kind: "text", short: "b", does: "", refused: "fetch the context first, and give it with --context tar://PATH" },
  "push-retry": { kind: "text", does: "", without: "requests worth it are tried again by themselves" },
  "push-ignore-immutable-tag-errors": { kind: "switch", does: "", refused: "push under another tag" },
  "image-fs-extract-retry": { kind: "text", does: "", without: "requests worth it are tried again by themselves" },
  "image-download-retry": { kind: "text", does: "", without: "requests worth it are tried again by themselves" },
  "kaniko-dir": { kind: "text", does: "", without: "the store is $VARVE_HOME" },
  cleanup: { kind: "switch", does: "", without: OWN_ROOT },
  force: { kind: "switch", does: "", without: OWN_ROOT },
  "force-build-metadata": { kind: "switch", does: "", without: "configs are written as BuildKit writes them" },
  "ignore-path": { kind: "list", does: "", without: OWN_ROOT },
  "ignore-var-run": { kind: "switch", does: "", without: OWN_ROOT },
  "whitelist-var-run": { kind: "switch", does: "", without: OWN_ROOT },
  "log-timestamp": { kind: "switch", does: "", without: "each line of a step tells its second" },
  "single-snapshot": { kind: "switch", does: "", without: "each instruction makes its layer, as docker build does" },
  "skip-default-registry-fallback": { kind: "switch", does: "", without: "there are no mirrors to fall back from" },
  "skip-push-permission-check": { kind: "switch", does: "", without: "the push itself tells" },
  "skip-unused-stages": { kind: "switch", does: "", without: "stages that the target does not need are never built" },
  "snapshot-mode": { kind: "text", does: "", without: EXACT },
  "use-new-run": { kind: "switch", does: "", without: EXACT },
};

/** What kaniko still takes under an older name. */
export const OLD_SPELLINGS: ReadonlyMap<string, string> = new Map([
  ["--snapshotMode", "--snapshot-mode"],
  ["--customPlatform", "--custom-platform"],
  ["--tarPath", "--tar-path"],
]);
