import { createReadStream, existsSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import type { ByteStream } from "@varve/bytes";
import type { BuildOptions } from "@varve/build";
import { VarveError } from "@varve/errors";
import type { Session } from "../session.ts";

/** What of a build's options says where the context and the Dockerfile are. */
export type ContextOptions = Pick<BuildOptions, "context" | "file" | "dockerfile" | "stdin">;

/** What kaniko's flags say of it. */
export interface ContextFlags {
  readonly context: string;
  readonly subPath: string;
  readonly dockerfile: string;
  /** `branch=…` and the like. */
  readonly git: readonly string[];
}

/** Reads kaniko's kinds of contexts. Throws CLI_USAGE for those that need a cloud's client. */
export function kanikoContext(flags: ContextFlags, session: Pick<Session, "env" | "redactor">): ContextOptions {
  const [, scheme = "", rest = ""] = /^([a-z0-9]+):\/\/(.*)$/.exec(flags.context) ?? ["", "dir", flags.context];
  switch (scheme) {
    case "dir": {
      const context = join(rest, flags.subPath);
      const file = existsSync(flags.dockerfile) ? flags.dockerfile : join(context, flags.dockerfile);
      return { context, file };
    }
    case "tar":
      refuseSubPath(flags, "a tar");
      return { context: "-", ...packedDockerfile(flags.dockerfile), ...(rest === "stdin" ? {} : { stdin: readTar(rest) }) };
    case "git":
      return { context: gitURL(rest, flags, session), ...packedDockerfile(flags.dockerfile) };
    case "https":
    case "http":
      refuseSubPath(flags, "a tar");
      return { context: flags.context, ...packedDockerfile(flags.dockerfile) };
    case "gs":
    case "s3":
      throw new VarveError("CLI_USAGE", `contexts from ${scheme}:// are not supported`, {
        hint: "fetch the tar first, and give it with --context tar://PATH",
      });
    default:
      throw new VarveError("CLI_USAGE", `unknown kind of context ${JSON.stringify(flags.context)}`, {
        hint: "known are dir://, tar://, git:// and https://",
      });
  }
}

/** A Dockerfile in a context that is no directory; one of this machine goes before it. */
function packedDockerfile(path: string): Pick<BuildOptions, "file" | "dockerfile"> {
  return existsSync(path) ? { file: path, dockerfile: readFileSync(path, "utf8") } : { file: normalize(path) };
}

function readTar(path: string): ByteStream {
  if (!existsSync(path)) throw new VarveError("CLI_USAGE", `there is no context ${path}`);
  return createReadStream(path, { highWaterMark: 1024 * 1024 }) as ByteStream;
}

function refuseSubPath({ subPath }: ContextFlags, what: string): void {
  if (subPath !== "") throw new VarveError("CLI_USAGE", `--context-sub-path of ${what} is not supported`, { hint: "pack the folder itself" });
}

/** `HOST/PATH[#REF][#COMMIT]` is fetched by https unless `GIT_PULL_METHOD` says otherwise. */
function gitURL(rest: string, flags: ContextFlags, { env, redactor }: Pick<Session, "env" | "redactor">): string {
  const [address = "", ...refs] = rest.split("#");
  const known = flags.git.flatMap((text) => text.split(",")).map((text) => text.split("=", 2));
  const other = known.find(([name, value]) => name !== "branch" && !(name === "single-branch" && value !== undefined))?.[0];
  if (other !== undefined) throw new VarveError("CLI_USAGE", `--git ${other} is not supported`, { hint: "known is branch=NAME" });
  const ref = refs.at(-1) ?? known.find(([name]) => name === "branch")?.[1] ?? "";
  const method = env["GIT_PULL_METHOD"] ?? "https";
  const path = address.endsWith(".git") ? address : `${address}.git`;
  return `${method}://${credentials(env, redactor)}${path}#${ref.replace(/^refs\/(?:heads|tags)\//, "")}${flags.subPath === "" ? "" : `:${flags.subPath}`}`;
}

function credentials(env: NodeJS.ProcessEnv, redactor: Session["redactor"]): string {
  const token = env["GIT_TOKEN"];
  const [user, password] = token === undefined ? [env["GIT_USERNAME"], env["GIT_PASSWORD"]] : ["x-access-token", token];
  for (const secret of password === undefined || password === "" ? [] : [password, encodeURIComponent(password)]) redactor.add(secret);
  return user === undefined || user === "" ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(password ?? "")}@`;
}
