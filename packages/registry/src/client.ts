import type { Descriptor, Existence, Fetcher, GrowingBlob, IOOptions, Mounter, Pusher, RangeFetcher, Reference, Resolver, Tagger } from "@varve/oci";
import type { Environment } from "./proxy.ts";
import type { RetryPolicy } from "./retry.ts";
import type { Timeouts } from "./transport.ts";

/** One repository of a registry; manifests and blobs alike go by descriptor (the media type tells which). */
export interface RemoteRepository extends Fetcher, RangeFetcher, Existence, Pusher, Resolver, Tagger, Mounter {
  readonly registry: string;
  readonly repository: string;
  tags(options?: IOOptions): Promise<readonly string[]>;
  /** Uploads a blob while it is made, whether the registry has it or not. What fails is not tried again. */
  pushGrowing(blob: GrowingBlob, options?: IOOptions): Promise<void>;
  /** The raw bytes a tag or digest stands for, with its descriptor, digest verified; at most 4 MiB. */
  fetchManifest(reference: string, options?: IOOptions): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array }>;
}

/** Credentials for one registry. */
export type Credentials =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | { readonly kind: "identity-token"; readonly token: string }
  | { readonly kind: "bearer"; readonly token: string };

/** Looks credentials up by registry host; `undefined` is anonymous. */
export type CredentialSource = (registry: string, options?: IOOptions) => Promise<Credentials | undefined>;

export interface RegistryClientOptions {
  readonly credentials?: CredentialSource;
  /** Hosts (with port) that may be spoken to over plain http or an unverified certificate; loopback is always plain http, and `*` names all. */
  readonly insecureRegistries?: readonly string[];
  /** Registers tokens and passwords with the one redactor. */
  readonly onSecret?: (secret: string) => void;
  readonly userAgent?: string;
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read; the process's own by default. */
  readonly env?: Environment;
  /** Differences from {@link DEFAULT_RETRY_POLICY}. */
  readonly retry?: Partial<RetryPolicy>;
  /** Differences from {@link DEFAULT_TIMEOUTS}. */
  readonly timeouts?: Partial<Timeouts>;
}

/** Speaks the distribution spec to any registry; owns its connections. */
export interface RegistryClient extends AsyncDisposable {
  repository(reference: Pick<Reference, "registry" | "repository">): RemoteRepository;
}
