import { toBytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { SandboxProcess } from "./sandbox-process.ts";

/** Throws SANDBOX_UNSUPPORTED for what only a sandbox with namespaces of its own can give a step. */
export function refuseNamespaces(step: Pick<SandboxProcess, "network" | "insecure">, driver: string): void {
  const asked = step.network === "none" ? "a step without a network" : step.insecure ? "an insecure step" : undefined;
  if (asked === undefined) return;
  throw new VarveError("SANDBOX_UNSUPPORTED", `${asked} cannot be run by the sandbox ${driver}`, {
    hint: "it needs a sandbox with namespaces: CAP_SYS_ADMIN, or unprivileged user namespaces",
  });
}

const DEV = toBytePath("dev");

/** Throws SANDBOX_UNSUPPORTED for a mount over all devices, where what starts the step needs some. */
export function refuseMountOnDev(step: Pick<SandboxProcess, "mounts">, driver: string): void {
  if (!step.mounts.some(({ target }) => target === DEV)) return;
  throw new VarveError("SANDBOX_UNSUPPORTED", `nothing can be mounted on /dev by the sandbox ${driver}`, {
    hint: "mount on a directory below it, or use the sandbox namespace or userns",
  });
}
