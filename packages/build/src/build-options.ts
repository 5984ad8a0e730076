import type { ByteStream } from "@varve/bytes";
import type { Descriptor } from "@varve/oci";
import type { BuildEvent } from "./build-event.ts";
import type { RungChoice } from "./run/start-runner.ts";

/** How an image is written; the names are buildx's exporter options in camel case. */
export interface ImageForm {
  /** Of the layers made here (default gzip); a base's keep theirs. */
  readonly compression?: "gzip" | "zstd" | "estargz" | "uncompressed" | undefined;
  /** gzip and estargz 0 to 9 (6), zstd 0 to 22 (3). */
  readonly compressionLevel?: number | undefined;
  /** A base's layers that are compressed otherwise are recompressed. */
  readonly forceCompression?: boolean | undefined;
  /** Compresses in JavaScript, so that blobs are the same on every platform and Node version (varve's own; gzip and estargz only). */
  readonly portable?: boolean | undefined;
  /** The image-spec's media types (default), or Docker's. */
  readonly ociMediaTypes?: boolean | undefined;
  /** File times after SOURCE_DATE_EPOCH become it, in the layers made here. Needs one. */
  readonly rewriteTimestamp?: boolean | undefined;
}

/** Where a build's result goes; the names are buildx's (`-o type=…`). */
export type Output =
  | { readonly type: "image"; readonly names: readonly string[]; readonly push: boolean; readonly form?: ImageForm }
  | {
      readonly type: "oci" | "docker";
      readonly form?: ImageForm;
      /** A file; `-` is stdout. Without it the archive goes nowhere (docker: an error). */ readonly dest: string;
      readonly tar: boolean;
      readonly names: readonly string[];
    }
  /** With a SOURCE_DATE_EPOCH every file has that time. */
  | { readonly type: "tar"; readonly dest: string }
  | { readonly type: "local"; readonly dest: string };

/** As buildx's --allow. */
export type Entitlement = "security.insecure" | "network.host";

/** A cache in a registry. */
export interface CacheRepository {
  /** A repository's name, without a tag. */
  readonly name: string;
  /** Seconds; what is older is not used. */
  readonly maxAge?: number;
  /** Nothing is written there. */
  readonly readOnly?: boolean;
}

/** Everything `docker buildx build` takes that varve honours. */
export interface BuildOptions extends RungChoice {
  /** A directory; `-` for a tar or Dockerfile on stdin; a URL. */
  readonly context: string;
  /** What `-` reads (default: this process's stdin). Owned by the build. */
  readonly stdin?: ByteStream;
  /** Path of the Dockerfile, relative to the current directory as in buildx (default `<context>/Dockerfile`); `-` is stdin. */
  readonly file?: string;
  /** The Dockerfile's text itself; wins over `file`. */
  readonly dockerfile?: string;
  readonly tags?: readonly string[];
  readonly push?: boolean;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly buildContexts?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** `os/arch[/variant]`, several make an index. */
  readonly platforms?: readonly string[];
  readonly noCache?: boolean;
  readonly pull?: boolean;
  /** A repository that steps' layers are looked up in, and kept in, beside the store. */
  readonly cacheRepository?: CacheRepository;
  readonly outputs?: readonly Output[];
  readonly network?: "default" | "none" | "host";
  /** What steps may ask for beyond the usual: `security.insecure` for RUN --security=insecure. `network.host` is allowed anyway. */
  readonly allow?: readonly Entitlement[];
  readonly secrets?: readonly { readonly id: string; readonly file?: string; readonly env?: string }[];
  readonly ssh?: readonly { readonly id: string; readonly socket?: string }[];
  readonly addHosts?: readonly { readonly host: string; readonly address: string }[];
  readonly shmSize?: number;
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly insecureRegistries?: readonly string[];
  /** `$VARVE_HOME` (default `$XDG_DATA_HOME/varve`). */
  readonly home?: string;
  /** Seconds since the epoch for `created` (default `$SOURCE_DATE_EPOCH`). */
  readonly sourceDateEpoch?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: BuildEvent) => void;
}

/** What a build gives. */
export interface BuildResult {
  /** Of the manifest, or of the index for several platforms. */
  readonly descriptor: Descriptor;
  /** `sha256:…` of the image config (Docker's image ID); of the index, when there are several platforms, as buildx. */
  readonly imageID: string;
  /** Full references the result was tagged with. */
  readonly names: readonly string[];
  /** True when the result was pushed. */
  readonly pushed: boolean;
  readonly steps: { readonly total: number; readonly cached: number };
}
