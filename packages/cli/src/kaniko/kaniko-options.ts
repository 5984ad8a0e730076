import type { BuildOptions, CacheRepository, ImageForm, Output } from "@varve/build";
import { VarveError } from "@varve/errors";
import { formatReference, parseReference } from "@varve/oci";
import { parseAssignments } from "../options/key-values.ts";
import { rungChoice } from "../options/rung.ts";
import type { Session } from "../session.ts";
import type { KanikoArguments } from "./kaniko-arguments.ts";
import { kanikoContext } from "./kaniko-context.ts";

/** The build that an executor's command line asks for. Throws CLI_USAGE. */
export function kanikoOptions(session: Session, flags: KanikoArguments): BuildOptions {
  const destinations = flags.list("destination");
  const push = !flags.on("no-push");
  if (push && destinations.length === 0 && flags.text("tar-path") === undefined) {
    throw new VarveError("CLI_USAGE", "no --destination is given", { hint: "add --destination NAME:TAG, or --no-push" });
  }
  const platform = flags.text("custom-platform");
  const target = flags.text("target");
  const cacheRepository = cacheOf(flags, destinations);
  return {
    ...kanikoContext(
      {
        context: flags.text("context") ?? "/workspace/",
        subPath: flags.text("context-sub-path") ?? "",
        dockerfile: flags.text("dockerfile") ?? "Dockerfile",
        git: flags.list("git"),
      },
      session,
    ),
    tags: destinations,
    buildArgs: parseAssignments(flags.list("build-arg"), session.env),
    labels: Object.fromEntries(flags.list("label").map((label) => labelOf(label))),
    ...(target === undefined ? {} : { target }),
    ...(platform === undefined ? {} : { platforms: [platform] }),
    outputs: outputsOf(flags, { destinations, push: push && destinations.length > 0 }),
    noCache: !flags.on("cache"),
    ...(cacheRepository === undefined ? {} : { cacheRepository }),
    ...(flags.on("reproducible") ? { sourceDateEpoch: 0 } : {}),
    insecureRegistries: [...session.insecureRegistries, ...insecureOf(flags, destinations)],
    ...rungChoice({}, session),
    home: session.home,
    signal: session.signal,
  };
}

function labelOf(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new VarveError("CLI_USAGE", `--label ${JSON.stringify(text)} is not NAME=value`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function outputsOf(flags: KanikoArguments, to: { readonly destinations: readonly string[]; readonly push: boolean }): Output[] {
  const names = to.destinations;
  const tar = flags.text("tar-path");
  const layout = flags.text("oci-layout-path");
  const form = formOf(flags);
  return [
    { type: "image", names, push: to.push, ...form },
    ...(tar === undefined ? [] : [{ type: "docker", dest: tar, tar: true, names, ...form } as const]),
    ...(layout === undefined ? [] : [{ type: "oci", dest: layout, tar: false, names, ...form } as const]),
  ];
}

function formOf(flags: KanikoArguments): { readonly form?: ImageForm } {
  const compression = flags.text("compression");
  const level = flags.text("compression-level");
  if (compression !== undefined && compression !== "gzip" && compression !== "zstd") {
    throw new VarveError("CLI_USAGE", `--compression ${JSON.stringify(compression)} is neither gzip nor zstd`);
  }
  if (level !== undefined && !/^\d{1,2}$/.test(level)) throw new VarveError("CLI_USAGE", `--compression-level ${JSON.stringify(level)} is no number`);
  const form: ImageForm = {
    ...(flags.on("reproducible") ? { rewriteTimestamp: true } : {}),
    ...(compression === undefined ? {} : { compression }),
    ...(level === undefined ? {} : { compressionLevel: Number(level) }),
  };
  return Object.keys(form).length === 0 ? {} : { form };
}

const WEEKS = 336 * 3600;

/** Where kaniko's steps are kept: the repository named, else the first destination's `cache`. */
function cacheOf(flags: KanikoArguments, destinations: readonly string[]): CacheRepository | undefined {
  if (!flags.on("cache")) return undefined;
  const [first] = destinations;
  const name = flags.text("cache-repo") ?? (first === undefined ? undefined : `${nameOf(first)}/cache`);
  if (name === undefined) return undefined;
  if (name.startsWith("oci:")) {
    throw new VarveError("CLI_USAGE", "--cache-repo oci: is not supported", {
      hint: "what steps make is kept in the store, $VARVE_HOME; keep that folder",
    });
  }
  return { name, maxAge: durationOf(flags.text("cache-ttl")) ?? WEEKS, readOnly: flags.on("no-push-cache") };
}

/** A reference without its tag and digest. */
function nameOf(text: string): string {
  const { tag: _tag, digest: _digest, ...name } = parseReference(text);
  return formatReference(name);
}

/** Go's durations, in seconds: `6h`, `1h30m`. */
function durationOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^(?:\d+(?:\.\d+)?[hms])+$/.test(text)) {
    throw new VarveError("CLI_USAGE", `--cache-ttl ${JSON.stringify(text)} is no duration`, { hint: "for example 6h, or 1h30m" });
  }
  const seconds: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };
  return [...text.matchAll(/(\d+(?:\.\d+)?)([hms])/g)].reduce((sum, [, number, unit]) => sum + Number(number) * (seconds[unit ?? ""] ?? 0), 0);
}

function insecureOf(flags: KanikoArguments, destinations: readonly string[]): string[] {
  const push = flags.on("insecure") || flags.on("skip-tls-verify");
  const pull = flags.on("insecure-pull") || flags.on("skip-tls-verify-pull");
  return [
    ...flags.list("insecure-registry"),
    ...flags.list("skip-tls-verify-registry"),
    ...(push ? destinations.map((name) => parseReference(name).registry) : []),
    // which registries bases come from is known to the Dockerfile alone
    ...(pull ? ["*"] : []),
  ];
}
