import type { Entitlement, BuildOptions } from "@varve/build";
import { VarveError } from "@varve/errors";
import type { ProgressMode } from "../progress/progress.ts";
import type { Session } from "../session.ts";
import { parseAssignments, parseFields, refuseUnknownFields } from "./key-values.ts";
import { parseBytes, parseHost, parseUlimit } from "./quantities.ts";
import { type RungFlags, rungChoice } from "./rung.ts";

/** What commander gives for a command that builds: all that a result depends on. */
export interface BuildInputFlags extends RungFlags {
  readonly file?: string;
  readonly buildArg: readonly string[];
  readonly label: readonly string[];
  readonly target?: string;
  readonly pull?: boolean;
  readonly progress: ProgressMode;
  readonly network: "default" | "none" | "host";
  readonly secret: readonly string[];
  readonly ssh: readonly string[];
  readonly buildContext: readonly string[];
  readonly allow: readonly string[];
  readonly addHost: readonly string[];
  readonly shmSize?: string;
  readonly ulimit: readonly string[];
  readonly insecureRegistry: readonly string[];
}

/** The flags as options of a build. Throws CLI_USAGE. */
export function buildInputs(
  session: Session,
  context: string,
  flags: BuildInputFlags,
): Omit<BuildOptions, "tags" | "push" | "outputs" | "noCache" | "platforms"> {
  return {
    context,
    ...(flags.file === undefined ? {} : { file: flags.file }),
    buildArgs: parseAssignments(flags.buildArg, session.env),
    labels: Object.fromEntries(flags.label.map((label) => splitPair(label))),
    buildContexts: Object.fromEntries(flags.buildContext.map((text) => namedContext(text))),
    ...(flags.target === undefined ? {} : { target: flags.target }),
    pull: flags.pull === true,
    network: flags.network,
    secrets: flags.secret.map((text) => parseSecret(text)),
    ssh: flags.ssh.map((text) => parseSsh(text)),
    allow: flags.allow.map((text) => parseEntitlement(text)),
    addHosts: flags.addHost.map((text) => parseHost(text)),
    ...(flags.shmSize === undefined ? {} : { shmSize: parseBytes("--shm-size", flags.shmSize) }),
    ulimits: flags.ulimit.map((text) => parseUlimit(text)),
    ...rungChoice(flags, session),
    insecureRegistries: [...session.insecureRegistries, ...flags.insecureRegistry],
    home: session.home,
    signal: session.signal,
  };
}

function splitPair(text: string): [string, string] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
}

function namedContext(text: string): [string, string] {
  const [name, value] = splitPair(text);
  if (name === "" || value === "") throw new VarveError("CLI_USAGE", `--build-context: ${JSON.stringify(text)} is not name=source`);
  return [name, value];
}

function parseSecret(text: string): { readonly id: string; readonly file?: string; readonly env?: string } {
  const fields = parseFields("--secret", text);
  refuseUnknownFields("--secret", fields, ["type", "id", "src", "source", "env"]);
  const id = fields.get("id");
  const type = fields.get("type");
  if (id === undefined || id === "") throw new VarveError("CLI_USAGE", `--secret ${text}: no id`, { hint: "for example --secret id=token,src=token.txt" });
  if (type !== undefined && type !== "file" && type !== "env") {
    throw new VarveError("CLI_USAGE", `--secret ${text}: unknown type ${JSON.stringify(type)}`, { hint: "known types: file, env" });
  }
  const source = fields.get("src") ?? fields.get("source");
  const env = fields.get("env") ?? (type === "env" ? (source ?? id) : undefined);
  if (env !== undefined) return { id, env };
  return source === undefined ? { id } : { id, file: source };
}

function parseSsh(text: string): { readonly id: string; readonly socket?: string } {
  const [id, socket] = splitPair(text);
  return socket === "" ? { id } : { id, socket };
}

function parseEntitlement(text: string): Entitlement {
  if (text === "security.insecure" || text === "network.host") return text;
  throw new VarveError("CLI_USAGE", `--allow: unknown entitlement ${JSON.stringify(text)}`, { hint: "known are security.insecure, network.host" });
}
