import type { SandboxDriver } from "./driver.ts";
import { bwrapDriver } from "./drivers/bwrap.ts";
import { chrootDriver } from "./drivers/chroot.ts";
import { ociDriver } from "./drivers/oci.ts";
import { noneDriver } from "./drivers/none.ts";
import { prootDriver } from "./drivers/proot.ts";
import { usernsDriver } from "./drivers/userns.ts";
import { namespaceDriver } from "./drivers/namespace.ts";

/** Every rung there is, strongest first. Both processes know a rung by its name in this list. */
export const LADDER: readonly SandboxDriver[] = [ociDriver, usernsDriver, namespaceDriver, bwrapDriver, chrootDriver, prootDriver, noneDriver];
