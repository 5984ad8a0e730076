import { VarveError } from "@varve/errors";
import type { SandboxDriver } from "../driver.ts";

/** The rung `none`: nothing is run. For those who want to be sure that a build is answered by the cache. */
export const noneDriver: SandboxDriver = {
  name: "none",
  snapshot: "flat",
  isolation: "namespaces",
  passedOver: () => "it runs nothing",
  entries() {
    throw new VarveError("SANDBOX_UNAVAILABLE", "the sandbox none runs nothing, and this step is not in the cache", {
      hint: "without --sandbox none; varve doctor tells what works here",
    });
  },
  probe: () => Promise.reject(new VarveError("SANDBOX_UNAVAILABLE", "the sandbox none runs nothing")),
  start() {
    throw new VarveError("SANDBOX_UNAVAILABLE", "the sandbox none runs nothing");
  },
  losses: () => [],
};
