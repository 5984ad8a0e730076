import { OCI_CODES } from "./codes/oci.ts";
import { DOCKERFILE_CODES } from "./codes/dockerfile.ts";
import { ARCHIVE_CODES } from "./codes/archive.ts";
import { LAYER_CODES } from "./codes/layer.ts";
import { STORE_CODES } from "./codes/store.ts";
import { REGISTRY_CODES } from "./codes/registry.ts";
import { SANDBOX_CODES } from "./codes/sandbox.ts";
import { CACHE_CODES } from "./codes/cache.ts";
import { PLAN_CODES } from "./codes/plan.ts";
import { CONTEXT_CODES } from "./codes/context.ts";
import { SNAPSHOT_CODES } from "./codes/snapshot.ts";
import { IMAGE_CODES } from "./codes/image.ts";
import { BUILD_CODES } from "./codes/build.ts";
import { CLI_CODES } from "./codes/cli.ts";

/** `<PACKAGE>_<CONDITION>`, from the closed list {@link ERROR_CODES}. */
export type ErrorCode =
  | keyof typeof OCI_CODES
  | keyof typeof DOCKERFILE_CODES
  | keyof typeof ARCHIVE_CODES
  | keyof typeof LAYER_CODES
  | keyof typeof STORE_CODES
  | keyof typeof REGISTRY_CODES
  | keyof typeof SANDBOX_CODES
  | keyof typeof CACHE_CODES
  | keyof typeof PLAN_CODES
  | keyof typeof CONTEXT_CODES
  | keyof typeof SNAPSHOT_CODES
  | keyof typeof IMAGE_CODES
  | keyof typeof BUILD_CODES
  | keyof typeof CLI_CODES;

/** Every code varve can throw, with one sentence each; a package owns its own file under `codes/`. */
export const ERROR_CODES: Readonly<Record<ErrorCode, string>> = {
  ...OCI_CODES,
  ...DOCKERFILE_CODES,
  ...ARCHIVE_CODES,
  ...LAYER_CODES,
  ...STORE_CODES,
  ...REGISTRY_CODES,
  ...SANDBOX_CODES,
  ...CACHE_CODES,
  ...PLAN_CODES,
  ...CONTEXT_CODES,
  ...SNAPSHOT_CODES,
  ...IMAGE_CODES,
  ...BUILD_CODES,
  ...CLI_CODES,
};
