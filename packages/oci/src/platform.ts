import { VarveError } from "@varve/errors";

/** image-spec image-index.md, `platform`; normalised by `parsePlatform`. */
export interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
  readonly variant?: string;
}

const COMPONENT = /^[A-Za-z0-9_.-]+$/;
const OS = /^([A-Za-z0-9_.-]+)(?:\(([A-Za-z0-9_.-]+)\))?$/;

const KNOWN_OS = new Set([
  "aix",
  "android",
  "darwin",
  "dragonfly",
  "freebsd",
  "illumos",
  "ios",
  "js",
  "linux",
  "macos",
  "netbsd",
  "openbsd",
  "plan9",
  "solaris",
  "wasip1",
  "windows",
  "zos",
]);
const KNOWN_ARCHITECTURES = new Set(
  ["386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"].concat([
    "i386",
    "x86_64",
    "x86-64",
    "aarch64",
    "armhf",
    "armel",
  ]),
);

/**
 * Parses `os[(version)]/architecture[/variant]` or just one known operating system or architecture, and normalises it. What is
 * left out comes from `defaults` (the host, say); without those the operating system is `linux`, and a lone operating system is an error.
 * Throws OCI_INVALID_PLATFORM.
 */
export function parsePlatform(text: string, defaults?: Platform): Platform {
  const parts = text.split("/");
  const [first = "", second, third] = parts;
  const os = OS.exec(first);
  if (os === null || parts.length > 3 || parts.slice(1).some((part) => !COMPONENT.test(part))) throw invalid(text);
  const version = os[2] === undefined ? {} : { "os.version": os[2] };
  if (second !== undefined) {
    return normalizePlatform({ os: os[1] ?? "", ...version, architecture: second, ...(third === undefined ? {} : { variant: third }) });
  }
  const lower = (os[1] ?? "").toLowerCase();
  if (KNOWN_OS.has(lower)) {
    if (defaults === undefined) throw invalid(text);
    const { architecture, variant } = defaults;
    return normalizePlatform({ os: lower, ...version, architecture, ...(variant === undefined ? {} : { variant }) });
  }
  if (KNOWN_ARCHITECTURES.has(lower) && os[2] === undefined) return normalizePlatform({ os: defaults?.os ?? "linux", architecture: lower });
  throw invalid(text);
}

/** `linux/arm64`, `linux/arm/v7`. The OS version is left out, as Docker does. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined || variant === "" ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** One spelling for each platform: `x86_64` is `amd64`, `aarch64` is `arm64`, arm's default is `v7`, arm64's `v8` and amd64's `v1` are left out. */
export function normalizePlatform(platform: Platform): Platform {
  const { architecture, variant } = normalizeArchitecture(platform.architecture.toLowerCase(), (platform.variant ?? "").toLowerCase());
  const os = platform.os.toLowerCase();
  const version = platform["os.version"];
  const features = platform["os.features"];
  return {
    architecture,
    os: os === "macos" ? "darwin" : os,
    ...(version === undefined || version === "" ? {} : { "os.version": version }),
    ...(features === undefined || features.length === 0 ? {} : { "os.features": features }),
    ...(variant === "" ? {} : { variant }),
  };
}

function normalizeArchitecture(architecture: string, given: string): { architecture: string; variant: string } {
  const variant = /^[0-9]/.test(given) ? `v${given}` : given;
  switch (architecture) {
    case "i386":
      return { architecture: "386", variant: "" };
    case "x86_64":
    case "x86-64":
    case "amd64":
      return { architecture: "amd64", variant: variant === "v1" ? "" : variant };
    case "aarch64":
    case "arm64":
      return { architecture: "arm64", variant: variant === "v8" || variant === "v8.0" ? "" : variant === "v9.0" ? "v9" : variant };
    case "armhf":
      return { architecture: "arm", variant: "v7" };
    case "armel":
      return { architecture: "arm", variant: "v6" };
    case "arm":
      return { architecture: "arm", variant: variant === "" ? "v7" : variant };
    default:
      return { architecture, variant: given };
  }
}

function invalid(text: string): VarveError {
  return new VarveError("OCI_INVALID_PLATFORM", `invalid platform ${JSON.stringify(text.slice(0, 100))}`, {
    hint: "a platform is os/architecture or os/architecture/variant, for example linux/amd64 or linux/arm/v7",
  });
}
