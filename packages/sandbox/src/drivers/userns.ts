import { CAP_SYS_ADMIN, hasCapability } from "../capability.ts";
import type { SandboxDriver } from "../driver.ts";
import { sameIdsEntry, subIdEntry } from "../entries.ts";
import { userNamespace } from "../user-namespace.ts";
import { namespaceDriver } from "./namespace.ts";

/**
 * The rung `userns`: as `namespace`, in a user namespace in which all ids of an image are there: those of /etc/subuid, given by
 * newuidmap, or root's own where only CAP_SYS_ADMIN is missing.
 */
export const usernsDriver: SandboxDriver = {
  ...namespaceDriver,
  name: "userns",
  passedOver: () => (hasCapability(CAP_SYS_ADMIN) && userNamespace().ids === "real" ? "root's own ids are real, and let devices be made" : undefined),
  entries: () => [subIdEntry(), ...(process.geteuid?.() === 0 ? [sameIdsEntry()] : [])],
};
