import { VarveError } from "@varve/errors";
import { requireWritable } from "@varve/image";
import type { Output } from "../build-options.ts";

/** Finds out before the build what an output could not be at its end. Throws BUILD_INVALID_OPTION, BUILD_UNSUPPORTED or IMAGE_OUTPUT. */
export async function requireDestinations(outputs: readonly Output[], platforms: number): Promise<void> {
  for (const output of outputs) {
    if (output.type === "docker" && !output.tar) {
      throw new VarveError("BUILD_UNSUPPORTED", "type=docker,tar=false is not supported", { hint: "write type=oci,tar=false" });
    }
    if (platforms > 1 && (output.type === "docker" || output.type === "tar")) {
      throw new VarveError("BUILD_INVALID_OPTION", `type=${output.type} holds one platform only`, { hint: "write type=oci, or build one platform" });
    }
    const isFile = output.type === "tar" || ((output.type === "oci" || output.type === "docker") && output.tar);
    if (isFile && output.dest !== "-") await requireWritable(output.dest);
  }
}
