import { normalizePlatform, type Platform } from "@varve/oci";

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "amd64",
  ia32: "386",
  arm64: "arm64",
  arm: "arm",
  ppc64: "ppc64le",
  s390x: "s390x",
  riscv64: "riscv64",
  loong64: "loong64",
  mips: "mips",
  mipsel: "mipsle",
};

/** The platform RUN steps run on: this machine's architecture, always Linux. */
export function hostPlatform(): Platform {
  return normalizePlatform({ os: "linux", architecture: ARCHITECTURES[process.arch] ?? process.arch });
}
