import { arch } from "node:process";
import { normalizePlatform, type Platform } from "@varve/oci";

const GO_NAMES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le", mipsel: "mipsle", loong64: "loong64" };

/** What images for this machine are called; containers are Linux also on hosts that are not. */
export function machinePlatform(): Platform {
  return normalizePlatform({ os: "linux", architecture: GO_NAMES[arch] ?? arch });
}
