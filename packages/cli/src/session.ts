import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Redactor } from "@varve/errors";

/** What a command has to work with; made once in `main`. */
export interface Session {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  readonly env: NodeJS.ProcessEnv;
  /** The store's folder. */
  readonly home: string;
  readonly insecureRegistries: readonly string[];
  readonly redactor: Redactor;
  /** Results: what a script reads. */
  readonly print: (text: string) => void;
  /** Everything said to people while working; bytes as they are but for secrets. */
  readonly say: (text: string | Uint8Array) => void;
  /** `--debug`. */
  readonly debug: boolean;
}

/** `$VARVE_HOME`, else `$XDG_DATA_HOME/varve`, else `~/.local/share/varve`. */
export function defaultHome(env: NodeJS.ProcessEnv): string {
  const named = env["VARVE_HOME"];
  if (named !== undefined && named !== "") return resolve(named);
  const data = env["XDG_DATA_HOME"];
  return join(data !== undefined && data !== "" ? data : join(homedir(), ".local", "share"), "varve");
}
