import type { Session } from "../session.ts";

/** What commander gives for the options that choose a rung. */
export interface RungFlags {
  readonly sandbox?: string;
  readonly requireIsolation?: boolean;
}

/** The rung asked for: by option, else by `$VARVE_SANDBOX`. */
export function rungChoice(flags: RungFlags, session: Pick<Session, "env">): { readonly sandbox?: string; readonly requireIsolation: boolean } {
  // an empty variable is how shells unset one for a command
  const sandbox = flags.sandbox ?? (session.env["VARVE_SANDBOX"] || undefined);
  return { ...(sandbox === undefined ? {} : { sandbox }), requireIsolation: flags.requireIsolation === true };
}
