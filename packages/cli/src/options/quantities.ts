import { VarveError } from "@varve/errors";

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** Bytes from docker's `64m`, `1.5gb`, `1024`. Throws CLI_USAGE. */
export function parseBytes(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?$/i.exec(text.trim());
  const unit = UNITS[(match?.[2] ?? "").toLowerCase()];
  if (match?.[1] === undefined || unit === undefined) {
    throw new VarveError("CLI_USAGE", `${option}: ${JSON.stringify(text)} is no size`, { hint: "for example 64m" });
  }
  return Math.floor(Number(match[1]) * unit);
}

/** `12.3MB` for people, powers of 1000 as docker prints them. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(3))}${units[unit] ?? ""}`;
}

/** Milliseconds from Go's durations, and days: `24h`, `1h30m`, `7d`. Throws CLI_USAGE. */
export function parseDuration(option: string, text: string): number {
  const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)];
  if (text === "" || parts.map(([part]) => part).join("") !== text) {
    throw new VarveError("CLI_USAGE", `${option}: ${JSON.stringify(text)} is no duration`, { hint: "for example 24h or 7d" });
  }
  return parts.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (units[unit] ?? 0), 0);
}

/** `3 hours ago` for people; `now` and `then` in milliseconds since the epoch. */
export function formatAge(then: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  const steps: readonly (readonly [number, string])[] = [
    [31_536_000, "year"],
    [2_592_000, "month"],
    [604_800, "week"],
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ];
  for (const [size, name] of steps) {
    const count = Math.floor(seconds / size);
    if (count >= 1) return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return `${seconds} second${seconds === 1 ? "" : "s"} ago`;
}

/** setrlimit(2), by docker's names. */
const LIMITS = "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" ");

/** `NAME=soft[:hard]` as docker's --ulimit. Throws CLI_USAGE. */
export function parseUlimit(text: string): { readonly name: string; readonly soft: number; readonly hard: number } {
  const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new VarveError("CLI_USAGE", `--ulimit: ${JSON.stringify(text)} is not NAME=SOFT[:HARD]`, { hint: "for example nofile=1024:4096" });
  }
  if (!LIMITS.includes(match[1])) throw new VarveError("CLI_USAGE", `--ulimit: there is no limit ${match[1]}`, { hint: `known: ${LIMITS.join(", ")}` });
  return { name: match[1], soft: Number(match[2]), hard: Number(match[3] ?? match[2]) };
}

/** `HOST:IP` or `HOST=IP` as docker's --add-host. Throws CLI_USAGE. */
export function parseHost(text: string): { readonly host: string; readonly address: string } {
  const match = /^([^:=]+)[:=]\[?([0-9a-fA-F.:]+)\]?$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new VarveError("CLI_USAGE", `--add-host: ${JSON.stringify(text)} is not HOST:IP`);
  }
  return { host: match[1], address: match[2] };
}
