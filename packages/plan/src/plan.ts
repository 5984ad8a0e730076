import type { RunMount } from "@varve/dockerfile";
import type { SourceRange } from "@varve/errors";
import type { HistoryEntry, ImageConfig, Platform } from "@varve/oci";

/** Names a vertex within one plan; stable for equal inputs. */
export type VertexID = string;

interface VertexBase {
  readonly id: VertexID;
  /** As progress shows it: `[build 2/5] RUN make`. */
  readonly title: string;
  /** Where it comes from in the Dockerfile, when it does. */
  readonly range?: SourceRange;
}

/** The whole file tree of an image (a base, or `COPY --from=image`). */
export interface ImageVertex extends VertexBase {
  readonly kind: "image";
  readonly reference: string;
  readonly platform: Platform;
}
/** The empty tree. */
export interface ScratchVertex extends VertexBase {
  readonly kind: "scratch";
}
/** A build context: `""` is the main one, others are named (`--build-context`). */
export interface ContextVertex extends VertexBase {
  readonly kind: "context";
  readonly name: string;
}

/** What one COPY/ADD source is; values expanded. */
export type TransferSource =
  | { readonly kind: "path"; readonly pattern: string; readonly range?: SourceRange }
  | { readonly kind: "inline"; readonly name: string; readonly content: string }
  | { readonly kind: "http"; readonly url: string; readonly checksum?: string }
  | { readonly kind: "git"; readonly url: string; readonly keepGitDir: boolean; readonly checksum?: string };

/** COPY or ADD: a function of the parent's tree and the source's tree. */
export interface TransferVertex extends VertexBase {
  readonly kind: "copy" | "add";
  readonly parent: VertexID;
  /** The context, stage or image that `path` sources are read from. */
  readonly from: VertexID;
  /** True for `--from` of a stage or an image: owners are kept, ignore rules don't apply. */
  readonly keepOwner: boolean;
  readonly sources: readonly TransferSource[];
  /** Absolute, WORKDIR applied; a trailing `/` is kept. */
  readonly destination: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  readonly unpack?: boolean;
  readonly checksum?: string;
}

/** WORKDIR: makes directories, owned by `user`. */
export interface WorkdirVertex extends VertexBase {
  readonly kind: "workdir";
  readonly parent: VertexID;
  readonly path: string;
  readonly user: string;
}

/**
 * A RUN mount with its values expanded and checked. `fields` has long keys only, defaults filled in: `type`, `target` (absolute, clean; absent for a
 * secret that is only an `env`, and for ssh's default), `source` (absolute), `readonly` (`true`, `false`; bind and cache), `id`, `sharing`, `mode`
 * (octal), `uid`, `gid`, `required`, `env`, `size`. `from` is the tree it shows: always there for bind, absent for a cache that starts empty.
 */
export interface PlannedMount {
  readonly mount: RunMount;
  readonly fields: Readonly<Record<string, string>>;
  readonly from?: VertexID;
}

/** RUN: a process on the parent's tree. */
export interface RunVertex extends VertexBase {
  readonly kind: "run";
  readonly parent: VertexID;
  /** argv: SHELL and text, or the exec form. */
  readonly args: readonly string[];
  /** Files shown to the process under `/dev/pipes/` (heredocs), made executable when they start with `#!`. */
  readonly pipes: readonly { readonly name: string; readonly content: string }[];
  /** `NAME=value`: image ENV and declared ARGs, later wins. PATH, HOME and proxies are added at run time. */
  readonly env: readonly string[];
  /** Names in `env` whose value came from an ARG (for history and explanation). */
  readonly buildArgs: readonly string[];
  readonly user: string;
  readonly workdir: string;
  readonly mounts: readonly PlannedMount[];
  readonly network: "default" | "none" | "host";
  readonly security: "sandbox" | "insecure";
}

export type Vertex = ImageVertex | ScratchVertex | ContextVertex | TransferVertex | WorkdirVertex | RunVertex;

/** One history line above the base; `vertex` is there when it has a layer. */
export interface PlannedHistory {
  readonly entry: HistoryEntry;
  readonly vertex?: VertexID;
}

/** A graph for one target and platform: plain data, inputs before users. Only what the target needs is in it. */
export interface Plan {
  readonly platform: Platform;
  readonly vertices: readonly Vertex[];
  /** The vertex whose tree is the result. */
  readonly result: VertexID;
  /** The base the result's chain of layers starts from: an image or scratch vertex. */
  readonly base: VertexID;
  /** The vertices from base to result that each add a layer, in order. */
  readonly layers: readonly VertexID[];
  /** The final config but for `rootfs.diff_ids`, `history` above the base and `created`; unknown base keys kept. `rootfs`/`history` are the base's. */
  readonly config: ImageConfig;
  readonly history: readonly PlannedHistory[];
  readonly warnings: readonly { readonly rule: string; readonly message: string; readonly range: SourceRange }[];
}

/** What planning needs beside the Dockerfile. */
export interface PlanOptions {
  readonly target?: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** What is built for; also TARGETPLATFORM. `undefined` when the user gave none: the base's platform is kept. */
  readonly platform?: Platform;
  /** The builder's own; also BUILDPLATFORM. */
  readonly buildPlatform: Platform;
  /** Labels from the command line. */
  readonly labels: Readonly<Record<string, string>>;
  /** Names given with `--build-context`; a value `docker-image://…` or `oci-layout://…` makes it an image. */
  readonly namedContexts: Readonly<Record<string, string>>;
  /** RUN network when the instruction doesn't say. */
  readonly network: "default" | "none" | "host";
  /** Every stage is planned, not only what the target needs: for checks without a target. */
  readonly allStages?: boolean;
  /** Whether an ignore file leaves nothing of a source (clean, `""` for all) in the main context, for the check CopyIgnoredFile. */
  readonly ignores?: (path: string) => boolean;
  /** Titles start with the platform: several are built. */
  readonly withPlatform?: boolean;
}

/** A base image a plan needs the config of. `key` indexes the `bases` given to `planBuild`. */
export interface RequiredBase {
  readonly key: string;
  readonly reference: string;
  readonly platform: Platform;
  readonly range: SourceRange;
}

/** A base image once resolved. */
export interface ResolvedBase {
  readonly config: ImageConfig;
  /** `sha256:…` of its manifest. */ readonly digest: string;
  /** True for a stand-in: checks that depend on the base's config are left out. */ readonly unknown?: boolean;
}
