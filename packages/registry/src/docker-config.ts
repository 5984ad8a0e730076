import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { VarveError } from "@varve/errors";
import type { Credentials, CredentialSource } from "./client.ts";
import { askCredentialHelper } from "./credential-helper.ts";
import { isDockerHub } from "./host.ts";
import type { Environment } from "./proxy.ts";

/** The key of Docker Hub in config.json. */
const HUB_KEY = "https://index.docker.io/v1/";

/** Where docker's credentials are. */
export interface DockerConfigOptions {
  /** Default: `$DOCKER_CONFIG/config.json`, else `.docker/config.json` in the home directory. */
  readonly configFile?: string | undefined;
  /** Default: the process's own. Also what credential helpers are looked up with and run in. */
  readonly env?: Environment | undefined;
}

/**
 * Credentials as docker keeps them: a helper named for the registry (`credHelpers`), else the one for all (`credsStore`), else `auths`
 * (`auth`, `identitytoken`, `registrytoken`, `username` and `password`). The file is read at each look-up; one that is not there has no
 * credentials. Throws REGISTRY_CREDENTIALS when the file can't be read or a helper fails.
 */
export function dockerConfigCredentials(options: DockerConfigOptions = {}): CredentialSource {
  const env = options.env ?? process.env;
  const file = options.configFile ?? defaultFile(env);
  return async (registry, io) => {
    const config = await readConfig(file);
    if (config === undefined) return undefined;
    const keys = isDockerHub(registry) ? [HUB_KEY, "index.docker.io", "docker.io", "registry-1.docker.io"] : [registry];
    const helpers = recordOf(config["credHelpers"]);
    for (const key of keys) {
      const helper = helpers.get(key);
      if (typeof helper === "string" && helper !== "") return askCredentialHelper({ helper, server: key, env, signal: io?.signal });
    }
    const store = config["credsStore"];
    if (typeof store === "string" && store !== "") {
      const found = await askCredentialHelper({ helper: store, server: keys[0] ?? registry, env, signal: io?.signal });
      if (found !== undefined) return found;
    }
    return fromAuths(recordOf(config["auths"]), keys, file);
  };
}

function defaultFile(env: Environment): string {
  const folder = env["DOCKER_CONFIG"];
  const home = env["HOME"];
  return join(folder !== undefined && folder !== "" ? folder : join(home !== undefined && home !== "" ? home : homedir(), ".docker"), "config.json");
}

async function readConfig(file: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new VarveError("REGISTRY_CREDENTIALS", `cannot read ${file}`, { cause });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch {
    // JSON.parse quotes what it can't read, which may be a password: no cause
  }
  throw new VarveError("REGISTRY_CREDENTIALS", `${file} is not a JSON object`, { hint: "docker login writes it anew" });
}

function fromAuths(auths: ReadonlyMap<string, unknown>, keys: readonly string[], file: string): Credentials | undefined {
  for (const key of keys) {
    const found = entryCredentials(auths.get(key), key, file);
    if (found !== undefined) return found;
  }
  // older tools wrote URLs: https://host, https://host/v1/
  for (const [key, entry] of auths) {
    if (keys.includes(key) || !keys.includes(hostOf(key))) continue;
    const found = entryCredentials(entry, key, file);
    if (found !== undefined) return found;
  }
  return undefined;
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
}

function entryCredentials(entry: unknown, key: string, file: string): Credentials | undefined {
  if (!isRecord(entry)) return undefined;
  const text = (name: string): string | undefined => {
    const value = entry[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const registryToken = text("registrytoken");
  if (registryToken !== undefined) return { kind: "bearer", token: registryToken };
  const identityToken = text("identitytoken");
  if (identityToken !== undefined) return { kind: "identity-token", token: identityToken };
  const auth = text("auth");
  if (auth !== undefined) return decodeAuth(auth, key, file);
  const username = text("username");
  return username === undefined ? undefined : { kind: "basic", username, password: text("password") ?? "" };
}

/** base64 of `user:password`; docker itself pads some with NUL. */
function decodeAuth(auth: string, key: string, file: string): Credentials {
  const plain = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = plain.indexOf(":");
  if (colon <= 0)
    throw new VarveError("REGISTRY_CREDENTIALS", `the auth of ${key} in ${file} is not base64 of user:password`, {
      hint: `docker login ${key} writes it anew`,
    });
  return { kind: "basic", username: plain.slice(0, colon), password: plain.slice(colon + 1) };
}

function recordOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(isRecord(value) ? Object.entries(value) : []);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
