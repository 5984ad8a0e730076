import { VarveError } from "@varve/errors";

const NUMBERS: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

/** A limit as `--ulimit name=soft:hard` gives it; -1 is unlimited. */
export interface ResourceLimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** RLIMIT_* number of a ulimit's name; SANDBOX_UNKNOWN_LIMIT when there is none. */
export function resourceLimitNumber(name: string): number {
  const number = Object.hasOwn(NUMBERS, name) ? NUMBERS[name] : undefined;
  if (number === undefined) {
    throw new VarveError("SANDBOX_UNKNOWN_LIMIT", `unknown ulimit ${JSON.stringify(name)}`, { hint: `one of ${Object.keys(NUMBERS).join(", ")}` });
  }
  return number;
}
