import type { SandboxDriver } from "../driver.ts";
import { bubblewrapEntry } from "../entries.ts";
import { namespaceDriver } from "./namespace.ts";

/**
 * The rung `bwrap`: as `namespace` with one id, where of all programs only bubblewrap may make user namespaces (as a profile of
 * AppArmor can have it). It sets no_new_privs, so that set-id programs have no effect in steps.
 */
export const bwrapDriver: SandboxDriver = {
  ...namespaceDriver,
  name: "bwrap",
  entries: () => [bubblewrapEntry()],
};
